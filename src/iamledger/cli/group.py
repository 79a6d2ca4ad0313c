"""Groups: create, show, list, update, delete, add-user, remove-user."""

from __future__ import annotations

from typing import Annotated

import typer

from iamledger.cli.completing import GROUP, USER
from iamledger.cli.groups import commands
from iamledger.cli.permits import permit
from iamledger.cli.session import Reading, Writing, reading, writing

app = commands("Groups of users. A user gets the policies of its groups.")

GroupName = Annotated[str, typer.Argument(metavar="GROUP", help="Name of the group.", autocompletion=GROUP)]
UserName = Annotated[str, typer.Argument(metavar="USER", help="Name of the user.", autocompletion=USER)]
COLUMNS = ("GroupName", "GroupId", "Path", "CreateDate", "Members", "AttachedPolicies")


@app.command(epilog="Example: iamledger group create admins --path /operations/")
@writing(creates=True)
def create(
    to: Writing,
    name: Annotated[str, typer.Argument(metavar="GROUP", help="1 to 128 letters, digits and _+=,.@-")],
    path: Annotated[str, typer.Option("--path", help="Path, such as /operations/.")] = "/",
) -> None:
    """Create a group."""
    from iamledger.iam.group import GroupCreated, create_group
    from iamledger.iam.identifiers import arn

    outcome = to.execute(create_group, name=name, path=path)
    record = None
    for group in outcome.events:
        if isinstance(group, GroupCreated):
            group_arn = arn(to.account_id, "group", group.path, group.group_name)
            record = {"GroupName": group.group_name, "GroupId": group.group_id, "Arn": group_arn}
    to.tell(outcome, f"Created group {name}.", record)


@app.command(epilog="Example: iamledger group show admins --as-of 2026-11-24")
@reading(permit("group", "name", "GetGroup", "ListAttachedGroupPolicies", "ListGroupPolicies"), diff=True)
def show(at: Reading, name: GroupName) -> None:
    """Show a group, with its members, its attached and its inline policies."""
    from iamledger.iam import constraints
    from iamledger_projections.reports.whole import whole_group

    constraints.GROUP_NAME.check(name)
    projections = ("groups", "users", "memberships", "attached_policies", "managed_policies", "inline_policies")
    at.show("Group", projections, whole_group, name, "GroupId")


@app.command("list", epilog="Example: iamledger group list --path-prefix /operations/ --output csv")
@reading(permit("group", "path_prefix", "ListGroups"))
def list_(
    at: Reading,
    path_prefix: Annotated[str, typer.Option("--path-prefix", help="Only groups whose path begins so.")] = "/",
) -> None:
    """List groups."""
    from iamledger.iam import constraints
    from iamledger_projections.groups import list_groups

    constraints.PATH_PREFIX.check(path_prefix)
    with at.view("groups", "memberships", "attached_policies") as view:
        at.tell("Groups", list_groups(view, path_prefix), view, COLUMNS)


@app.command(epilog="Example: iamledger group update admins --new-name administrators")
@writing()
def update(
    to: Writing,
    name: GroupName,
    new_name: Annotated[str | None, typer.Option("--new-name", help="Rename the group.")] = None,
    new_path: Annotated[str | None, typer.Option("--new-path", help="Move the group to another path.")] = None,
) -> None:
    """Rename a group, move it to another path, or both. Members, policies and history stay with it."""
    from iamledger.iam.group import update_group

    if new_name is None and new_path is None:
        raise typer.BadParameter("give --new-name, --new-path or both")
    outcome = to.execute(update_group, group=name, new_name=new_name, new_path=new_path)
    to.tell(outcome, f"Updated group {new_name or name}.")


@app.command(epilog="Example: iamledger group delete admins --reason 'merged into operations'")
@writing()
def delete(to: Writing, name: GroupName) -> None:
    """Delete a group, which must have no members and no policies left. Its history stays in the ledger."""
    from iamledger.iam.group import delete_group

    to.tell(to.execute(delete_group, group=name), f"Deleted group {name}.")


@app.command("add-user", epilog="Example: iamledger group add-user admins alice --reason 'on call' --ticket OPS-12")
@writing()
def add_user(to: Writing, name: GroupName, user: UserName) -> None:
    """Make a user a member of a group. Doing it twice changes nothing."""
    from iamledger.iam.membership import add_user_to_group

    to.tell(to.execute(add_user_to_group, user=user, group=name), f"Added user {user} to group {name}.")


@app.command("remove-user", epilog="Example: iamledger group remove-user admins alice")
@writing()
def remove_user(to: Writing, name: GroupName, user: UserName) -> None:
    """End a user's membership in a group. If there is none, nothing changes."""
    from iamledger.iam.membership import remove_user_from_group

    to.tell(to.execute(remove_user_from_group, user=user, group=name), f"Removed user {user} from group {name}.")

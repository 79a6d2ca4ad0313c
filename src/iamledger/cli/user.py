"""Users: create, show, list, update, move, delete, tag, untag."""

from __future__ import annotations

from typing import Annotated

import typer

from iamledger.cli.completing import GROUP, USER
from iamledger.cli.groups import commands
from iamledger.cli.permits import permit
from iamledger.cli.session import Reading, Writing, reading, writing

app = commands("Users of an account.")

UserName = Annotated[str, typer.Argument(metavar="USER", help="Name of the user.", autocompletion=USER)]
TagOption = Annotated[list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="A tag; can be repeated.")]
COLUMNS = ("UserName", "UserId", "Path", "CreateDate", "Tags")


@app.command(epilog="Example: iamledger user create alice --path /engineering/ --tag team=storage")
@writing(creates=True)
def create(
    to: Writing,
    name: Annotated[str, typer.Argument(metavar="USER", help="1 to 64 letters, digits and _+=,.@-")],
    path: Annotated[str, typer.Option("--path", help="Path, such as /engineering/.")] = "/",
    tag: TagOption = None,
) -> None:
    """Create a user."""
    from iamledger.iam.identifiers import arn
    from iamledger.iam.user import UserCreated, create_user

    outcome = to.execute(create_user, name=name, path=path, tags=pairs(tag))
    record = None
    for user in outcome.events:
        if isinstance(user, UserCreated):
            user_arn = arn(to.account_id, "user", user.path, user.user_name)
            record = {"UserName": user.user_name, "UserId": user.user_id, "Arn": user_arn}
    to.tell(outcome, f"Created user {name}.", record)


@app.command(epilog="Example: iamledger user show alice --as-of 2026-11-24T09:00:00Z")
@reading(
    permit(
        "user", "name", "GetUser", "ListGroupsForUser", "ListAttachedUserPolicies", "ListUserPolicies", "ListAccessKeys"
    ),
    diff=True,
)
def show(at: Reading, name: UserName) -> None:
    """Show a user: groups, attached and inline policies, boundary, access keys and their age."""
    from iamledger.iam import constraints
    from iamledger_projections.reports.whole import whole_user

    constraints.EXISTING_USER_NAME.check(name)
    projections = (
        "users", "groups", "memberships", "attached_policies", "managed_policies", "inline_policies",
        "permissions_boundaries", "access_keys", "access_key_uses",
    )  # fmt: skip
    at.show("User", projections, whole_user, name, "UserId")


@app.command("list", epilog="Example: iamledger user list --path-prefix /engineering/ --output csv")
@reading(permit("user", "path_prefix", "ListUsers"))
def list_(
    at: Reading,
    path_prefix: Annotated[str, typer.Option("--path-prefix", help="Only users whose path begins so.")] = "/",
) -> None:
    """List users."""
    from iamledger.iam import constraints
    from iamledger_projections.users import list_users

    constraints.PATH_PREFIX.check(path_prefix)
    with at.view("users") as view:
        at.tell("Users", list_users(view, path_prefix), view, COLUMNS)


@app.command(epilog="Example: iamledger user update alice --new-name alice.smith --reason 'married'")
@writing()
def update(
    to: Writing,
    name: UserName,
    new_name: Annotated[str | None, typer.Option("--new-name", help="Rename the user.")] = None,
    new_path: Annotated[str | None, typer.Option("--new-path", help="Move the user to another path.")] = None,
) -> None:
    """Rename a user, move it to another path, or both. Keys, tags and history stay with it."""
    from iamledger.iam.user import update_user

    if new_name is None and new_path is None:
        raise typer.BadParameter("give --new-name, --new-path or both")
    outcome = to.execute(update_user, user=name, new_name=new_name, new_path=new_path)
    to.tell(outcome, f"Updated user {new_name or name}.")


@app.command(epilog="Example: iamledger user move alice --from dev --to admin --reason 'new department'")
@writing()
def move(
    to: Writing,
    name: UserName,
    source: Annotated[
        str, typer.Option("--from", metavar="GROUP", help="The group that the user leaves.", autocompletion=GROUP)
    ],
    target: Annotated[
        str, typer.Option("--to", metavar="GROUP", help="The group that the user joins.", autocompletion=GROUP)
    ],
) -> None:
    """Move a user from one group to another, at once."""
    from iamledger.iam.membership import move_user

    outcome = to.execute(move_user, user=name, source=source, target=target)
    to.tell(outcome, f"Moved user {name} from group {source} to group {target}.")


@app.command(epilog="Example: iamledger user delete alice --reason 'left the company' --ticket HR-7")
@writing()
def delete(to: Writing, name: UserName) -> None:
    """Delete a user, who must have no access keys, groups and policies left. Its history stays in the ledger."""
    from iamledger.iam.user import delete_user

    to.tell(to.execute(delete_user, user=name), f"Deleted user {name}.")


@app.command(epilog="Example: iamledger user tag alice team=storage cost-center=17")
@writing()
def tag(
    to: Writing,
    name: UserName,
    tags: Annotated[list[str], typer.Argument(metavar="KEY=VALUE", help="Tags to set.")],
) -> None:
    """Set tags of a user. A key that it has already, in whatever case, gets the new value."""
    from iamledger.iam.user import tag_user

    to.tell(to.execute(tag_user, user=name, tags=pairs(tags)), f"Tagged user {name}.")


@app.command(epilog="Example: iamledger user untag alice team")
@writing()
def untag(
    to: Writing, name: UserName, keys: Annotated[list[str], typer.Argument(metavar="KEY", help="Tags to remove.")]
) -> None:
    """Remove tags from a user. Keys that it does not have are passed over."""
    from iamledger.iam.user import untag_user

    to.tell(to.execute(untag_user, user=name, keys=keys), f"Untagged user {name}.")


def pairs(tags: list[str] | None) -> list[tuple[str, str]]:
    """Tags written KEY=VALUE."""
    split = [tag.partition("=") for tag in tags or ()]
    for key, equals, _ in split:
        if not equals:
            raise typer.BadParameter(f"{key!r} is not KEY=VALUE")
    return [(key, value) for key, _, value in split]

"""Policies: managed ones and their versions, attachments, inline ones, permissions boundaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iamledger.cli.completing import GROUP, POLICY, USER
from iamledger.cli.documents import Document, document_text
from iamledger.cli.groups import commands
from iamledger.cli.permits import permit
from iamledger.cli.policy_texts import texts
from iamledger.cli.session import Reading, Writing, reading, writing

if TYPE_CHECKING:
    from iamledger.decisions import Command
    from iamledger.engine.view import View

app = commands("Policies: managed and inline ones, where they are attached, and permissions boundaries.")
version = commands("Versions of a managed policy: up to five, of which one is in force.")
boundary = commands("Permissions boundaries: what a user's policies can grant at most.")
app.add_typer(version, name="version")
app.add_typer(boundary, name="boundary")
app.add_typer(texts)

PolicyName = Annotated[str, typer.Argument(metavar="POLICY", help="Name or ARN of the policy.", autocompletion=POLICY)]
InlineName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the inline policy.")]
UserOption = Annotated[
    str | None, typer.Option("--user", metavar="USER", help="Of, or to, this user.", autocompletion=USER)
]
GroupOption = Annotated[
    str | None, typer.Option("--group", metavar="GROUP", help="Of, or to, this group.", autocompletion=GROUP)
]
VersionId = Annotated[str, typer.Argument(metavar="VERSION", help="Version, such as v2.")]
COLUMNS = ("PolicyName", "Arn", "DefaultVersionId", "AttachmentCount", "BoundaryUsageCount", "UpdateDate")


@app.command(epilog="Example: iamledger policy create deployers deployers.json --description 'what CI may do'")
@writing(creates=True)
def create(
    to: Writing,
    name: Annotated[str, typer.Argument(metavar="POLICY", help="1 to 128 letters, digits and _+=,.@-")],
    document: Document,
    path: Annotated[str, typer.Option("--path", help="Path, such as /operations/.")] = "/",
    description: Annotated[
        str | None, typer.Option("--description", help="What it is for; cannot be changed later.")
    ] = None,
) -> None:
    """Create a managed policy. Its first version is v1, kept as it was submitted."""
    from iamledger.iam import constraints
    from iamledger.iam.identifiers import arn
    from iamledger.iam.managed_policy import PolicyCreated, create_policy

    constraints.POLICY_NAME.check(name)
    constraints.POLICY_PATH.check(path)
    policy_arn = arn(to.account_id, "policy", path, name)
    outcome = to.execute(create_policy, name=policy_arn, document=document_text(document), description=description)
    record = None
    for policy in outcome.events:
        if isinstance(policy, PolicyCreated):
            record = {"PolicyName": name, "PolicyId": policy.policy_id, "Arn": policy_arn, "DefaultVersionId": "v1"}
    to.tell(outcome, f"Created policy {name}.", record)


@app.command(epilog="Example: iamledger policy show deployers --diff 2026-10-01 2026-11-24")
@reading(
    permit("policy", "policy", "GetPolicy", "GetPolicyVersion", "ListPolicyVersions", "ListEntitiesForPolicy"),
    diff=True,
)
def show(at: Reading, policy: PolicyName) -> None:
    """Show a managed policy: versions, what it is attached to, and the text in force."""
    from iamledger_projections.reports.whole import whole_policy

    projections = (
        "managed_policies", "policy_versions", "attached_policies", "permissions_boundaries", "users", "groups",
    )  # fmt: skip
    at.show("Policy", projections, whole_policy, policy, "Arn")


@app.command("list", epilog="Example: iamledger policy list --scope all --attached")
@reading(permit("policy", "path_prefix", "ListPolicies"))
def list_(
    at: Reading,
    scope: Annotated[
        str, typer.Option("--scope", help="local: the account's own; aws: managed by AWS; all.")
    ] = "local",
    path_prefix: Annotated[str, typer.Option("--path-prefix", help="Only policies whose path begins so.")] = "/",
    attached: Annotated[bool, typer.Option("--attached", help="Only policies that are attached.")] = False,
) -> None:
    """List managed policies, with how many users and groups each is attached to."""
    from iamledger.iam import constraints
    from iamledger_projections.managed_policies import list_policies

    scopes = {"local": "Local", "aws": "AWS", "all": None}
    if scope.lower() not in scopes:
        raise typer.BadParameter(f"{scope!r} is not one of local, aws, all", param_hint="--scope")
    constraints.PATH_PREFIX.check(path_prefix)
    with at.view("managed_policies", "attached_policies", "permissions_boundaries") as view:
        at.tell("Policies", list_policies(view, scopes[scope.lower()], path_prefix, attached), view, COLUMNS)


@app.command(epilog="Example: iamledger policy delete deployers --reason 'replaced by releases'")
@writing()
def delete(
    to: Writing,
    policy: PolicyName,
    with_versions: Annotated[bool, typer.Option("--with-versions", help="Delete its other versions first.")] = False,
) -> None:
    """Delete a managed policy that is attached to nothing and has one version left. Its texts stay in the ledger."""
    from iamledger.iam.managed_policy import delete_policy

    outcome = to.execute(delete_policy, **_policy(to, policy), with_versions=with_versions)
    to.tell(outcome, f"Deleted policy {policy}.")


@app.command(epilog="Example: iamledger policy attach ReadOnlyAccess --group auditors --ticket SEC-9")
@writing()
def attach(to: Writing, policy: PolicyName, user: UserOption = None, group: GroupOption = None) -> None:
    """Attach a managed policy to a user or a group. Attaching twice changes nothing."""
    from iamledger.iam.attachment import attach_group_policy, attach_user_policy

    decision, whom, told = _principal(user, group, attach_user_policy, attach_group_policy)
    named = _policy(to, policy)
    to.tell(to.execute(decision, **whom, **named), f"Attached policy {named['policy']} to {told}.")


@app.command(epilog="Example: iamledger policy detach ReadOnlyAccess --group auditors")
@writing()
def detach(to: Writing, policy: PolicyName, user: UserOption = None, group: GroupOption = None) -> None:
    """Detach a managed policy from a user or a group."""
    from iamledger.iam.attachment import detach_group_policy, detach_user_policy

    decision, whom, told = _principal(user, group, detach_user_policy, detach_group_policy)
    named = _policy(to, policy)
    to.tell(to.execute(decision, **whom, **named), f"Detached policy {named['policy']} from {told}.")


@app.command("put-inline", epilog="Example: iamledger policy put-inline own-keys own-keys.json --user alice")
@writing()
def put_inline(
    to: Writing, name: InlineName, document: Document, user: UserOption = None, group: GroupOption = None
) -> None:
    """Write an inline policy of a user or a group, or replace it. The same text again changes nothing."""
    from iamledger.iam.inline_policy import put_group_policy, put_user_policy

    decision, whom, told = _principal(user, group, put_user_policy, put_group_policy)
    outcome = to.execute(decision, **whom, policy_name=name, document=document_text(document))
    to.tell(outcome, f"Put inline policy {name} of {told}.")


@app.command("show-inline", epilog="Example: iamledger policy show-inline own-keys --user alice")
@reading(
    permit("user", "user", "GetUserPolicy", optional=True),
    permit("group", "group", "GetGroupPolicy", optional=True),
    diff=True,
)
def show_inline(at: Reading, name: InlineName, user: UserOption = None, group: GroupOption = None) -> None:
    """Show an inline policy of a user or a group, with its text."""
    from iamledger.iam import constraints
    from iamledger_projections.inline_policies import get_inline_policy

    constraints.POLICY_NAME.check(name)
    id_of = _id_of(user, group)
    read = ("users", "groups", "inline_policies")
    at.show("Policy", read, lambda view, called: get_inline_policy(view, id_of(view), called), name)


@app.command("list-inline", epilog="Example: iamledger policy list-inline --group auditors")
@reading(
    permit("user", "user", "ListUserPolicies", optional=True),
    permit("group", "group", "ListGroupPolicies", optional=True),
)
def list_inline(at: Reading, user: UserOption = None, group: GroupOption = None) -> None:
    """List the inline policies of a user or a group."""
    from iamledger_projections.inline_policies import list_inline_policies

    id_of = _id_of(user, group)
    with at.view("users", "groups", "inline_policies") as view:
        at.tell("Policies", list_inline_policies(view, id_of(view)), view)


@app.command("delete-inline", epilog="Example: iamledger policy delete-inline own-keys --user alice")
@writing()
def delete_inline(to: Writing, name: InlineName, user: UserOption = None, group: GroupOption = None) -> None:
    """Delete an inline policy of a user or a group. Its text stays in the ledger."""
    from iamledger.iam.inline_policy import delete_group_policy, delete_user_policy

    decision, whom, told = _principal(user, group, delete_user_policy, delete_group_policy)
    to.tell(to.execute(decision, **whom, policy_name=name), f"Deleted inline policy {name} of {told}.")


@app.command("import-managed", epilog="Example: iamledger policy import-managed aws-policies/")
@writing()
def import_managed(
    to: Writing,
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Files NAME.json; folders in it are paths.", file_okay=False),
    ],
) -> None:
    """Take over policies that AWS manages: arn:aws:iam::aws:policy/PATH/NAME for each DIR/PATH/NAME.json.

    A file holds the policy's document. A text that is new becomes the default version; the same text changes nothing.
    """
    files = sorted(file for file in folder.rglob("*.json") if file.is_file() and not file.is_symlink())
    if not files:
        raise typer.BadParameter(f"there is no file *.json in {folder}", param_hint="DIR")
    from iamledger.iam.refusals import Refusal

    try:
        outcome = to.execute_all(list(_imports(folder, files)))
    except Refusal as refusal:
        if refusal.command is None:
            raise
        raise refusal.of(str(files[refusal.command // 2])) from refusal  # there are two commands for each file
    to.tell(outcome, f"Imported {len(files)} {'policy' if len(files) == 1 else 'policies'}.")


def _imports(folder: Path, files: list[Path]) -> Iterator[Command]:
    from iamledger.decisions import Command
    from iamledger.iam.managed_policy import AWS, import_managed_policy, update_managed_policy

    for file in files:
        arn = AWS + file.relative_to(folder).with_suffix("").as_posix()
        text = document_text(file)
        yield Command(import_managed_policy, {"name": arn, "document": text})
        yield Command(update_managed_policy, {"policy": arn, "document": text})


@version.command("create", epilog="Example: iamledger policy version create deployers new.json --set-as-default")
@writing(creates=True)
def create_version(
    to: Writing,
    policy: PolicyName,
    document: Document,
    set_as_default: Annotated[bool, typer.Option("--set-as-default", help="Put it in force at once.")] = False,
) -> None:
    """Give a managed policy another version. With --if-not-exists: unless one has this very text."""
    from iamledger.iam.managed_policy import PolicyVersionCreated, create_policy_version

    outcome = to.execute(
        create_policy_version,
        **_policy(to, policy),
        document=document_text(document),
        set_as_default=set_as_default,
        unless_same=to.if_not_exists,
    )
    made = [event.version_id for event in outcome.events if isinstance(event, PolicyVersionCreated)]
    to.tell(outcome, f"Created version {', '.join(made)} of policy {policy}.")


@version.command("list", epilog="Example: iamledger policy version list deployers")
@reading(permit("policy", "policy", "ListPolicyVersions"))
def list_policy_versions(at: Reading, policy: PolicyName) -> None:
    """List the versions of a managed policy, newest first."""
    from iamledger_projections.managed_policies import get_policy
    from iamledger_projections.policy_versions import list_versions

    with at.view("managed_policies", "policy_versions") as view:
        at.tell("Versions", list_versions(view, get_policy(view, policy)["PolicyId"]), view)


@version.command("show", epilog="Example: iamledger policy version show deployers v2 --against v1")
@reading(permit("policy", "policy", "GetPolicyVersion"))
def show_version(
    at: Reading,
    policy: PolicyName,
    version_id: VersionId,
    against: Annotated[
        str | None, typer.Option("--against", metavar="VERSION", help="Show what differs from this version.")
    ] = None,
) -> None:
    """Show a version of a managed policy, with its text, or how it differs from another version."""
    from iamledger.cli.differences import tell_differences
    from iamledger.iam import constraints
    from iamledger_projections.managed_policies import get_policy
    from iamledger_projections.policy_versions import get_version

    constraints.VERSION_ID.check(version_id)
    with at.view("managed_policies", "policy_versions") as view:
        policy_id = get_policy(view, policy)["PolicyId"]
        found = get_version(view, policy_id, version_id)
        if against is None:
            at.tell("PolicyVersion", found, view)
        else:
            constraints.VERSION_ID.check(against)
            other = get_version(view, policy_id, against)
            tell_differences(at.output, "PolicyVersion", (other, at.origin(view)), (found, at.origin(view)))


@version.command(
    "set-default", epilog="Example: iamledger policy version set-default deployers v1 --reason 'roll back'"
)
@writing()
def set_default_version(to: Writing, policy: PolicyName, version_id: VersionId) -> None:
    """Put a version of a managed policy in force."""
    from iamledger.iam.managed_policy import set_default_policy_version

    outcome = to.execute(set_default_policy_version, **_policy(to, policy), version_id=version_id)
    to.tell(outcome, f"Made version {version_id} of policy {policy} the default.")


@version.command("delete", epilog="Example: iamledger policy version delete deployers v1")
@writing()
def delete_version(to: Writing, policy: PolicyName, version_id: VersionId) -> None:
    """Delete a version of a managed policy that is not in force. Its text stays in the ledger."""
    from iamledger.iam.managed_policy import delete_policy_version

    outcome = to.execute(delete_policy_version, **_policy(to, policy), version_id=version_id)
    to.tell(outcome, f"Deleted version {version_id} of policy {policy}.")


UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Name of the user.", autocompletion=USER)]


@boundary.command("set", epilog="Example: iamledger policy boundary set alice ReadOnlyAccess")
@writing()
def set_boundary(to: Writing, user: UserArgument, policy: PolicyName) -> None:
    """Make a managed policy the permissions boundary of a user, in the place of another."""
    from iamledger.iam.permissions_boundary import put_user_permissions_boundary

    outcome = to.execute(put_user_permissions_boundary, user=user, **_policy(to, policy))
    to.tell(outcome, f"Set the permissions boundary of user {user} to policy {policy}.")


@boundary.command("clear", epilog="Example: iamledger policy boundary clear alice")
@writing()
def clear_boundary(to: Writing, user: UserArgument) -> None:
    """Take a user's permissions boundary away. If there is none, nothing changes."""
    from iamledger.iam.permissions_boundary import delete_user_permissions_boundary

    to.tell(
        to.execute(delete_user_permissions_boundary, boundary=user), f"Cleared the permissions boundary of user {user}."
    )


def _policy(to: Writing, policy: str) -> dict[str, Any]:
    """The argument that names a policy. A repeat is known by what was written, and answered even if the policy is gone."""
    from iamledger.policies import named_policy

    arn = named_policy(to.database.connection, to.account_id, policy, to.request_id, must_exist=to.as_operator)
    return {"policy": arn, "asked": {"policy": policy}}


def _principal(
    user: str | None, group: str | None, of_user: Callable[..., Any], of_group: Callable[..., Any]
) -> tuple[Callable[..., Any], dict[str, str], str]:
    """The decision about a user or a group, the argument that names it, and how people are told."""
    _check_one(user, group)
    if user is not None:
        return of_user, {"user": user}, f"user {user}"
    assert group is not None
    return of_group, {"group": group}, f"group {group}"


def _id_of(user: str | None, group: str | None) -> Callable[[View], str]:
    """What finds the unique id of a user or a group."""
    from iamledger.iam import constraints
    from iamledger_projections.groups import get_group
    from iamledger_projections.users import get_user

    _check_one(user, group)
    if user is not None:
        constraints.EXISTING_USER_NAME.check(user)
        return lambda view: str(get_user(view, user)["UserId"])
    assert group is not None
    constraints.GROUP_NAME.check(group)
    return lambda view: str(get_group(view, group)["GroupId"])


def _check_one(user: str | None, group: str | None) -> None:
    if (user is None) == (group is None):
        raise typer.BadParameter("give one of them", param_hint="--user, --group")

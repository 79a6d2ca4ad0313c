"""Resources: register, show, list, transfer, share, unshare, deregister, and their policies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iamledger.cli.cells import day_cell
from iamledger.cli.completing import RESOURCE, USER
from iamledger.cli.documents import Document, document_text
from iamledger.cli.groups import commands
from iamledger.cli.output import Output, note
from iamledger.cli.permits import OPERATOR, permit
from iamledger.cli.session import Reading, Writing, reading, writing

if TYPE_CHECKING:
    from iamledger.cli.output import Row
    from iamledger.iam.sharing import Share

app = commands("Resources of an account, by ARN: who created them, who is responsible, with whom they are shared.")
policy = commands("The policy of a resource: which principals, of this account or others, it lets do what.")
app.add_typer(policy, name="policy")

Arn = Annotated[str, typer.Argument(metavar="ARN", help="ARN of the resource.", autocompletion=RESOURCE)]
With = Annotated[
    str,
    typer.Option("--with", metavar="ACCOUNT|ARN", help="An account, by number or name; or a principal, by ARN."),
]

SHARED_COLUMNS = ("Arn", "Account", "Principal", "Actions", "Conditional", "PolicyPutDate")


@app.command(epilog="Example: iamledger resource register arn:aws:s3:::reports --creator alice --ticket OPS-3")
@writing(creates=True)
def register(
    to: Writing,
    arn: Annotated[str, typer.Argument(metavar="ARN", help="ARN, with this account's number or with none.")],
    creator: Annotated[
        str | None, typer.Option("--creator", metavar="USER", help="The user who created it.", autocompletion=USER)
    ] = None,
) -> None:
    """Register a resource as this account's. Its creator is responsible for it until it is transferred."""
    from iamledger.access.resources import possible_owners
    from iamledger.iam.resource import ResourceRegistered, register_resource

    outcome = to.execute(register_resource, resource=arn, creator=creator)
    record = None
    for made in outcome.events:
        if isinstance(made, ResourceRegistered):
            record = {"Arn": arn, "CreatorName": made.creator_name, "CreatorId": made.creator_id}
    to.tell(outcome, f"Registered resource {arn}.", record)
    if to.as_operator:
        others = [account for account in possible_owners(to.database.connection, arn) if account != to.account_id]
        if others:
            note(
                f"Other accounts have, or had, registered it or what it lies in: {', '.join(others)}. It should be of one."
            )


@app.command(epilog="Example: iamledger resource show arn:aws:s3:::reports --diff 2026-10-01 2026-11-24")
@reading(permit("resource", "arn", "iamledger:GetResource"), diff=True)
def show(at: Reading, arn: Arn) -> None:
    """Show a resource: creator, who is responsible, its policy, and with whom that shares it."""
    from iamledger.iam.resource_arn import read_resource_arn
    from iamledger_projections.reports.resources import READS, whole_resource

    read_resource_arn(arn)
    at.show("Resource", READS, whole_resource, arn)


@app.command("list", epilog="Example: iamledger resource list --creator alice --as-of 2026-11-24")
@reading(permit("account", None, "iamledger:ListResources"))
def list_(
    at: Reading,
    creator: Annotated[
        str | None,
        typer.Option("--creator", metavar="USER", help="Only what this user created: a name it has or had, its id."),
    ] = None,
    responsible: Annotated[
        str | None,
        typer.Option("--responsible", metavar="USER", help="Only what this user is responsible for: likewise."),
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Only what is shared, with users or accounts.")] = False,
    orphaned: Annotated[
        bool, typer.Option("--orphaned", help="Only what nobody who is still there is responsible for.")
    ] = False,
) -> None:
    """List resources, with the names of their creators, also of those that are gone."""
    from iamledger.history import user_ids
    from iamledger_projections.reports.resources import COLUMNS, READS, list_resources

    with at.view(*READS) as view:
        by, of = (
            None if name is None else user_ids(view.connection, view.account_id, name, view.position)
            for name in (creator, responsible)
        )
        rows = list_resources(view, by, of, shared=shared, orphaned=orphaned)
        if at.output is Output.TABLE:
            at.tell_table([_for_people(row) for row in rows], COLUMNS, view, "No resources.")
        else:
            at.tell("Resources", rows, view, COLUMNS)


def _for_people(row: Row) -> Row:
    return {**row, "SharedWith": ", ".join(row["SharedWith"]) or None, "RegisterDate": day_cell(row["RegisterDate"])}


@app.command(epilog="Example: iamledger resource shared-with-me --account beta")
@reading(OPERATOR)
def shared_with_me(at: Reading) -> None:
    """List what the other accounts in this database share with this one, by name; with --as-of TIME, what they did then.

    What they share with everybody is left out. This account's policies must allow it as well.
    """
    from iamledger.accounts import account_ids
    from iamledger.engine.errors import ProjectionError
    from iamledger.iam.refusals import InvalidInput
    from iamledger_projections.reports.resources import shares_with

    if at.as_of is not None and at.as_of.isdigit():
        raise InvalidInput("Each account has positions of its own. Give --as-of a time.")
    rows: list[Row] = []
    for owner in account_ids(at.database.connection):
        if owner == at.account_id:
            continue
        try:
            with at.view("resource_policies", account_id=owner) as view:
                rows += shares_with(view, at.account_id)
        except InvalidInput:
            pass  # the account began later
        except ProjectionError as error:
            note(f"Account {owner}: {error}")
    with at.view("resource_policies") as view:
        if at.output is Output.TABLE:
            at.tell_table(rows, SHARED_COLUMNS, view, "No other account shares anything with this one.")
        else:
            at.tell("Resources", rows, view, SHARED_COLUMNS)


@app.command(epilog="Example: iamledger resource transfer arn:aws:s3:::reports --to bob --reason 'alice has left'")
@writing()
def transfer(
    to: Writing,
    arn: Arn,
    user: Annotated[
        str, typer.Option("--to", metavar="USER", help="The user who becomes responsible.", autocompletion=USER)
    ],
) -> None:
    """Make another user responsible for a resource. Its creator stays on record."""
    from iamledger.iam.resource import transfer_resource

    outcome = to.execute(transfer_resource, resource=arn, responsible=user)
    to.tell(outcome, f"Transferred resource {arn} to user {user}.")


@app.command(epilog="Example: iamledger resource share arn:aws:s3:::reports --with 234567890123 --action s3:GetObject")
@writing()
def share(
    to: Writing,
    arn: Arn,
    with_: With,
    action: Annotated[
        list[str], typer.Option("--action", metavar="ACTION", help="What to allow, such as s3:Get*; can be repeated.")
    ],
) -> None:
    """Let a resource's policy allow actions, on it and what is in it, to an account or to a principal.

    Principals of another account need a policy of their own account as well. Sharing again replaces the actions.
    """
    from iamledger.iam.resource import share_resource

    outcome = to.execute(share_resource, resource=arn, **_principal(to, with_), actions=action)
    to.tell(outcome, f"Shared resource {arn} with {with_}.")


@app.command(epilog="Example: iamledger resource unshare arn:aws:s3:::reports --with 234567890123")
@writing()
def unshare(to: Writing, arn: Arn, with_: With) -> None:
    """Take back what was shared. Statements that were put by hand stay; if one still allows something, that is said."""
    from iamledger.iam.resource import unshare_resource

    principal = _principal(to, with_)
    outcome = to.execute(unshare_resource, resource=arn, **principal)
    to.tell(outcome, f"Unshared resource {arn} from {with_}.")
    if not to.dry_run:
        for left in _still_allowed(to, arn, principal["principal"]):
            by = f", by statement {left.sid}" if left.sid else ""
            allowed = ", ".join(left.actions)
            note(f"Its policy still allows {allowed} to {left.principal}{by}. See: iamledger resource show {arn}")


@app.command(epilog="Example: iamledger resource deregister arn:aws:s3:::reports --reason 'bucket deleted'")
@writing()
def deregister(to: Writing, arn: Arn) -> None:
    """Say that a resource is no longer the account's. Its policy ends with it; its history stays in the ledger."""
    from iamledger.iam.resource import deregister_resource

    to.tell(to.execute(deregister_resource, resource=arn), f"Deregistered resource {arn}.")


@policy.command("put", epilog="Example: iamledger resource policy put arn:aws:s3:::reports policy.json")
@writing()
def put_policy(to: Writing, arn: Arn, document: Document) -> None:
    """Write the policy of a resource, or replace it. The same text again changes nothing."""
    from iamledger.iam.resource import put_resource_policy

    outcome = to.execute(put_resource_policy, resource=arn, document=document_text(document))
    to.tell(outcome, f"Put the policy of resource {arn}.")


@policy.command("delete", epilog="Example: iamledger resource policy delete arn:aws:s3:::reports")
@writing()
def delete_policy(to: Writing, arn: Arn) -> None:
    """Delete the policy of a resource, and with it all shares. Its text stays in the ledger."""
    from iamledger.iam.resource import delete_resource_policy

    to.tell(to.execute(delete_resource_policy, resource=arn), f"Deleted the policy of resource {arn}.")


def _principal(to: Writing, text: str) -> dict[str, Any]:
    """The argument that names a principal. A repeat is known by what was written."""
    from iamledger.accounts import named_account

    direct = (
        text.startswith("arn:") or text == "*" or not to.as_operator
    )  # a user does not learn names of other accounts
    principal = text if direct else named_account(to.database.connection, text)
    return {"principal": principal, "asked": {"principal": text}}


def _still_allowed(to: Writing, arn: str, principal: str) -> list[Share]:
    """The shares of a resource that reach a principal although it was unshared."""
    from iamledger.engine.view import open_view
    from iamledger.iam.sharing import shares
    from iamledger.read_models import all_projections
    from iamledger_projections.resource_policies import policies_of

    account = principal.split(":")[4] if principal.startswith("arn:") else principal
    reaching = re.compile(rf"{re.escape(principal)}|{account}|arn:[^:]+:iam::{account}:root|\*|not .*")
    with open_view(to.database.connection, to.account_id, [all_projections()["resource_policies"]]) as view:
        found = [share for row in policies_of(view, [arn]) for share in shares(row["document"], to.account_id)]
    return [share for share in found if reaching.fullmatch(share.principal)]

"""What the commands that ask questions share: context keys, and policies from files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iamledger.cli.completing import USER
from iamledger.cli.documents import document_text
from iamledger.cli.output import Output, instant, note, say

if TYPE_CHECKING:
    from iamledger.access.questions import Question
    from iamledger.access.simulation import Simulated
    from iamledger.cli.session import Reading
    from iamledger.policy import Kind

PrincipalName = Annotated[
    str,
    typer.Argument(
        metavar="PRINCIPAL",
        help="Name, unique id or ARN of a user; root, or its ARN, is the account's root.",
        autocompletion=USER,
    ),
]
Action = Annotated[str, typer.Argument(metavar="ACTION", help="One action, such as s3:GetObject.")]
Resource = Annotated[
    str, typer.Argument(metavar="RESOURCE", help="The ARN of one resource; * for actions that are about none.")
]
ContextOption = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        metavar="KEY=VALUE",
        help="A context key of the request, such as aws:SourceIp=10.0.0.7. Repeat it for others, and a key for a list.",
    ),
]


def file_option(flag: str, help_: str) -> Any:
    """An option that names a file, or standard input."""
    return typer.Option(flag, metavar="FILE", help=help_, allow_dash=True, dir_okay=False)


ResourcePolicyOption = Annotated[
    Path | None, file_option("--resource-policy", "The resource's own policy, JSON; - for standard input.")
]
ResourceAccountOption = Annotated[
    str | None,
    typer.Option(
        "--resource-account",
        metavar="NUMBER",
        help="The account that has the resource.",
        show_default="the one in its ARN, or that has registered it, else the principal's",
    ),
]


def context_of(entries: list[str] | None) -> dict[str, Any]:
    """Context keys and values. A key that is given more than once has a list. Raises BadParameter."""
    from iamledger.policy.lint.context_values import unlike
    from iamledger.policy.patterns import is_condition_key

    found: dict[str, tuple[str, list[str]]] = {}
    for entry in entries or ():
        key, equals, value = entry.partition("=")
        if not equals or not is_condition_key(key):
            raise typer.BadParameter(
                f"{entry!a} is not KEY=VALUE with a context key, such as aws:SourceIp=10.0.0.7", param_hint="--context"
            )
        if (what := unlike(key, value)) is not None:
            raise typer.BadParameter(f"{value!a} is no value of {key}, which is {what}", param_hint="--context")
        found.setdefault(key.lower(), (key, []))[1].append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in found.values()}


def question(
    action: str,
    resource: str,
    context: list[str] | None,
    resource_policy: Path | None = None,
    resource_account: str | None = None,
) -> Question:
    """The question that a command line asks. Raises ValidationError, MalformedPolicyDocument, BadParameter."""
    from iamledger.access.questions import Question, checked
    from iamledger.policy import Kind

    policy = simulated_from(resource_policy, Kind.RESOURCE).policy if resource_policy is not None else None
    return checked(Question(action, resource, context_of(context), resource_account, policy))


def completed(at: Reading, asked: Question) -> Question:
    """The question, with all that the ledger knows of the resource: whose it is, its policy, and the facts about a user."""
    return governed(at, with_facts(at, asked))


def with_facts(at: Reading, asked: Question) -> Question:
    """The question, with the context keys that a command would have. What was given comes first."""
    from iamledger.access.questions import account_in, named_principal
    from iamledger.iam.refusals import Refusal
    from iamledger.principals import REGION, facts_of_user
    from iamledger_projections.permissions_boundaries import boundary_of
    from iamledger_projections.users import get_user

    if asked.action.partition(":")[0].lower() not in ("iam", "iamledger"):
        return asked
    facts: dict[str, Any] = {"aws:RequestedRegion": REGION}
    if ":user/" in asked.resource and account_in(asked.resource) == at.account_id:
        with at.view("users", "groups", "permissions_boundaries", "managed_policies") as view, suppress(Refusal):
            user = named_principal(view, asked.resource)
            tags = {tag["Key"]: tag["Value"] for tag in get_user(view, user.name)["Tags"]}
            bound = boundary_of(view, str(user.user_id))
            facts |= facts_of_user(tags, bound["PermissionsBoundaryArn"] if bound else None)
    given = {key.lower() for key in asked.context}
    kept = {key: value for key, value in facts.items() if key.lower() not in given}
    return replace(asked, context={**kept, **asked.context})


def governed(at: Reading, asked: Question) -> Question:
    """The question, with the account that has the resource, and the policy that governs it there, as of the same moment.

    That is the account that was named, else that of the ARN, else the principal's if it has registered the resource, else
    the one other that has. The local operator alone is told of others. Raises InvalidInput if several have it.
    """
    from iamledger.access.questions import account_in
    from iamledger.access.resources import possible_owners
    from iamledger.iam.refusals import InvalidInput

    if asked.resource_policy is not None:
        return asked
    owner = asked.resource_account or account_in(asked.resource)
    found = _governed_in(at, asked, owner or at.account_id)
    if not at.as_operator and (found is None or owner not in (None, at.account_id)):
        note(f"Only resources that account {at.account_id} has registered were looked at.")
    if found is not None or owner is not None or not at.as_operator:
        return found or asked
    others = possible_owners(at.database.connection, asked.resource)
    elsewhere = [one for account in others if (one := _governed_in(at, asked, account)) is not None]
    if len(elsewhere) > 1:
        owners = ", ".join(str(one.resource_account) for one in elsewhere)
        raise InvalidInput(f"Several accounts have registered {asked.resource}: {owners}. Give --resource-account.")
    return elsewhere[0] if elsewhere else asked


def origin_of_resource(asked: Question) -> dict[str, Any]:
    """Which moment of another account's ledger the resource's policy is of, for programs."""
    if asked.known_at is None:
        return {}
    return {"ResourcePosition": asked.known_at[0], "ResourceRecordedAt": asked.known_at[1]}


def tell_resource(at: Reading, asked: Question) -> None:
    """The same for people. To ask for the same answer again, give the later of the two times."""
    if asked.known_at is not None:
        position, recorded_at = asked.known_at
        told = (
            f"the resource as of position {position}, recorded {instant(recorded_at)}, account {asked.resource_account}"
        )
        say(told, "faint") if at.output is Output.TABLE else note(told)


def note_other_principals(at: Reading, asked: Question) -> None:
    """Tell whom of other accounts the resource's policy lets in: they are asked about in their own account."""
    from iamledger.access.resources import READS, resource_of
    from iamledger.iam.sharing import shares
    from iamledger_projections.resource_policies import policies_of

    if asked.resource_account not in (None, at.account_id) or not asked.resource_policy:
        return
    with at.view(*READS) as view:
        found = resource_of(view, asked.resource)
        rows = policies_of(view, [found.policy_arn]) if found and found.policy_arn else []
    others = {share.principal for row in rows for share in shares(row["document"], at.account_id)}
    others = {one for one in others if f":{at.account_id}:" not in one and one != at.account_id}
    if others:
        note(
            f"The resource's policy also lets in {', '.join(sorted(others))}. Who can of them: ask with their --account."
        )


def _governed_in(at: Reading, asked: Question, account_id: str) -> Question | None:
    """The question, if that account has registered the resource. A user is told nothing of other accounts."""
    from iamledger.access.resources import READS, resource_of
    from iamledger.accounts import account_ids
    from iamledger.iam.refusals import InvalidInput

    as_of = None
    if account_id != at.account_id:
        if not at.as_operator or account_id not in account_ids(at.database.connection):
            return None
        if at.as_of is not None:
            with at.view("resources") as own:
                as_of = instant(own.time)
    try:
        with at.view(*READS, account_id=account_id, as_of=as_of) as view:
            found = resource_of(view, asked.resource)
    except InvalidInput:
        if account_id == at.account_id:
            raise
        return None  # that account began later
    if found is None:
        return None
    known = None if account_id == at.account_id else (view.position, view.recorded_at)
    return replace(asked, resource_account=account_id, resource_policy=found.policy, put=found.granted, known_at=known)


def simulated_from(file: Path, kind: Kind, label: str | None = None, type_: str = "none") -> Simulated:
    """The policy in a file, with its text. Raises MalformedPolicyDocument."""
    from iamledger.access.simulation import Simulated
    from iamledger.iam.refusals import MalformedPolicyDocument
    from iamledger.policy import Policy, PolicyError, parse

    text = document_text(file)
    try:
        return Simulated(Policy(label or str(file), parse(text, kind)), type_)
    except PolicyError as error:
        raise MalformedPolicyDocument(f"{file}: {error}") from None

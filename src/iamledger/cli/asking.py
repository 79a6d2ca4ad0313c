"""What the commands that ask questions share: context keys, and policies from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iamledger.cli.completing import USER
from iamledger.cli.documents import document_text

if TYPE_CHECKING:
    from iamledger.access.questions import Question
    from iamledger.access.simulation import Simulated
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
ResourcePolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--resource-policy",
        metavar="FILE",
        help="The resource's own policy, JSON; - for standard input.",
        allow_dash=True,
        dir_okay=False,
    ),
]
ResourceAccountOption = Annotated[
    str | None,
    typer.Option(
        "--resource-account",
        metavar="NUMBER",
        help="The account that has the resource.",
        show_default="the one in its ARN, else the principal's",
    ),
]


def context_of(entries: list[str] | None) -> dict[str, Any]:
    """Context keys and values. A key that is given more than once has a list. Raises BadParameter."""
    from iamledger.policy.patterns import is_condition_key

    found: dict[str, tuple[str, list[str]]] = {}
    for entry in entries or ():
        key, equals, value = entry.partition("=")
        if not equals or not is_condition_key(key):
            raise typer.BadParameter(
                f"{entry!a} is not KEY=VALUE with a context key, such as aws:SourceIp=10.0.0.7", param_hint="--context"
            )
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


def simulated_from(file: Path, kind: Kind, label: str | None = None, type_: str = "none") -> Simulated:
    """The policy in a file, with its text. Raises MalformedPolicyDocument."""
    from iamledger.access.simulation import Simulated
    from iamledger.iam.refusals import MalformedPolicyDocument
    from iamledger.policy import Policy, PolicyError, parse

    text = document_text(file)
    try:
        return Simulated(Policy(label or str(file), parse(text, kind)), text, type_)
    except PolicyError as error:
        raise MalformedPolicyDocument(f"{file}: {error}") from None

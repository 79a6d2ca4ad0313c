"""Simulate: decisions on requests that nobody makes, with policies of the ledger, or with any others."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iamledger.cli.asking import (
    ContextOption,
    ResourceAccountOption,
    ResourcePolicyOption,
    context_of,
    simulated_from,
)
from iamledger.cli.completing import USER
from iamledger.cli.groups import command
from iamledger.cli.mistyped import note_unknown
from iamledger.cli.output import Output, Row, print_csv, print_json, print_table
from iamledger.cli.permits import permit
from iamledger.cli.session import Reading, reading

if TYPE_CHECKING:
    from iamledger.access.simulation import Result

app = command("Decide requests with the policies of a principal, or with policies from files.")

COLUMNS = ("EvalActionName", "EvalResourceName", "EvalDecision", "MatchedStatements", "MissingContextValues")

RequestsOption = Annotated[
    Path | None,
    typer.Option(
        "--requests",
        metavar="FILE",
        help="Decide requests that bring their policies, a JSON object a line; - for standard input. See docs/simulate.md.",
        allow_dash=True,
        dir_okay=False,
    ),
]


@app.command(
    epilog="Example: iamledger simulate --principal alice --action s3:GetObject --action s3:PutObject"
    " --resource arn:aws:s3:::reports/q3.csv"
)
@reading(permit("principal", "principal", "SimulatePrincipalPolicy", optional=True))
def simulate(
    at: Reading,
    principal: Annotated[
        str | None,
        typer.Option(
            "--principal",
            metavar="PRINCIPAL",
            help="With the policies of this user, or of group/NAME.",
            autocompletion=USER,
        ),
    ] = None,
    action: Annotated[
        list[str] | None, typer.Option("--action", metavar="ACTION", help="An action; repeat it for others.")
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option("--resource", metavar="ARN", help="A resource; repeat it for others.", show_default="*"),
    ] = None,
    policy_input: Annotated[
        list[Path] | None,
        typer.Option(
            "--policy-input",
            metavar="FILE",
            help="A policy, beside those of the principal; repeat it for others; - for standard input.",
            allow_dash=True,
            dir_okay=False,
        ),
    ] = None,
    boundary: Annotated[
        Path | None,
        typer.Option(
            "--boundary",
            metavar="FILE",
            help="A permissions boundary, in the place of the principal's.",
            allow_dash=True,
            dir_okay=False,
        ),
    ] = None,
    resource_policy: ResourcePolicyOption = None,
    resource_account: ResourceAccountOption = None,
    caller: Annotated[
        str | None,
        typer.Option(
            "--caller",
            metavar="ARN",
            help="Who asks, as policies of resources name them.",
            show_default="the principal",
        ),
    ] = None,
    context: ContextOption = None,
    requests: RequestsOption = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="With --requests: tell the statements that led to each decision.")
    ] = False,
) -> None:
    """Decide requests with the policies of a principal, or with policies from files.

    What IAM's SimulatePrincipalPolicy answers, or, without --principal, SimulateCustomPolicy: every action with every
    resource. A principal's requests have the keys that those of `iamledger can` have. With --requests, or without
    --principal, no ledger is needed, and requests have no keys but those that are given.
    """
    if requests is not None:
        others = (
            principal,
            action,
            resource,
            policy_input,
            boundary,
            resource_policy,
            resource_account,
            caller,
            context,
        )
        if any(others):
            message = "each request brings all that it needs; only --explain goes with it"
            raise typer.BadParameter(message, param_hint="--requests")
        _decide_lines(requests, explain)
        return
    if explain:
        raise typer.BadParameter("it goes with --requests; MatchedStatements are always told", param_hint="--explain")
    files = [*(policy_input or ()), *filter(None, (boundary, resource_policy))]
    if [str(file) for file in files].count("-") > 1:
        raise typer.BadParameter("standard input can be one policy only")
    if not action:
        raise typer.BadParameter("give at least one, such as s3:GetObject", param_hint="--action")
    if principal is None and not policy_input:
        raise typer.BadParameter("give it, or --policy-input, or --requests", param_hint="--principal")
    from iamledger.access.questions import Question, checked
    from iamledger.access.simulation import Inputs, simulate_custom, simulate_principal
    from iamledger.policy import Kind

    given = context_of(context)
    questions = [checked(Question(a, r, given, resource_account)) for a in action for r in resource or ["*"]]
    inputs = Inputs(
        [simulated_from(file, Kind.IDENTITY, f"PolicyInputList.{n}") for n, file in enumerate(policy_input or (), 1)],
        simulated_from(boundary, Kind.IDENTITY, "PermissionsBoundaryPolicyInputList.1") if boundary else None,
        simulated_from(resource_policy, Kind.RESOURCE, "ResourcePolicy", "resource") if resource_policy else None,
        caller,
    )
    if principal is None:
        _tell(at.output, simulate_custom(inputs, questions), {})
        note_unknown(at.settings, action)
        return
    from iamledger.access.grants import READS
    from iamledger.access.questions import named_principal

    with at.view(*READS) as view:
        named = named_principal(view, principal, groups=True)
        _tell(at.output, simulate_principal(view, named, inputs, questions), at.origin(view))
        at.tell_origin(view)
    note_unknown(at.settings, action)


def _tell(output: Output, results: list[Result], origin: dict[str, Any]) -> None:
    if output is Output.JSON:
        print_json({**origin, "EvaluationResults": results, "IsTruncated": False})
    elif output is Output.CSV:
        print_csv(results, COLUMNS)
    else:
        print_table([_for_people(result) for result in results], COLUMNS)


def _for_people(result: Result) -> Row:
    statements = [
        f"{statement['SourcePolicyId']} line {statement['StartPosition']['Line']}"
        for statement in result["MatchedStatements"]
    ]
    return {
        **result,
        "MatchedStatements": "; ".join(statements) or None,
        "MissingContextValues": ", ".join(result["MissingContextValues"]) or None,
    }


def _decide_lines(file: Path, explain: bool) -> None:
    """Decide a line at a time, as they come. Exit status 1 if one of them was no request."""
    from iamledger.access.request_lines import Engine, answers

    failed = False
    with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
        for answer in answers(stream, Engine(explain=explain)):
            failed = failed or "error" in answer
            print(json.dumps(answer).replace("\x7f", "\\u007f"), flush=True)
    if failed:
        raise typer.Exit(1)

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
    file_option,
    simulated_from,
)
from iamledger.cli.completing import USER
from iamledger.cli.groups import command
from iamledger.cli.mistyped import note_unknown
from iamledger.cli.output import Output, Row, cell, print_csv, print_filled, print_json
from iamledger.cli.permits import permit
from iamledger.cli.session import Reading, reading

if TYPE_CHECKING:
    from iamledger.access.questions import Question
    from iamledger.access.simulation import Inputs, Result

app = command("Decide requests with the policies of a principal, or with policies from files.")

_TABLE = ("Action", "Resource", "Decision", "Statement")
COLUMNS = ("EvalActionName", "EvalResourceName", "EvalDecision", "MatchedStatements", "MissingContextValues")

PrincipalOption = Annotated[
    str | None,
    typer.Option(
        "--principal",
        metavar="PRINCIPAL",
        help="With the policies of this user, or of group/NAME.",
        autocompletion=USER,
    ),
]
ActionsOption = Annotated[
    list[str] | None, typer.Option("--action", metavar="ACTION", help="An action; repeat it for others.")
]
ResourcesOption = Annotated[
    list[str] | None,
    typer.Option("--resource", metavar="ARN", help="A resource; repeat it for others.", show_default="*"),
]
PoliciesOption = Annotated[
    list[Path] | None,
    file_option(
        "--policy-input", "A policy, beside those of the principal; repeat it for others; - for standard input."
    ),
]
BoundaryOption = Annotated[
    Path | None, file_option("--boundary", "A permissions boundary, in the place of the principal's.")
]
CallerOption = Annotated[
    str | None,
    typer.Option(
        "--caller", metavar="ARN", help="Who asks, as policies of resources name them.", show_default="the principal"
    ),
]
RequestsOption = Annotated[
    Path | None,
    file_option(
        "--requests",
        "Decide requests that bring their policies, a JSON object a line; - for standard input. See docs/simulate.md.",
    ),
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="With --requests: tell the statements that led to each decision.")
]


@app.command(
    epilog="Example: iamledger simulate --principal alice --action s3:GetObject --action s3:PutObject"
    " --resource arn:aws:s3:::reports/q3.csv"
)
@reading(permit("principal", "principal", "SimulatePrincipalPolicy", optional=True))
def simulate(
    at: Reading,
    principal: PrincipalOption = None,
    action: ActionsOption = None,
    resource: ResourcesOption = None,
    policy_input: PoliciesOption = None,
    boundary: BoundaryOption = None,
    resource_policy: ResourcePolicyOption = None,
    resource_account: ResourceAccountOption = None,
    caller: CallerOption = None,
    context: ContextOption = None,
    requests: RequestsOption = None,
    explain: ExplainOption = False,
) -> None:
    """Decide requests with the policies of a principal, or with policies from files.

    What IAM's SimulatePrincipalPolicy answers, or, without --principal, SimulateCustomPolicy: every action with every
    resource. A principal's requests have the keys that those of `iamledger can` have. With --requests, or without
    --principal, no ledger is needed, and requests have no keys but those that are given.
    """
    policies = (policy_input, boundary, resource_policy)
    if requests is not None:
        if any((principal, action, resource, *policies, resource_account, caller, context)):
            message = "each request brings all that it needs; only --explain goes with it"
            raise typer.BadParameter(message, param_hint="--requests")
        _decide_lines(requests, explain)
        return
    if explain:
        raise typer.BadParameter("it goes with --requests; MatchedStatements are always told", param_hint="--explain")
    if [str(file) for file in (*(policy_input or ()), boundary, resource_policy)].count("-") > 1:
        raise typer.BadParameter("standard input can be one policy only")
    if not action:
        raise typer.BadParameter("give at least one, such as s3:GetObject", param_hint="--action")
    if principal is None and not policy_input:
        raise typer.BadParameter("give it, or --policy-input, or --requests", param_hint="--principal")
    from iamledger.access.questions import Question, checked

    given = context_of(context)
    questions = [checked(Question(a, r, given, resource_account)) for a in action for r in resource or ["*"]]
    _simulate(at, principal, questions, _inputs(policy_input or [], boundary, resource_policy, caller))
    note_unknown(at.settings, action)


def _inputs(policies: list[Path], boundary: Path | None, resource_policy: Path | None, caller: str | None) -> Inputs:
    """What is given by files, called as IAM calls it."""
    from iamledger.access.simulation import Inputs
    from iamledger.policy import Kind

    return Inputs(
        [simulated_from(file, Kind.IDENTITY, f"PolicyInputList.{n}") for n, file in enumerate(policies, 1)],
        simulated_from(boundary, Kind.IDENTITY, "PermissionsBoundaryPolicyInputList.1") if boundary else None,
        simulated_from(resource_policy, Kind.RESOURCE, "ResourcePolicy", "resource") if resource_policy else None,
        caller,
    )


def _simulate(at: Reading, principal: str | None, questions: list[Question], inputs: Inputs) -> None:
    from iamledger.access.grants import READS
    from iamledger.access.questions import named_principal
    from iamledger.access.simulation import simulate_custom, simulate_principal

    if principal is None:
        _tell(at.output, simulate_custom(inputs, questions), {})
        return
    with at.view(*READS) as view:
        named = named_principal(view, principal, groups=True)
        _tell(at.output, simulate_principal(view, named, inputs, questions), at.origin(view))
        at.tell_origin(view)


def _tell(output: Output, results: list[Result], origin: dict[str, Any]) -> None:
    if output is Output.JSON:
        print_json({**origin, "EvaluationResults": results, "IsTruncated": False})
    elif output is Output.CSV:
        print_csv(results, COLUMNS)
    else:
        print_filled([_for_people(result) for result in results], _TABLE)
        missing = sorted({key for result in results for key in result["MissingContextValues"]})
        if missing:
            print(f"\nNot given: {cell(', '.join(missing))}. Give them with --context KEY=VALUE.")


def _for_people(result: Result) -> Row:
    statements = [
        f"{_policy(statement['SourcePolicyId'])}, line {statement['StartPosition']['Line']}"
        for statement in result["MatchedStatements"]
    ]
    return {
        "Action": result["EvalActionName"],
        "Resource": result["EvalResourceName"],
        "Decision": result["EvalDecision"],
        "Statement": "; ".join(statements) or None,
    }


def _policy(source_id: str) -> str:
    """A policy's name, if it is the ARN of one."""
    return source_id.rpartition("/")[2] if source_id.startswith("arn:") else source_id


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

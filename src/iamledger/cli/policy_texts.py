"""Policy documents as texts: what is wrong with one, and which actions it means. No database is needed for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iamledger.cli.documents import Document, document_text
from iamledger.cli.output import Output, Row, cell, note, print_csv, print_json, print_table, say, styled
from iamledger.cli.permits import LOCAL
from iamledger.cli.session import Session, plain
from iamledger.cli.statuses import DENIED

if TYPE_CHECKING:
    from iamledger.policy import Kind
    from iamledger.policy.lint import Finding
    from iamledger.services import Catalogue

texts = typer.Typer()
"""These commands, which are some of `iamledger policy`."""

COLUMNS = ("Severity", "Code", "Line", "Column", "Path", "Message", "Advice")
_STYLES = {"error": "bad", "warning": "position", "suggestion": "faint"}


class DocumentType(StrEnum):
    """What a document is for."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"
    SCP = "scp"
    RCP = "rcp"


TypeOption = Annotated[
    DocumentType,
    typer.Option("--type", help="What the document is for; scp and rcp are service and resource control policies."),
]


@texts.command(epilog="Example: iamledger policy validate deployers.json --strict")
@plain(LOCAL, without=("account",))
def validate(
    session: Session,
    document: Document,
    type_: TypeOption = DocumentType.IDENTITY,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 for warnings, too.")] = False,
) -> None:
    """Tell what is wrong with a policy document, useless in it, or dangerous, each with its line and column.

    Errors: what IAM refuses, names that do not exist, statements that never match. Services of your own are known from the
    files in IAMLEDGER_SERVICES. Exit status: 0 without errors; 3 with some, or with --strict also for warnings.
    """
    from iamledger.policy.lint import Severity, lint
    from iamledger.services import open_catalogue
    from iamledger.settings import quotas

    findings = lint(document_text(document), _kind(type_), services=open_catalogue(session.settings), quotas=quotas())
    found = Counter(finding.severity for finding in findings)
    if session.output is Output.TABLE:
        for finding in findings:
            _say(document, finding)
        counted = [f"{n} {severity}{'s' * (n > 1)}" for severity in Severity if (n := found[severity])]
        say(", ".join(counted) or "No findings.")
    elif session.output is Output.CSV:
        print_csv([_row(finding) for finding in findings], COLUMNS)
    else:
        counts = {f"{severity.capitalize()}s": found[severity] for severity in Severity}
        print_json({"Type": type_.value, **counts, "Findings": [_row(finding) for finding in findings]})
    if found[Severity.ERROR] or (strict and found[Severity.WARNING]):
        raise typer.Exit(DENIED)


@texts.command(epilog="Example: iamledger policy expand 's3:Get*Acl' 'iam:*MFA*'")
@plain(LOCAL, without=("account",))
def expand(
    session: Session,
    patterns: Annotated[
        list[str] | None, typer.Argument(metavar="[PATTERN]", help="Actions with wildcards, such as s3:Get*.")
    ] = None,
    document: Annotated[
        Path | None,
        typer.Option(
            "--document",
            metavar="FILE",
            help="Expand what each statement of this document is about; - for standard input.",
            allow_dash=True,
            dir_okay=False,
        ),
    ] = None,
    type_: TypeOption = DocumentType.IDENTITY,
) -> None:
    """List the actions that wildcards mean, with the access level of each.

    Exit status: 0; 3 if they mean no action at all.
    """
    from iamledger.services import open_catalogue

    if bool(patterns) == (document is not None):
        raise typer.BadParameter("give either patterns or --document")
    catalogue = open_catalogue(session.settings)
    if document is None:
        rows = _of_patterns(catalogue, patterns or [])
    else:
        rows = _of_statements(catalogue, document_text(document), _kind(type_))
    columns = list(rows[0]) if rows else ["Action", "AccessLevel"]
    if session.output is Output.JSON:
        print_json({"Actions": rows})
    elif session.output is Output.CSV:
        print_csv(rows, columns)
    elif rows:
        print_table(rows, columns)
    else:
        print("No action is meant.")
    if not rows:
        raise typer.Exit(DENIED)


def _kind(type_: DocumentType) -> Kind:
    from iamledger.policy import Kind

    short = {DocumentType.SCP: Kind.SERVICE_CONTROL, DocumentType.RCP: Kind.RESOURCE_CONTROL}
    return short.get(type_) or Kind(type_.value)


def _row(finding: Finding) -> Row:
    return {"Severity": finding.severity.value, **{name: getattr(finding, name.lower()) for name in COLUMNS[1:]}}


def _say(document: Path, finding: Finding) -> None:
    severity = finding.severity.value
    told = finding.message + (f"; {finding.advice}" if finding.advice else "")
    place = cell(f"{document}:{finding.line}:{finding.column}")
    print(f"{place}: {styled(severity, _STYLES[severity])}: {cell(told)} [{finding.code}]")


def _of_patterns(catalogue: Catalogue, patterns: Sequence[str]) -> list[Row]:
    """The actions of all patterns, each once."""
    from iamledger.policy.actions import read_action
    from iamledger.policy.problems import Malformed

    found = set()
    for pattern in patterns:
        try:
            read_action(pattern)
        except Malformed as malformed:
            raise typer.BadParameter(f"{malformed.message}; {malformed.advice}", param_hint="PATTERN") from None
        matching = catalogue.actions_matching(pattern)
        if not matching:
            note(f"{pattern} means no action.")
        found.update(matching)
    return [{"Action": action, "AccessLevel": _level(catalogue, action)} for action in sorted(found)]


def _of_statements(catalogue: Catalogue, text: str, kind: Kind) -> list[Row]:
    from iamledger.iam.refusals import MalformedPolicyDocument
    from iamledger.policy import PolicyError, parse

    try:
        statements = parse(text, kind).statements
    except PolicyError as error:
        raise MalformedPolicyDocument(str(error)) from None
    return [
        {
            "Statement": number,
            "Sid": statement.sid,
            "Effect": statement.effect,
            "Action": action,
            "AccessLevel": _level(catalogue, action),
        }
        for number, statement in enumerate(statements, 1)
        for action in catalogue.actions_of(statement)
    ]


def _level(catalogue: Catalogue, action: str) -> str | None:
    known = catalogue.action(action)
    return known.access_level if known else None

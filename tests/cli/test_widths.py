"""Answers about access fit into a terminal: as tables at 100 columns, and none of what they tell is lost at 80."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Program, environment, own_server
from cli.test_output import terminal, unstyled
from conftest import ACCOUNT, Urls

OFFICE = {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.0/24"]}}
STORAGE = {**OFFICE, "StringEquals": {"aws:PrincipalTag/team": "storage"}}
OVER_TLS = {"Sid": "OnlyTls", "Effect": "Deny", "Action": "s3:*", "Resource": "*"}
OVER_TLS["Condition"] = {"Bool": {"aws:SecureTransport": "false"}}  # type: ignore[assignment]
BUCKET = "arn:aws:s3:::reports-prod"
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def allow(sid: str, action: list[str], resource: list[str], **more: object) -> dict[str, object]:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource, **more}


REPORTS = [allow("ReadReports", ["s3:GetObject", "s3:ListBucket"], [BUCKET, f"{BUCKET}/*"], Condition=OFFICE), OVER_TLS]
WRITING = [allow("ReadReports", ["s3:*Object"], [BUCKET, f"{BUCKET}/*"], Condition=STORAGE), OVER_TLS]
DEPLOYERS = [
    allow("PassRole", ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], ["*"]),
    allow("Queues", ["sqs:*"], [f"arn:aws:sqs:eu-central-1:{ACCOUNT}:orders-*"]),
]
OWN = [allow("OwnPolicies", ["iam:PutUserPolicy"], [f"arn:aws:iam::{ACCOUNT}:user/*${{aws:username}}"], Condition=MFA)]


def write(folder: Path, name: str, statements: list[dict[str, object]]) -> str:
    (folder / name).write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1))
    return name


@pytest.fixture(scope="module")
def company(new_database: Callable[[], Urls], tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program on a ledger with long names, conditions, Denies, a boundary, ways to escalate and a revoked key."""
    urls, folder = new_database(), tmp_path_factory.mktemp("company")
    program = Program(folder, environment(folder / "home", **own_server(urls)), urls)
    did = program.did
    did("account", "create", "acme", "--email", "root@acme.example", "--id", ACCOUNT)
    for user in ("alice", "release-automation"):
        did("user", "create", user, "--path", "/engineering/", "--tag", "team=storage")
    for group in ("developers", "release-managers"):
        did("group", "create", group)
    did("policy", "create", "reports-read", write(folder, "reports.json", REPORTS))
    did("policy", "create", "deployers", write(folder, "deployers.json", DEPLOYERS))
    did(
        "policy",
        "attach",
        "reports-read",
        "--group",
        "developers",
        "--reason",
        "the team reads reports",
        "--ticket",
        "S-1",
    )
    did("policy", "attach", "deployers", "--group", "release-managers")
    did("policy", "put-inline", "own-keys", write(folder, "own.json", OWN), "--user", "alice")
    did("group", "add-user", "developers", "alice", "--reason", "joins the storage team", "--ticket", "HR-101")
    did("group", "add-user", "developers", "release-automation")
    did("group", "add-user", "release-managers", "release-automation")
    did("policy", "boundary", "set", "release-automation", "reports-read")
    did("resource", "register", "arn:aws:sqs:eu-central-1:123456789012:orders-incoming", "--creator", "alice")
    program.held["key"], _ = program.issued("create", "alice")
    program.held["before"] = str(did("account", "show")["Position"])
    write(folder, "writing.json", WRITING)
    did(
        "policy",
        "version",
        "create",
        "reports-read",
        "writing.json",
        "--set-as-default",
        "--reason",
        "storage writes too",
    )
    did("access-key", "revoke", program.held["key"])
    return program


QUESTIONS = [
    f"can alice s3:GetObject {BUCKET}/2026/q3.csv",
    f"can alice s3:GetObject {BUCKET}/2026/q3.csv --context aws:SourceIp=10.1.2.3",
    f"who-can s3:GetObject {BUCKET}/2026/q3.csv",
    "what-can alice",
    "what-can release-automation",
    f"simulate --principal alice --action s3:GetObject --action iam:PutUserPolicy --resource {BUCKET}/2026/q3.csv",
    "access diff --from BEFORE",
    "access check --document writing.json --against-file reports.json",
    "access check --document deployers.json --against reports-read",
    "access blast-radius KEY",
    "access unused --since 2020-01-01",
    "access escalations",
    "report access-review",
    "resource list",
    "policy expand --document deployers.json",
    "service show iamledger",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_tables_fit_into_a_hundred_columns(question: str, company: Program) -> None:
    words = [
        {"KEY": company.held["key"], "BEFORE": company.held["before"]}.get(word, word) for word in question.split()
    ]
    lines = unstyled(terminal(company, *words).out).splitlines()
    tables = [number for number, line in enumerate(lines) if line.startswith("───")]
    assert tables
    for number in tables:
        table = lines[number - 1 : next((n for n in range(number, len(lines)) if not lines[n]), len(lines))]
        rows = [line for line in table if not line.startswith(("as of ", "from position ", "What policies ", "Not "))]
        assert max(map(len, rows)) <= 100, question


@pytest.mark.parametrize("width", [80, 100])
def test_a_condition_is_written_alike_everywhere(width: int, company: Program) -> None:
    condition = "IpAddress aws:SourceIp 10.0.0.0/8, 192.0.2.0/24"
    for question in QUESTIONS[:4]:
        if "--context" not in question:
            told = unstyled(terminal(company, *question.split(), width=width).out)
            assert set(condition.replace(",", "").split()) <= set(told.replace(",", "").split()), question
            assert condition in company(*question.split()).out
    assert condition in company("access", "diff", "--from", company.held["before"]).out


def test_witnesses_spell_keys_as_policies_do(company: Program) -> None:
    checked = company(
        "access", "check", "--document", "writing.json", "--against-file", "reports.json", "-o", "json"
    ).json
    assert any("aws:SourceIp" in novelty["Witness"]["Context"] for novelty in checked["Novelties"])
    differing = company.did("access", "diff", "--from", company.held["before"])["Changes"]
    keys = {key for change in differing for key in change["Witness"]["Context"]}
    assert "aws:SourceIp" in keys
    assert "aws:sourceip" not in keys


def test_what_all_rows_have_in_common_is_told_once_where_there_is_little_room(company: Program) -> None:
    words = ["access", "diff", "--from", company.held["before"]]
    narrow = unstyled(terminal(company, *words, width=100).out)
    assert "in each row: " in narrow
    assert "in each row: " not in company(*words).out


def test_empty_answers_are_sentences(company: Program) -> None:
    for question, sentence in (
        ("what-can alice --service sqs", "Nothing is allowed."),
        ("access diff --from 1 --to 1", "No permission was gained or lost."),
        ("access escalations --as-of 7", "Nobody could: no way was found."),
        ("access unused --since 2020-01-01 --as-of 6", "Nothing is unused."),
        ("resource list --orphaned", "No resources."),
        ("report access-review --as-of 6", "No user has anything of that."),
        (f"who-can sqs:SendMessage arn:aws:sqs:eu-central-1:{'9' * 12}:orders", "Nobody may do this."),
    ):
        assert company(*question.split()).lines[0] == sentence, question

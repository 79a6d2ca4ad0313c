"""Commands about texts and services: they need no database, start none, and do not let a text steer a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Program, environment
from iamledger.services import Catalogue

POLICY = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}


@pytest.fixture
def nowhere(tmp_path: Path) -> Program:
    """The program with a home that does not exist, and no server anywhere."""
    (tmp_path / "policy.json").write_text(json.dumps(POLICY))
    return Program(tmp_path, environment(tmp_path / "home"))


@pytest.mark.parametrize(
    "command",
    [
        "policy validate policy.json",
        "policy expand s3:Get*Acl",
        "policy expand --document policy.json",
        "service list",
        "service show s3",
    ],
)
def test_no_server_is_started_or_asked(nowhere: Program, command: str) -> None:
    for settings in ({}, {"IAMLEDGER_DATABASE_URL": "host=/nonexistent dbname=x"}):
        ran = nowhere(*command.split(), **settings)
        assert (ran.status, ran.err) == (0, "")
    assert not (nowhere.folder / "home").exists()


def test_standard_input(nowhere: Program) -> None:
    ran = nowhere.process("policy", "validate", "-", stdin=json.dumps(POLICY))
    assert (ran.status, ran.out) == (0, "No findings.\n")
    ran = nowhere.process("policy", "expand", "--document", "-", stdin=json.dumps(POLICY))
    assert ran.out.splitlines()[1].split() == ["1", "-", "Allow", "s3:GetObject", "Read"]


def test_all_services_are_listed(nowhere: Program) -> None:
    listed = nowhere("service", "list", "--output", "json").json["Services"]
    assert [row["Service"] for row in listed] == Catalogue().prefixes()
    assert {"Service": "sqs", "Name": "Amazon SQS", "Source": "AWS"} in listed


def test_a_service_is_shown_whole_for_programs(nowhere: Program) -> None:
    shown = nowhere("service", "show", "S3", "-o", "json").json
    (action,) = [row for row in shown["Actions"] if row["Action"] == "s3:GetObjectAcl"]
    assert action["AccessLevel"] == "Read"
    assert "object" in action["ResourceTypes"]
    assert "s3:TlsVersion" in action["ConditionKeys"]
    rows = nowhere("service", "show", "s3", "--actions", "-o", "csv").lines
    assert rows[0] == "Action,AccessLevel,ResourceTypes,ConditionKeys,DependentActions,Description"
    assert len(rows) == len(shown["Actions"]) + 1


def test_everything_can_be_expanded(nowhere: Program) -> None:
    (nowhere.folder / "most.json").write_text(json.dumps({**POLICY, "Statement": _all_but("s3:*")}))
    expanded = nowhere("policy", "expand", "--document", "most.json", "-o", "json").json["Actions"]
    everything = nowhere("policy", "expand", "*", "-o", "json").json["Actions"]
    s3 = nowhere("policy", "expand", "s3:*", "-o", "json").json["Actions"]
    assert len(everything) > 20_000
    assert len(expanded) == len(everything) - len(s3)


def _all_but(action: str) -> dict[str, str]:
    return {"Effect": "Allow", "NotAction": action, "Resource": "*"}


@pytest.mark.parametrize(("type_", "status"), [("scp", 0), ("identity", 0), ("rcp", 3), ("resource", 3), ("trust", 3)])
def test_what_a_document_is_for_decides(nowhere: Program, type_: str, status: int) -> None:
    assert nowhere("policy", "validate", "policy.json", "--type", type_).status == status


def test_quotas_of_the_account_count(nowhere: Program) -> None:
    ran = nowhere("policy", "validate", "policy.json", IAMLEDGER_QUOTA_POLICY_SIZE="40")
    assert ran.status == 3
    assert "more than the 40 of a managed policy" in ran.out


def test_no_text_steers_a_terminal(nowhere: Program) -> None:
    escape, override = "\x1b]0;x\x07", "\u202e"
    statement = {"Effect": "Allow", "Action": f"s3:{escape}", "Resource": "*", "Condition": {escape: {override: "x"}}}
    (nowhere.folder / f"{override}.json").write_text(json.dumps({**POLICY, "Statement": statement}))
    known = {**POLICY["Statement"], "Condition": {"StringEquals": {f"s3:x/{override}": f"{override}*"}}}  # type: ignore[dict-item]
    (nowhere.folder / "known.json").write_text(json.dumps({**POLICY, "Statement": known}))
    service = (
        f"service: warehouse\nname: \"\\e[2J\"\nactions: {{A: {{access_level: Read, description: '{override}'}}}}\n"
    )
    (nowhere.folder / "warehouse.yaml").write_text(service)
    for command in (
        ["policy", "validate", f"{override}.json"],
        ["policy", "validate", "known.json"],
        ["policy", "validate", "known.json", "-o", "json"],
        ["policy", "expand", f"s3:{escape}"],
        ["service", "show", "warehouse"],
        ["service", "list"],
        ["service", "show", escape],
    ):
        ran = nowhere(*command, IAMLEDGER_SERVICES=".")
        assert ran.out or ran.err
        assert "\x1b" not in ran.out + ran.err
        assert override not in ran.out + ran.err

"""Questions on the command line: exit statuses, what needs no server, and what must not steer a terminal."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Program, environment
from iamledger.access.request_lines import Engine, answers

NOWHERE = {"IAMLEDGER_DATABASE_URL": "host=/nowhere dbname=none connect_timeout=1"}
ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
LINE = json.dumps(
    {
        "principal": "arn:aws:iam::123456789012:user/alice",
        "action": "s3:GetObject",
        "resource": "arn:aws:s3:::b/k",
        "identity_policies": [{"Statement": ALLOW}],
    }
)


@pytest.fixture
def alone(tmp_path: Path) -> Program:
    """The program where there is no server, and none can be started."""
    return Program(tmp_path, environment(tmp_path / "home", **NOWHERE))


def fed(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_requests_and_custom_policies_need_no_server(alone: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    fed(monkeypatch, f"{LINE}\n{LINE}\n".encode())
    lines = alone("simulate", "--requests", "-")
    assert (lines.status, lines.err) == (0, "")
    assert [json.loads(line)["decision"] for line in lines.lines] == ["allowed", "allowed"]
    fed(monkeypatch, json.dumps({"Statement": ALLOW}).encode())
    custom = alone("simulate", "--policy-input", "-", "--action", "s3:GetObject", "-o", "json")
    assert custom.json["EvaluationResults"][0]["EvalDecision"] == "allowed"
    assert alone("can", "alice", "s3:GetObject", "*").status == 5


def test_a_line_that_is_no_request_fails_at_the_end(alone: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    fed(monkeypatch, f"{LINE}\n\x7f\x1b[31m\n{LINE}\n".encode())
    ran = alone("simulate", "--requests", "-")
    assert ran.status == 1
    assert ["decision" in json.loads(line) for line in ran.lines] == [True, False, True]
    fed(monkeypatch, (LINE.replace("s3:GetObject", "x") + '\n{"\x7f\u009b": 1}').encode())
    ran = alone("simulate", "--requests", "-")
    assert ran.out.isascii()
    assert ran.out.replace("\n", "").isprintable()


def test_lines_are_answered_as_they_come() -> None:
    class Slow(io.BytesIO):
        read_so_far = 0

        def readline(self, *size: Any) -> bytes:
            Slow.read_so_far += 1
            return super().readline(*size)

    told = answers(Slow(f"{LINE}\n{LINE}\n".encode()), Engine())
    next(told)
    assert Slow.read_so_far == 1


def test_requests_of_a_file_that_is_not_there(alone: Program) -> None:
    ran = alone("simulate", "--requests", "missing.jsonl")
    assert (ran.status, ran.err) == (1, "missing.jsonl: No such file or directory\n")
    assert alone("simulate", "--policy-input", "-", "--boundary", "-", "--action", "s3:GetObject").status == 2


def test_the_exit_status_tells_whether_it_is_allowed(acme: Program) -> None:
    asked = ("can", "alice", "s3:GetObject", "arn:aws:s3:::b/k")
    assert acme(*asked).status == 3
    (acme.folder / "all.json").write_text(json.dumps({"Statement": ALLOW}))
    acme.did("policy", "put-inline", "all", "all.json", "--user", "alice")
    for output in ("table", "json", "csv"):
        assert acme(*asked, "-o", output).status == 0
    (acme.folder / "all.json").write_text(json.dumps({"Statement": {**ALLOW, "Effect": "Deny"}}))
    acme.did("policy", "put-inline", "all", "all.json", "--user", "alice")
    assert acme(*asked).status == 3
    assert acme(*asked, "-o", "json").json["Answer"]["Decision"] == "explicitDeny"
    assert acme(*asked, "--as-of", "8").status == 0


def test_a_key_that_is_given_twice_has_a_list(acme: Program) -> None:
    condition = {"ForAllValues:StringEquals": {"aws:TagKeys": ["a,b", "c"]}}
    (acme.folder / "tags.json").write_text(json.dumps({"Statement": {**ALLOW, "Condition": condition}}))
    acme.did("policy", "put-inline", "tags", "tags.json", "--user", "alice")
    asked = ("can", "alice", "s3:GetObject", "arn:aws:s3:::b/k", "--context", "aws:TagKeys=a,b")
    assert acme(*asked, "--context", "AWS:tagkeys=c").status == 0
    assert acme(*asked, "--context", "aws:TagKeys=d").status == 3
    assert acme(*asked, "--context", "aws:TagKeys=c=").status == 3


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("aws:SourceIp=abc", "an IP address, such as 203.0.113.7"),
        ("AWS:sourceip=999.1.1.1", "an IP address, such as 203.0.113.7"),
        ("aws:SourceIp=", "an IP address, such as 203.0.113.7"),
        ("aws:SecureTransport=yes", "true or false"),
        ("aws:CurrentTime=garbage", "a time, such as 2026-03-14T09:30:00Z, or seconds since 1970"),
        ("aws:MultiFactorAuthAge=1h", "a number"),
    ],
)
def test_a_value_that_its_key_cannot_have_is_refused(acme: Program, entry: str, what: str) -> None:
    key, _, value = entry.partition("=")
    for command in ("can alice s3:GetObject arn:aws:s3:::b/k", "who-can s3:GetObject arn:aws:s3:::b/k"):
        refused = acme(*command.split(), "--context", entry)
        assert (refused.status, refused.out) == (2, "")
        assert f"'{value}' is no value of {key}, which is {what}" in " ".join(refused.err.split())


@pytest.mark.parametrize(
    "entry",
    [
        "aws:SourceIp=2001:db8::1",
        "aws:SourceIp=10.0.0.0/8",
        "aws:SecureTransport=TRUE",
        "aws:CurrentTime=1700000000",
        "aws:CurrentTime=2026-03-14T09:30:00Z",
        "aws:MultiFactorAuthAge=3600",
        "aws:username=",
        "my:SourceIp=abc",
    ],
)
def test_a_value_that_its_key_may_have_is_taken(acme: Program, entry: str) -> None:
    answered = acme("can", "alice", "s3:GetObject", "arn:aws:s3:::b/k", "--context", entry)
    assert (answered.status, answered.err) == (3, "")
    assert answered.out.startswith("DENIED (implicit): alice")


def test_what_is_asked_and_stored_cannot_steer_a_terminal(acme: Program) -> None:
    condition = {"StringEquals": {"aws:RequestTag/\u009b": "\x1b[31m\x07"}}
    (acme.folder / "odd.json").write_text(json.dumps({"Statement": {**ALLOW, "Condition": condition}}))
    acme.did("policy", "put-inline", "odd", "odd.json", "--user", "alice")
    resource = "arn:aws:s3:::b/\x1b[31m\n\u202e"
    for command in (("can", "alice"), ("who-can",)):
        for output in ("table", "json", "csv"):
            ran = acme(*command, "s3:GetObject", resource, "-o", output)
            assert ran.out
            assert all(line.isprintable() for line in (*ran.out.splitlines(), *ran.err.splitlines()))
    for output in ("table", "json", "csv"):
        assert all(line.isprintable() for line in acme("what-can", "alice", "-o", output).lines)
        ran = acme("simulate", "--principal", "alice", "--action", "s3:GetObject", "--resource", resource, "-o", output)
        assert all(line.isprintable() for line in ran.lines)


def test_many_near_misses_are_counted(acme: Program) -> None:
    statements = [{**ALLOW, "Resource": f"arn:aws:s3:::other-{n}/*"} for n in range(25)]
    (acme.folder / "many.json").write_text(json.dumps({"Statement": statements}))
    acme.did("policy", "put-inline", "many", "many.json", "--user", "alice")
    told = acme("can", "alice", "s3:GetObject", "arn:aws:s3:::b/k")
    assert "and 15 more" in told.lines
    assert len([line for line in told.lines if line.endswith("the resource")]) == 10
    answer = acme("can", "alice", "s3:GetObject", "arn:aws:s3:::b/k", "-o", "json").json["Answer"]
    assert len(answer["WouldHaveAllowed"]) == 25


def test_an_action_that_there_is_not_is_answered_and_told(alone: Program, acme: Program) -> None:
    (alone.folder / "all.json").write_text(json.dumps({"Statement": {**ALLOW, "Action": "*"}}))
    asked = ("simulate", "--policy-input", "all.json", "-o", "json")
    known = alone(*asked, "--action", "s3:getobject", "--action", "vpc-lattice:AssociateViaAWSService-EventsAndStates")
    assert (known.status, known.err) == (0, "")
    told = alone(
        *asked, *(part for name in ("s3:GetObjct", "xyz:Do", "s3:Zzz", "s3:Zzz") for part in ("--action", name))
    )
    assert [one["EvalDecision"] for one in told.json["EvaluationResults"]] == ["allowed"] * 4
    notes = [
        "s3 has no action GetObjct; did you mean s3:GetObject?",
        "no service xyz is known: describe it with a file, see docs/services.md",
        "s3 has no action Zzz",
    ]
    assert told.err.splitlines() == notes
    for command in (("can", "root"), ("who-can",)):
        for action, text in zip(("s3:GetObjct", "xyz:Do", "s3:GetObject"), (*notes[:2], None), strict=True):
            ran = acme(*command, action, "arn:aws:s3:::b/k", "-o", "json")
            assert ran.status == 0
            assert ran.json
            assert [line for line in ran.err.splitlines() if not line.startswith("as of")] == ([text] if text else [])


def test_services_that_cannot_be_read_spoil_no_answer(alone: Program) -> None:
    (alone.folder / "all.json").write_text(json.dumps({"Statement": ALLOW}))
    asked = ("simulate", "--policy-input", "all.json", "--action", "s3:GetObject", "-o", "json")
    ran = alone(*asked, IAMLEDGER_SERVICES="missing")
    assert (ran.status, len(ran.json["EvaluationResults"])) == (0, 1)
    assert "Whether there are such actions was not looked at: IAMLEDGER_SERVICES: there is no folder" in ran.err


def test_policies_whose_ids_are_the_same_are_told_apart(acme: Program) -> None:
    """And a number of thousands of digits, which the policy language takes, does not end it."""
    long = {**ALLOW, "Condition": {"NumericLessThanIfExists": {"a:n": ["N"]}}}
    texts = [
        json.dumps({"Statement": ALLOW}),
        json.dumps({"Statement": [ALLOW, long]}, indent=1).replace('"N"', "7" * 4400),
    ]
    for group, name, text in zip(("x_y", "x"), ("z", "y_z"), texts, strict=True):
        (acme.folder / "p.json").write_text(text)
        acme.did("group", "create", group)
        acme.did("group", "add-user", group, "alice")
        acme.did("policy", "put-inline", name, "p.json", "--group", group)
    (result,) = acme("simulate", "--principal", "alice", "--action", "s3:GetObject", "-o", "json").json[
        "EvaluationResults"
    ]
    told = result["MatchedStatements"]
    assert [(one["SourcePolicyId"], one["SourcePolicyType"]) for one in told] == [("group_x_y_z", "group")] * 3
    last = len(texts[1].splitlines()) - 2
    assert [one["EndPosition"]["Line"] for one in told] == [7, last, 1]

"""Requests as lines of JSON: the vectors of the rules, what is malformed, and what must not cost more and more."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamledger.access import request_lines
from iamledger.access.json_members import NotJson, elements, members, value
from iamledger.access.request_lines import Engine, MalformedRequest, answers

FOLDER = Path(__file__).parents[1] / "vectors" / "policy" / "rules"
VECTORS = [vector for file in sorted(FOLDER.glob("*.json")) for vector in json.loads(file.read_text("utf-8"))]
MEMBERS = {
    "identity": "identity_policies",
    "boundary": "boundary",
    "session": "session_policies",
    "resource": "resource_policy",
    "trust": "trust_policy",
    "service_control": "service_control_policies",
    "resource_control": "resource_control_policies",
}
ALLOW = '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


def line_of(vector: dict[str, Any]) -> dict[str, Any]:
    """A vector as a request."""
    line = {name: vector[name] for name in ("action", "resource", "resource_account", "context") if name in vector}
    policies = {MEMBERS[name]: some for name, some in vector.get("policies", {}).items()}
    return {"principal": vector["caller"], **line, **policies}


def decide(*lines: str | bytes, explain: bool = False) -> list[dict[str, Any]]:
    raw = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    return list(answers(io.BytesIO(raw), Engine(explain=explain)))


def request(**members: Any) -> str:
    asked = {
        "principal": "arn:aws:iam::123456789012:user/alice",
        "action": "s3:GetObject",
        "resource": "arn:aws:s3:::b/k",
    }
    return json.dumps({**asked, **members})


def test_all_vectors_are_decided_as_they_say() -> None:
    assert len(VECTORS) > 500
    wanted = [{"decision": vector["outcome"], "layer": vector["layer"]} for vector in VECTORS]
    lines = [json.dumps(line_of(vector)) for vector in VECTORS]
    assert decide(*lines) == wanted
    explained = decide(*lines, explain=True)
    assert [{name: told[name] for name in ("decision", "layer")} for told in explained] == wanted


def test_policies_may_be_strings() -> None:
    def as_text(policies: Any) -> Any:
        return [as_text(policy) for policy in policies] if isinstance(policies, list) else json.dumps(policies)

    for vector in VECTORS[::7]:
        line = line_of(vector)
        line |= {name: as_text(line[name]) for name in MEMBERS.values() if name in line}
        assert decide(json.dumps(line)) == [{"decision": vector["outcome"], "layer": vector["layer"]}], vector["name"]


def test_a_policy_is_read_from_the_text_of_the_line() -> None:
    twice = '{"Statement": {"Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*"}}'
    line = request(identity_policies=[]).replace("[]", f"[{twice}]")
    (told,) = decide(line)
    assert "Effect" in told["error"]
    assert told["error"].startswith("identity_policies[0]: line 1, column 35")
    exact = ALLOW.replace('"*"}}', '"*", "Condition": {"StringEquals": {"a:n": 1.50}}}}')
    given = [request(identity_policies=[], context={"a:n": n}).replace("[]", f"[{exact}]") for n in ("1.50", "1.5")]
    assert [told["decision"] for told in decide(*given)] == ["allowed", "implicitDeny"]


def test_numbers_of_the_context_keep_their_digits() -> None:
    policy = ALLOW.replace('"*"}}', '"*", "Condition": {"NumericEquals": {"a:n": "0.1"}}}}')
    line = request(identity_policies=[policy], context={"a:n": 7})
    exact = ["0.1", "0.10", "0.1000000000000000055511151231257827"]
    told = decide(*(line.replace('"a:n": 7', f'"a:n": {number}') for number in exact))
    assert [one["decision"] for one in told] == ["allowed", "allowed", "implicitDeny"]


MALFORMED = {
    "[]": "it is no JSON object",
    "{": "it is no JSON",
    '{"a": 1,}': "it is no JSON",
    '{"a" 1}': ": is expected",
    '{"a": 1 "b": 2}': ", is expected",
    '{"a": 1} x': "more follows",
    '{"action": 1, "action": 2}': "'action' stands there twice",
    '{"a": NaN}': "NaN is no JSON",
    '{"principle": "x"}': "there is no member 'principle'",
    "[" * 100_000: "it is no JSON object",
    '{"context": ' + "[" * 100_000: "nested too deeply",
    request(principal="alice"): "is not an ARN",
    request(principal=None): "the member principal is missing",
    request(principal={"arn": "arn:aws:iam::1:user/a", "name": "a"}): "principal is an ARN, or an object",
    request(principal={"anonymous": False}): "principal is an ARN, or an object",
    request(principal={"arn": "arn:aws:iam::1:user/a", "issuer": True}): "principal is an ARN, or an object",
    request(principal=5): "principal is an ARN, or an object",
    request(context={"a:b": 5}).replace("5", "1e" + "9" * 30): "too large or too small",
    request(action=["s3:GetObject"]): "action and resource are strings",
    request(action="nocolon"): "'nocolon' is not an action",
    request(action="s3:Get*"): "A request has one action, without wildcards",
    request(action=""): "'' is not an action",
    request(resource=""): "the resource '' is neither an ARN nor *",
    request(resource="?"): "the resource '?' is neither an ARN nor *",
    request(resource="reports/*.csv"): "the resource 'reports/*.csv' is neither an ARN nor *",
    request(resource_account=5): "resource_account is a string",
    request(resource_account="12"): "resource_account is a string of twelve digits",
    request(resource_account="\u0661" * 12): "resource_account is a string of twelve digits",
    request(context=[]): "context is an object",
    request(context={"a:b": {}}): "the context key 'a:b' has a value",
    request(context={"a:b": [None]}): "the context key 'a:b' has a value",
    request(context={"a:b": 1}).replace('"a:b": 1', '"a:b": 1, "a:b": 2'): "'a:b' stands there twice",
    request(identity_policies={}): "identity_policies: it is no array",
    request(identity_policies=[[]]): "identity_policies[0]: line 1, column 1",
    request(identity_policies=["no"]): "identity_policies[0]: line 1, column 1",
    request(service_control_policies=[{}]): "service_control_policies[0]: it is no array",
    request(service_control_policies=[["x"]]): "service_control_policies[0][0]: line 1",
    request(boundary=5): "boundary: line 1, column 1",
    request(trust_policy=json.loads(ALLOW)): "trust_policy: ",
}


@pytest.mark.parametrize(("line", "message"), MALFORMED.items(), ids=[m[:30] for m in MALFORMED.values()])
def test_a_malformed_line_is_told_and_the_others_are_decided(line: str, message: str) -> None:
    good = request(identity_policies=[ALLOW])
    first, told, last = decide(good, line, good)
    assert first == last == {"decision": "allowed", "layer": "identity-based policy"}
    assert message in told["error"]
    assert told["line"] == 2


def test_blank_lines_are_passed_over_and_counted() -> None:
    good = request(identity_policies=[ALLOW])
    told = decide(b"\xef\xbb\xbf", good, "", " \t\r", "\u2003", good, "x", "")
    assert [one.get("decision") for one in told] == ["allowed", None, "allowed", None]
    assert [one.get("line") for one in told] == [None, 5, None, 7]


def test_wildcards_in_a_resource_are_characters() -> None:
    exact = ALLOW.replace('"Resource": "*"', '"Resource": "arn:aws:s3:::b/${*}"')
    exact = exact.replace("{", '{"Version": "2012-10-17", ', 1)
    resources = ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k", "*")
    told = decide(*(request(resource=resource, identity_policies=[exact]) for resource in resources))
    assert [one["decision"] for one in told] == ["allowed", "implicitDeny", "implicitDeny"]


def test_bytes_that_are_no_text_and_lines_that_are_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_lines, "LONGEST", 5000)
    good = request(identity_policies=[ALLOW])
    told = decide(b"\xef\xbb\xbf" + good.encode(), b'{"\xff": 1}', "x" * 12_000, "y" * 5_001, good)
    assert [one.get("decision") for one in told] == ["allowed", None, None, None, "allowed"]
    assert [one.get("line") for one in told] == [None, 2, 3, 4, None]
    assert [one["error"] for one in told[1:4]] == [
        "byte 3 of the line is no UTF-8",
        *["the line is longer than 5000 bytes"] * 2,
    ]


def test_several_policies_of_a_resource_count_together() -> None:
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    deny = {**allow, "Effect": "Deny"}
    other = {**deny, "Action": "sqs:*"}
    trust = {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}
    told = decide(
        request(resource_policies=[{"Statement": other}, {"Statement": [allow]}]),
        request(resource_policies=[{"Statement": [allow]}], resource_policy={"Statement": [deny]}),
        request(resource_policies=[{"Statement": [allow]}], trust_policy=trust),
    )
    assert [one.get("decision") for one in told] == ["allowed", "explicitDeny", None]
    assert told[2]["error"] == "a resource has a trust policy or other policies, not both"


def test_the_same_policies_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    compile_ = request_lines.compile_policies
    monkeypatch.setattr(request_lines, "compile_policies", lambda policies: made.append(policies) or compile_(policies))
    monkeypatch.setattr(request_lines, "KEPT_CHARACTERS", 4 * len(ALLOW))
    engine = Engine()
    others = [ALLOW.replace('"Action": "*"', f'"Action": "s3:{n}"') for n in range(20)]
    for policy in [ALLOW] * 5 + others + [ALLOW]:
        engine.answer(request(identity_policies=[policy], context={"a:b": "c"}))
    assert len(made) == 22, "what was not used for long was forgotten"
    assert len(engine._kept) < 5


def test_an_explanation_names_policies_by_member_and_place() -> None:
    conditional = ALLOW.replace('"*"}}', '"*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}}')
    (told,) = decide(request(identity_policies=[ALLOW.replace("Action", "NotAction"), conditional]), explain=True)
    assert told["lacking"] == ["identity-based policy"]
    (miss,) = told["would_have_matched"]
    assert (miss["policy"], miss["conditions"]) == ("identity_policies[1]", ["Bool aws:SecureTransport true"])


def test_the_reader_agrees_with_that_of_the_standard_library() -> None:
    text = ' { "a" : [1, {"b": "}]"}], "c\\u0041": "\\"" , "d": -1.5e3 }\t'
    assert {key: json.loads(one) for key, one in members(text).items()} == json.loads(text)
    assert elements('[ 1 , [2, "]"], {} ]') == ["1", '[2, "]"]', "{}"]
    assert members("{}") == {}
    assert elements("[]") == []
    for wrong in ("[1 2]", "[1,]", "[,]", "[1]]", "{}"):
        with pytest.raises(NotJson):
            elements(wrong)
    with pytest.raises(NotJson):
        value("Infinity")
    assert issubclass(MalformedRequest, ValueError)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_nothing_but_what_is_told_goes_wrong(data: st.DataObject) -> None:
    """Lines with pieces cut out, repeated and replaced are decided or refused."""
    line = json.dumps(line_of(data.draw(st.sampled_from(VECTORS))))
    pieces = [
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "true",
        "-1.5e400",
        "\\",
        "\\ud800",
        "\x00",
        "\u20ac",
        '"arn"',
        '"*"',
    ]
    for _ in range(data.draw(st.integers(1, 3))):
        at, length = data.draw(st.integers(0, len(line))), data.draw(st.integers(0, 8))
        line = line[:at] + data.draw(st.sampled_from(["", *pieces])) + line[at + length :]
    for explain in (False, True):
        (told,) = decide(line.replace("\n", " "), explain=explain)
        assert told.get("decision") in ("allowed", "explicitDeny", "implicitDeny") or told["line"] == 1
        json.dumps(told)

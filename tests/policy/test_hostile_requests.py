"""Patterns and values that were made to take long do not, and malformed ones are decided as the rules say.

Limits are of processor time, and a hundred times what is measured: quadratic work would miss them by far more. Where a limit
is near, calls are counted, which are the same on every machine.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from iamledger.policy import Caller, Request
from policy import cases

ALICE = Caller.of("arn:aws:iam::111122223333:user/alice")
LONG = 100_000
S3 = "arn:aws:s3:::"
LIMIT = 1.5

PATTERNS = {
    "a thousand *?*?": ("*?*?" * 1000, "a" * LONG, True),
    "a thousand *?*?, too short a text": ("*?*?" * 1000, "a" * 1999, False),
    "five .*a": ("*a*a*a*a*ab", "a" * LONG, False),
    "a hundred *a": ("*a" * 100 + "b", "a" * LONG, False),
    "a literal of many repetitions": ("*" + "a" * 20_000 + "b*", "a" * LONG, False),
    "a question mark in many repetitions": ("*" + "a?" * 200 + "b*c", "a" * LONG, False),
    "question marks around literals": ("*?a?" * 300 + "b*", "a" * LONG, False),
    "a literal that begins often": ("*ab?c*", "ab" * (LONG // 2), False),
    "a tail that almost fits": ("*" + "a" * 20_000, "b" + "a" * 19_999, False),
    "variables by the hundred": ("${aws:a}*" * 300 + "b", "a" * LONG, False),
    "a long value": ("${aws:long}*", "a" * (LONG + 5), True),
    "many words": ("*/x/*", "x/" * (LONG // 2), True),
    "stars alone": ("*" * 50_000, "a" * LONG, True),
}


def decided(pattern: Any, resource: str, context: dict[str, Any]) -> bool:
    statement = {"Effect": "Allow", "Action": "*", "Resource": pattern}
    policies = {"identity": [{"Version": "2012-10-17", "Statement": statement}]}
    compiled = cases.compiled({"policies": policies})
    request = Request(ALICE, "s3:GetObject", resource, None, context)
    began = time.process_time()
    decision = compiled.decide(request)
    assert time.process_time() - began < LIMIT
    return bool(decision)


@pytest.mark.parametrize(("pattern", "text", "matches"), PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_does_not_explode(pattern: str, text: str, matches: bool) -> None:
    context = {"aws:a": "a", "aws:long": "a" * LONG}
    assert decided(S3 + pattern, S3 + text, context) is matches


def test_a_pattern_whose_wildcards_stop_at_colons_does_not_explode() -> None:
    assert not decided("arn:aws:sqs:" + "a*" * 200 + "b:1:q*", "arn:aws:sqs:" + "a" * LONG + ":1:q", {})


CONDITIONS = {
    "StringLike": ({"StringLike": {"aws:v": "*a*a*a*a*a*b"}}, "a" * LONG, False),
    "StringLike with a variable": ({"StringLike": {"aws:v": "*${aws:v}*${aws:v}*?b"}}, "a" * LONG, False),
    "ArnLike": ({"ArnLike": {"aws:v": "arn:aws:s3:::*a*a*a*b"}}, "arn:aws:s3:::" + "a" * LONG, False),
    "colons": ({"ArnLike": {"aws:v": "arn:aws:s3:::*:b"}}, ":" * LONG, False),
    "a huge number": ({"NumericGreaterThan": {"aws:v": 5}}, "9" * LONG, True),
    "a huge fraction": ({"NumericLessThan": {"aws:v": 5}}, "0." + "9" * LONG, True),
    "a huge exponent": ({"NumericGreaterThan": {"aws:v": "1e9998"}}, "1e9999", True),
    "a number of many dots": ({"NumericEquals": {"aws:v": 5}}, "1." * LONG, False),
    "a malformed date": ({"DateNotEquals": {"aws:v": "2026"}}, "2026-" * LONG, False),
    "a date of many fractions": (
        {"DateGreaterThan": {"aws:v": "2025"}},
        "2026-01-01T00:00:00." + "9" * LONG + "Z",
        True,
    ),
    "an address of many colons": ({"NotIpAddress": {"aws:v": "::/0"}}, ":" * LONG, False),
    "long base64": ({"BinaryEquals": {"aws:v": "QUJD"}}, "QUJD" * LONG, False),
    "no boolean": ({"Bool": {"aws:v": "true"}}, "true" * LONG, False),
    "many values": ({"ForAllValues:StringLike": {"aws:v": ["*a*b", "*b*c", "x*"]}}, ["x"] * LONG, True),
    "a missing key": ({"StringLike": {"aws:none": "*"}}, "x", False),
}


@pytest.mark.parametrize(("condition", "value", "holds"), CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition_does_not_explode(condition: Any, value: Any, holds: bool) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    policies = {"identity": [{"Version": "2012-10-17", "Statement": statement}]}
    compiled = cases.compiled({"policies": policies})
    began = time.process_time()
    assert bool(compiled.decide(Request(ALICE, "a:b", "*", None, {"aws:v": value}))) is holds
    assert time.process_time() - began < LIMIT


def test_nested_prefixes_and_many_actions_stay_small() -> None:
    resources = [S3 + "a" * n + "*" for n in range(150)]
    actions = [f"s3:Get{n}*" for n in range(300)]
    document = {"Statement": {"Effect": "Allow", "Action": actions, "Resource": resources}}
    began = time.process_time()
    compiled = cases.compiled({"policies": {"identity": [document] * 12}})
    for n in range(0, 150, 30):
        assert compiled.decide(Request(ALICE, f"s3:Get{n}", S3 + "a" * n + "b"))
        assert not compiled.decide(Request(ALICE, "s3:Put", S3 + "a" * n + "b"))
    assert time.process_time() - began < 30


MANIFOLD = {
    "beginnings of actions": ("s3:Get{}x*", "*b{}b*"),
    "ends of actions": ("s3:*Get{}x", "*b{}b*"),
    "whole actions": ("s3:Get{}x", "*b{}b*"),
    "words": ("s3:Get{}x*", "*/b{}b/*"),
    "long patterns": ("s3:*Get{}x", "*b{}b" + "abcdefghijkl" * 4 + "*"),
    "question marks": ("s3:?et{}x*", "*b{}b?*"),
}


@pytest.mark.parametrize(("action", "resource"), MANIFOLD.values(), ids=MANIFOLD)
@pytest.mark.parametrize(("actions", "resources"), [(100, 100), (8, 400), (400, 8), (15, 15)])
def test_many_actions_times_many_resources_are_not_all_written_out(
    action: str, resource: str, actions: int, resources: int
) -> None:
    statement = {
        "Effect": "Allow",
        "Action": [action.format(n) for n in range(actions)],
        "Resource": [S3 + resource.format(n) for n in range(resources)],
    }
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        compiled = cases.compiled({"policies": {"identity": [{"Version": "2012-10-17", "Statement": statement}]}})
    finally:
        sys.setprofile(None)
    # Eight entries for each; all of 100 times 100, written out, were 460,000 calls or more.
    assert 0 < calls < 1_500 * (actions + resources)
    asked = S3 + resource.replace("*", "-").replace("?", "-")
    for n in range(0, actions, 3):
        whole = action.format(n).replace("*", "").replace("?", "G")
        assert compiled.decide(Request(ALICE, whole, asked.format(n % resources)))
        assert not compiled.decide(Request(ALICE, whole, asked.format(resources)))
        assert not compiled.decide(Request(ALICE, whole.replace("x", "y"), asked.format(n % resources)))

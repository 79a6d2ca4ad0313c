"""What is told of a difference is so for every request that it tells of, and whatever differs is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from iamledger.policy import Caller, Policy, PolicySet, Request, compile_policies, parse
from iamledger.policy.comparing import Budget, Difference, differences
from policy.test_comparing import KNOWN, Catalogue, allow, compare, deny, document

CALLER = Caller.of("arn:aws:iam::123456789012:user/alice")
ACTIONS = ["*", "s3:*", "s3:Get*", "s3:*Object", "s3:Delete*", "s3:DeleteObject", "iam:*", "sqs:SendMessage"]
RESOURCES = [
    *(
        "*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::site/*",
        "arn:aws:s3:::site/a*",
        "arn:aws:s3:::*/b",
        "arn:aws:s3:::scratch/*",
    ),
    *("arn:aws:s3:::site/a", "arn:aws:sqs:*"),
]
ASKED = [
    *(
        f"arn:aws:s3:::{name}"
        for name in ("site/a", "site/ab", "site/a/b", "site/b", "site/c", "scratch/a", "scratch/b")
    ),
    *("arn:aws:s3:::other", "arn:aws:s3:::other/b", "arn:aws:sqs:eu-west-1:123456789012:site", "*"),
]
CONDITIONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "Bool aws:b true": ({"Bool": {"aws:b": "true"}}, "aws:b", "true"),
    "StringEquals aws:s a": ({"StringEquals": {"aws:s": "a"}}, "aws:s", "a"),
}
CONTEXTS: list[dict[str, Any]] = [{}, {"aws:b": "true"}, {"aws:s": "a"}, {"aws:b": "true", "aws:s": "a"}]


def is_like(pattern: str, text: str, kind: str) -> bool:
    """Whether the engine takes a text to be one of a pattern."""
    statement = allow("*", pattern) if kind == "resource" else allow(pattern)
    asked = ("s3:GetObject", text) if kind == "resource" else (text, "*")
    policies = PolicySet((Policy("one", parse(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))),))
    return bool(compile_policies(policies).decide(Request(CALLER, *asked)))


LIKE = {
    **{(pattern, text): is_like(pattern, text, "resource") for pattern in RESOURCES for text in ASKED},
    **{(pattern, text): is_like(pattern, text, "action") for pattern in {*ACTIONS, *KNOWN} for text in KNOWN},
}


def is_of(words: str, text: str) -> bool:
    """Whether a resource, or an action, is told by `a`, or by `all but a and b`."""
    for beginning in ("all but ", "all actions but "):
        if words.startswith(beginning):
            patterns = words.removeprefix(beginning).replace(", ", " and ").split(" and ")
            return not any(LIKE[pattern, text] for pattern in patterns)
    return LIKE[words, text]


def is_so(condition: str, context: Mapping[str, Any]) -> bool:
    _, key, value = CONDITIONS[condition]
    return context.get(key) == value


def is_excepted(exception: str, request: Request) -> bool:
    told, _, condition = exception.partition(" if ")
    actions, _, resources = told.rpartition(" on ")
    if condition and not all(is_so(one, request.context) for one in condition.split(" and ")):
        return False
    return (not actions or is_of(actions, request.action)) and is_of(resources, request.resource)


def holds(condition: str | None, context: Mapping[str, Any]) -> bool:
    for part in (condition or "").split(", "):
        if part.startswith("if ") and not all(is_so(one, context) for one in part[3:].split(" and ")):
            return False
        if part.startswith("unless ") and any(is_so(one, context) for one in part[7:].split(" or ")):
            return False
    return True


def tells(one: Difference, request: Request) -> bool:
    """Whether a difference, as it is printed pattern by pattern, is about a request."""
    return (
        is_of(one.resource, request.resource)
        and holds(one.condition, request.context)
        and any(
            LIKE[told.pattern, request.action] and not any(is_excepted(text, request) for text in told.but_for)
            for told in one.patterns
        )
    )


def statement(random: Random) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": random.choice(["Allow", "Deny"])}
    made[random.choice(["Action", "Action", "NotAction"])] = random.sample(ACTIONS, k=random.choice([1, 1, 2]))
    made[random.choice(["Resource", "Resource", "NotResource"])] = random.sample(RESOURCES, k=random.choice([1, 1, 2]))
    if random.random() < 0.3:
        made["Condition"] = random.choice(list(CONDITIONS.values()))[0]
    return made


def policy_set(random: Random, common: list[dict[str, Any]]) -> PolicySet:
    wide = allow(random.choice(["*", "s3:*"]), random.choice(["*", "arn:aws:s3:::*"]))
    some = [
        *common,
        *(statement(random) for _ in range(random.choice([0, 1, 2]))),
        *([wide] if random.random() < 0.6 else []),
    ]
    identity = (Policy("own", document(*some)),) if some else ()
    bound = document(allow("*", random.choice(RESOURCES)), statement(random)) if random.random() < 0.3 else None
    return PolicySet(identity, Policy("bound", bound) if bound else None)


@given(st.integers(0, 2**64))
@settings(max_examples=150, deadline=None)
def test_what_is_told_is_so_and_what_is_so_is_told(seed: int) -> None:
    random = Random(seed)
    common = [statement(random) for _ in range(random.choice([0, 1]))]
    before = random.choice([PolicySet(), policy_set(random, common)])
    after = policy_set(random, common)
    compared = differences(before, after, CALLER, Catalogue(), Budget())
    engines = compile_policies(before), compile_policies(after)
    for one in compared.differences:
        assert one.witness.resource not in ASKED or tells(one, one.witness)
    for action in KNOWN:
        for resource in ASKED:
            for context in CONTEXTS:
                request = Request(CALLER, action, resource, context=context)
                allowed = tuple(bool(engine.decide(request)) for engine in engines)
                told = {one.gained for one in compared.differences if tells(one, request)}
                expected = {allowed[1]} if allowed[0] != allowed[1] else set()
                assert told == expected, (before, after, request, compared.differences)


def told(*after: dict[str, Any], before: tuple[dict[str, Any], ...] = ()) -> list[tuple[Any, ...]]:
    found = compare([document(*before)] if before else [], [document(*after)])
    return [(*one.patterns, one.resource, one.condition) for one in found]


def test_denies_of_some_resources_are_told_beside_a_gain() -> None:
    site = deny("s3:Delete*", "arn:aws:s3:::site/*")
    but_scratch = {"Effect": "Deny", "Action": "s3:Delete*", "NotResource": "arn:aws:s3:::scratch/*"}
    assert told(allow("s3:*"), site) == [(("s3:*", 4, ("s3:Delete* on arn:aws:s3:::site/*",)), "*", None)]
    assert told(allow("s3:*"), but_scratch) == [
        (("s3:*", 4, ("s3:Delete* on all but arn:aws:s3:::scratch/*",)), "*", None)
    ]
    assert told(allow(["s3:Get*", "s3:Delete*"]), site) == [
        (("s3:Get*", 2, ()), ("s3:Delete*", 1, ("arn:aws:s3:::site/*",)), "*", None)
    ]


def test_an_exception_is_told_with_its_condition() -> None:
    asked = {"Bool": {"aws:b": "true"}}
    exception = "arn:aws:s3:::site/* if Bool aws:b true"
    assert told(allow("s3:*"), deny("s3:*", "arn:aws:s3:::site/*", Condition=asked)) == [
        (("s3:*", 4, (exception,)), "*", None)
    ]


def test_a_deny_of_other_resources_is_no_exception() -> None:
    assert told(allow("s3:*", "arn:aws:s3:::a/*"), deny("s3:*", "arn:aws:s3:::b/*")) == [
        (("s3:*", 4, ()), "arn:aws:s3:::a/*", None)
    ]
    other = {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::a*"}
    assert told(allow("s3:*", "arn:aws:s3:::a/*"), other) == [(("s3:*", 4, ()), "arn:aws:s3:::a/*", None)]


def test_a_deny_of_all_but_some_actions_is_told_by_those() -> None:
    but_sqs = {"Effect": "Deny", "NotAction": ["sqs:*", "iam:*"], "Resource": "arn:aws:s3:::site/*"}
    [(row, resource, _)] = told(allow("*"), but_sqs)
    assert (row.pattern, resource) == ("*", "*")
    assert row.but_for == ("all actions but sqs:* and iam:* on arn:aws:s3:::site/*",)

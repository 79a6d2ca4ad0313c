"""What can: how spans of patterns lie to each other, compared with what the engine decides; and what limits a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from time import perf_counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from access import slow_spans
from access.made import ACCOUNT, NOW, grants
from iamledger.access import gathered_spans
from iamledger.access.compiled import Access
from iamledger.access.grants import Grants, HeldPolicy, How
from iamledger.access.questions import Named, Question
from iamledger.access.spans import Span, actions, all_resources, resources
from iamledger.access.what_can import NOT_COMPARED, NOTHING, UNLIMITED, asked_actions, rows
from iamledger.iam.refusals import ValidationError
from iamledger.policy import Caller, Policy, PolicySet, Request, Statement, compile_policies, parse
from iamledger.policy.arns import read_resource
from iamledger.policy.comparing.exploring import Budget
from policy import random_cases

SEEDS = st.integers(0, 2**32)


def span(*texts: str, negated: bool = False) -> Span:
    return Span(tuple(read_resource(text, variables=True) for text in texts), negated)


def s3(name: str) -> str:
    return f"arn:aws:s3:::{name}"


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (s3("a"), s3("a")),
        (s3("a*"), s3("*")),
        (s3("a/*/b"), s3("a*b")),
        (s3("a?c"), s3("a*")),
        (s3("${aws:username}/x"), s3("${aws:username}/*")),
        (s3("*"), "*"),
        (s3("a"), "arn:aws:s3:*"),
        ("arn:aws:sqs:eu:1:q", "arn:aws:sqs:*:1:q"),
    ],
)
def test_within(inner: str, outer: str) -> None:
    assert span(inner).within(span(outer))
    assert span(inner).meets(span(outer))
    assert not span(outer).within(span(inner)) or inner == outer
    assert not span(inner).within(span(outer, negated=True))
    assert not span(inner).meets(span(outer, negated=True))
    assert not span(s3("z")).meets(span(s3("a*")))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (s3("a*"), s3("*b")),
        (s3("*x*"), s3("a?c")),
        (s3("${aws:username}"), s3("a*")),
        ("arn:aws:sqs:*:1:q", "arn:aws:sqs:e?:*:q"),
    ],
)
def test_meets_without_being_within(one: str, other: str) -> None:
    assert span(one).meets(span(other))
    assert span(other).meets(span(one))
    assert not span(one).within(span(other))
    assert not span(other).within(span(one))


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_spans_never_say_what_a_request_disproves(seed: int) -> None:
    """What matches both of two statements shows that they meet; what matches only one, that it is not within the other."""
    random = Random(seed)
    documents = [{**random_cases.document(random), "Version": "2012-10-17"} for _ in range(4)]
    statements = [parse(json.dumps(document)).statements[0] for document in documents]
    for statement in statements:
        spans = resources(statement)
        for _ in range(12):
            asked = random_cases.request(random)
            asked["context"].pop("aws:l", None)
            facts = Caller.of(f"arn:aws:iam::{ACCOUNT}:user/bob", context=asked["context"])
            for other in statements:
                both = [_about(one, asked, facts) for one in (statement, other)]
                if all(both):
                    assert actions(statement).meets(actions(other))
                    assert any(one.meets(all_resources(other)) for one in spans)
                if both == [True, False]:
                    parts = actions(statement), all_resources(statement)
                    assert not (parts[0].within(actions(other)) and parts[1].within(all_resources(other)))


def _about(statement: Any, asked: dict[str, Any], caller: Caller) -> bool:
    """Whether a statement is about the action and the resource, whatever its effect and its conditions."""
    document = parse('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}')
    bare = replace(statement, effect="Allow", conditions=())
    compiled = compile_policies(PolicySet(identity=(Policy("it", replace(document, statements=(bare,))),)))
    return bool(compiled.decide(Request(caller, asked["action"], asked["resource"])))


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_limits_are_true(seed: int) -> None:
    """What a row without conditions has `unlimited` is allowed, and nothing is allowed that no row is about."""
    random = Random(seed)
    made = grants(random)
    for owned in made.granted.values():  # inline policies have the same name everywhere
        for n, (policy, how) in enumerate(owned):
            owned[n] = replace(policy, name=policy.label), how
    access = Access(made)
    held = {id_: [holding.policy for holding in made.holdings(id_)] for id_ in made.users}
    for user in access.grants.users.values():
        told = rows(access.grants, Named(user.name, user.arn, user_id=user.id))
        for _ in range(6):
            asked = random_cases.request(random)
            caller = access.grants.caller(user.id)
            request = Question(asked["action"], asked["resource"], asked["context"], ACCOUNT).request(
                caller, ACCOUNT, NOW
            )
            knowing = Caller.of(user.arn, context={**caller.facts, **request.context})
            about = [row for row in told if _row_is_about(row, held[user.id], asked, knowing)]
            if access.policies_of(user.id).decide(request):
                assert any(row["Limits"] != NOTHING for row in about)
            else:
                assert not any(row["Limits"] == UNLIMITED and not row["Conditions"] for row in about)


def _row_is_about(row: dict[str, Any], held: list[HeldPolicy], asked: dict[str, Any], caller: Caller) -> bool:
    """Whether a row's actions and resource are those of a request."""
    for policy in held:
        if policy.name == row["PolicyName"] and row["Statement"] <= len(policy.document.statements):
            statement = policy.document.statements[row["Statement"] - 1]
            resource = tuple(pattern for pattern in statement.resource if pattern.text == row["Resource"])
            if str(actions(statement)) == row["Actions"] and (resource or statement.not_resource):
                return _about(replace(statement, resource=resource), asked, caller)
    raise AssertionError(f"no policy has the row {row}")


def account(boundary: dict[str, Any] | None, *statements: dict[str, Any]) -> tuple[Grants, Named]:
    made = grants(Random(1), users=1, groups=0, policies=0)
    (user,) = made.users.values()
    how = How(1, NOW, {})
    policy = HeldPolicy("p v1", "p", "Customer managed", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    made.granted.clear()
    made.granted[user.id].append((policy, how))
    made.boundaries.clear()
    if boundary:
        made.boundaries[user.id] = HeldPolicy("b v1", "b", "Customer managed", json.dumps({"Statement": boundary})), how
    return made, Named(user.name, user.arn, user_id=user.id)


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def test_what_limits_a_row_is_told() -> None:
    deny = {**allow("s3:Delete*", s3("a/*")), "Effect": "Deny"}
    made = account(allow(["s3:*", "sqs:*"], "*"), allow("s3:*", [s3("a/*"), s3("b")]), allow("iam:*", "*"), deny)
    assert [(row["Actions"], row["Resource"], row["Limits"], row["LimitedBy"]) for row in rows(*made)] == [
        ("s3:*", s3("a/*"), "limited", [f"denied by statement 3 of p: s3:Delete* on {s3('a/*')}"]),
        ("s3:*", s3("b"), "unlimited", []),
        ("iam:*", "*", "nothing", ["outside of the boundary b"]),
    ]
    whole = account(None, allow(["s3:Get*", "s3:Put*"], s3("a/x")), {**deny, "Action": ["s3:Put*", "s3:G*"]})
    assert [row["Limits"] for row in rows(*whole)] == ["nothing"]
    maybe = {**deny, "Action": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    (row,) = rows(*account(None, allow("s3:*", s3("a/x")), maybe))
    assert row["LimitedBy"] == [f"denied by statement 2 of p: * on {s3('a/*')}, if Bool aws:SecureTransport false"]


def test_only_what_has_to_do_with_some_actions() -> None:
    made = account(
        None, allow(["s3:Get*", "sqs:*"], "*"), allow("iam:*", "*"), {**allow("x", "*"), "Action": "ec2:Run*"}
    )
    for text, found in {"s3:*": 1, "s3:GetObject": 1, "s3:Put*": 0, "*": 3, "EC2:runinstances": 1}.items():
        assert len(rows(*made, asked_actions(text))) == found, text
    not_iam = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    told = {text: len(rows(*account(None, not_iam), asked_actions(text))) for text in ("iam:GetUser", "s3:*", "*")}
    assert told == {"iam:GetUser": 0, "s3:*": 1, "*": 1}
    with pytest.raises(ValidationError, match="no action"):
        asked_actions("s3")


@given(SEEDS, st.sampled_from([0, 1, 16]))
@example(19594, 0)  # an Allow of NotAction * beside a boundary
@example(42257, 0)  # a variable whose key is written in another case
@settings(max_examples=60, deadline=None)
def test_rows_are_limited_as_by_comparing_each_with_each(seed: int, few: int) -> None:
    """Whether patterns are followed one by one or at once."""
    random = Random(seed)
    made = grants(random)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathered_spans, "FEW", few)
        for user in made.users.values():
            told = rows(made, Named(user.name, user.arn, user_id=user.id))
            expected = [
                (str(actions(allow_)), str(resource), *limits) for allow_, resource, limits in _compared(made, user.id)
            ]
            assert sorted(_as_limits(row) for row in told) == sorted(expected)


def _compared(made: Grants, user_id: str) -> Iterator[tuple[Statement, Span, tuple[str, int, str]]]:
    """Each Allow of a user with each of its resources; what is left, how many Denies take, and what the boundary does."""
    held = [holding.policy for holding in made.holdings(user_id)]
    boundary = made.boundaries.get(user_id)
    within = boundary[0].document.statements if boundary else ()
    own = [one for policy in {policy.label: policy for policy in held}.values() for one in policy.document.statements]
    denies = [one for one in (*own, *within) if one.effect == "Deny"]
    bounds = [one for one in within if one.effect == "Allow"] if boundary else None
    for statement in (one for policy in held for one in policy.document.statements if one.effect == "Allow"):
        for resource in resources(statement):
            left, met, bounded = slow_spans.limited_by(denies, bounds, actions(statement), resource)
            yield statement, resource, (left, len(met), bounded)


def _as_limits(row: dict[str, Any]) -> tuple[str, str, str, int, str]:
    denies = [by for by in row["LimitedBy"] if by.startswith("denied by")]
    bounded = "".join(by.partition(" the boundary ")[0] for by in row["LimitedBy"] if by not in denies)
    return row["Actions"], row["Resource"], row["Limits"], len(denies), bounded


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_spans_lie_as_place_by_place(seed: int) -> None:
    random = Random(seed)

    def made() -> Span:
        texts = (
            "".join(random.choice("ab:*?") for _ in range(random.randint(1, 7))) for _ in range(random.randint(1, 3))
        )
        every = [
            read_resource(random.choice(["arn:aws:s3:", "arn:aws:s3:::"]) + text + "*", variables=True)
            for text in texts
        ]
        return Span(tuple(every), random.random() < 0.3)

    spans = [made() for _ in range(12)]
    gathered = gathered_spans.GatheredSpans(spans, Budget())
    for one in spans:
        met = [slow_spans.slow(one).meets(slow_spans.slow(other)) for other in spans]
        around = [slow_spans.slow(one).within(slow_spans.slow(other)) for other in spans]
        assert [one.meets(other) for other in spans] == met
        assert [one.within(other) for other in spans] == around
        assert list(gathered_spans.places(gathered.met(one))) == [place for place, yes in enumerate(met) if yes]
        assert list(gathered_spans.places(gathered.around(one))) == [place for place, yes in enumerate(around) if yes]


@pytest.mark.parametrize("policies", [10, 110])
@pytest.mark.parametrize(("action", "resource"), [("s3:*", "*"), ("s3:*{}*", "*{}*"), ("s3:*", "*?a{}*?b*?c")])
def test_hostile_policies_take_no_time(policies: int, action: str, resource: str) -> None:
    """As many policies of 6 KB as a user can have. What was not compared is told so; nothing is told that is not so."""
    statements = [
        {**allow(action.format(n), s3(resource.format(n))), "Effect": "Deny" if n % 2 else "Allow"} for n in range(64)
    ]
    made, user = account(None, *statements)
    (policy, how) = made.granted[user.user_id or ""][0]
    made.granted[user.user_id or ""] = [(replace(policy, label=f"p{n} v1", name=f"p{n}"), how) for n in range(policies)]
    assert all(held.document.statements for held, _ in made.granted[user.user_id or ""])
    begun = perf_counter()
    told = rows(made, user)
    assert perf_counter() - begun < 6
    assert len(told) == 32 * policies
    whole = [row for row in told if row["Limits"] != NOT_COMPARED]
    assert whole
    assert all(row["LimitedBy"] for row in whole)


def test_what_is_not_compared_in_full_is_told() -> None:
    made = account(None, allow("s3:*", s3("a")), allow("sqs:*", "*"), {**allow("s3:*", s3("a")), "Effect": "Deny"})
    assert [row["Limits"] for row in rows(*made)] == [NOTHING, UNLIMITED]
    for steps in range(200):
        limits = [row["Limits"] for row in rows(*made, budget=steps)]
        assert limits[0] in (NOTHING, NOT_COMPARED)
        assert limits[1] in (UNLIMITED, NOT_COMPARED)
    assert [row["Limits"] for row in rows(*made, budget=0)] == [NOT_COMPARED] * 2


def test_hostile_patterns_take_no_time() -> None:
    one, other = s3("*?a" * 2000), s3("*a?" * 2000)
    begun = perf_counter()
    assert span(one).meets(span(other))
    assert not span(one).within(span(other))
    shorter = span(s3("*?a" * 250)), span(s3("*a?" * 250))
    assert shorter[0].meets(shorter[1])
    assert perf_counter() - begun < 5

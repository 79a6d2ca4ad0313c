"""Comparisons of policies agree with the decisions of the policy engine, on random policies and requests."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamledger.policy import Caller, Outcome, Policy, PolicyDocument, PolicySet, Request, compile_policies, parse
from iamledger.policy.comparing import Budget, Difference, Novelty, differences, instance, novelties
from iamledger.policy.comparing.automata import EVERYTHING, Joint, action_glob, resource_glob, text_glob
from iamledger.policy.comparing.contexts import holds, satisfying, separating, violating
from iamledger.policy.comparing.exploring import Exhausted, covers, explore, meets
from iamledger.policy.comparing.implications import contradicts, implies
from iamledger.policy.globs import glob
from iamledger.policy.patterns import Variable, Wildcard, read_pattern
from iamledger.policy.resource_tests import static_test
from policy import random_cases

SEEDS = st.integers(0, 2**64)
ALICE = Caller.of("arn:aws:iam::123456789012:user/alice", context={"aws:username": "alice", "aws:u": "alice"})
NOBODY = Caller.of("arn:aws:iam::123456789012:user/nobody")
KNOWN = ["s3:GetObject", "s3:GetObjectAcl", "s3:PutObject", "s3:DeleteObject", "iam:CreateUser", "sqs:SendMessage"]


class Catalogue:
    """A few actions."""

    def actions_matching(self, pattern: str) -> Sequence[str]:
        test = glob([p for p in read_pattern(pattern.lower(), variables=False).parts if not isinstance(p, Variable)])
        return [action for action in KNOWN if test(action.lower())]


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> PolicyDocument:
    return parse(json.dumps({"Version": version, "Statement": list(statements)}))


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def check(new: PolicyDocument, old: PolicyDocument) -> list[Novelty]:
    return novelties(new, old, Budget(), Catalogue())


def mutated(random: Random, statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Statements, some of which are gone, more special, or others."""
    made = []
    for statement in json.loads(json.dumps(statements)):
        chance = random.random()
        if chance < 0.1:
            continue
        if chance < 0.3:
            statement["Condition"] = random_cases.conditions(random, variables=True)
        elif chance < 0.4 and "Resource" in statement:
            statement["Resource"] = [random_cases.pattern(random, variables=True)]
        elif chance < 0.5 and "Action" in statement:
            statement["Action"] = random.choices(random_cases.ACTION_PATTERNS, k=1)
        elif chance < 0.6:
            statement.pop("Condition", None)
        made.append(statement)
    if random.random() < 0.2:
        made.append(random_cases.statement(random, "identity", variables=True))
    return made


def two_documents(random: Random) -> tuple[PolicyDocument, PolicyDocument]:
    """Two documents that have much in common."""
    old = [random_cases.statement(random, "identity", variables=True) for _ in range(random.choice([1, 2, 3, 5]))]
    new = mutated(random, old)
    while not new:
        new = mutated(random, old)
    return document(*new), document(*old)


def engine(*identity: PolicyDocument, boundary: PolicyDocument | None = None) -> Any:
    policies = tuple(Policy(f"policy {n}", one) for n, one in enumerate(identity))
    return compile_policies(PolicySet(policies, Policy("boundary", boundary) if boundary else None))


def random_request(random: Random, caller: Caller) -> Request:
    made = random_cases.request(random)
    return Request(caller, made["action"], made["resource"], context=made["context"])


def hold_against_engine(random: Random, requests: int) -> str:
    """Check one random pair, and a number of requests."""
    new, old = two_documents(random)
    before, after = engine(old), engine(new)
    found = check(new, old)
    for novelty in found:
        if novelty.witness is not None:
            one, two = after.decide(novelty.witness), before.decide(novelty.witness)
            assert bool(one) > bool(two) if novelty.grants else (one.outcome, two.outcome)[1] is Outcome.EXPLICIT_DENY
            assert novelty.grants or one.outcome is not Outcome.EXPLICIT_DENY
        else:
            assert novelty.why
    if found:
        return "shown" if any(novelty.witness for novelty in found) else "open"
    for _ in range(requests):
        request = random_request(random, random.choice([ALICE, NOBODY]))
        one, two = after.decide(request), before.decide(request)
        assert not one or two, (new, old, request)
        assert two.outcome is not Outcome.EXPLICIT_DENY or one.outcome is Outcome.EXPLICIT_DENY, (new, old, request)
    return "nothing new"


@given(SEEDS)
@settings(max_examples=300, deadline=None)
def test_a_check_says_what_the_engine_says(seed: int) -> None:
    hold_against_engine(Random(seed), 30)


@pytest.mark.slow
def test_a_check_misses_nothing_in_hundreds_of_thousands_of_requests() -> None:
    told = Counter(hold_against_engine(Random(seed), 60) for seed in range(5_000))
    assert told["nothing new"] * 60 > 100_000
    assert told["shown"] > 500


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_differences_are_those_of_the_engine(seed: int) -> None:
    random = Random(seed)
    new, old = two_documents(random)
    boundary = [document(random_cases.statement(random, "identity", variables=True)), None, None]
    bounds = random.choice(boundary), random.choice(boundary)
    before, after = engine(old, boundary=bounds[0]), engine(new, boundary=bounds[1])
    sets = [
        PolicySet((Policy("p", one),), Policy("b", b) if b else None) for one, b in zip((old, new), bounds, strict=True)
    ]
    compared = differences(sets[0], sets[1], ALICE, Catalogue(), Budget())
    for difference in compared.differences:
        assert bool(after.decide(difference.witness)) is difference.gained
        assert bool(before.decide(difference.witness)) is not difference.gained
    assert not any("the comparison and the decision differ" in text for text in compared.untold)
    if compared.differences or compared.untold:
        return
    for _ in range(30):  # without a word of conditions everything was compared
        action, made = random.choice(KNOWN), random_cases.request(random)
        request = Request(ALICE, action, made["resource"])
        assert bool(before.decide(request)) is bool(after.decide(request)), (new, old, request)


@given(SEEDS)
@settings(max_examples=300, deadline=None)
def test_patterns_are_followed_as_they_are_matched(seed: int) -> None:
    random = Random(seed)
    patterns = [read_pattern(random_cases.pattern(random, variables=False), variables=False) for _ in range(4)]
    joint = Joint([resource_glob(pattern) or () for pattern in patterns])
    texts = [*random_cases.RESOURCES, *(instance(pattern) for pattern in patterns)]
    for text in texts:
        expected = set()
        for number, pattern in enumerate(patterns):
            test = static_test(pattern)
            if text.startswith(pattern.prefix) and (test is None or test(text)):
                expected.add(number)
        assert joint.matching(text) == expected
    for within in (resource_glob(patterns[0]) or (), EVERYTHING):
        for matched, way in explore(within, joint, Budget()):
            assert joint.matching("".join(map(str, way))) == matched
    general, special = (resource_glob(pattern) or () for pattern in patterns[:2])
    if covers([general], special, Budget()):
        assert all(0 in joint.matching(text) for text in texts if 1 in joint.matching(text))
    if not meets(general, special):
        assert not any({0, 1} <= joint.matching(text) for text in texts)


@pytest.mark.parametrize(
    ("special", "general"),
    [
        ("*a", "?*"),
        ("a?*", "a*"),
        ("a*b*c", "a*c"),
        ("a", "?"),
        ("ab*", "a?*"),
        ("${aws:username}/x", "*"),
        ("${aws:username}/x", "${aws:username}/*"),
        ("a${aws:username}", "a*"),
    ],
)
def test_a_pattern_is_covered(special: str, general: str) -> None:
    one, other = (text_glob(read_pattern(text, variables=True)) for text in (special, general))
    assert covers([other], one, Budget())
    assert one == other or not covers([one], other, Budget())


def test_patterns_cover_one_together() -> None:
    parts = [text_glob(read_pattern(text, variables=False)) for text in ("", "?*")]
    assert covers(parts, text_glob(read_pattern("*", variables=False)), Budget())
    assert not covers(parts[1:], text_glob(read_pattern("*", variables=False)), Budget())


def test_the_name_of_an_action_is_never_empty() -> None:
    old = action_glob(read_pattern("s3:?*", variables=False))
    assert covers([old], action_glob(read_pattern("s3:*", variables=False)), Budget())


def conditions(operator: str, key: str, *values: str) -> Any:
    return document(allow("*", Condition={operator: {key: list(values)}})).statements[0].conditions


IMPLIED = [
    (("StringEquals", "aws:x", "a"), ("StringEquals", "aws:x", "a", "b")),
    (("StringEquals", "aws:x", "ab"), ("StringLike", "aws:X", "a*")),
    (("StringEquals", "aws:x", "a"), ("StringEqualsIfExists", "aws:x", "a")),
    (("StringNotEquals", "aws:x", "a", "b"), ("StringNotEquals", "aws:x", "a")),
    (("StringNotLike", "aws:x", "a*"), ("StringNotEquals", "aws:x", "ab")),
    (("IpAddress", "aws:SourceIp", "10.1.0.0/16"), ("IpAddress", "aws:SourceIp", "10.0.0.0/8")),
    (("NotIpAddress", "aws:SourceIp", "10.0.0.0/8"), ("NotIpAddress", "aws:SourceIp", "10.1.0.0/16")),
    (("NumericLessThan", "aws:n", "5"), ("NumericLessThan", "aws:n", "7.5")),
    (("DateGreaterThan", "aws:t", "2027-01-01"), ("DateGreaterThan", "aws:t", "2026-01-01")),
    (("ForAnyValue:StringEquals", "aws:l", "a"), ("ForAnyValue:StringLike", "aws:l", "*")),
    (("ArnEquals", "aws:arn", "arn:aws:s3:::a"), ("ArnLike", "aws:arn", "arn:aws:s3:::a")),
]


@pytest.mark.parametrize(("one", "other"), IMPLIED)
def test_conditions_imply_others(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert implies(conditions(*one), conditions(*other))
    assert implies(conditions(*one), ())
    if one[0].replace("Arn", "") != "Equals":
        assert not implies((), conditions(*other))


@pytest.mark.parametrize(("other", "one"), IMPLIED[:9])
def test_and_not_the_other_way_round(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert not implies(conditions(*one), conditions(*other))
    context = separating(conditions(*one), conditions(*other), {})
    assert context is not None
    assert holds(conditions(*one), context)
    assert not holds(conditions(*other), context)


@given(SEEDS)
@settings(max_examples=400, deadline=None)
def test_what_is_said_of_conditions_holds_in_every_context(seed: int) -> None:
    random = Random(seed)
    one, other = (
        document(allow("*", Condition=random_cases.conditions(random, variables=True))).statements[0].conditions
        for _ in range(2)
    )
    for _ in range(12):
        facts = {key.lower(): value for key, value in random_cases.context(random).items()}
        if implies(one, other) and holds(one, facts):
            assert holds(other, facts)
        if contradicts(one, other):
            assert not (holds(one, facts) and holds(other, facts))
    for context in (satisfying(one, {}), separating(one, other, {}), satisfying((*one, *other), {})):
        assert context is None or holds(one, context)
    if (context := violating(one, {}, {})) is not None:
        assert not holds(one, context)


def test_a_caller_s_own_keys_are_not_made_up() -> None:
    wanted = conditions("StringEquals", "aws:username", "bob")
    assert satisfying(wanted, ALICE.facts) is None
    assert satisfying(wanted, {}) == {"aws:username": "bob"}
    assert satisfying(conditions("StringEquals", "aws:PrincipalTag/team", "a"), ALICE.facts) is None


# What is told of differences


def compare(before: Sequence[PolicyDocument], after: Sequence[PolicyDocument], **bounds: Any) -> list[Difference]:
    compared = compared_whole(before, after, **bounds)
    assert compared.untold == []
    return compared.differences


def compared_whole(
    before: Sequence[PolicyDocument],
    after: Sequence[PolicyDocument],
    bound_before: PolicyDocument | None = None,
    bound_after: PolicyDocument | None = None,
) -> Any:
    sets = [
        PolicySet(
            tuple(Policy(f"{side} {n}", one) for n, one in enumerate(some)),
            Policy(f"boundary {side}", bound) if bound else None,
        )
        for side, some, bound in (("before", before, bound_before), ("after", after, bound_after))
    ]
    return differences(sets[0], sets[1], ALICE, Catalogue(), Budget())


def told(found: Sequence[Difference]) -> list[tuple[Any, ...]]:
    return [
        ("+" if one.gained else "-", " ".join(f"{p}({n})" for p, n, _ in one.patterns), one.resource, one.condition)
        for one in found
    ]


def test_what_is_written_otherwise_is_no_difference() -> None:
    one = document(allow("s3:Get*", "arn:aws:s3:::a/*"), allow(["s3:PutObject"], "arn:aws:s3:::b/*"))
    two = document(allow(["S3:getobject", "s3:GetObject*"], ["arn:aws:s3:::a/*", "arn:aws:s3:::a/b/*"]))
    three = document(allow("s3:Put*", "arn:aws:s3:::b/*"))
    assert compare([one], [three, two]) == []


def test_variables_stand_for_the_caller_s_own_values() -> None:
    one = document(allow("s3:*", "arn:aws:s3:::home/alice/*"))
    assert compare([one], [document(allow("s3:*", "arn:aws:s3:::home/${aws:username}/*"))]) == []


def test_a_deny_that_is_gone_is_a_gain() -> None:
    everything = allow("s3:*", "*")
    [found] = compare([document(everything, deny("s3:*", "arn:aws:s3:::secret/*"))], [document(everything)])
    assert told([found]) == [("+", "s3:*(4)", "arn:aws:s3:::secret/*", None)]
    assert [(cause.effect, cause.index, cause.after) for cause in found.causes] == [("Deny", 1, False)]


def test_what_was_had_before_is_told_beside_a_gain() -> None:
    found = compare([document(allow("s3:*", "arn:aws:s3:::a/*"))], [document(allow("s3:*", "arn:aws:s3:::*"))])
    assert [one.but_for for one in found] == [("arn:aws:s3:::a/*",)]


def test_a_boundary_that_comes_is_a_loss_of_all_but_what_it_allows() -> None:
    mine = document(allow("*", "*"))
    found = compare([mine], [mine], bound_after=document(allow("s3:*", "*")))
    assert told(found) == [("-", "iam:CreateUser(1) sqs:SendMessage(1)", "*", None)]
    assert [cause.label for cause in found[0].causes] == ["boundary after"]
    assert [one.gained for one in compare([mine], [mine], bound_before=document(allow("s3:*", "*")))] == [True]


def test_a_new_condition_is_a_loss_unless_it_holds() -> None:
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    found = compare([document(allow("s3:*"))], [document(allow("s3:*", Condition=mfa))])
    assert told(found) == [("-", "s3:*(4)", "*", "unless Bool aws:MultiFactorAuthPresent true")]


def test_a_wider_network_is_a_gain_in_what_was_added() -> None:
    def within(*blocks: str) -> PolicyDocument:
        return document(allow("s3:*", Condition={"IpAddress": {"aws:SourceIp": list(blocks)}}))

    [found] = compare([within("10.0.0.0/8")], [within("10.0.0.0/8", "11.0.0.0/8")])
    assert found.gained
    assert found.witness.context == {"aws:sourceip": "11.0.0.0"}


def test_a_deny_that_mostly_holds_does_not_hide_a_gain() -> None:
    corporate = deny("*", Condition={"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    [found] = compare([document(corporate)], [document(corporate, allow("s3:GetObject"))])
    assert found.witness.context == {"aws:sourceip": "10.0.0.0"}
    assert found.condition == "unless NotIpAddress aws:SourceIp 10.0.0.0/8"


def test_a_service_that_no_catalogue_knows_is_its_own_witness() -> None:
    found = compare([], [document(allow("acme:Launch*", "arn:aws:acme:::rocket/*"))])
    assert told(found) == [("+", "acme:Launch*(1)", "arn:aws:acme:::rocket/*", None)]
    assert found[0].witness.action == "acme:launchexample"


def test_conditions_that_cannot_be_told_apart_are_told() -> None:
    one, two = (
        document(allow("s3:*", Condition={"ArnLike": {"aws:SourceArn": text}}))
        for text in ("arn:aws:s3:::*", "arn:aws:s3:::?*")
    )
    whole = compared_whole([one], [two])
    assert whole.differences or whole.untold


# What is told of novelties


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ([allow("s3:Get*")], [allow("s3:*")]),
        ([allow("*")], [allow("*:*")]),
        ([allow("s3:Get*", "arn:aws:s3:::${aws:username}/a")], [allow("s3:*", "arn:aws:s3:::${aws:username}/*")]),
        ([allow("s3:*", "arn:aws:s3:::a")], [allow(["s3:Get*", "s3:*"], ["arn:aws:s3:::?"])]),
        (
            [allow("s3:*", "arn:aws:s3:::b"), deny("s3:*", "arn:aws:s3:::x/*")],
            [allow("s3:*"), deny("s3:*", "arn:aws:s3:::x/*")],
        ),
        ([allow("s3:*"), deny("*", "arn:aws:s3:::x*")], [allow("s3:*"), deny("s3:*", "arn:aws:s3:::x/*")]),
        (
            [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
            [{"Effect": "Allow", "NotAction": ["iam:Get*"], "Resource": "*"}],
        ),
        (
            [
                allow("s3:*", Condition={"Bool": {"aws:SecureTransport": "true"}}),
                deny("s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}}),
            ],
            [allow("s3:*"), deny("s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}})],
        ),
    ],
)
def test_nothing_is_new(new: list[dict[str, Any]], old: list[dict[str, Any]]) -> None:
    assert check(document(*new), document(*old)) == []


def test_what_is_new_is_shown() -> None:
    [found] = check(document(allow("s3:*")), document(allow("s3:Get*")))
    assert (found.grants, found.action, found.resource) == (True, "s3:*", "*")
    assert found.witness is not None
    assert found.witness.action == "s3:PutObject"


def test_a_lifted_deny_is_shown_even_if_nothing_is_allowed() -> None:
    [found] = check(document(allow("s3:Get*")), document(allow("s3:Get*"), deny("iam:*")))
    assert not found.grants
    assert found.witness is not None


def test_what_cannot_be_shown_is_open() -> None:
    def within(*blocks: str) -> PolicyDocument:
        return document(allow("s3:*", Condition={"IpAddress": {"aws:SourceIp": list(blocks)}}))

    [found] = check(within("10.0.0.0/8"), within("10.0.0.0/9", "10.128.0.0/9"))
    assert found.witness is None
    assert found.why is not None
    assert "SourceIp" in found.why


# Hostile policies

STARS = [f"arn:aws:s3:::*?*?a*?b*?{n}*" for n in range(100)]


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ([allow("s3:*", STARS)], [allow("s3:*", STARS[::-1])]),
        ([allow("s3:*", STARS)], [allow("s3:*", [f"{text}?" for text in STARS])]),
        (
            [allow([f"s3:*{n}*?a*?{n}b*" for n in range(100)], STARS)],
            [allow([f"s3:*{n}*?a*?{n}*?" for n in range(100)], STARS)],
        ),
        (
            [allow(f"s3:*{n}", f"arn:aws:s3:::{n}") for n in range(300)],
            [deny(f"s3:*{n}", f"arn:aws:s3:::{n}*") for n in range(300)],
        ),
        (
            [allow("*", Condition={"StringLike": {"aws:x": [f"*?*?a*b{n}*" for n in range(300)]}})],
            [allow("*", Condition={"StringLike": {"aws:x": [f"*?*?a*c{n}*" for n in range(300)]}})],
        ),
    ],
)  # fmt: skip
def test_hostile_policies_are_compared_in_seconds_or_left_open(
    new: list[dict[str, Any]], old: list[dict[str, Any]]
) -> None:
    began = time.monotonic()
    one, two = document(*new), document(*old)
    check(one, two)
    compared_whole([two], [one])
    assert time.monotonic() - began < 30


def test_work_is_bounded() -> None:
    within = resource_glob(read_pattern(STARS[0], variables=False)) or ()
    joint = Joint([resource_glob(read_pattern(text + "?", variables=False)) or () for text in STARS])
    with pytest.raises(Exhausted):
        list(explore(within, joint, Budget(10_000)))


def test_a_run_of_wildcards_is_one_place_each() -> None:
    parts = read_pattern("*?*?*", variables=False).parts
    assert parts == (Wildcard.ONE, Wildcard.ONE, Wildcard.ANY)

"""Areas of resources: which one governs, what patterns match in one, and differences beside their policies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamledger.iam.resource_arn import governing_arns
from iamledger.policy import Kind, Policy, PolicySet, Request, compile_policies, parse
from iamledger.policy.arns import read_resource
from iamledger.policy.comparing import Areas, Budget, Governed, clipped, differences
from iamledger.policy.resource_tests import static_test
from policy import random_cases
from policy.test_comparing import ALICE, KNOWN, Catalogue, document, mutated

SEEDS = st.integers(0, 2**64)
ARNS = ["arn:aws:s3:::a", "arn:aws:s3:::a/b", "arn:aws:s3:::a/alice", "arn:aws:s3:::b", "arn:aws:s3:::b/alice/b"]
RESOURCES = [
    *ARNS,
    "arn:aws:s3:::a/alice/b",
    "arn:aws:s3:::a/x",
    "arn:aws:s3:::ab",
    "arn:aws:s3:::c",
    "arn:aws:s3:::a/",
]


def of_resource(*statements: dict[str, Any]) -> Policy:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return Policy("policy of a resource", parse(text, Kind.RESOURCE))


@given(SEEDS)
@settings(max_examples=300, deadline=None)
def test_the_longest_arn_governs(seed: int) -> None:
    random = Random(seed)
    areas = Areas(Governed(arn, None, None) for arn in random.sample(ARNS, random.randint(0, 5)))
    for resource in (*RESOURCES, *random_cases.RESOURCES):
        found = areas.of(resource)
        expected = [arn for arn in governing_arns(resource) if arn in {one.arn for one in areas}]
        assert (found.arn if found else None) == (expected[0] if expected else None)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["arn:aws:s3:::x", "arn:aws:s3:::x/*"]),
        ("arn:aws:s3:*", ["arn:aws:s3:::x", "arn:aws:s3:::x/*"]),
        ("arn:aws:s3:::?", ["arn:aws:s3:::x"]),
        ("arn:aws:s3:::x/*/y", ["arn:aws:s3:::x/*/y"]),
        ("arn:aws:s3:::*/y", ["arn:aws:s3:::x/*/y", "arn:aws:s3:::x/y"]),
        ("arn:aws:s3:::y*", []),
        ("arn:aws:s3:::xy", []),
        ("arn:aws:s3:::x/${aws:username}", ["arn:aws:s3:::x/${aws:username}"]),
        ("arn:aws:s3:::?/${aws:username, 'a'}", ["arn:aws:s3:::x/${aws:username, 'a'}"]),
        ("arn:aws:s3:::${aws:username}", ["arn:aws:s3:::${aws:username} in arn:aws:s3:::x"]),
    ],
)
def test_what_a_pattern_matches_in_an_area(pattern: str, expected: Sequence[str]) -> None:
    found = clipped(read_resource(pattern, variables=True), "arn:aws:s3:::x")
    assert [one.text for one in found] == expected


@given(SEEDS)
@settings(max_examples=300, deadline=None)
def test_it_matches_the_same_there(seed: int) -> None:
    random = Random(seed)
    pattern = read_resource(random_cases.pattern(random, variables=False), variables=False)
    arn = random.choice(ARNS)
    found = clipped(pattern, arn)
    for resource in (*RESOURCES, *random_cases.RESOURCES):
        if resource == arn or resource.startswith(f"{arn}/"):
            assert any(map(matches(resource), found)) == matches(resource)(pattern), (found, resource)


def matches(resource: str) -> Any:
    def test(pattern: Any) -> bool:
        made = static_test(pattern)
        return resource.startswith(pattern.prefix) and (made is None or made(resource))

    return test


PRINCIPALS: list[Any] = [
    "*",
    {"AWS": "123456789012"},
    {"AWS": ALICE.arn},
    {"AWS": ["arn:aws:iam::123456789012:user/bob", ALICE.arn]},
    {"AWS": "arn:aws:iam::123456789012:user/bob"},
]


def policies_of_resources(random: Random) -> list[dict[str, Policy]]:
    """Policies of the same resources, or of some of them, before and after."""
    before = {
        arn: [random_cases.of_resource(random, PRINCIPALS) for _ in range(random.choice([1, 1, 2]))]
        for arn in ARNS
        if random.random() < 0.4
    }
    after = {arn: mutated(random, some) if random.random() < 0.5 else some for arn, some in before.items()}
    after = {arn: [one for one in some if {"Principal", "NotPrincipal"} & set(one)] for arn, some in after.items()}
    if random.random() < 0.3:
        after[random.choice(ARNS)] = [random_cases.of_resource(random, PRINCIPALS)]
    return [{arn: of_resource(*some) for arn, some in side.items() if some} for side in (before, after)]


def governing(side: dict[str, Policy], resource: str) -> Policy | None:
    return next((side[arn] for arn in governing_arns(resource) if arn in side), None)


@given(SEEDS)
@settings(max_examples=300, deadline=None)
def test_differences_beside_policies_of_resources_are_those_of_the_engine(seed: int) -> None:
    random = Random(seed)
    old = [random_cases.statement(random, "identity", variables=True) for _ in range(random.choice([1, 2, 3]))]
    new = old if random.random() < 0.4 else mutated(random, old)
    bound = [document(random_cases.statement(random, "identity", variables=True)), None, None]
    first = random.choice(bound)
    bounds = first, first if random.random() < 0.7 else random.choice(bound)
    sets = [
        PolicySet((Policy("p", document(*some)),) if some else (), Policy("b", one) if one else None)
        for some, one in zip((old, new), bounds, strict=True)
    ]
    sides = policies_of_resources(random)
    engines = [compile_policies(one) for one in sets]
    arns = {*sides[0], *sides[1]}
    areas = Areas(Governed(arn, *(governing(side, arn) for side in sides)) for arn in arns)
    found = [differences(*sets, ALICE, Catalogue(), Budget(), areas)]
    found += [differences(*sets, ALICE, Catalogue(), Budget(), areas, one) for one in areas]

    def decide(request: Request) -> list[bool]:
        beside = [engine.beside(governing(side, request.resource)) for engine, side in zip(engines, sides, strict=True)]
        return [bool(engine.decide(request)) for engine in beside]

    for compared, here in zip(found, [None, *areas], strict=True):
        for difference in compared.differences:
            assert decide(difference.witness) == [not difference.gained, difference.gained]
            assert areas.of(difference.witness.resource) is here
        assert not any("the comparison and the decision differ" in text for text in compared.untold)
    for _ in range(30):
        resource = random.choice([*RESOURCES, *random_cases.RESOURCES])
        one, two = decide(Request(ALICE, random.choice(KNOWN), resource))
        here = areas.of(resource)
        [compared] = [one for one, area in zip(found, [None, *areas], strict=True) if area is here]
        assert one == two or compared.differences or compared.untold, (old, new, sides, resource)

"""What is told of many requests beside policies of resources agrees with what `can` decides of each, on random accounts."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from access.made import ACCOUNT, NOW, grants
from iamledger.access.compiled import Access
from iamledger.access.differences import Moment, changes
from iamledger.access.governing import OfResource, OfResources, governing
from iamledger.access.grant_events import GrantEvents
from iamledger.access.grants import Grants, How
from iamledger.policy import Request
from policy import random_cases
from policy.test_areas import ARNS, RESOURCES
from policy.test_comparing import KNOWN, Catalogue, mutated

SEEDS = st.integers(0, 2**64)
HOW = How(1, NOW, {})
NAMES: list[Any] = [
    "*",
    *({"AWS": name} for name in (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/a/alice", "*")),
    {"AWS": [f"arn:aws:iam::{ACCOUNT}:user/user3", f"arn:aws:iam::{ACCOUNT}:root"]},
    {"AWS": random_cases.OTHER},
    {"Service": "ec2.amazonaws.com"},
]


def said(random: Random) -> dict[str, Any]:
    made = random_cases.statement(random, "identity", variables=True)
    made[random.choice(["Principal", "Principal", "Principal", "NotPrincipal"])] = random.choice(NAMES)
    if random.random() < 0.5:
        made.pop("Condition", None)
    return made


def of_resources(random: Random, chance: float = 0.4) -> dict[str, list[dict[str, Any]]]:
    return {arn: [said(random) for _ in range(random.choice([1, 1, 2]))] for arn in ARNS if random.random() < chance}


def put(statements: dict[str, list[dict[str, Any]]]) -> OfResources:
    return {
        arn: OfResource(arn, json.dumps({"Version": "2012-10-17", "Statement": some}), HOW)
        for arn, some in statements.items()
        if some
    }


def changed(random: Random, made: Grants) -> Grants:
    """The same account, of which some users hold others' policies."""
    other = Grants(made.account_id, made.position)
    other.users, other.groups, other.policies = dict(made.users), made.groups, made.policies
    other.groups_of, other.boundaries = made.groups_of, dict(made.boundaries)
    for owner in (*made.users, *made.groups):
        other.granted[owner] = list(
            made.granted[random.choice(list(made.users))] if random.random() < 0.3 else made.granted[owner]
        )
    if made.boundaries and random.random() < 0.5:
        user_id = random.choice(list(made.users))
        other.boundaries[user_id] = random.choice(list(made.boundaries.values()))
    if random.random() < 0.2:
        other.users.popitem()
    return other


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_changes_are_those_of_the_engine(seed: int) -> None:
    random = Random(seed)
    grants_before = grants(random)
    statements = of_resources(random)
    after = {arn: mutated(random, some) if random.random() < 0.4 else some for arn, some in statements.items()}
    after |= of_resources(random, 0.05)
    after = {arn: [one for one in some if {"Principal", "NotPrincipal"} & set(one)] for arn, some in after.items()}
    sides = Moment(grants_before, put(statements)), Moment(changed(random, grants_before), put(after))
    if random.random() < 0.5:
        sides = replace(sides[1], resources=sides[0].resources), sides[0]
    found = changes(*sides, GrantEvents({}), Catalogue())
    accesses = [Access(side.grants) for side in sides]

    def decide(user_id: str, request: Request) -> list[bool]:
        """As `can` would, at both moments."""
        decided = []
        for side, access in zip(sides, accesses, strict=True):
            policy = governing(side.resources, request.resource)
            policies = access.policies_of(user_id).beside(policy.policy if policy else None)
            decided.append(user_id in side.grants.users and bool(policies.decide(request)))
        return decided

    told: dict[str, set[bool]] = {}
    for change in found.changes:
        gained, witness = change.difference.gained, change.difference.witness
        side = sides[gained]
        assert decide(change.user.id, witness._replace(caller=side.grants.caller(change.user.id))) == [
            not gained,
            gained,
        ]
        told.setdefault(change.user.id, set()).add(gained)
    open_ = {name for name, _ in found.untold}
    for user in {**sides[0].grants.users, **sides[1].grants.users}.values():
        caller = next(side.grants.caller(user.id) for side in sides if user.id in side.grants.users)
        for _ in range(25):
            resource = random.choice([*RESOURCES, *random_cases.RESOURCES])
            one, two = decide(user.id, Request(caller, random.choice(KNOWN), resource))
            assert one == two or two in told.get(user.id, ()) or {user.name, None} & open_, (user, resource)

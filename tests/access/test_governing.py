"""What is told of many requests beside policies of resources agrees with what `can` decides of each, on random accounts."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from time import monotonic
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.made import ACCOUNT, NOW, grants
from access.test_what_can import _about as is_about
from access.test_what_can import _row_is_about as row_is_about
from iamledger.access.comparisons import Comparisons
from iamledger.access.compiled import Access
from iamledger.access.differences import Moment, changes
from iamledger.access.governing import Governing, OfResource, OfResources, governing
from iamledger.access.grant_events import GrantEvents
from iamledger.access.grants import Grants, HeldPolicy, How, User
from iamledger.access.questions import Named
from iamledger.access.what_can import NOTHING, UNLIMITED, rows
from iamledger.policy import Caller, PolicySet, Request
from iamledger.policy.arns import read_resource
from policy import random_cases
from policy.test_areas import ARNS, RESOURCES
from policy.test_comparing import KNOWN, Catalogue, mutated

SEEDS = st.integers(0, 2**64)
HOW = How(1, NOW, {})
NAMES: list[Any] = [
    "*",
    *({"AWS": name} for name in (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/a/alice", "*")),
    {"AWS": [f"arn:aws:iam::{ACCOUNT}:user/bob", f"arn:aws:iam::{ACCOUNT}:root"]},
    {"AWS": random_cases.OTHER},
    {"Service": "ec2.amazonaws.com"},
]


def of_resources(random: Random, chance: float = 0.4) -> dict[str, list[dict[str, Any]]]:
    return {
        arn: [random_cases.of_resource(random, NAMES) for _ in range(random.choice([1, 1, 2]))]
        for arn in ARNS
        if random.random() < chance
    }


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
@settings(max_examples=40, deadline=None)
def test_changes_are_those_of_the_engine(seed: int) -> None:
    random = Random(seed)
    grants_before = grants(random, users=4, groups=2, policies=4)
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


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_what_somebody_could_do_is_what_the_engine_allows(seed: int) -> None:
    """As `blast-radius` tells of a moment: what is gained by who had nothing."""
    random = Random(seed)
    made, resources = grants(random, users=3, groups=1, policies=3), put(of_resources(random))
    access = Access(made)
    beside = Governing({}, resources)
    for user in made.users.values():
        caller, policies = made.caller(user.id), made.policy_set(user.id)
        found = Comparisons(Catalogue(), beside).compared(PolicySet(), policies, caller)
        could = {action for one in found.differences for action in one.actions}
        for one in found.differences:
            assert one.gained
            assert _can(access, user.id, resources, one.witness)
        for _ in range(25):
            resource = random.choice([*RESOURCES, *random_cases.RESOURCES])
            request = Request(caller, random.choice(KNOWN), resource)
            assert not _can(access, user.id, resources, request) or found.untold or request.action in could


def _can(access: Access, user_id: str, resources: OfResources, request: Request) -> bool:
    policy = governing(resources, request.resource)
    return bool(access.policies_of(user_id).beside(policy.policy if policy else None).decide(request))


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_rows_beside_policies_of_resources_are_true(seed: int) -> None:
    """What a row without conditions has `unlimited` is allowed, and nothing is allowed that no row is about."""
    random = Random(seed)
    made, resources = grants(random, users=3, groups=1, policies=3), put(of_resources(random))
    access = Access(made)
    for owned in made.granted.values():  # inline policies have the same name everywhere
        for n, (policy, how) in enumerate(owned):
            owned[n] = replace(policy, name=policy.label), how
    for user in made.users.values():
        told = rows(made, Named(user.name, user.arn, user_id=user.id), resources=resources)
        held = [holding.policy for holding in made.holdings(user.id)]
        for _ in range(12):
            asked = random_cases.request(random)
            asked["resource"] = random.choice([asked["resource"], *RESOURCES])
            caller = made.caller(user.id)
            request = Request(caller, asked["action"], asked["resource"], context=asked["context"])
            knowing = replace(caller, facts={**caller.facts, **{k.lower(): v for k, v in asked["context"].items()}})
            about = [row for row in told if _row_is_about_request(row, held, resources, asked, knowing)]
            if _can(access, user.id, resources, request):
                assert any(row["Limits"] != NOTHING for row in about)
            else:
                assert not any(row["Limits"] == UNLIMITED and not row["Conditions"] for row in about)


def _row_is_about_request(
    row: dict[str, Any], held: list[HeldPolicy], resources: OfResources, asked: dict[str, Any], caller: Caller
) -> bool:
    if row["Layer"] != "resource-based policy":
        return row_is_about(row, held, asked, caller)
    arn, text = row["PolicyName"].removeprefix("policy of resource "), row["Resource"]
    statement = replace(resources[arn].policy.document.statements[row["Statement"] - 1], principal=(), not_principal=())
    pattern = read_resource(text.partition(" but for ")[0].partition(" in ")[0], variables=True)
    within = replace(statement, resource=(pattern,), not_resource=())
    inside = asked["resource"] == arn or asked["resource"].startswith(f"{arn}/")
    return inside and is_about(within, asked, caller) and is_about(statement, asked, caller)


# Rows

BUCKET = "arn:aws:s3:::reports"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def told(made: Grants, user_id: str | None, group_id: str | None = None, **policies: Any) -> list[tuple[Any, ...]]:
    name = made.users[user_id].name if user_id else "root"
    found = rows(made, Named(name, "", user_id, group_id), resources=put({BUCKET: [], **policies}))
    return [tuple(row[name] for name in ("Actions", "Resource", "Layer", "Limits", "LimitedBy")) for row in found]


def account(boundary: dict[str, Any] | None = None) -> Grants:
    made = grants(Random(1), users=1, groups=1, policies=0)
    made.granted.clear()
    made.boundaries.clear()
    if boundary:
        held = HeldPolicy("b v1", "b", "Customer managed", json.dumps({"Statement": boundary}))
        made.boundaries["AIDA0"] = held, HOW
    return made


def test_what_policies_of_resources_grant_is_told_where_they_govern() -> None:
    made = account({"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    named = {**ALL, "Action": "s3:Get*", "Principal": {"AWS": made.users["AIDA0"].arn}}
    everybody = {**ALL, "Action": "s3:Put*", "Principal": "*", "Resource": "arn:aws:s3:::*/in"}
    delegated = {**ALL, "Principal": {"AWS": ACCOUNT}}
    layer = "resource-based policy"
    apart = f"not in {BUCKET}/2026, which has a policy of its own"
    assert told(made, "AIDA0", **{BUCKET: [named, everybody, delegated], f"{BUCKET}/2026": [delegated]}) == [
        ("s3:Get*", BUCKET, layer, UNLIMITED, []),
        ("s3:Get*", f"{BUCKET}/*", layer, "limited", [apart]),
        ("s3:Put*", f"{BUCKET}/*/in", layer, NOTHING, [apart, "outside of the boundary b"]),
        ("s3:Put*", f"{BUCKET}/in", layer, NOTHING, ["outside of the boundary b"]),
    ]
    [row, *_] = rows(made, Named("", "", "AIDA0"), resources=put({BUCKET: [named]}))
    assert (row["PolicyName"], row["GrantedPosition"], row["GrantedDate"]) == (f"policy of resource {BUCKET}", 1, NOW)


def test_what_policies_of_resources_deny_limits_what_meets_it() -> None:
    made = account()
    held = HeldPolicy("p v1", "p", "Customer managed", json.dumps({"Statement": [ALL, {**ALL, "Resource": BUCKET}]}))
    for owner in ("AIDA0", "AGPA0"):
        made.granted[owner].append((held, HOW))
    made.groups_of.clear()
    denied = {**ALL, "Effect": "Deny", "Principal": "*"}
    by = f"denied by statement 1 of policy of resource {BUCKET}: * on {BUCKET}, {BUCKET}/*"
    for owner in ({"user_id": "AIDA0"}, {"user_id": None, "group_id": "AGPA0"}):
        assert [row[3:] for row in told(made, **owner, **{BUCKET: [denied]})] == [("limited", [by]), (NOTHING, [by])]
        elsewhere = told(made, **owner, **{"arn:aws:s3:::logs": [denied]})
        assert [row[3] for row in elsewhere] == ["limited", UNLIMITED]
    assert told(made, None, **{BUCKET: [denied]}) == [("*", "*", None, "limited", [by])]
    assert told(made, None) == [("*", "*", None, UNLIMITED, [])]
    granted = {**ALL, "Principal": "*"}
    assert len(told(made, None, "AGPA0", **{BUCKET: [granted]})) == 2


# An account of many users and resources


@pytest.mark.slow
def test_thousands_of_users_and_of_resources_are_looked_at_in_seconds() -> None:
    """Buckets that deny what is not encrypted; of 5,000 users, each has one of its own, and a policy about it."""
    plain = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    made, before, after = Grants(ACCOUNT, 9), {}, {}
    for number in range(5_000):
        user = User(f"AIDA{number}", f"u{number}", f"arn:aws:iam::{ACCOUNT}:user/u{number}", {}, NOW)
        made.users[user.id] = user
        own = {**ALL, "Action": "s3:Get*", "Resource": f"arn:aws:s3:::b{number}/*"}
        policy = HeldPolicy(f"own of {user.id}", "own", "Inline", json.dumps({"Statement": own}), owner=user.id)
        made.granted[user.id].append((policy, HOW))
        given = {**ALL, "Action": "s3:Put*", "Principal": {"AWS": user.arn}}
        before[f"arn:aws:s3:::b{number}"], after[f"arn:aws:s3:::b{number}"] = [plain], [plain, given]
    began = monotonic()
    found = changes(Moment(made, put(before)), Moment(made, put(after)), GrantEvents({}), Catalogue())
    assert found.untold == []
    assert {(one.user.name, one.difference.resource) for one in found.changes} == {
        (f"u{number}", f"arn:aws:s3:::b{number}{rest}") for number in range(5_000) for rest in ("", "/*")
    }
    assert monotonic() - began < 60

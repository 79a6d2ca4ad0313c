"""Grants made at random, without a ledger: users, groups, policies from small pools, boundaries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

from iamledger.access.grants import Grants, Group, HeldPolicy, How, User
from policy import random_cases

ACCOUNT = random_cases.ACCOUNT
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def grants(random: Random, users: int = 6, groups: int = 3, policies: int = 6) -> Grants:
    """An account; some users have nothing, some policies nobody has."""
    found = Grants(ACCOUNT, 99)
    positions = count(1)

    def how() -> How:
        return How(next(positions), NOW, {"type": "LocalOperator", "os_user": "tester"}, "why", None)

    managed = [held(f"arn:aws:iam::{ACCOUNT}:policy/p{n} v1", f"p{n}", random) for n in range(policies)]
    found.policies = {policy.label: policy for policy in managed}
    for n in range(groups):
        group = Group(f"AGPA{n}", f"g{n}", f"arn:aws:iam::{ACCOUNT}:group/g{n}")
        found.groups[group.id] = group
        grant(found, random, group.id, managed, how)
    for n in range(users):
        name = random.choice(["a/alice", "bob", "carol"]) if n < 3 else f"user{n}"
        arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        user = User(f"AIDA{n}", name.rpartition("/")[2], arn, {"u": random.choice(["a", "b"])}, NOW)
        found.users[user.id] = user
        grant(found, random, user.id, managed, how)
        for group_id in random.sample(sorted(found.groups), min(random.choice([0, 1, 2]), groups)):
            found.groups_of[user.id].append((group_id, how()))
        if managed and random.random() < 0.3:
            found.boundaries[user.id] = random.choice(managed), how()
    return found


def grant(found: Grants, random: Random, owner: str, managed: list[HeldPolicy], how: Any) -> None:
    """Give a user or a group some policies."""
    for policy in random.sample(managed, min(random.choice([0, 1, 2]), len(managed))):
        found.granted[owner].append((policy, how()))
    if random.random() < 0.3:
        inline = held(f"inline policy own of {owner}", "own", random, owner)
        found.policies[inline.label] = inline
        found.granted[owner].append((inline, how()))


def held(label: str, name: str, random: Random, owner: str | None = None) -> HeldPolicy:
    """A policy with a random text, which now and then has escapes or odd spaces."""
    text = json.dumps(random_cases.document(random), indent=random.choice([None, 1]))
    if random.random() < 0.1:
        text = text.replace('"s3:', '"\\u00733:')
    arn, version = label.split() if owner is None else (None, None)
    return HeldPolicy(label, name, "Inline" if owner else "Customer managed", text, arn, version, owner)

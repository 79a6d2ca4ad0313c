"""On random histories, every decision yields what the model in `iam_model.py` says, and nothing when it is repeated.

A third property is what the consistency boundary is for: of two commands that saw the same past, either the second
meets a conflict, or what it yields is right after the first as well.

Histories are drawn from a seed, which mixes better than what hypothesis builds of many small choices; what shrinks is the
number of steps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from inspect import isfunction
from random import Random
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from iam_model import Expected, Model
from iamledger.decisions import Decision
from iamledger.iam.access_key import (
    RevocationReason,
    activate_access_key,
    create_access_key,
    deactivate_access_key,
    record_access_key_use,
    revoke_access_key,
    rotate_access_key,
    use_of,
)
from iamledger.iam.account import create_account
from iamledger.iam.attachment import attach_group_policy, attach_user_policy, detach_group_policy, detach_user_policy
from iamledger.iam.events import Event, event_types
from iamledger.iam.group import create_group, delete_group, update_group
from iamledger.iam.inline_policy import delete_group_policy, delete_user_policy, put_group_policy, put_user_policy
from iamledger.iam.managed_policy import (
    AWS,
    create_policy,
    create_policy_version,
    delete_policy,
    delete_policy_version,
    import_managed_policy,
    replace_policy_document,
    set_default_policy_version,
    update_managed_policy,
)
from iamledger.iam.membership import add_user_to_group, move_user, remove_user_from_group
from iamledger.iam.permissions_boundary import delete_user_permissions_boundary, put_user_permissions_boundary
from iamledger.iam.refusals import Refusal
from iamledger.iam.resource import (
    delete_resource_policy,
    deregister_resource,
    put_resource_policy,
    register_resource,
    share_resource,
    transfer_resource,
    unshare_resource,
)
from iamledger.iam.user import create_user, delete_user, tag_user, untag_user, update_user
from specification import ACCOUNT, Given, When, given, key_id, matches, new_id, policy_text

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NAMES = ["alice", "Alice", "ALICE", "bob", "carol", "x" * 65]
PATHS = ["/", "/a/", "/b/", "/a/", "/b/", "b"]
PICK = [*range(6), *range(6), 6]
"""Which of what exists, or of the keys that were issued, is meant; the last stands for one that never was."""
TAG_KEYS = ["team", "Team", "cost", "COST", "owner", "site", "aws:x"]
GRACES = [timedelta(0), 5 * MINUTE, DAY, -MINUTE]
DELTAS = [-DAY, -20 * MINUTE, -MINUTE, timedelta(0), 6 * MINUTE]
PAUSES = [timedelta(0), MINUTE, 20 * MINUTE, 2 * DAY]
GROUP_NAMES = ["admins", "Admins", "ADMINS", "staff", "all", "alice", "x" * 129]
OWN_ARNS = [f"arn:aws:iam::{ACCOUNT}:policy{name}" for name in ("/deploy", "/Deploy", "/ops/deploy", "/read", "/a/b/c")]
AWS_ARNS = [f"{AWS}{name}" for name in ("Billing", "job-function/Billing", "read")]
TEXT = policy_text(100)
TEXTS = [
    TEXT,
    TEXT,
    policy_text(100, "s3:PutObject"),
    TEXT + " ",
    policy_text(101),
    policy_text(150),
    policy_text(151),
    "{",
]
INLINE_NAMES = ["own", "own", "OWN", "more"]
FLAG = [False, True]
ARNS = ["arn:aws:s3:::reports", "arn:aws:s3:::Reports", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:jobs/a b"]
NEW_ARNS = [*ARNS, *ARNS, "arn:aws:sqs:eu-west-1:234567890123:jobs"]
SOME_ARNS = [*ARNS, ARNS[0], ARNS[0]]
BY_HAND = '{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}'
RESOURCE_TEXTS = [
    f'{{"Statement": {BY_HAND}}}',
    f'{{"Version": "2008-10-17", "Id": "mine", "Statement": [\n{BY_HAND}, {BY_HAND}]}}',
    f'{{"Statement": {BY_HAND}}}{" " * 900}',
    "{",
]
DAVE = f"arn:aws:iam::{ACCOUNT}:user/dave"
PRINCIPALS = [*["234567890123", "arn:aws:iam::234567890123:root", DAVE, DAVE] * 2, ACCOUNT, "*"]
SHARED_ACTIONS = [*[["s3:GetObject"], ["s3:Get*", "s3:PutObject", "s3:Get*"]] * 4, []]


def tags(random: Random) -> list[tuple[str, str]]:
    return [(key, random.choice(["", "x"])) for key in tag_keys(random)]


def tag_keys(random: Random) -> list[str]:
    return random.choices(TAG_KEYS, k=random.randrange(4))


WISHES: dict[Decision, dict[str, Sequence[Any] | Callable[[Random], Any]]] = {
    create_account: {"account": [ACCOUNT], "account_name": ["acme"], "email": ["r@acme.example", "acme.example"]},
    create_user: {"name": NAMES, "path": PATHS, "tags": tags},
    update_user: {"user": PICK, "new_name": [None, *NAMES], "new_path": [None, *PATHS]},
    tag_user: {"user": PICK, "tags": tags},
    untag_user: {"user": PICK, "keys": tag_keys},
    delete_user: {"user": PICK},
    create_access_key: {"user": PICK},
    deactivate_access_key: {"key": PICK},
    activate_access_key: {"key": PICK},
    rotate_access_key: {"user": PICK, "grace": GRACES},
    revoke_access_key: {
        "key": PICK,
        "revocation_reason": list(RevocationReason),
        "note": [None, "found on a desk"],
        "suspected_since": [None, *DELTAS],
    },
    record_access_key_use: {
        "key": PICK,
        "service_name": ["s3", "ec2"],
        "region": ["eu-west-1"],
        "used_at": DELTAS,
    },
    create_group: {"name": GROUP_NAMES, "path": PATHS},
    update_group: {"group": PICK, "new_name": [None, *GROUP_NAMES], "new_path": [None, *PATHS]},
    delete_group: {"group": PICK},
    add_user_to_group: {"user": PICK, "group": PICK},
    remove_user_from_group: {"user": PICK, "group": PICK},
    move_user: {"user": PICK, "source": PICK, "target": PICK},
    create_policy: {"name": [*OWN_ARNS, AWS_ARNS[0]], "document": TEXTS, "description": [None, "", "what for"]},
    import_managed_policy: {"name": [*AWS_ARNS, OWN_ARNS[0]], "document": TEXTS, "description": [None, "what for"]},
    create_policy_version: {"policy": PICK, "document": TEXTS, "set_as_default": FLAG, "unless_same": FLAG},
    update_managed_policy: {"policy": PICK, "document": TEXTS},
    replace_policy_document: {"policy": PICK, "document": TEXTS},
    set_default_policy_version: {"policy": PICK, "version_id": PICK},
    delete_policy_version: {"policy": PICK, "version_id": PICK},
    delete_policy: {"policy": PICK, "with_versions": FLAG},
    attach_user_policy: {"user": PICK, "policy": PICK},
    attach_group_policy: {"group": PICK, "policy": PICK},
    detach_user_policy: {"user": PICK, "policy": PICK},
    detach_group_policy: {"group": PICK, "policy": PICK},
    put_user_policy: {"user": PICK, "policy_name": INLINE_NAMES, "document": TEXTS},
    put_group_policy: {"group": PICK, "policy_name": INLINE_NAMES, "document": TEXTS},
    delete_user_policy: {"user": PICK, "policy_name": INLINE_NAMES},
    delete_group_policy: {"group": PICK, "policy_name": INLINE_NAMES},
    put_user_permissions_boundary: {"user": PICK, "policy": PICK},
    delete_user_permissions_boundary: {"boundary": PICK},
    register_resource: {"resource": NEW_ARNS, "creator": [None, *PICK]},
    transfer_resource: {"resource": SOME_ARNS, "responsible": PICK},
    put_resource_policy: {"resource": SOME_ARNS, "document": RESOURCE_TEXTS},
    delete_resource_policy: {"resource": SOME_ARNS},
    share_resource: {"resource": SOME_ARNS, "principal": PRINCIPALS, "actions": SHARED_ACTIONS},
    unshare_resource: {"resource": SOME_ARNS, "principal": PRINCIPALS},
    deregister_resource: {"resource": SOME_ARNS},
}
NEW_IDS = {
    create_user: "AIDA",
    create_group: "AGPA",
    create_policy: "ANPA",
    import_managed_policy: "ANPA",
}
YIELD_AGAIN = {create_policy_version}
"""Decisions that yield events again when they are repeated; `unless_same` is for those who do not want that."""
KEYS = [create_access_key, deactivate_access_key, activate_access_key, rotate_access_key, revoke_access_key]
USERS = [create_user, update_user, delete_user]
GROUPS = [create_group, update_group, delete_group]
MEMBERS = [add_user_to_group, remove_user_from_group, move_user]
POLICIES = [create_policy, import_managed_policy, delete_policy]
VERSIONS_OF = [
    create_policy_version,
    update_managed_policy,
    replace_policy_document,
    set_default_policy_version,
    delete_policy_version,
]
ATTACHED = [attach_user_policy, attach_group_policy, detach_user_policy, detach_group_policy]
INLINE = [put_user_policy, put_group_policy, delete_user_policy, delete_group_policy]
BOUNDARIES = [put_user_permissions_boundary, delete_user_permissions_boundary]
RESOURCES = [
    register_resource,
    transfer_resource,
    put_resource_policy,
    delete_resource_policy,
    share_resource,
    unshare_resource,
    deregister_resource,
]
SUBJECTS: list[list[Decision]] = [
    [create_account, tag_user, untag_user, *USERS, *KEYS, record_access_key_use],
    [*USERS, *GROUPS, *MEMBERS],
    [*POLICIES, *VERSIONS_OF, attach_user_policy],
    [*USERS, *GROUPS, *POLICIES, *ATTACHED],
    [*USERS, *GROUPS, *INLINE],
    [*USERS, *POLICIES, *BOUNDARIES],
    [*USERS, *RESOURCES],
]
"""Decisions that depend on each other: a history is of one of these lists, or of everything."""

Command = tuple[Decision, dict[str, Any]]


def command(random: Random, decisions: Sequence[Decision]) -> Command:
    """One of these decisions, with wishes that are not yet resolved: see `World.arguments`."""
    decision = random.choice(decisions)
    wishes = WISHES[decision].items()
    return decision, {name: wish(random) if callable(wish) else random.choice(wish) for name, wish in wishes}


def history(random: Random, steps: int, decisions: Sequence[Decision]) -> list[tuple[Command, timedelta]]:
    """So many commands, with the time that passes after each; now and then about anything."""
    pools = random.choices([decisions, list(WISHES)], [4, 1], k=steps)
    return [(command(random, pool), random.choice(PAUSES)) for pool in pools]


SEEDS = st.integers(0, 2**64 - 1)
examples = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


LIMITS = {
    "users": 3, "keys": 2, "tags": 2, "groups": 3, "groups_of_user": 2, "policies": 3, "versions": 3,
    "attached_to_user": 1, "attached_to_group": 2, "text": 150, "inline_of_user": 250, "inline_of_group": 200,
    "resource_text": 900,
}  # fmt: skip
NO_COUNTS = {"users": 5000, "groups": 300, "policies": 1500}
"""The quotas over an account are approximate under concurrency, so they must not matter where that is tested."""


def under(limits: dict[str, int]) -> Given:
    """No past, under these quotas."""
    return given().under(
        users_per_account=limits["users"],
        access_keys_per_user=limits["keys"],
        tags_per_resource=limits["tags"],
        groups_per_account=limits["groups"],
        groups_per_user=limits["groups_of_user"],
        policies_per_account=limits["policies"],
        versions_per_policy=limits["versions"],
        policies_attached_per_user=limits["attached_to_user"],
        policies_attached_per_group=limits["attached_to_group"],
        policy_size=limits["text"],
        inline_policies_size_per_user=limits["inline_of_user"],
        inline_policies_size_per_group=limits["inline_of_group"],
        resource_policy_size=limits["resource_text"],
    )


@dataclass
class World:
    """The same history twice: of real events and in the model."""

    past: Given
    model: Model

    @classmethod
    def beginning(cls, **limits: int) -> World:
        """The world before a history, under these quotas: in it, there is something of every kind."""
        return deepcopy(_beginning(*{**LIMITS, **limits}.items()))

    def after(self, history: Sequence[tuple[Command, timedelta]]) -> World:
        """Live through a history."""
        for (decision, wishes), pause in history:
            self.live(self.past.when(decision, **self.arguments(decision, wishes)), pause)
        return self

    def live(self, done: When, pause: timedelta = MINUTE) -> None:
        """Let a decision have been made, which need not have been right."""
        self.model.apply(self.expected(done.decision, done.arguments, done.draw))
        self.past = done.after.at(self.past.now + pause)

    def arguments(self, decision: Decision, wishes: dict[str, Any]) -> dict[str, Any]:
        """The wishes with real names, keys and times."""
        arguments = dict(wishes)
        called = {
            "user": self.model.users,
            "boundary": self.model.users,
            "group": self.model.groups,
            "source": self.model.groups,
            "target": self.model.groups,
            "creator": self.model.users,
            "responsible": self.model.users,
        }
        for parameter in [name for name in called if arguments.get(name) is not None]:
            names = [thing["name"] for thing in called[parameter].values()]
            arguments[parameter] = _picked(arguments[parameter], [*names, *map(str.upper, names)], "nobody")
        if "policy" in arguments:
            arns = [policy["arn"] for policy in self.model.policies.values()]
            others = [arn[:-1] + arn[-1].upper() for arn in arns]  # the same names, but no ARNs of theirs
            arguments["policy"] = _picked(arguments["policy"], [*arns, *arns, *others], f"{AWS}nothing")
        if "version_id" in arguments:
            found = [policy for policy in self.model.policies.values() if policy["arn"] == arguments["policy"]]
            versions = [f"v{number}" for policy in found for number in policy["versions"]]
            arguments["version_id"] = _picked(arguments["version_id"], versions, "v99")
        if "key" in arguments:
            arguments["key"] = _picked(
                arguments["key"], [*self.model.keys, *sorted(self.model.drawn)], "AKIAZZZZZZZZZZZZZZZZ"
            )
        for time in ("suspected_since", "used_at"):
            if arguments.get(time) is not None:
                arguments[time] = self.past.now + arguments[time]
        if decision is record_access_key_use:
            told = {name: arguments[name] for name in ("service_name", "region", "used_at")}
            arguments["use"] = use_of(arguments["key"], **told)
        return arguments

    def expected(self, decision: Decision, arguments: dict[str, Any], draw: int) -> Expected | str:
        """What the model says."""
        new = new_id(NEW_IDS[decision], draw) if decision in NEW_IDS else key_id(draw)
        return self.model.expect(decision.__name__, self.past.now, new, arguments)


@cache
def _beginning(*limits: tuple[str, int]) -> World:
    world = World(under(dict(limits)), Model(**dict(limits)))
    own, managed = {"name": OWN_ARNS[3], "document": TEXT}, {"name": AWS_ARNS[0], "document": TEXT}
    first: list[Command] = [
        (create_user, {"name": "dave", "path": "/", "tags": [("team", "x")]}),
        (create_access_key, {"user": 0}),
        (create_user, {"name": "erin", "path": "/", "tags": []}),
        (create_group, {"name": "staff", "path": "/"}),
        (create_group, {"name": "guests", "path": "/"}),
        (add_user_to_group, {"user": 0, "group": 0}),
        (add_user_to_group, {"user": 0, "group": 1}),
        (create_policy, {**own, "description": None}),
        (create_policy_version, {"policy": 0, "document": TEXT, "set_as_default": False, "unless_same": False}),
        (import_managed_policy, {**managed, "description": None}),
        (attach_user_policy, {"user": 0, "policy": 1}),
        (attach_group_policy, {"group": 0, "policy": 1}),
        (put_user_policy, {"user": 0, "policy_name": "own", "document": TEXT}),
        (put_group_policy, {"group": 0, "policy_name": "own", "document": TEXT}),
        (put_user_permissions_boundary, {"user": 1, "policy": 1}),
        (register_resource, {"resource": ARNS[0], "creator": 0}),
        (share_resource, {"resource": ARNS[0], "principal": PRINCIPALS[0], "actions": ["s3:ListBucket"]}),
        (share_resource, {"resource": ARNS[0], "principal": DAVE, "actions": ["s3:GetObject"]}),
    ]
    return world.after([(command, MINUTE) for command in first])


def _picked(number: int, among: Sequence[str], unknown: str) -> str:
    return among[number % len(among)] if among and number < PICK[-1] else unknown


def told(done: When) -> Expected | str:
    """What came of a decision, in the words of the model."""
    if isinstance(done.outcome, Refusal):
        return done.outcome.code
    return [(type(event).__name__, event.model_dump()) for event in done.outcome]


def with_neighbours(decision: Decision) -> list[Decision]:
    """The decision, most of the time, and what depends on it or on what it depends."""
    neighbours = {other: None for subject in SUBJECTS if decision in subject for other in subject}
    return [*neighbours, *[decision] * (len(neighbours) // 2)]


@pytest.mark.parametrize("decision", WISHES, ids=lambda decision: decision.__name__)
def test_right_events_and_idempotent_on_retry(decision: Decision) -> None:
    @examples
    @for_all(SEEDS, st.integers(1, 20))
    def check(seed: int, steps: int) -> None:
        world = World.beginning()
        for (made, wishes), pause in history(Random(seed), steps, with_neighbours(decision)):
            done = world.past.when(made, **world.arguments(made, wishes))
            assert told(done) == world.expected(made, done.arguments, done.draw)
            world.live(done, timedelta(0))
            again = done.again()
            assert again.events == () or made in YIELD_AGAIN
            assert told(again) == world.expected(made, done.arguments, done.draw)
            world.past = world.past.at(world.past.now + pause)

    check()


@pytest.mark.parametrize("subject", [*SUBJECTS, list(WISHES)], ids=lambda subject: subject[-1].__name__)
def test_two_at_once_conflict_or_do_not_matter_to_each_other(subject: list[Decision]) -> None:
    @examples
    @for_all(SEEDS, st.integers(0, 15))
    def check(seed: int, steps: int) -> None:
        random = Random(seed)
        world = World.beginning(**NO_COUNTS).after(history(random, steps, subject))
        done = [
            world.past.drawing(number).when(decision, **world.arguments(decision, wishes))
            for number, (decision, wishes) in enumerate(
                (command(random, subject) for _ in range(10)), len(world.past.events)
            )
        ]
        for first in (one for one in done if one.events):
            meanwhile = deepcopy(world)
            meanwhile.model.apply(meanwhile.expected(first.decision, first.arguments, first.draw))
            for second in done:
                unaware = not any(matches(second.boundary, event) for event in first.events)
                if second is not first and second.events and unaware:
                    assert told(second) == meanwhile.expected(second.decision, second.arguments, second.draw)

    check()


def test_every_decision_is_tested() -> None:
    event_types()  # imports every noun
    modules = [module for name, module in sys.modules.items() if name.startswith("iamledger.iam.")]
    functions = {f for module in modules for f in vars(module).values() if isfunction(f) and f.__name__[0] != "_"}
    assert {f for f in functions if get_type_hints(f).get("return") == Iterator[Event]} == set(WISHES)
    assert {decision for subject in SUBJECTS for decision in subject} == set(WISHES)

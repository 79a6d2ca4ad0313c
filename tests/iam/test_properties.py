"""On random histories, every decision yields what the model in `iam_model.py` says, and nothing when it is repeated.

A third property is what the consistency boundary is for: of two commands that saw the same past, either the second
meets a conflict, or what it yields is right after the first as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import permutations
from typing import Any

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
from iamledger.iam.refusals import Refusal
from iamledger.iam.user import create_user, delete_user, tag_user, untag_user, update_user
from specification import ACCOUNT, Given, When, given, key_id, matches, user_id

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NAMES = st.sampled_from(["alice", "Alice", "ALICE", "bob", "carol", "x" * 65])
PATHS = st.sampled_from(["/", "/a/", "/b/", "/a/", "/b/", "b"])
PICK = st.integers(0, 9)
"""Which of the users that exist, or of the keys that were issued, is meant; the last stands for one that never was."""
TAG_KEYS = st.sampled_from(["team", "Team", "cost", "COST", "owner", "site", "aws:x"])
TAGS = st.lists(st.tuples(TAG_KEYS, st.sampled_from(["", "x"])), max_size=3)
DELTA = st.sampled_from([-DAY, -20 * MINUTE, -MINUTE, timedelta(0), 6 * MINUTE])

WISHES: dict[Decision, dict[str, st.SearchStrategy[Any]]] = {
    create_account: {
        "account": st.just(ACCOUNT),
        "account_name": st.just("acme"),
        "email": st.sampled_from(["r@acme.example", "acme.example"]),
    },
    create_user: {"name": NAMES, "path": PATHS, "tags": TAGS},
    update_user: {"user": PICK, "new_name": st.none() | NAMES, "new_path": st.none() | PATHS},
    tag_user: {"user": PICK, "tags": TAGS},
    untag_user: {"user": PICK, "keys": st.lists(TAG_KEYS, max_size=2)},
    delete_user: {"user": PICK},
    create_access_key: {"user": PICK},
    deactivate_access_key: {"key": PICK},
    activate_access_key: {"key": PICK},
    rotate_access_key: {"user": PICK, "grace": st.sampled_from([timedelta(0), 5 * MINUTE, DAY, -MINUTE])},
    revoke_access_key: {
        "key": PICK,
        "revocation_reason": st.sampled_from(RevocationReason),
        "note": st.none() | st.just("found on a desk"),
        "suspected_since": st.none() | DELTA,
    },
    record_access_key_use: {
        "key": PICK,
        "service_name": st.sampled_from(["s3", "ec2"]),
        "region": st.just("eu-west-1"),
        "used_at": DELTA,
    },
}

Command = tuple[Decision, dict[str, Any]]


def wishes_of(decision: Decision) -> st.SearchStrategy[dict[str, Any]]:
    """Wishes for a decision, not yet resolved: see `World.arguments`."""
    return st.fixed_dictionaries(WISHES[decision])


def commands(*decisions: Decision) -> st.SearchStrategy[Command]:
    """One of these decisions, or of all, with wishes."""
    return st.one_of([st.tuples(st.just(decision), wishes_of(decision)) for decision in decisions or WISHES])


HISTORIES = st.lists(
    st.tuples(
        commands() | commands(create_user) | commands(create_access_key) | commands(rotate_access_key),
        st.sampled_from([timedelta(0), MINUTE, 20 * MINUTE, 2 * DAY]),
    ),
    min_size=5,
    max_size=20,
)
examples = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


SMALL = {"users_per_account": 2, "access_keys_per_user": 2, "tags_per_resource": 2}


@dataclass
class World:
    """The same history twice: of real events and in the model. It begins with a user who has a key."""

    past: Given = field(default_factory=lambda: given().under(**SMALL))
    model: Model = field(default_factory=lambda: Model(users=2, keys=2, tags=2))

    def __post_init__(self) -> None:
        self.after([((create_user, {"name": "dave", "path": "/", "tags": []}), MINUTE)])
        self.after([((create_access_key, {"user": 0}), MINUTE)])

    def after(self, history: Sequence[tuple[Command, timedelta]]) -> World:
        """Live through a history, with time passing after each command."""
        for (decision, wishes), pause in history:
            arguments = self.arguments(decision, wishes)
            done = self.past.when(decision, **arguments)
            self.model.apply(self.expected(decision, arguments, len(self.past.events)))
            self.past = done.after.at(self.past.now + pause)
        return self

    def arguments(self, decision: Decision, wishes: dict[str, Any]) -> dict[str, Any]:
        """The wishes with real keys and times."""
        arguments = dict(wishes)
        if "user" in arguments:
            names = [user["name"] for user in self.model.users.values()]
            arguments["user"] = _picked(arguments["user"], [*names, *map(str.upper, names)], "nobody")
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
        new = user_id(draw) if decision is create_user else key_id(draw)
        return self.model.expect(decision.__name__, self.past.now, new, arguments)


def _picked(number: int, among: Sequence[str], unknown: str) -> str:
    return among[number % len(among)] if among and number < 9 else unknown


def told(done: When) -> Expected | str:
    """What came of a decision, in the words of the model."""
    if isinstance(done.outcome, Refusal):
        return done.outcome.code
    return [(type(event).__name__, event.model_dump()) for event in done.outcome]


@pytest.mark.parametrize("decision", WISHES, ids=lambda decision: decision.__name__)
def test_right_events_and_idempotent_on_retry(decision: Decision) -> None:
    @examples
    @for_all(HISTORIES, wishes_of(decision))
    def check(history: Sequence[tuple[Command, timedelta]], wishes: dict[str, Any]) -> None:
        world = World().after(history)
        arguments = world.arguments(decision, wishes)
        done = world.past.when(decision, **arguments)
        expected = world.expected(decision, arguments, done.draw)
        assert told(done) == expected
        world.model.apply(expected)
        again = done.again()
        assert again.events == ()
        assert told(again) == world.expected(decision, arguments, done.draw)

    check()


@examples
@for_all(HISTORIES, st.lists(commands(), min_size=6, max_size=6))
def test_two_at_once_conflict_or_do_not_matter_to_each_other(
    history: Sequence[tuple[Command, timedelta]], at_once: Sequence[Command]
) -> None:
    world = World(given(), Model(5000, 2, 50)).after(history)
    done = [
        world.past.drawing(number).when(decision, **world.arguments(decision, wishes))
        for number, (decision, wishes) in enumerate(at_once, len(world.past.events))
    ]
    for first, second in permutations((one for one in done if one.events), 2):
        if not any(matches(second.boundary, event) for event in first.events):
            meanwhile = deepcopy(world)
            meanwhile.model.apply(meanwhile.expected(first.decision, first.arguments, first.draw))
            assert told(second) == meanwhile.expected(second.decision, second.arguments, second.draw)


def test_every_decision_is_tested() -> None:
    from iamledger.iam import access_key, account, user

    public = [f for module in (access_key, account, user) for f in vars(module).values() if callable(f)]
    decisions = {f for f in public if getattr(f, "__annotations__", {}).get("return") == "Iterator[Event]"}
    assert decisions == set(WISHES)

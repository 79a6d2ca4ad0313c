"""Two writers at once on groups, policies and resources: no quota is exceeded, and nothing is left pointing to what is gone.

Each race is run in rounds, by threads that begin at the same moment, and once more in a course that is given: the other
comes in between what a command reads and what it appends. Every round has things of its own, named with its number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import pytest

from concurrency.racing import assert_whole, events, fold_of
from conftest import ACCOUNT, Disturbance, Points, Urls, new_ledger
from iamledger.decisions import Command, Decision
from iamledger.engine.view import open_view
from iamledger.iam.account import create_account
from iamledger.iam.attachment import attach_group_policy, attach_user_policy, detach_user_policy
from iamledger.iam.group import create_group, delete_group, update_group
from iamledger.iam.inline_policy import delete_user_policy, put_group_policy, put_user_policy
from iamledger.iam.managed_policy import (
    create_policy,
    create_policy_version,
    delete_policy,
    delete_policy_version,
    set_default_policy_version,
)
from iamledger.iam.membership import add_user_to_group, move_user, remove_user_from_group
from iamledger.iam.permissions_boundary import put_user_permissions_boundary
from iamledger.iam.refusals import Refusal
from iamledger.iam.resource import (
    deregister_resource,
    put_resource_policy,
    register_resource,
    share_resource,
    transfer_resource,
    unshare_resource,
)
from iamledger.iam.user import create_user, delete_user, update_user
from iamledger.ledger import Ledger
from iamledger.store import Database
from iamledger_projections import projections
from stateful import readers

ROUNDS = 20


def arn(name: str) -> str:
    """Of a policy of the customer's."""
    return f"arn:aws:iam::{ACCOUNT}:policy{name}"


def document(size: int = 100) -> str:
    """A policy whose text has so many characters, and white space besides."""
    statement = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b"}
    bare = len(json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":")))
    statement["Resource"] += "x" * (size - bare)
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=4)


def ask(decision: Decision, **args: Any) -> Command:
    """A command; `{n}` in its texts stands for the number of the round."""
    return Command(decision, args)


def of_round(commands: Sequence[Command], n: int) -> list[Command]:
    """The commands of one round."""
    return [
        Command(c.decision, {k: v.replace("{n}", str(n)) if isinstance(v, str) else v for k, v in c.arguments.items()})
        for c in commands
    ]


@dataclass(frozen=True)
class Race:
    """Two commands at once, what was there before, and what may come of them: of the first, and of the second."""

    before: Sequence[Command]
    first: Command
    second: Command
    allowed: set[tuple[str, str]]


ONE_IS_TOO_MANY = {("done", "LimitExceeded"), ("LimitExceeded", "done")}
ONE_IS_TAKEN = {("done", "EntityAlreadyExists"), ("EntityAlreadyExists", "done")}
GONE_OR_IN_USE = {("done", "NoSuchEntity"), ("DeleteConflict", "done")}
USER = ask(create_user, name="user-{n}")
GROUP = ask(create_group, name="group-{n}")
POLICY = ask(create_policy, name=arn("/policy-{n}"), document=document())
TWELVE = range(12)
VERSION = ask(create_policy_version, policy=arn("/policy-{n}"), document=document(90))

BUCKET = ask(register_resource, resource="arn:aws:s3:::bucket-{n}")
PUBLIC = '{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject"}}'


def shared(account: str, *actions: str) -> Command:
    """A bucket is shared with an account."""
    return ask(share_resource, resource="arn:aws:s3:::bucket-{n}", principal=account, actions=list(actions))


RACES: dict[str, Race] = {
    "the tenth and the eleventh policy of a user": Race(
        [USER, *[ask(attach_user_policy, user="user-{n}", policy=arn(f"/shared-{p}")) for p in range(9)]],
        ask(attach_user_policy, user="user-{n}", policy=arn("/shared-9")),
        ask(attach_user_policy, user="user-{n}", policy=arn("/shared-10")),
        ONE_IS_TOO_MANY,
    ),
    "the tenth and the eleventh policy of a group": Race(
        [GROUP, *[ask(attach_group_policy, group="group-{n}", policy=arn(f"/shared-{p}")) for p in range(9)]],
        ask(attach_group_policy, group="group-{n}", policy=arn("/shared-9")),
        ask(attach_group_policy, group="group-{n}", policy=arn("/shared-10")),
        ONE_IS_TOO_MANY,
    ),
    "the tenth and the eleventh group of a user": Race(
        [USER, *[ask(add_user_to_group, user="user-{n}", group=f"shared-{g}") for g in range(9)]],
        ask(add_user_to_group, user="user-{n}", group="shared-9"),
        ask(add_user_to_group, user="user-{n}", group="shared-10"),
        ONE_IS_TOO_MANY,
    ),
    "the fifth and the sixth version": Race(
        [POLICY, *[VERSION] * 3],
        VERSION,
        ask(create_policy_version, policy=arn("/policy-{n}"), document=document(80), set_as_default=True),
        ONE_IS_TOO_MANY,
    ),
    "a user's inline policies that are too large together": Race(
        [USER, ask(put_user_policy, user="user-{n}", policy_name="a", document=document(848))],
        ask(put_user_policy, user="user-{n}", policy_name="b", document=document(1200)),
        ask(put_user_policy, user="user-{n}", policy_name="a", document=document(849)),
        ONE_IS_TOO_MANY,
    ),
    "a group's inline policies that are too large together": Race(
        [GROUP],
        ask(put_group_policy, group="group-{n}", policy_name="one", document=document(2560)),
        ask(put_group_policy, group="group-{n}", policy_name="two", document=document(2561)),
        ONE_IS_TOO_MANY,
    ),
    "a policy's name in another case and path": Race(
        [],
        ask(create_policy, name=arn("/taken-{n}"), document=document()),
        ask(create_policy, name=arn("/elsewhere/TAKEN-{n}"), document=document()),
        ONE_IS_TAKEN,
    ),
    "a group's name in another case": Race(
        [], ask(create_group, name="taken-{n}"), ask(create_group, name="TAKEN-{n}", path="/eng/"), ONE_IS_TAKEN
    ),
    "a group's name by a rename": Race(
        [GROUP], ask(update_group, group="group-{n}", new_name="b-{n}"), ask(create_group, name="B-{n}"), ONE_IS_TAKEN
    ),
    "a group is deleted, and gets a member": Race(
        [USER, GROUP],
        ask(delete_group, group="group-{n}"),
        ask(add_user_to_group, user="user-{n}", group="group-{n}"),
        GONE_OR_IN_USE,
    ),
    "a group is deleted, and gets a policy": Race(
        [GROUP],
        ask(delete_group, group="group-{n}"),
        ask(attach_group_policy, group="group-{n}", policy=arn("/shared-0")),
        GONE_OR_IN_USE,
    ),
    "a group is deleted, and gets an inline policy": Race(
        [GROUP],
        ask(delete_group, group="group-{n}"),
        ask(put_group_policy, group="group-{n}", policy_name="a", document=document()),
        GONE_OR_IN_USE,
    ),
    "a user is deleted, and becomes a member": Race(
        [USER],
        ask(delete_user, user="user-{n}"),
        ask(add_user_to_group, user="user-{n}", group="shared-0"),
        GONE_OR_IN_USE,
    ),
    "a user is deleted, and gets a policy": Race(
        [USER],
        ask(delete_user, user="user-{n}"),
        ask(attach_user_policy, user="user-{n}", policy=arn("/shared-0")),
        GONE_OR_IN_USE,
    ),
    "a user is deleted, and gets a boundary": Race(
        [USER],
        ask(delete_user, user="user-{n}"),
        ask(put_user_permissions_boundary, user="user-{n}", policy=arn("/shared-0")),
        {("done", "NoSuchEntity"), ("done", "done")},  # a boundary ends with the user
    ),
    "a policy is deleted, and attached to a user": Race(
        [USER, POLICY],
        ask(delete_policy, policy=arn("/policy-{n}")),
        ask(attach_user_policy, user="user-{n}", policy=arn("/policy-{n}")),
        GONE_OR_IN_USE,
    ),
    "a policy is deleted, and attached to a group": Race(
        [GROUP, POLICY],
        ask(delete_policy, policy=arn("/policy-{n}")),
        ask(attach_group_policy, group="group-{n}", policy=arn("/policy-{n}")),
        GONE_OR_IN_USE,
    ),
    "a policy is deleted, and becomes a boundary": Race(
        [USER, POLICY],
        ask(delete_policy, policy=arn("/policy-{n}")),
        ask(put_user_permissions_boundary, user="user-{n}", policy=arn("/policy-{n}")),
        GONE_OR_IN_USE,
    ),
    "a policy is deleted, and gets a version": Race(
        [POLICY], ask(delete_policy, policy=arn("/policy-{n}")), VERSION, GONE_OR_IN_USE
    ),
    "a version is deleted, and becomes the default": Race(
        [POLICY, VERSION],
        ask(delete_policy_version, policy=arn("/policy-{n}"), version_id="v2"),
        ask(set_default_policy_version, policy=arn("/policy-{n}"), version_id="v2"),
        GONE_OR_IN_USE,
    ),
    "a policy is detached twice": Race(
        [USER, ask(attach_user_policy, user="user-{n}", policy=arn("/shared-0"))],
        ask(detach_user_policy, user="user-{n}", policy=arn("/shared-0")),
        ask(detach_user_policy, user="USER-{n}", policy=arn("/shared-0")),
        {("done", "NoSuchEntity"), ("NoSuchEntity", "done")},
    ),
    "an inline policy is deleted twice": Race(
        [USER, ask(put_user_policy, user="user-{n}", policy_name="a", document=document())],
        ask(delete_user_policy, user="user-{n}", policy_name="a"),
        ask(delete_user_policy, user="user-{n}", policy_name="a"),
        {("done", "NoSuchEntity"), ("NoSuchEntity", "done")},
    ),
    "a user is moved to two groups": Race(
        [USER, ask(add_user_to_group, user="user-{n}", group="shared-0")],
        ask(move_user, user="user-{n}", source="shared-0", target="shared-1"),
        ask(move_user, user="user-{n}", source="shared-0", target="shared-2"),
        {("done", "NoSuchEntity"), ("NoSuchEntity", "done")},
    ),
    "a user is moved out of a group that is deleted": Race(
        [USER, GROUP, ask(add_user_to_group, user="user-{n}", group="group-{n}")],
        ask(delete_group, group="group-{n}"),
        ask(move_user, user="user-{n}", source="group-{n}", target="shared-0"),
        {("DeleteConflict", "done"), ("done", "done")},
    ),
    "two get the boundary of one user": Race(
        [USER],
        ask(put_user_permissions_boundary, user="user-{n}", policy=arn("/shared-0")),
        ask(put_user_permissions_boundary, user="user-{n}", policy=arn("/shared-1")),
        {("done", "done")},
    ),
    "a member is removed twice": Race(
        [USER, ask(add_user_to_group, user="user-{n}", group="shared-0")],
        ask(remove_user_from_group, user="user-{n}", group="shared-0"),
        ask(remove_user_from_group, user="user-{n}", group="shared-0"),
        {("done", "nothing"), ("nothing", "done")},
    ),
    "a resource is registered twice": Race([], BUCKET, BUCKET, ONE_IS_TAKEN),
    "a resource is registered by who is deleted": Race(
        [USER],
        ask(delete_user, user="user-{n}"),
        ask(register_resource, resource="arn:aws:s3:::bucket-{n}", creator="user-{n}"),
        {("done", "NoSuchEntity"), ("done", "done")},  # what a user created does not hold up its deletion
    ),
    "a resource is transferred to who is deleted": Race(
        [USER, BUCKET],
        ask(delete_user, user="user-{n}"),
        ask(transfer_resource, resource="arn:aws:s3:::bucket-{n}", responsible="user-{n}"),
        {("done", "NoSuchEntity"), ("done", "done")},
    ),
    "a resource is transferred to who is renamed": Race(
        [USER, BUCKET],
        ask(update_user, user="user-{n}", new_name="new-{n}"),
        ask(transfer_resource, resource="arn:aws:s3:::bucket-{n}", responsible="user-{n}"),
        {("done", "NoSuchEntity"), ("done", "done")},
    ),
    "a resource is shared with two accounts": Race(
        [BUCKET], shared("234567890123", "s3:GetObject"), shared("345678901234", "s3:GetObject"), {("done", "done")}
    ),
    "a resource is shared and unshared": Race(
        [BUCKET, shared("234567890123", "s3:GetObject")],
        shared("234567890123", "s3:PutObject"),
        ask(unshare_resource, resource="arn:aws:s3:::bucket-{n}", principal="234567890123"),
        {("done", "done")},
    ),
    "a resource's policy is put, and it is shared": Race(
        [BUCKET],
        ask(put_resource_policy, resource="arn:aws:s3:::bucket-{n}", document=PUBLIC),
        shared("234567890123", "s3:GetObject"),
        {("done", "done")},
    ),
    "a resource is deregistered, and shared": Race(
        [BUCKET],
        ask(deregister_resource, resource="arn:aws:s3:::bucket-{n}"),
        shared("234567890123", "s3:GetObject"),
        {("done", "NoSuchEntity"), ("done", "done")},
    ),
}


def outcome_of(ledger: Ledger, command: Command) -> str:
    """`done`, `nothing` if nothing was to be done, or the code of the refusal."""
    try:
        outcome = ledger.execute_all([command])
    except Refusal as refusal:
        return refusal.code
    return "nothing" if outcome.first is None else "done"


@pytest.fixture
def two(urls: Urls) -> Iterator[tuple[Ledger, Ledger]]:
    """One ledger through two connections, with groups and policies that no round changes."""
    ledgers = [new_ledger(Database(urls.application), reason=readers.REASON) for _ in range(2)]
    opening = ask(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")
    groups = [ask(create_group, name=f"shared-{n}") for n in TWELVE]
    ledgers[0].execute_all(
        [opening, *groups, *[ask(create_policy, name=arn(f"/shared-{n}"), document=document()) for n in TWELVE]]
    )
    yield ledgers[0], ledgers[1]
    for ledger in ledgers:
        ledger.database.close()


def check(ledger: Ledger) -> None:
    """Every event is legal where it stands, readers see just that, and nothing has drifted."""
    connection = ledger.database.connection
    states = fold_of(events(connection))
    with open_view(connection, ACCOUNT, list(projections().values())) as view:
        for turn in range(7):
            readers.compare(view, states[-1], turn)
    assert_whole(connection, states[-1])


@pytest.mark.slow
def test_two_writers_at_once(two: tuple[Ledger, Ledger]) -> None:
    """Each pair of outcomes is one of those allowed; over all rounds, each of the two was the first now and then."""
    seen: dict[str, set[tuple[str, str]]] = {name: set() for name in RACES}
    start = Barrier(2)

    def run(ledger: Ledger, command: Command) -> str:
        start.wait(60)
        return outcome_of(ledger, command)

    with ThreadPoolExecutor(2) as threads:
        for number, (name, race) in enumerate(RACES.items()):
            for n in range(number * ROUNDS, (number + 1) * ROUNDS):
                if race.before:
                    two[n % 2].execute_all(of_round(race.before, n))
                commands = of_round([race.first, race.second], n)
                outcomes = tuple(threads.map(run, two if n % 2 else reversed(two), commands))
                assert outcomes in race.allowed, f"{name}: {outcomes}"
                seen[name].add(outcomes)  # type: ignore[arg-type]
    check(two[0])
    assert sum(len(outcomes) > 1 for outcomes in seen.values()) > len(RACES) / 2, "they hardly raced"


@pytest.mark.parametrize("point", ["read", "append"])
def test_the_second_decides_on_what_the_first_did(
    two: tuple[Ledger, Ledger], points: Points, no_pauses: None, point: str
) -> None:
    """One comes in between, before the other reads what is behind the names or before it appends, either way round."""
    one, other = two
    n = 0
    for name, race in RACES.items():
        for swapped in (False, True):
            n += 1
            if race.before:
                one.execute_all(of_round(race.before, n))
            first, second = of_round([race.first, race.second], n)
            between, main = (second, first) if swapped else (first, second)
            came: list[str] = []

            def interfere(
                reached: str, came: list[str] = came, between: Command = between, main: Command = main
            ) -> None:
                if not came and (reached == point or main.decision in (create_group, create_policy)):  # read but once
                    with points.undisturbed():
                        came.append(outcome_of(other, between))

            with points.disturbed(Disturbance(interfere)):
                outcome = outcome_of(one, main)
            if not came:  # it was refused before it came to that point
                came.append(outcome_of(other, between))
            outcomes = (outcome, *came) if swapped else (*came, outcome)
            assert outcomes in race.allowed, f"{name}: {outcomes}"
    check(one)

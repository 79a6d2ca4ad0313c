"""Sixteen writers on one account: no gap, no lost update, no quota exceeded, and never the wrong user."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from concurrency.racing import Work, assert_whole, codes, events, fold_of, together
from conftest import ACCOUNT, OPERATOR, Disturbance, Points, Urls, deadlocks, new_ledger
from iamledger import decisions
from iamledger.cli.failures import failure
from iamledger.cli.statuses import CONFLICT
from iamledger.engine.catchup import catch_up
from iamledger.engine.rebuild import rebuild
from iamledger.engine.view import open_view
from iamledger.iam.access_key import create_access_key, revoke_access_key, rotate_access_key
from iamledger.iam.account import create_account
from iamledger.iam.attachment import (
    attach_group_policy,
    attach_user_policy,
    detach_group_policy,
    detach_user_policy,
)
from iamledger.iam.group import create_group, delete_group, update_group
from iamledger.iam.inline_policy import delete_user_policy, put_user_policy
from iamledger.iam.managed_policy import (
    create_policy,
    create_policy_version,
    delete_policy,
    delete_policy_version,
    set_default_policy_version,
)
from iamledger.iam.membership import add_user_to_group, move_user, remove_user_from_group
from iamledger.iam.permissions_boundary import delete_user_permissions_boundary, put_user_permissions_boundary
from iamledger.iam.refusals import Refusal
from iamledger.iam.user import create_user, delete_user, tag_user, update_user
from iamledger.ledger import CONFLICT_ATTEMPTS, Circumstances, Conflict, Ledger, Outcome
from iamledger.store import Connection, Database, RecordedEvent, head
from iamledger_projections import projections
from iamledger_projections.access_keys import list_access_keys
from iamledger_projections.groups import list_groups
from iamledger_projections.managed_policies import list_policies
from iamledger_projections.users import list_users
from stateful.groups import groups_seen
from stateful.keys import keys_seen
from stateful.model import State
from stateful.policies import policies_seen
from stateful.terms import called
from stateful.users import holder, users_seen

WRITERS = 16
PATIENCE = 120  # seconds: how long a process waits for the others to begin
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["iamledger.cli.failures", "iamledger.replay", "pytest"])


def test_a_name_is_given_once(ledger: Ledger) -> None:
    outcomes = together(ledger.database.url, [lambda to: to.execute(create_user, name="alice")] * WRITERS)
    assert codes(outcomes) == {"done": 1, "EntityAlreadyExists": WRITERS - 1}
    assert [event.type for event in events(ledger.database.connection)] == ["AccountCreated", "UserCreated"]


def test_different_users_do_not_conflict(ledger: Ledger) -> None:
    def create(name: str) -> Work:
        return lambda to: to.execute(create_user, name=name)

    outcomes = together(ledger.database.url, [create(f"user{n}") for n in range(WRITERS)])
    assert codes(outcomes) == {"done": WRITERS}
    assert len(events(ledger.database.connection)) == 1 + WRITERS


def test_no_user_ever_has_three_keys(ledger: Ledger) -> None:
    ledger.execute(create_user, name="alice")
    ledger.execute(create_user, name="bob")

    def work(n: int) -> Work:
        user = "alice" if n % 2 else "bob"
        if n % 4 < 2:
            return lambda to: to.execute(create_access_key, user=user)
        return lambda to: to.execute(rotate_access_key, user=user, grace=timedelta(0))

    for _ in range(3):
        outcomes = together(ledger.database.url, [work(n) for n in range(WRITERS)])
        assert not [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
        held: dict[str, set[str]] = {}
        for event in events(ledger.database.connection):
            if event.type == "AccessKeyCreated":
                held.setdefault(event.data["user_id"], set()).add(event.data["access_key_id"])
            if event.type == "AccessKeyRevoked":
                held[event.data["user_id"]].remove(event.data["access_key_id"])
            assert all(len(keys) <= 2 for keys in held.values())
        for keys in held.values():
            assert len(keys) == 2
            ledger.execute(revoke_access_key, key=min(keys))


def test_a_request_raced_by_many_happens_once(ledger: Ledger) -> None:
    ledger.execute(create_user, name="alice")
    work: Work = lambda to: to.execute(create_access_key, user="alice")  # noqa: E731
    outcomes = together(ledger.database.url, [work] * WRITERS, request_id="one-and-the-same")
    assert {(o.first, o.last) for o in outcomes if isinstance(o, Outcome)} == {(3, 3)}
    assert codes(outcomes) == {"done": WRITERS}
    assert [bool(o.secrets) for o in outcomes if isinstance(o, Outcome)].count(True) == 1
    assert len(events(ledger.database.connection)) == 3


@pytest.mark.parametrize("round_", range(6))
def test_a_rename_never_hits_the_wrong_user(ledger: Ledger, round_: int) -> None:
    """alice is deleted, created again, renamed and given keys, all at once: each key's user held the name at that moment."""
    ledger.execute(create_user, name="alice")
    works: list[Work] = [
        lambda to: to.execute(delete_user, user="alice"),
        lambda to: to.execute(create_user, name="alice"),
        lambda to: to.execute(update_user, user="alice", new_name="bob"),
        lambda to: to.execute(create_user, name="Bob"),
        lambda to: to.execute(update_user, user="bob", new_name="ALICE"),
        *[lambda to: to.execute(create_access_key, user="alice")] * 4,
        *[lambda to: to.execute(create_access_key, user="bob")] * 3,
    ]
    works = works[round_:] + works[:round_]
    outcomes = together(ledger.database.url, works)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    holders: dict[str, str] = {}
    keys: Counter[str] = Counter()
    for event in events(ledger.database.connection):
        data = event.data
        if event.type == "UserCreated":
            assert data["user_name"].lower() not in holders
            holders[data["user_name"].lower()] = data["user_id"]
        elif event.type == "UserRenamed":
            assert holders.pop(data["old_user_name"].lower()) == data["user_id"]
            assert data["user_name"].lower() not in holders
            holders[data["user_name"].lower()] = data["user_id"]
        elif event.type == "UserDeleted":
            assert holders.pop(data["user_name"].lower()) == data["user_id"]
            assert not keys[data["user_id"]]
        elif event.type == "AccessKeyCreated":
            assert data["user_id"] in holders.values()
            keys[data["user_id"]] += 1


def test_conflicts_that_outlast_the_retries_are_told(ledger: Ledger, points: Points, no_pauses: None) -> None:
    """Somebody always comes first: after a bounded number of times the command gives up, with a conflict's exit status."""
    ledger.execute(create_user, name="alice")
    other = new_ledger(Database(ledger.database.url))
    came = 0

    def interfere(point: str) -> None:
        nonlocal came
        if point == "append":
            came += 1
            with points.undisturbed():
                other.execute(tag_user, user="alice", tags=[("turn", str(came))])

    with points.disturbed(Disturbance(interfere)), pytest.raises(Conflict, match="nothing was done") as told:
        ledger.execute(tag_user, user="alice", tags=[("mine", "yes")])
    message, status = failure(told.value) or ("", 0)
    assert (came, status, message[:10]) == (CONFLICT_ATTEMPTS, CONFLICT, "Conflict: ")
    *_, last = events(ledger.database.connection)
    assert (last.position, last.data["tags"]) == (2 + CONFLICT_ATTEMPTS, [["turn", str(CONFLICT_ATTEMPTS)]])
    other.database.close()


def test_the_same_ledger_by_another_actor_is_another_command(ledger: Ledger) -> None:
    first = new_ledger(ledger.database, request_id="r").execute(create_user, name="alice")
    stranger = Circumstances(type(OPERATOR)("stranger", "iamledger_app"), request_id="r")
    with pytest.raises(Refusal) as refused:
        Ledger(ledger.database, ACCOUNT, stranger, master_key=ledger._master_key).execute(create_user, name="alice")
    assert refused.value.code == "IdempotentParameterMismatch"
    assert first.last == head(ledger.database.connection, ACCOUNT).position


# Races whose course is given: others come in between reading and appending


@dataclass(frozen=True)
class Ask:
    """A command of a race."""

    decision: decisions.Decision
    args: dict[str, Any]

    def of(self, ledger: Ledger) -> Outcome | str:
        """Run it: its outcome, or the code of its refusal."""
        try:
            return ledger.execute(self.decision, **self.args)
        except Refusal as refusal:
            return refusal.code


def ask(decision: decisions.Decision, **args: Any) -> Ask:
    """A command of a race."""
    return Ask(decision, args)


GRACE = timedelta(hours=1)
ALICE_IS_BOB = ask(update_user, user="alice", new_name="bob")
REPLACE_ALICE = [ask(delete_user, user="alice"), ask(create_user, name="Alice")]
SWAP = [ALICE_IS_BOB, ask(create_user, name="alice")]
RACES: dict[str, tuple[Ask, Sequence[Ask], str | None]] = {
    "a name is taken while it is given": (
        ask(create_user, name="bob"),
        [ask(create_user, name="BOB")],
        "EntityAlreadyExists",
    ),
    "a name is taken by a rename": (ask(create_user, name="bob"), [ALICE_IS_BOB], "EntityAlreadyExists"),
    "a rename's name is taken": (ALICE_IS_BOB, [ask(create_user, name="Bob")], "EntityAlreadyExists"),
    "a rename's user is renamed": (ALICE_IS_BOB, [ask(update_user, user="alice", new_name="eve")], "NoSuchEntity"),
    "a rename's user is another": (ALICE_IS_BOB, REPLACE_ALICE, None),
    "a rename's user and name are others'": (ALICE_IS_BOB, SWAP, "EntityAlreadyExists"),
    "a key's user is deleted": (ask(create_access_key, user="alice"), [REPLACE_ALICE[0]], "NoSuchEntity"),
    "a key's user is another": (ask(create_access_key, user="alice"), REPLACE_ALICE, None),
    "a key's user is renamed": (ask(create_access_key, user="alice"), [ALICE_IS_BOB], "NoSuchEntity"),
    "a key's user gave its name away": (ask(create_access_key, user="alice"), SWAP, None),
    "a key's user gets two keys and gives its name away": (
        ask(create_access_key, user="alice"),
        [ask(create_access_key, user="alice"), ask(create_access_key, user="alice"), *SWAP],
        None,
    ),
    "a key's user gets two keys": (
        ask(create_access_key, user="alice"),
        [ask(create_access_key, user="alice"), ask(create_access_key, user="alice")],
        "LimitExceeded",
    ),
    "a deleted user gets a key": (
        ask(delete_user, user="alice"),
        [ask(create_access_key, user="alice")],
        "DeleteConflict",
    ),
    "a deleted user is another": (ask(delete_user, user="alice"), SWAP, None),
    "a rotation's user gets a second key": (
        ask(rotate_access_key, user="carol", grace=GRACE),
        [ask(create_access_key, user="carol")],
        "LimitExceeded",
    ),
    "a rotation is done twice": (
        ask(rotate_access_key, user="carol", grace=GRACE),
        [ask(rotate_access_key, user="carol", grace=GRACE)],
        "LimitExceeded",
    ),
    "a rotation's user is another": (
        ask(rotate_access_key, user="carol", grace=GRACE),
        [
            ask(update_user, user="carol", new_name="dora"),
            ask(create_user, name="carol"),
            ask(create_access_key, user="carol"),
        ],
        None,
    ),
    "tags are set for another": (ask(tag_user, user="alice", tags=[("a", "1")]), SWAP, None),
    "tags are set by two": (
        ask(tag_user, user="alice", tags=[("a", "1")]),
        [ask(tag_user, user="alice", tags=[("b", "2")])],
        None,
    ),
}


@pytest.fixture(scope="module")
def arena(new_database: Callable[[], Urls]) -> Iterator[tuple[Database, Database]]:
    """Two connections to one database, for races that have an account each."""
    urls = new_database()
    databases = Database(urls.application), Database(urls.application)
    yield databases
    for database in databases:
        database.close()


@pytest.mark.parametrize("point", ["read", "append"])
@pytest.mark.parametrize("race", RACES)
def test_who_comes_second_decides_on_what_came_first(
    arena: tuple[Database, Database], points: Points, no_pauses: None, race: str, point: str
) -> None:
    """Others come in between, before a user's events are read or before the append. What is done is as if after them."""
    main, others, expected = RACES[race]
    account = f"{2 * list(RACES).index(race) + (point == 'read'):012}"
    ledger, other = (new_ledger(database, account) for database in arena)
    ledger.execute(create_account, account=account, account_name="acme", email="root@acme.example")
    ledger.execute(create_user, name="alice")
    ledger.execute(create_user, name="carol")
    ledger.execute(create_access_key, user="carol")
    came = False

    def interfere(reached: str) -> None:
        nonlocal came
        if not came and (reached == point or main.decision is create_user):  # which reads but once
            came = True
            with points.undisturbed():
                assert all(isinstance(one.of(other), Outcome) for one in others)

    with points.disturbed(Disturbance(interfere)):
        outcome = main.of(ledger)
    assert came
    states = fold_of(events(ledger.database.connection, account))
    if expected is not None:
        assert outcome == expected
        return
    assert isinstance(outcome, Outcome)
    assert outcome.first is not None
    told = outcome.events[-1].model_dump()
    assert told["user_id"] == holder(states[outcome.first - 1], str(main.args["user"]))
    if race == "tags are set by two":
        assert sorted(states[-1]["users"][told["user_id"]]["tags"]) == [("a", "1"), ("b", "2")]


# Sixteen processes, for a while


@dataclass(frozen=True)
class Answer:
    """What came of a command of one of many writers: a refusal's code, or positions (None: nothing was to be done)."""

    request_id: str
    decision: str
    args: dict[str, Any]
    code: str | None = None
    first: int | None = None
    last: int | None = None
    shown: tuple[str, ...] = ()
    """The keys whose secrets were shown."""


_start: Any = None


def _wait_to_start(barrier: Any) -> None:
    global _start
    _start = barrier


def answered(ledger: Ledger, request_id: str, decision: decisions.Decision, args: dict[str, Any]) -> Answer:
    """Run a command under a request id."""
    ledger.circumstances = Circumstances(OPERATOR, request_id=request_id)
    answer = Answer(request_id, decision.__name__, args)
    try:
        outcome = ledger.execute(decision, **args)
    except Refusal as refusal:
        return replace(answer, code=refusal.code)
    except Conflict:
        return replace(answer, code="Conflict")
    return replace(answer, first=outcome.first, last=outcome.last, shown=tuple(outcome.secrets))


def write(url: str, writer: int, commands: int, mix: str) -> list[Answer]:
    """Run random commands about the same few users, as one process of many."""
    random, database, held, answers = Random(f"{mix} {writer}"), Database(url), ["AKIA" + "Z" * 16], []
    ledger = new_ledger(database)
    _ = database.connection
    _start.wait(PATIENCE)
    for n in range(commands):
        name, other = random.choice(["alice", "Alice", "bob", "carol"]), random.choice(["alice", "bob", "BOB", "carol"])
        grace = random.choice([timedelta(0), timedelta(hours=1)])
        about_keys: list[tuple[decisions.Decision, dict[str, Any]]] = [
            (create_access_key, {"user": name}),
            (create_access_key, {"user": name}),
            (rotate_access_key, {"user": name, "grace": grace}),
            (revoke_access_key, {"key": held[-1]}),
            (revoke_access_key, {"key": random.choice(held)}),
            (tag_user, {"user": name, "tags": [(f"writer {writer}", str(n))]}),
        ]
        about_names: list[tuple[decisions.Decision, dict[str, Any]]] = [
            (create_user, {"name": name}),
            (update_user, {"user": name, "new_name": other, "new_path": f"/{writer}/{n}/"}),
            (delete_user, {"user": name}),
        ]
        few = {"keys": about_names[:1], "names": about_names * 3, "grants": about_names + grants(random) * 3}[mix]
        answers.append(answered(ledger, f"{writer}-{n}", *random.choice([*about_keys, *few])))
        held += answers[-1].shown
    database.close()
    return answers


def grants(random: Random) -> list[tuple[decisions.Decision, dict[str, Any]]]:
    """Commands about few groups and policies, to which few users are given."""
    group, target = {"group": random.choice(["ops", "OPS", "dev"])}, random.choice(["ops", "dev"])
    user, name = {"user": random.choice(["alice", "bob", "carol"])}, random.choice(["Read", "read", "Write"])
    policy = {"policy": f"arn:aws:iam::{ACCOUNT}:policy/{name}"}
    document = {"document": document_of(random.choice("abc"))}
    version = {"version_id": f"v{random.randint(1, 20)}"}
    return [
        (create_group, {"name": group["group"]}),
        (update_group, {**group, "new_name": target}),
        (delete_group, group),
        (add_user_to_group, {**user, **group}),
        (add_user_to_group, {**user, **group}),
        (remove_user_from_group, {**user, **group}),
        (move_user, {**user, "source": group["group"], "target": target}),
        (create_policy, {"name": policy["policy"], **document}),
        (create_policy_version, {**policy, **document, "set_as_default": random.random() < 0.5}),
        (set_default_policy_version, {**policy, **version}),
        (delete_policy_version, {**policy, **version}),
        (delete_policy, policy),
        (attach_user_policy, {**user, **policy}),
        (detach_user_policy, {**user, **policy}),
        (attach_group_policy, {**group, **policy}),
        (detach_group_policy, {**group, **policy}),
        (put_user_permissions_boundary, {**user, **policy}),
        (delete_user_permissions_boundary, {"boundary": user["user"]}),
        (put_user_policy, {**user, "policy_name": name, **document}),
        (delete_user_policy, {**user, "policy_name": name}),
    ]


def document_of(action: str) -> str:
    """A policy that allows one action."""
    statement = {"Effect": "Allow", "Action": f"s3:{action}", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.slow
@pytest.mark.parametrize("mix", ["keys", "names", "grants"])
def test_sixteen_processes_on_one_account(ledger: Ledger, urls: Urls, mix: str) -> None:
    """Nothing is lost, nothing is done twice, no quota exceeded, and a reader sees at each position what was true then."""
    for name in ("alice", "bob", "carol"):
        ledger.execute(create_user, name=name)
    begun = head(ledger.database.connection, ACCOUNT).position
    barrier = PROCESSES.Barrier(WRITERS)
    with ProcessPoolExecutor(WRITERS, PROCESSES, _wait_to_start, (barrier,)) as pool:
        writing = [pool.submit(write, urls.application, writer, 80, mix) for writer in range(WRITERS)]
        seen = []
        while wait_for(writing, timeout=0.02).not_done:
            seen.append(read_all(ledger.database.connection))
        answers = [answer for future in writing for answer in future.result()]
    seen.append(read_all(ledger.database.connection))
    history = events(ledger.database.connection)
    states = fold_of(history)
    assert_all_answers_hold(history, states, answers, begun)
    for position, users, keys, groups, policies, now in seen:
        assert users == users_seen(states[position])
        assert keys == keys_seen(states[position], now)
        assert groups == groups_seen(states[position])
        assert policies == policies_seen(states[position])
    assert [position for position, *_ in seen] == sorted(position for position, *_ in seen)
    assert_whole(ledger.database.connection, states[-1])
    ledger.database.close()
    assert deadlocks(urls) == 0


def read_all(connection: Connection) -> tuple[int, list[Any], list[Any], list[Any], list[Any], Any]:
    """What a reader sees: position, users, keys, groups, policies, the time."""
    with open_view(connection, ACCOUNT, list(projections().values())) as view:
        things = list_users(view), list_access_keys(view), list_groups(view), list_policies(view)
        return view.position, *things, view.time


def assert_all_answers_hold(
    history: Sequence[RecordedEvent], states: Sequence[State], answers: Sequence[Answer], begun: int
) -> None:
    """What was answered is what was recorded, no more and no less, and names meant what they meant at that position."""
    spans = sorted((a.first, a.last, a.request_id) for a in answers if a.first is not None and a.last is not None)
    assert [first for first, _, _ in spans] == [begun + 1, *(last + 1 for _, last, _ in spans[:-1])]
    assert (spans[-1][1] if spans else begun) == len(history)
    assert len({answer.request_id for answer in answers}) == len(answers)
    by_position = {a.first: a for a in answers}
    for first, last, request_id in spans:
        answer, done = by_position[first], history[first - 1 : last]
        assert {event.context["request_id"] for event in done} == {request_id}
        assert answer.code is None
        if name := answer.args.get("user"):
            assert {event.data["user_id"] for event in done} == {holder(states[first - 1], name)}
        if name := answer.args.get("group"):
            assert {event.data["group_id"] for event in done} == {called(states[first - 1]["groups"], name)}
        if name := answer.args.get("policy"):
            ids = {e.data["policy_id"] for e in done if e.type != "UserPermissionsBoundaryDeleted"}
            assert {states[first - 1]["policies"][id_]["arn"] for id_ in ids} == {name}
        if answer.decision == "rotate_access_key":
            assert [event.type for event in done] == ["AccessKeyCreated", "AccessKeyRotated"]
        if answer.decision == "tag_user":
            (event,) = done
            before = dict(states[first - 1]["users"][event.data["user_id"]]["tags"])
            assert dict(event.data["tags"]) == {**before, **dict(answer.args["tags"])}, "somebody's tag was lost"
        issued = tuple(event.data["access_key_id"] for event in done if event.type == "AccessKeyCreated")
        assert answer.shown == issued


def test_a_reader_that_rebuilds_overtake_is_not_refused(
    ledger: Ledger, urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers never see a gap: a view that finds its generation gone looks for the new one, however often that happens."""
    ledger.execute(create_user, name="alice")
    users, overtaken = projections()["users"], list[Any]()

    def overtake(connection: Connection, account_id: str, tables: Sequence[Any]) -> int:
        """Between finding the live generation and reading it."""
        if len(overtaken) < 5:
            overtaken.append(rebuild(other.connection, users))
        return catch_up(connection, account_id, tables)

    with closing(Database(urls.application)) as other:
        monkeypatch.setattr("iamledger.engine.view.catch_up", overtake)
        with open_view(ledger.database.connection, ACCOUNT, [users]) as view:
            assert [row["UserName"] for row in list_users(view)] == ["alice"]


# One request id, two processes

RACED: list[tuple[decisions.Decision, dict[str, Any]]] = [
    (create_access_key, {"user": "alice"}),
    (rotate_access_key, {"user": "bob", "grace": timedelta(hours=1)}),
    (update_user, {"user": "carol", "new_name": "dora", "new_path": "/d/"}),
    (tag_user, {"user": "alice", "tags": [("a", "b")]}),
]


def race(url: str, me: int, rounds: int) -> list[Answer]:
    """Run the same commands under the same request ids as another process, each round from the same moment on."""
    database, answers = Database(url), []
    ledger = new_ledger(database)
    for n in range(rounds):
        for number, (decision, args) in enumerate(rounds_of(n)):
            _start.wait(PATIENCE)
            answers.append(answered(ledger, f"round-{n}-{number}", decision, args))
        _start.wait(PATIENCE)
        other: dict[str, Any] = {"name": f"user{n}", "path": f"/{me}/"}
        answers.append(answered(ledger, f"round-{n}-different", create_user, other))
    database.close()
    return answers


def rounds_of(n: int) -> Iterator[tuple[decisions.Decision, dict[str, Any]]]:
    """The commands of a round, about users of its own."""
    for name in ("alice", "bob", "carol"):
        yield create_user, {"name": f"{name}{n}"}
        yield create_access_key, {"user": f"{name}{n}"}
    for decision, args in RACED:
        named = {key: f"{value}{n}" if key in ("user", "new_name") else value for key, value in args.items()}
        yield decision, named


def test_a_request_raced_by_two_processes_happens_once(ledger: Ledger, urls: Urls) -> None:
    """Both get the same positions, and one of them the secret. With different wishes, one is refused."""
    rounds = 5
    barrier = PROCESSES.Barrier(2)
    with ProcessPoolExecutor(2, PROCESSES, _wait_to_start, (barrier,)) as pool:
        one, two = pool.map(race, [urls.application] * 2, [1, 2], [rounds] * 2)
    history = events(ledger.database.connection)
    states = fold_of(history)
    for mine, yours in zip(one, two, strict=True):
        recorded = [e for e in history if e.context["request_id"] == mine.request_id]
        if mine.request_id.endswith("different"):
            assert sorted([str(mine.code), str(yours.code)]) == ["IdempotentParameterMismatch", "None"]
            assert len(recorded) == 1
            continue
        assert (mine.code, yours.code) == (None, None)
        assert (mine.first, mine.last) == (yours.first, yours.last)
        assert [event.position for event in recorded] == list(range(mine.first or 0, (mine.last or 0) + 1))
        issued = [event.data["access_key_id"] for event in recorded if event.type == "AccessKeyCreated"]
        assert sorted([*mine.shown, *yours.shown]) == issued
    assert_whole(ledger.database.connection, states[-1])

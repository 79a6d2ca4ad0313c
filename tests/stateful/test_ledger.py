"""Random commands, conflicts, lost connections, reads of the past, rebuilds and erasures, against a model in memory.

A command is run through one connection while others, through a second one, are slipped in between its reads and its append.
Whatever comes of it must be what the model says of a moment at which the command was under way. When a test fails,
hypothesis prints the steps as a program, and the blob that repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from conftest import MASTER_KEY, OPERATOR, Disturbance, Points, Urls
from iamledger import store
from iamledger.engine.catchup import catch_up
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import live_tables
from iamledger.engine.view import open_view
from iamledger.iam import access_key, account, user
from iamledger.iam.access_key import RevocationReason, use_of
from iamledger.iam.quotas import Quotas
from iamledger.iam.refusals import InvalidInput, NoSuchEntity, Refusal
from iamledger.ledger import CONFLICT_ATTEMPTS, SECRET_KIND, Circumstances, Conflict, Ledger, Outcome
from iamledger.moments import moment
from iamledger.replay import replay
from iamledger.store import Database
from iamledger_projections import projections
from iamledger_projections.access_key_revocations import list_revocations
from iamledger_projections.access_keys import get_access_key, list_access_keys
from iamledger_projections.accounts import get_account
from iamledger_projections.users import get_user, list_users
from stateful import model as model_module
from stateful.model import Expected, Model, Recorded

QUOTAS = Quotas(model_module.USERS, model_module.KEYS, model_module.TAGS)
DECISIONS = {
    name: decision
    for module in (account, user, access_key)
    for name, decision in vars(module).items()
    if name.startswith(("create_", "update_", "delete_", "tag_", "untag_", "activate_", "deactivate_", "rotate_"))
    or name in ("revoke_access_key", "record_access_key_use")
}

# Commands. They are drawn from a seed, which mixes better than what hypothesis builds of many small choices; what shrinks is
# the number of steps and of commands. A value is valid nine times of ten, and mostly names what is there.


@dataclass(frozen=True)
class Reference:
    """A user or a key that can only be named when the command is run: a place among those of a kind."""

    among: str
    place: int


@dataclass(frozen=True)
class Command:
    """A decision and what it is asked."""

    decision: str
    args: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Step:
    """A command to one account, and what happens while it is under way."""

    which: int
    command: Command
    side: int = 0
    named: bool = False
    """With a request id."""
    dry_run: bool = False
    fault: str | None = None
    """The connection drops before the append, or after it."""
    source_address: str | None = None
    interferences: Sequence[tuple[str, Command, bool]] = ()
    """What others do before it reads again or appends; true: with the same request id."""


NAMES = ["alice", "Alice", "bob", "BOB", "carol", "dave", "e@x.org"]
VALUES: dict[str, tuple[list[Any], list[Any]]] = {  # valid, invalid
    "new name": ([*NAMES, "x" * 64], ["", "no blanks", "é", "x" * 65, "x" * 128, "x" * 129]),
    "name": ([*NAMES], ["", "x" * 65, "x" * 129]),
    "path": (["/", "/eng/", "/eng/db/", "/sales/"], ["", "eng", "/eng", "//", "/" + "x" * 511 + "/", "/no blanks/"]),
    "tag key": (["team", "Team", "Größe", "cost center", "k" * 128], ["", "aws:x", "AWS:y", "no*star", "k" * 129]),
    "tag value": (["", "red", "blue", "a+b=c", "v" * 256], ["no\nlines", "v" * 257]),
    "grace": (
        [timedelta(0), timedelta(hours=1), timedelta(days=365)],
        [timedelta(seconds=-1), timedelta(days=365, microseconds=1)],
    ),
    "reason": ([*RevocationReason], [*RevocationReason]),
    "note": ([None, "found in a public repository", "ünïcode"], ["", "no\0null", "n" * 1001]),
    "service": (["s3", "ec2"], ["", "S3"]),
    "region": (["eu-central-1"], ["a region"]),
    "account name": (["acme"], ["", " "]),
    "email": (["a@b.example", "root@acme.example"], ["no mail"]),
}
COMMANDS: list[tuple[str, dict[str, str], dict[str, str]]] = [  # what is always asked, what is asked now and then
    ("create_user", {"name": "new name"}, {"path": "path", "tags": "tags"}),
    ("create_user", {"name": "new name"}, {"tags": "tags"}),
    ("update_user", {"user": "user"}, {"new_name": "new name", "new_path": "path"}),
    ("update_user", {"user": "user", "new_name": "new name"}, {}),
    ("tag_user", {"user": "user", "tags": "tags"}, {}),
    ("untag_user", {"user": "user", "keys": "tag keys"}, {}),
    ("delete_user", {"user": "user"}, {}),
    ("create_access_key", {"user": "user"}, {}),
    ("create_access_key", {"user": "user"}, {}),
    ("rotate_access_key", {"user": "user", "grace": "grace"}, {}),
    ("rotate_access_key", {"user": "user", "grace": "grace"}, {}),
    ("deactivate_access_key", {"key": "key"}, {}),
    ("activate_access_key", {"key": "key"}, {}),
    ("revoke_access_key", {"key": "key"}, {}),
    ("revoke_access_key", {"key": "key"}, {"revocation_reason": "reason", "note": "note", "suspected_since": "time"}),
    ("record_access_key_use", {"key": "key", "service_name": "service", "region": "region", "used_at": "time"}, {}),
    ("create_account", {"account_name": "account name", "email": "email"}, {}),
]


def a_value(random: Random, kind: str) -> Any:
    """A value of a kind, mostly a valid one."""
    place = random.randrange(1000)
    match kind:
        case "user":
            among = random.choice(["user", "user", "user", "USER", ""])
            return Reference(among, place) if among else a_value(random, "name")
        case "key":
            wrong = ["revoked key", "unknown key", "foreign key", "malformed key"]
            return Reference("key" if random.random() < 0.8 else random.choice(wrong), place)
        case "tags":
            tags = [(a_value(random, "tag key"), a_value(random, "tag value")) for _ in range(random.randrange(4))]
            unique = {key.lower(): (key, value) for key, value in tags}
            return tags if random.random() < 0.1 else list(unique.values())
        case "tag keys":
            return [a_value(random, "tag key") for _ in range(random.randrange(3))]
        case "time":
            future = random.random() < 0.1
            return datetime(2999 if future else 2020, 2, 27, 23, tzinfo=UTC) + timedelta(minutes=random.randrange(120))
    valid, invalid = VALUES[kind]
    return random.choice(invalid if random.random() < 0.1 else valid)


def a_command(random: Random) -> Command:
    """Any command, with any arguments."""
    decision, always, sometimes = random.choice(COMMANDS)
    asked = {**always, **{name: kind for name, kind in sometimes.items() if random.random() < 0.5}}
    return Command(decision, {name: a_value(random, kind) for name, kind in asked.items()})


def a_step(seed: int) -> Step:
    """A command, now and then a dry one or one whose connection drops."""
    random = Random(seed)
    return Step(
        which=random.choice([0, 0, 0, 1]),
        command=a_command(random),
        side=random.choice([0, 1]),
        named=random.random() < 0.5,
        dry_run=random.random() < 0.1,
        fault=random.choice([None] * 8 + ["before", "after"]),
        source_address=random.choice([None, None, "203.0.113.7"]),
    )


def a_disturbed_step(seed: int) -> Step:
    """A command during which others run. Most of them, and so most conflicts, are about the same thing."""
    random = Random(seed)
    step = replace(a_step(seed), named=True, dry_run=random.random() < 0.05)
    interferences = []
    for _ in range(random.randrange(1, 4)):
        other = step.command if random.random() < 0.2 else a_command(random)
        for name in ("user", "key"):
            if name in other.args and name in step.command.args and random.random() < 0.7:
                other.args[name] = step.command.args[name]
        interferences.append((random.choice(["read", "append", "append"]), other, random.random() < 0.1))
    return replace(step, interferences=interferences)


SEED = some.integers(0, 2**64 - 1)
WHICH = some.sampled_from([0, 0, 0, 1])
SIDE = some.sampled_from([0, 1])
PLACE = some.integers(0, 10**6)


@dataclass
class World:
    """What all examples share: two connections to one database, and numbers for new accounts."""

    sides: tuple[Database, Database]
    points: Points
    numbers: Iterator[int] = field(default_factory=lambda: count(100_000_000_000))


class LedgerMachine(RuleBasedStateMachine):
    """Two accounts, seen and changed through two connections."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.models = [Model(str(number)) for number in islice(world.numbers, 2)]
        self.ledgers = [
            [
                Ledger(side, model.account_id, Circumstances(OPERATOR), master_key=lambda: MASTER_KEY, quotas=QUOTAS)
                for side in world.sides
            ]
            for model in self.models
        ]
        self.request_numbers = count(1)
        self.asked: list[list[tuple[Command, str]]] = [[], []]

    # Writing

    @initialize(both=some.booleans(), users=some.lists(some.sampled_from(NAMES), min_size=1, max_size=3))
    def begin(self, both: bool, users: list[str]) -> None:
        created = Command("create_account", {"account_name": "acme", "email": "root@acme.example"})
        for which in (0, 1) if both else (0,):
            self.perform(Step(which, created))
            for name in users:
                self.perform(Step(which, Command("create_user", {"name": name})))
                self.perform(Step(which, Command("create_access_key", {"user": name})))

    @rule(steps=some.lists(SEED.map(a_step), min_size=2, max_size=10))
    def commands(self, steps: list[Step]) -> None:
        for step in steps:
            self.perform(step)

    @rule(steps=some.lists(SEED.map(a_disturbed_step), min_size=2, max_size=6))
    def commands_disturbed(self, steps: list[Step]) -> None:
        for step in steps:
            self.perform(step)

    @rule(steps=some.lists(SEED.map(a_step), min_size=1, max_size=4), place=PLACE)
    def repeat(self, steps: list[Step], place: int) -> None:
        """Request ids that were used before, mostly for the same command, now and then for another."""
        for n, step in enumerate(steps):
            if asked := self.asked[step.which]:
                command, request_id = asked[(place + n) % len(asked)]
                self.perform(replace(step, command=command) if (place + n) % 5 else step, request_id)

    @rule(
        what=some.sampled_from(["rebuild", "rebuild while read", "erase", "verify", "conflicts"]),
        which=WHICH,
        place=PLACE,
        side=SIDE,
    )
    def maintain(self, what: str, which: int, place: int, side: int) -> None:
        match what:
            case "rebuild":
                self.rebuild(which, place, side)
            case "rebuild while read":
                self.rebuild(which, place, side, read_by_others=True)
            case "erase":
                self.erase(which, place, side)
            case "verify":
                self.verify(which, place, side)
            case "conflicts" if place % 4 == 0:
                self.conflicts_without_end(which, place, side)

    def conflicts_without_end(self, which: int, place: int, side: int) -> None:
        """Somebody always comes first: after a bounded number of times the command gives up, and nothing is done."""
        names = [user["name"] for user in self.models[which].state["users"].values()]
        if not names:
            return
        name = names[place % len(names)]
        came = 0

        def interfere(point: str) -> None:
            nonlocal came
            if point == "append":
                came += 1
                tags = [("team", f"{came} of {self.models[which].head}")]
                self.perform(Step(which, Command("tag_user", {"user": name, "tags": tags}), 1 - side))

        self.perform(Step(which, Command("untag_user", {"user": name, "keys": ["Größe", "team", "cost center"]})))
        ledger = self.ledgers[which][side]
        ledger.circumstances = Circumstances(OPERATOR)
        with self.world.points.disturbed(Disturbance(interfere)), pytest.raises(Conflict, match="nothing was done"):
            ledger.execute(DECISIONS["tag_user"], user=name, tags=[("team", "mine")])
        assert came == CONFLICT_ATTEMPTS

    def perform(self, step: Step, request_id: str | None = None) -> None:
        """Run a command, and compare what comes of it with the model."""
        note(f"    {step}")
        which, command, dry_run = step.which, step.command, step.dry_run
        model, ledger = self.models[which], self.ledgers[which][step.side]
        args = self._resolved(which, command)
        pending = list(step.interferences)
        if step.named and request_id is None:
            request_id = f"request-{next(self.request_numbers)}"
        allowed = [model.expect(command.decision, args, request_id)]

        def interfere(point: str) -> None:
            committed = disturbance.fault == "told nothing"
            if pending and pending[0][0] == point and not committed:
                _, other, same_request = pending.pop(0)
                self.perform(Step(which, other, 1 - step.side), request_id if same_request else None)
                allowed.append(model.expect(command.decision, args, request_id))

        def conflict() -> None:
            allowed[:] = allowed[-1:]  # it will read and decide again

        ledger.circumstances = Circumstances(
            OPERATOR, reason=command.decision, request_id=request_id, source_address=step.source_address
        )
        disturbance = Disturbance(interfere, conflict, step.fault)
        with self.world.points.disturbed(disturbance):
            outcome = _outcome(ledger, command.decision, args, dry_run)
        if isinstance(outcome, str):
            assert outcome in {expected.code for expected in allowed}, f"{command}: {outcome}, not {allowed}"
            return
        if outcome.first is None:
            self._nothing_appended(ledger, command, outcome, allowed, dry_run)
        elif request_id in model.requests:
            self._repeated(command, outcome, allowed[-1])
        else:
            assert not dry_run
            told_nothing = disturbance.fault == "told nothing"
            self._appended(which, ledger, command, args, outcome, allowed[-1], told_nothing)

    def _nothing_appended(
        self, ledger: Ledger, command: Command, outcome: Outcome, allowed: Sequence[Expected], dry_run: bool
    ) -> None:
        told = _told(outcome)
        assert dry_run or not told
        (now,) = ledger.database.connection.execute("SELECT clock_timestamp()").fetchone() or ()
        assert any(e.first is None and e.fits(told, now) for e in allowed), f"{command}: {told}, not {allowed}"
        assert (outcome.last, outcome.repeated, outcome.secrets) == (None, False, {})

    def _repeated(self, command: Command, outcome: Outcome, expected: Expected) -> None:
        assert (outcome.first, expected.code) == (expected.first, None), f"{command}: {outcome}, not {expected}"
        assert (_told(outcome), outcome.repeated, outcome.secrets) == (list(expected.events), True, {})
        assert outcome.last == (outcome.first or 0) + len(outcome.events) - 1

    def _appended(
        self,
        which: int,
        ledger: Ledger,
        command: Command,
        args: dict[str, Any],
        outcome: Outcome,
        expected: Expected,
        told_nothing: bool,
    ) -> None:
        model, circumstances = self.models[which], ledger.circumstances
        first, last = outcome.first or 0, outcome.last or 0
        recorded = store.read(ledger.database.connection, model.account_id, after=model.head)
        assert [event.position for event in recorded] == list(range(first, last + 1)), f"{command}: {outcome}"
        if expected.code == "LimitExceeded" and command.decision == "create_user":
            # The quota over the account is approximate: somebody else took the last place meanwhile.
            assert len(model.state["users"]) >= model_module.USERS
            expected = Expected(events=_told(outcome))
        assert expected.fits(_told(outcome), recorded[-1].recorded_at), f"{command}: {_told(outcome)}, not {expected}"
        assert [(event.type, event.data) for event in recorded] == _told(outcome)
        for event in recorded:
            assert event.context["actor"] == OPERATOR.told()
            assert event.context["reason"] == command.decision
            assert event.context.get("source_address") == circumstances.source_address
            assert circumstances.request_id in (None, event.context["request_id"])
            model.record(Recorded(event.type, event.data, event.recorded_at, circumstances.source_address))
        model.requests[recorded[0].context["request_id"]] = (command.decision, args, first, last)
        self.asked[which].append((Command(command.decision, args), recorded[0].context["request_id"]))
        issued = [event.data["access_key_id"] for event in recorded if event.type == "AccessKeyCreated"]
        assert list(outcome.secrets) == issued, "a new secret is shown, and no other"
        assert outcome.repeated == (told_nothing and not issued)
        model.secrets.update(outcome.secrets)

    def _resolved(self, which: int, command: Command) -> dict[str, Any]:
        """The arguments of a command, with names and ids for references; an account is the one that is asked."""
        args = dict(command.args)
        if command.decision == "create_account":
            args["account"] = self.models[which].account_id
        state, other = self.models[which].state, self.models[1 - which].state
        users = [user["name"] for user in state["users"].values()]
        known = {
            "user": users or ["nobody"],
            "USER": [name.upper() for name in users] or ["NOBODY"],
            "key": list(state["keys"]) or ["nothing_is_called_so"],
            "revoked key": list(state["revocations"]) or ["nothing_is_called_so"],
            "foreign key": list(other["keys"]) or ["nothing_is_called_so"],
            "unknown key": ["AKIA" + "Z" * 16],
            "malformed key": ["short", "much too short!!", ""],
        }
        for name, reference in args.items():
            if isinstance(reference, Reference):
                among = known[reference.among]
                args[name] = among[reference.place % len(among)]
        return args

    # Reading

    @rule(
        which=WHICH,
        side=SIDE,
        place=PLACE,
        moment=some.sampled_from(["now", "position", "time", "after", "before", "never"]),
    )
    def read(self, which: int, side: int, place: int, moment: str) -> None:
        if moment == "now":
            self.check_view(which, side)
        elif moment == "never":
            self.check_no_such_moment(which, side)
        else:
            self.check_past(which, side, place, moment)

    def check_past(self, which: int, side: int, place: int, by: str) -> None:
        """As of a position, of the time when it was recorded, or of a time shortly after or before."""
        model = self.models[which]
        if model.head == 0:
            return
        position = 1 + place % model.head
        time = model.events[position - 1].recorded_at
        if by == "position":
            self.check_view(which, side, position, str(position))
        elif by == "time":
            self.check_view(which, side, position, _iso(time))
        elif by == "after":
            then = model.events[position].recorded_at if position < model.head else time + timedelta(microseconds=2)
            self.check_view(which, side, position, _iso(time + (then - time) / 2))
        elif position > 1:
            self.check_view(which, side, position - 1, _iso(time - timedelta(microseconds=1)))
        else:
            with pytest.raises(InvalidInput, match="begins after"):
                self._moment(which, side, _iso(time - timedelta(microseconds=1)))

    def check_no_such_moment(self, which: int, side: int) -> None:
        model = self.models[which]
        for text in ("0", str(model.head + 1), "2999-01-01"):
            with pytest.raises(InvalidInput if model.head else (InvalidInput, store.NoLedger)):
                self._moment(which, side, text)

    def _moment(self, which: int, side: int, text: str) -> Any:
        return moment(self.world.sides[side].connection, self.models[which].account_id, text)

    def check_view(self, which: int, side: int, position: int | None = None, asked: str | None = None) -> None:
        """What readers see, now or as of a text, is what the model had at that position."""
        model, connection = self.models[which], self.world.sides[side].connection
        every = list(projections().values())
        if model.head == 0:
            with pytest.raises(store.NoLedger), open_view(connection, model.account_id, every):
                pass
            return
        time = None
        if asked is not None:
            found = self._moment(which, side, asked)
            assert found.position == position == model.position_at(found.time or model.events[position - 1].recorded_at)
            time = found.time
        state = model.states[model.head if position is None else position]
        with open_view(connection, model.account_id, every, position=position, time=time) as view:
            assert view.position == (model.head if position is None else position)
            assert view.recorded_at == model.events[view.position - 1].recorded_at
            assert view.time == (time or view.recorded_at) if asked else view.time >= view.recorded_at
            self._compare(view, state)

    @staticmethod
    def _compare(view: Any, state: model_module.State) -> None:
        assert get_account(view) == model_module.account_seen(state)
        for prefix in ("/", "/eng/"):
            assert list_users(view, prefix) == model_module.users_seen(state, prefix)
        assert list_access_keys(view) == model_module.keys_seen(state, view.time)
        assert list_access_keys(view, "ALICE") == model_module.keys_seen(state, view.time, "alice")
        for row in model_module.keys_seen(state, view.time)[:1]:
            assert get_access_key(view, row["AccessKeyId"]) == row
        if model_module.holder(state, "Bob"):
            assert get_user(view, "bOb") in model_module.users_seen(state)
        else:
            with pytest.raises(NoSuchEntity):
                get_user(view, "bOb")
        revoked = [{**row} for row in list_revocations(view)]
        for row in revoked:
            assert (row.pop("RevokedBy"), row.pop("Reason")) == (OPERATOR.told(), "revoke_access_key")
            assert row.pop("Ticket") is None
        assert revoked == model_module.revocations_seen(state)

    # Maintenance

    def rebuild(self, which: int, place: int, side: int, *, read_by_others: bool = False) -> None:
        """Build a projection anew, also while others have a view of it open. What they see does not change."""
        connection, model = self.world.sides[side].connection, self.models[which]
        name = sorted(projections())[place % len(projections())]
        if not (read_by_others and model.head):
            rebuild(connection, projections()[name])
            return
        reader = self.world.sides[1 - side].connection
        connection.execute("SET lock_timeout = '50ms'")
        with open_view(reader, model.account_id, list(projections().values())) as view:
            rebuild(connection, projections()[name])
            self._compare(view, model.state)
        connection.execute("RESET lock_timeout")

    def erase(self, which: int, place: int, side: int) -> None:
        """Erase the personal values of an event, and rebuild the projections that name some."""
        model, connection = self.models[which], self.world.sides[side].connection
        if model.head:
            position = 1 + place % model.head
            assert store.erase(connection, model.account_id, position) == model.erase(position)
            assert not store.erase(connection, model.account_id, position)
            for name in ("accounts", "users"):
                rebuild(connection, projections()[name])

    def verify(self, which: int, place: int, side: int) -> None:
        """Everything is whole, up to the head and up to a position of the past."""
        model, connection = self.models[which], self.world.sides[side].connection
        if model.head:
            tables = list(live_tables(connection, projections().values()).values())
            assert catch_up(connection, model.account_id, tables) == model.head
            for upto in (model.head, place % (model.head + 1)):
                assert replay(connection, model.account_id, upto, tables, verify=True).findings == []

    def teardown(self) -> None:
        """All that is kept is what the model has: events, requests, secrets, views."""
        for which, model in enumerate(self.models):
            connection = self.world.sides[0].connection
            events = store.read(connection, model.account_id)
            assert [event.position for event in events] == list(range(1, model.head + 1))
            assert [(e.type, e.data) for e in events] == [(e.type, e.data) for e in model.events]
            requests = connection.execute(
                "SELECT request_id, first, last FROM iamledger.requests WHERE account_id = %s", (model.account_id,)
            ).fetchall()
            kept = {request_id: (first, last) for request_id, first, last in requests}
            assert kept == {request_id: (first, last) for request_id, (_, _, first, last) in model.requests.items()}
            self._check_secrets(connection, model)
            self.verify(which, model.head // 2, 0)
            self.check_view(which, 1)
            for position in range(1, model.head + 1, 7):
                self.check_view(which, 0, position, str(position))

    @staticmethod
    def _check_secrets(connection: store.Connection, model: Model) -> None:
        """What is sealed is what was shown, of the keys that are held and of no other."""
        rows = connection.execute(
            "SELECT credential, kind, sealed FROM iamledger.secrets WHERE account_id = %s", (model.account_id,)
        ).fetchall()
        assert set(model.secrets) == set(model.state["keys"])
        if model.head == 0:
            assert rows == []
            return
        data_key = MASTER_KEY.unwrap(model.account_id, *store.data_key(connection, model.account_id))
        assert all(kind == SECRET_KIND for _, kind, _ in rows)
        assert {id_: data_key.open(id_, kind, sealed) for id_, kind, sealed in rows} == model.secrets


def _told(outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
    return [(type(event).__name__, event.model_dump(mode="json")) for event in outcome.events]


def _outcome(ledger: Ledger, decision: str, args: dict[str, Any], dry_run: bool) -> Outcome | str:
    """Run a command as a caller does; its outcome, or the code of its refusal."""
    try:
        if decision == "record_access_key_use":
            args = {**args, "use": use_of(args["key"], args["service_name"], args["region"], args["used_at"])}
        return ledger.execute(DECISIONS[decision], dry_run=dry_run, **args)
    except Refusal as refusal:
        return refusal.code
    except store.NotStrictJson:
        return "ValidationError"  # so the command line tells it


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def world(urls: Urls, points: Points, no_pauses: None) -> Iterator[World]:
    world = World((Database(urls.application), Database(urls.application)), points)
    yield world
    for side in world.sides:
        side.close()


def _run(world: World, examples: int) -> None:
    run_state_machine_as_test(
        lambda: LedgerMachine(world),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_few_random_histories(world: World) -> None:
    _run(world, 8)


@pytest.mark.slow
def test_many_random_histories(world: World) -> None:
    _run(world, 60)

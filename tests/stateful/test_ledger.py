"""Random commands, conflicts, lost connections, reads of the past, rebuilds and erasures, against a model in memory.

A command is run through one connection while others, through a second one, are slipped in between its reads and its append.
Whatever comes of it must be what the model says of a moment at which the command was under way. When a test fails,
hypothesis prints the steps as a program, and the blob that repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from inspect import isfunction
from itertools import count, islice
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from conftest import MASTER_KEY, OPERATOR, Disturbance, Points, Urls
from iamledger import store
from iamledger.decisions import Command
from iamledger.engine.catchup import catch_up
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import live_tables
from iamledger.engine.view import open_view
from iamledger.iam import (
    access_key,
    account,
    attachment,
    group,
    inline_policy,
    managed_policy,
    membership,
    permissions_boundary,
    resource,
    user,
)
from iamledger.iam.access_key import use_of
from iamledger.iam.quotas import Quotas
from iamledger.iam.refusals import InvalidInput, Refusal
from iamledger.ledger import CONFLICT_ATTEMPTS, SECRET_KIND, Circumstances, Conflict, Ledger, Outcome
from iamledger.moments import moment
from iamledger.replay import replay
from iamledger.store import Database
from iamledger_projections import projections
from stateful import readers
from stateful.chance import DOCUMENTS, FIRST_ARNS, NAMES, Step, Wish, a_disturbed_step, a_step, resolved
from stateful.model import COMMANDS, Args, Asked, Expected, Model, Recorded
from stateful.terms import SMALL

QUOTAS = Quotas(**SMALL)
NOUNS = (
    *(account, user, access_key, group, membership),
    *(managed_policy, attachment, inline_policy, permissions_boundary, resource),
)
DECISIONS = {
    name: decision
    for noun in NOUNS
    for name, decision in vars(noun).items()
    if isfunction(decision) and name[0] != "_" and decision.__annotations__.get("return") == "Iterator[Event]"
}

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
        self.asked: list[list[tuple[Sequence[Wish], str]]] = [[], []]

    # Writing

    @initialize(both=some.booleans(), users=some.lists(some.sampled_from(NAMES), min_size=1, max_size=3))
    def begin(self, both: bool, users: list[str]) -> None:
        created = Wish("create_account", {"account_name": "acme", "email": "root@acme.example"})
        for which in (0, 1) if both else (0,):
            self.perform(Step(which, [created]))
            self.perform(Step(which, [Wish("create_group", {"name": name}) for name in ("ops", "admins", "dev")]))
            self.perform(
                Step(which, [Wish("create_policy", {"name": arn, "document": DOCUMENTS[0]}) for arn in FIRST_ARNS])
            )
            for name in users:
                first = [Wish("create_user", {"name": name}), Wish("create_access_key", {"user": name})]
                groups = [Wish("add_user_to_group", {"user": name, "group": group}) for group in ("ops", "admins")]
                self.perform(Step(which, [*first, *groups]))

    @rule(steps=some.lists(SEED.map(a_step), min_size=5, max_size=25))
    def commands(self, steps: list[Step]) -> None:
        for step in steps:
            self.perform(step)

    @rule(steps=some.lists(SEED.map(a_disturbed_step), min_size=3, max_size=10))
    def commands_disturbed(self, steps: list[Step]) -> None:
        for step in steps:
            self.perform(step)

    @rule(steps=some.lists(SEED.map(a_step), min_size=1, max_size=4), place=PLACE)
    def repeat(self, steps: list[Step], place: int) -> None:
        """Request ids that were used before, mostly for the same command, now and then for another."""
        for n, step in enumerate(steps):
            if asked := self.asked[step.which]:
                wishes, request_id = asked[(place + n) % len(asked)]
                self.perform(replace(step, wishes=wishes) if (place + n) % 5 else step, request_id)

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
                self.perform(Step(which, [Wish("tag_user", {"user": name, "tags": tags})], 1 - side))

        self.perform(Step(which, [Wish("untag_user", {"user": name, "keys": ["Größe", "team", "cost center"]})]))
        ledger = self.ledgers[which][side]
        ledger.circumstances = Circumstances(OPERATOR)
        with self.world.points.disturbed(Disturbance(interfere)), pytest.raises(Conflict, match="nothing was done"):
            ledger.execute(DECISIONS["tag_user"], user=name, tags=[("team", "mine")])
        assert came == CONFLICT_ATTEMPTS

    def perform(self, step: Step, request_id: str | None = None) -> None:
        """Run a command, and compare what comes of it with the model."""
        note(f"    {step}")
        which, dry_run = step.which, step.dry_run
        model, ledger = self.models[which], self.ledgers[which][step.side]
        asked = self._asked(which, step.wishes)
        begun, pending = model.head, list(step.interferences)
        if step.named and request_id is None:
            request_id = f"request-{next(self.request_numbers)}"
        allowed = [model.expect(asked, request_id)]

        def interfere(point: str) -> None:
            committed = disturbance.fault == "told nothing"
            if pending and pending[0][0] == point and not committed:
                _, other, same_request = pending.pop(0)
                self.perform(Step(which, [other], 1 - step.side), request_id if same_request else None)
                allowed.append(model.expect(asked, request_id))

        def conflict() -> None:
            allowed[:] = allowed[-1:]  # it will read and decide again

        ledger.circumstances = Circumstances(
            OPERATOR, reason=readers.REASON, request_id=request_id, source_address=step.source_address
        )
        disturbance = Disturbance(interfere, conflict, step.fault)
        with self.world.points.disturbed(disturbance):
            outcome = _outcome(ledger, asked, dry_run)
        if isinstance(outcome, str):
            approximate = outcome == "LimitExceeded" and self._was_full(which, asked, begun)
            codes = {expected.code for expected in allowed}
            assert approximate or outcome in codes, f"{asked}: {outcome}, not {allowed}"
        elif outcome.first is None:
            self._nothing_appended(ledger, asked, outcome, allowed, dry_run)
        elif request_id in model.requests:
            self._repeated(asked, outcome, allowed[-1])
        else:
            assert not dry_run
            expected = allowed[-1]
            if expected.code == "LimitExceeded" and self._was_full(which, asked, model.head):
                expected = Expected(events=_told(outcome))  # somebody else took the last place meanwhile
            told_nothing = disturbance.fault == "told nothing"
            self._appended(which, ledger, asked, outcome, expected, told_nothing)
            self.asked[which].append((step.wishes, list(model.requests)[-1]))

    def _was_full(self, which: int, asked: Asked, since: int) -> bool:
        """Was an account at a quota that is checked on a projection, which is approximate while others write?"""
        for name, kind in (("create_user", "users"), ("create_group", "groups"), ("create_policy", "policies")):
            more = sum(decision == name for decision, _ in asked)
            most = max(map(len, (state[kind] for state in self.models[which].states[since:])))
            if more and most + more > SMALL[f"{kind}_per_account"]:
                return True
        return False

    def _nothing_appended(
        self, ledger: Ledger, asked: Asked, outcome: Outcome, allowed: Sequence[Expected], dry_run: bool
    ) -> None:
        told = _told(outcome)
        assert dry_run or not told
        (now,) = ledger.database.connection.execute("SELECT clock_timestamp()").fetchone() or ()
        assert any(e.first is None and e.fits(told, now) for e in allowed), f"{asked}: {told}, not {allowed}"
        assert (outcome.last, outcome.repeated, outcome.secrets) == (None, False, {})

    def _repeated(self, asked: Asked, outcome: Outcome, expected: Expected) -> None:
        assert (outcome.first, expected.code) == (expected.first, None), f"{asked}: {outcome}, not {expected}"
        assert (_told(outcome), outcome.repeated, outcome.secrets) == (list(expected.events), True, {})
        assert outcome.last == (outcome.first or 0) + len(outcome.events) - 1

    def _appended(
        self, which: int, ledger: Ledger, asked: Asked, outcome: Outcome, expected: Expected, told_nothing: bool
    ) -> None:
        model, circumstances = self.models[which], ledger.circumstances
        first, last = outcome.first or 0, outcome.last or 0
        recorded = store.read(ledger.database.connection, model.account_id, after=model.head)
        assert [event.position for event in recorded] == list(range(first, last + 1)), f"{asked}: {outcome}"
        assert expected.fits(_told(outcome), recorded[-1].recorded_at), f"{asked}: {_told(outcome)}, not {expected}"
        assert [(event.type, event.data) for event in recorded] == _told(outcome)
        request_ids = {event.context["request_id"] for event in recorded}
        assert len(request_ids) == 1
        for event in recorded:
            assert event.context["actor"] == OPERATOR.told()
            assert event.context["reason"] == readers.REASON
            assert event.context.get("source_address") == circumstances.source_address
            assert circumstances.request_id in (None, event.context["request_id"])
            model.record(Recorded(event.type, event.data, event.recorded_at, circumstances.source_address))
        model.requests[request_ids.pop()] = (asked, first, last)
        issued = [event.data["access_key_id"] for event in recorded if event.type == "AccessKeyCreated"]
        assert list(outcome.secrets) == issued, "a new secret is shown, and no other"
        assert outcome.repeated == (told_nothing and not issued)
        model.secrets.update(outcome.secrets)

    def _asked(self, which: int, wishes: Sequence[Wish]) -> Asked:
        model, other = self.models[which], self.models[1 - which]
        return [(wish.decision, resolved(wish, model.account_id, model.state, other.state)) for wish in wishes]

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
            readers.compare(view, state, view.position)

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
            readers.compare(view, model.state, place)
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
            assert kept == {request_id: (first, last) for request_id, (_, first, last) in model.requests.items()}
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


def _outcome(ledger: Ledger, asked: Asked, dry_run: bool) -> Outcome | str:
    """Run commands as a caller does; their outcome, or the code of their refusal."""
    try:
        commands = [Command(DECISIONS[name], _arguments(name, args)) for name, args in asked]
        if len(commands) > 1:
            return ledger.execute_all(commands, dry_run=dry_run)
        return ledger.execute(commands[0].decision, dry_run=dry_run, **commands[0].arguments)
    except Refusal as refusal:
        return refusal.code
    except store.NotStrictJson:
        return "ValidationError"  # so the command line tells it


def _arguments(name: str, args: Args) -> dict[str, Any]:
    if name != "record_access_key_use":
        return dict(args)
    return {**args, "use": use_of(args["key"], args["service_name"], args["region"], args["used_at"])}


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


def test_the_model_knows_every_decision() -> None:
    assert DECISIONS.keys() == COMMANDS.keys()


def test_a_few_random_histories(world: World) -> None:
    _run(world, 6)


@pytest.mark.slow
def test_many_random_histories(world: World) -> None:
    _run(world, 60)

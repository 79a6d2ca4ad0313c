"""What iamledger should do, in plain dicts: the stateful test's oracle; the concurrency and crash tests fold with it.

Nothing here knows the `iam` package, the engine or the store. `apply` says what an event means and asserts that it was
legal where it stands; `Model` keeps an account's events and what was true after each of them; `Model.expect` says what must
come of commands. Each noun has a file of its own beside this one: its events, what readers see, its commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from stateful import grants, groups, keys, policies, resources, users
from stateful.terms import (
    IAMS,
    SMALL,
    Args,
    Command,
    End,
    Fields,
    Meaning,
    New,
    Refused,
    State,
    copied,
    nothing,
    require,
)

_NOUNS = (users, keys, groups, policies, grants, resources)
EVENTS: Mapping[str, Meaning] = {type_: meaning for noun in _NOUNS for type_, meaning in noun.EVENTS.items()}
COMMANDS: Mapping[str, Command] = {name: command for noun in _NOUNS for name, command in noun.COMMANDS.items()}


# What events mean


def apply(state: State, type_: str, data: Fields, recorded_at: datetime) -> None:
    """Change the state by one event. An assertion fails if the event should never have been recorded here."""
    assert (state["account"] is None) == (type_ == "AccountCreated"), "a ledger begins with its account"
    state["position"] += 1
    EVENTS[type_](state, data, recorded_at)


def fold(events: Iterable[tuple[str, Fields, datetime]], quotas: Mapping[str, int] = IAMS) -> list[State]:
    """What was true before the first event and after each of them, by position."""
    states = [nothing(quotas)]
    for type_, data, recorded_at in events:
        states.append(copied(states[-1]))
        apply(states[-1], type_, data, recorded_at)
    return states


def folded(events: Iterable[tuple[str, Fields, datetime]], quotas: Mapping[str, int] = IAMS) -> State:
    """What is true after the last event."""
    state = nothing(quotas)
    for type_, data, recorded_at in events:
        apply(state, type_, data, recorded_at)
    return state


# What must come of commands


@dataclass(frozen=True)
class Expected:
    """What must come of commands: a refusal's code, or events; or the events of the first time, if it is a repeat."""

    code: str | None = None
    events: Sequence[tuple[str, Fields]] = ()
    first: int | None = None  # only of a repeat

    def fits(self, events: Sequence[tuple[str, Fields]], now: datetime) -> bool:
        """Are these the events, except for what only the ledger can know?"""
        return self.code is None and _fit(self.events, events, now, {})


def _fit(expected: Any, found: Any, now: datetime, ids: dict[New, str]) -> bool:
    match expected:
        case New():
            return isinstance(found, str) and ids.setdefault(expected, found) == found
        case End(grace, at_most):
            end = datetime.fromisoformat(found)
            if at_most is not None and end >= at_most:
                return end == at_most <= now + grace
            begun = end - grace  # the moment at which the ledger was read
            return now - timedelta(minutes=5) < begun <= now
        case dict():
            return expected.keys() == found.keys() and all(_fit(v, found[k], now, ids) for k, v in expected.items())
        case list() | tuple():
            return len(expected) == len(found) and all(
                _fit(e, f, now, ids) for e, f in zip(expected, found, strict=True)
            )
    return bool(expected == found)


Asked = Sequence[tuple[str, Args]]
"""Commands that are run as one: their names and arguments."""


@dataclass
class Recorded:
    """An event as the model keeps it."""

    type: str
    data: Fields
    recorded_at: datetime
    source_address: str | None


@dataclass
class Model:
    """One account: its events, what was true after each, and the requests that were recorded."""

    account_id: str
    events: list[Recorded] = field(default_factory=list)
    states: list[State] = field(default_factory=lambda: [nothing(SMALL)])
    requests: dict[str, tuple[Asked, int, int]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Those that were shown and whose keys have not been revoked."""

    def __post_init__(self) -> None:
        self.states[0]["number"] = self.account_id  # which it has before it begins

    @property
    def head(self) -> int:
        """The last position."""
        return len(self.events)

    @property
    def state(self) -> State:
        """What is true after the last event."""
        return self.states[-1]

    def expect(self, asked: Asked, request_id: str | None = None) -> Expected:
        """What must come of commands now, each of which sees what those before it did."""
        try:
            for name, args in asked:
                _check_references(COMMANDS[name], args)
            if request_id in self.requests:
                return self._repeated(asked, *self.requests[request_id])
            return Expected(events=self._decided(asked))
        except Refused as refused:
            return Expected(code=refused.code)

    def _decided(self, asked: Asked) -> list[tuple[str, Fields]]:
        now = self.events[-1].recorded_at if self.events else datetime.min.replace(tzinfo=UTC)
        state, events = copied(self.state), []
        for name, args in asked:
            decided = COMMANDS[name].decide(state, now, **args)
            for type_, data in decided:
                EVENTS[type_](state, data, now)
            events += decided
        begun = [type_ for type_, _ in events[:1]] == ["AccountCreated"]
        require(begun or self.state["account"] is not None, "NoSuchEntity")
        return events

    def _repeated(self, asked: Asked, earlier: Asked, first: int, last: int) -> Expected:
        if _plain(asked) != _plain(earlier):
            raise Refused("IdempotentParameterMismatch")
        return Expected(events=[(event.type, event.data) for event in self.events[first - 1 : last]], first=first)

    def record(self, recorded: Recorded) -> None:
        """Take one event in, at the next position."""
        self.events.append(recorded)
        self.states.append(copied(self.state))
        apply(self.state, recorded.type, recorded.data, recorded.recorded_at)
        if recorded.type == "AccessKeyRevoked":
            del self.secrets[recorded.data["access_key_id"]]

    def erase(self, position: int) -> bool:
        """Forget the personal values of one event; False if it has none. History is told anew without them."""
        event = self.events[position - 1]
        personal = [name for name in ("email", "tags") if event.data.get(name)]
        if not personal and not event.source_address:
            return False
        event.data = {**event.data, **dict.fromkeys(personal)}
        event.source_address = None
        self.states = fold(((event.type, event.data, event.recorded_at) for event in self.events), SMALL)
        return True

    def position_at(self, time: datetime) -> int:
        """The last position recorded at or before a time."""
        return sum(event.recorded_at <= time for event in self.events)


def _plain(asked: Asked) -> list[tuple[str, Fields]]:
    return [(name, dict(args)) for name, args in asked]


def _check_references(command: Command, args: Args) -> None:
    for name, value in args.items():
        require(not (isinstance(value, str) and "\0" in value))
        if name in command.references and value is not None:
            command.references[name](value)

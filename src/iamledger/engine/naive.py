"""The naive interpreter of the rules: event by event, in Python. The oracle of the tests and of `audit replay --verify`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import orjson

from iamledger.engine.declaration import (
    ColumnType,
    Field,
    FromContext,
    Projection,
    RecordedAt,
    RecordedPosition,
    Rule,
    Source,
)
from iamledger.engine.errors import BrokenRule
from iamledger.store.events import iso

Key: TypeAlias = tuple[str, ...]


class Version(NamedTuple):
    """A row as it was from the position `since` until the position `until` (None: it still is)."""

    key: Key
    since: int
    until: int | None
    columns: dict[str, Any]


class Recorded(NamedTuple):
    """What rules look at in an event."""

    position: int
    recorded_at: str
    type: str
    context: dict[str, Any]
    data: dict[str, Any]
    concealed: Recorded | None = None
    """The same with digests in the place of personal values, if there are any."""


class Interpreter:
    """Applies events to one projection of one account; keeps only the rows that are open, their columns packed."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.open: dict[Key, tuple[int, str]] = {}
        self._rules: dict[str, list[_Rule]] = {}
        for rule in projection.rules:
            self._rules.setdefault(rule.event, []).append(_Rule(projection, rule))

    def apply(self, event: Recorded) -> list[Version]:
        """Apply one event; returns the versions that ended with it. Raises `BrokenRule`."""
        stored = event.concealed or event
        ended: list[Version] = []
        touched: set[Key] = set()
        for rule in self._rules.get(event.type, ()):
            key = tuple([_text(stored.data.get(f) if isinstance(f, str) else event.position) for f in rule.key_fields])
            if None in key or key in touched:
                raise BrokenRule(
                    f"{rule.kind} of a row that {'has no key' if None in key else 'the event touched already'}"
                )
            touched.add(key)  # type: ignore[arg-type]
            ended += self._operate(rule, key, event, stored)  # type: ignore[arg-type]
        return ended

    def rest(self) -> Iterator[Version]:
        """The versions that are still true, ordered by key."""
        for key in sorted(self.open):
            since, packed = self.open[key]
            yield Version(key, since, None, orjson.loads(packed))

    def _operate(self, rule: _Rule, key: Key, event: Recorded, stored: Recorded) -> list[Version]:
        before = self.open.pop(key, None)
        if rule.kind != "put" and (before is None) != (rule.kind == "open"):
            raise BrokenRule(f"{rule.kind} of a row that {'is not open' if before is None else 'is open'}")
        was = {} if before is None else orjson.loads(before[1])
        if rule.kind != "close":
            columns = {**was} if rule.kind == "revise" else {}
            for name, value_in in rule.columns:
                columns[name] = value_in(stored)
            for name, value_in in rule.personal:
                columns[name] = value_in(event)
            self.open[key] = (event.position, _packed(columns))
        return [] if before is None else [Version(key, before[0], event.position, was)]


def _packed(columns: dict[str, Any]) -> str:
    """Columns in a fifth of the memory: a ledger of a million events has hundreds of thousands of open rows.

    As text, which is a copy of its exact size: the bytes that orjson returns sit in a block of a kilobyte.
    """
    try:
        return orjson.dumps(columns).decode()
    except orjson.JSONEncodeError as error:
        raise BrokenRule(f"its columns cannot be kept: {error}") from None


class _Rule:
    """A rule, and how its columns are found in an event and converted."""

    def __init__(self, projection: Projection, rule: Rule) -> None:
        self.kind = rule.kind
        self.key_fields = projection.key_fields(rule)
        sources = projection.sources(rule)
        values = {name: _value_in(source, projection.columns[name]) for name, source in sources.items()}
        self.columns = [(name, value) for name, value in values.items() if name not in projection.personal]
        self.personal = [(name, value) for name, value in values.items() if name in projection.personal]


def _value_in(source: Source, type_: ColumnType) -> Callable[[Recorded], Any]:
    """What finds a column's value in an event, and converts it."""
    converted = _CONVERTED[type_]
    match source:
        case Field(name):
            return lambda event: converted(event.data.get(name))
        case FromContext(name):
            return lambda event: converted(event.context.get(name))
        case RecordedAt():
            return lambda event: converted(event.recorded_at)
        case RecordedPosition():
            return lambda event: converted(event.position)
        case constant:
            return lambda _event: converted(constant)


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", re.ASCII)


def _instant_of(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise BrokenRule(f"{text!r} is no time")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BrokenRule(f"{text!r} is no time") from None
    if len(text) == 27 and text[-1] == "Z":
        return text
    return iso(time.replace(tzinfo=UTC) if time.tzinfo is None else time)


def _instant(value: Any) -> str | None:
    if value is None:
        return None
    if type(value) is not str:
        raise BrokenRule(f"{value!r} is no time")
    return _instant_of(value)


def _of_type(type_: type) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if value is not None and type(value) is not type_:
            raise BrokenRule(f"{value!r} is no {type_.__name__}")
        return value

    return checked


def _text(value: Any) -> str | None:
    """As PostgreSQL's `->>` does."""
    if value is None or type(value) is str:
        return value
    return json.dumps(value, ensure_ascii=False)


_CONVERTED: dict[ColumnType, Callable[[Any], Any]] = {
    "text": _text,
    "timestamptz": _instant,
    "jsonb": lambda value: value,
    "bigint": _of_type(int),
    "boolean": _of_type(bool),
}
"""A value as the column's type makes it, in the form in which a comparison reads columns."""

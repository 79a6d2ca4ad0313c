"""The naive interpreter of the rules: event by event, in Python. The oracle of the tests and of `audit replay --verify`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias

from iamledger.engine.declaration import Field, FromContext, Projection, RecordedAt, RecordedPosition, Rule, Source
from iamledger.store.errors import BrokenRule
from iamledger.store.events import iso

Key: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A row as it was from the position `since` until the position `until` (None: it still is)."""

    key: Key
    since: int
    until: int | None
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What rules look at in an event."""

    position: int
    recorded_at: str
    type: str
    context: dict[str, Any]
    data: dict[str, Any]


class Interpreter:
    """Applies events to one projection of one account; keeps only the rows that are open."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.open: dict[Key, tuple[int, dict[str, Any]]] = {}
        self._rules: dict[str, list[Rule]] = {}
        for rule in projection.rules:
            self._rules.setdefault(rule.event, []).append(rule)
        self._sources = {id(rule): list(projection.sources(rule).items()) for rule in projection.rules}

    def apply(self, event: Recorded) -> list[Version]:
        """Apply one event; returns the versions that ended with it. Raises `BrokenRule`."""
        ended: list[Version] = []
        touched: set[Key] = set()
        for rule in self._rules.get(event.type, ()):
            key = tuple(_text(event.data.get(field)) for field in self.projection.key_fields(rule))
            if None in key or key in touched:
                raise BrokenRule(
                    f"{rule.kind} of a row that {'has no key' if None in key else 'the event touched already'}"
                )
            touched.add(key)  # type: ignore[arg-type]
            ended += self._operate(rule, key, event)  # type: ignore[arg-type]
        return ended

    def rest(self) -> Iterator[Version]:
        """The versions that are still true, ordered by key."""
        for key in sorted(self.open):
            since, columns = self.open[key]
            yield Version(key, since, None, columns)

    def _operate(self, rule: Rule, key: Key, event: Recorded) -> list[Version]:
        before = self.open.pop(key, None)
        if rule.kind != "put" and (before is None) != (rule.kind == "open"):
            raise BrokenRule(f"{rule.kind} of a row that {'is not open' if before is None else 'is open'}")
        if rule.kind != "close":
            columns = {name: self._value(name, source, event) for name, source in self._sources[id(rule)]}
            if rule.kind == "revise" and before is not None:
                columns = {**before[1], **columns}
            self.open[key] = (event.position, columns)
        return [] if before is None else [Version(key, before[0], event.position, before[1])]

    def _value(self, name: str, source: Source, event: Recorded) -> Any:
        match source:
            case Field(field):
                value = event.data.get(field)
            case FromContext(entry):
                value = event.context.get(entry)
            case RecordedAt() if self.projection.columns[name] == "timestamptz":
                return event.recorded_at
            case RecordedAt():
                value = event.recorded_at
            case RecordedPosition():
                value = event.position
            case _:
                value = source
        return _converted(self.projection.columns[name], value)


def _converted(type_: str, value: Any) -> Any:
    """A value as the column's type makes it, in the form in which `audit replay --verify` reads columns."""
    if value is None or type_ == "jsonb":
        return value
    if type_ == "text":
        return _text(value)
    if type_ == "timestamptz":
        return _instant(value)
    if type(value) is not {"bigint": int, "boolean": bool}[type_]:
        raise BrokenRule(f"{value!r} is no {type_}")
    return value


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", re.ASCII)


@lru_cache(maxsize=10_000)
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


def _instant(value: Any) -> str:
    if type(value) is not str:
        raise BrokenRule(f"{value!r} is no time")
    return _instant_of(value)


def _text(value: Any) -> str | None:
    """As PostgreSQL's `->>` does."""
    if value is None or type(value) is str:
        return value
    return json.dumps(value, ensure_ascii=False)

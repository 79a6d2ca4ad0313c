"""The naive interpreter of the rules: event by event, in Python. The oracle of the tests and of `audit replay --verify`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import NoneType
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


Step: TypeAlias = tuple[Key, int | None, str | None]
"""What an event does to the row with a key: since when the version was true that it ends, if it ends one, and the columns,
packed, of the version that it begins, if it begins one."""


class Interpreter:
    """Applies events to one projection of one account.

    Keeps which rows are open and since when, and their columns, packed, if a rule revises some of them.
    """

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.open: dict[Key, tuple[int, str]] = {}
        self._rules: dict[str, list[_Rule]] = {}
        for rule in projection.rules:
            self._rules.setdefault(rule.event, []).append(_Rule(projection, rule))
        self._revises = any(rule.kind == "revise" for rule in projection.rules)
        self._empty: list[Any] = [None] * len(projection.columns)

    def apply(self, event: Recorded) -> list[Step]:
        """Apply one event. Raises `BrokenRule`."""
        stored = event.concealed or event
        steps: list[Step] = []
        touched: list[Key] = []
        for rule in self._rules.get(event.type, ()):
            key: Key = tuple([value_in(stored) for value_in in rule.key])
            if None in key or key in touched:
                raise BrokenRule(
                    f"{rule.kind} of a row that {'has no key' if None in key else 'the event touched already'}"
                )
            touched.append(key)
            before = self.open.pop(key, None)
            if rule.kind != "put" and (before is None) != (rule.kind == "open"):
                raise BrokenRule(f"{rule.kind} of a row that {'is not open' if before is None else 'is open'}")
            began = None
            if rule.kind != "close":
                columns = orjson.loads(before[1]) if before is not None and rule.kind == "revise" else [*self._empty]
                for n, value_in in rule.columns:
                    columns[n] = value_in(stored)
                for n, value_in in rule.personal:
                    columns[n] = value_in(event)
                began = packed(columns)
                self.open[key] = (event.position, began if self._revises else "")
            steps.append((key, None if before is None else before[0], began))
        return steps


def packed(columns: Sequence[Any]) -> str:
    """Columns in a form in which they take little memory, and are the same only if they are the same JSON: true is not 1.

    As text, which is a copy of its exact size: the bytes that orjson returns sit in a block of a kilobyte. Raises
    `BrokenRule` if they are nested too deeply.
    """
    try:
        return orjson.dumps(columns, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError as error:
        raise BrokenRule(f"its columns cannot be kept: {error}") from None


def unpacked(projection: Projection, columns: str) -> dict[str, Any]:
    """Packed columns, by name; none, if none were packed."""
    return dict(zip(projection.columns, orjson.loads(columns), strict=False))


class _Rule:
    """A rule, and how the key and the columns, by their numbers, are found in an event and converted."""

    def __init__(self, projection: Projection, rule: Rule) -> None:
        self.kind = rule.kind
        self.key = [
            _value_in(Field(source) if isinstance(source, str) else source, "text")
            for source in projection.key_fields(rule)
        ]
        sources = projection.sources(rule) if rule.kind != "close" else {}
        values = [
            (n, name, _value_in(sources[name], type_))
            for n, (name, type_) in enumerate(projection.columns.items())
            if name in sources
        ]
        self.columns = [(n, value_in) for n, name, value_in in values if name not in projection.personal]
        self.personal = [(n, value_in) for n, name, value_in in values if name in projection.personal]


def _value_in(source: Source, type_: ColumnType) -> Callable[[Recorded], Any]:
    """What finds a value in an event, and converts it. A tight place: every value of every event goes through it."""
    fits, converted = _FITS[type_], _CONVERTED[type_]

    def in_data(event: Recorded) -> Any:
        value = event.data.get(name)
        return value if type(value) is fits else converted(value)

    def in_context(event: Recorded) -> Any:
        value = event.context.get(name)
        return value if type(value) is fits else converted(value)

    match source:
        case Field(name):
            return in_data
        case FromContext(name):
            return in_context
        case RecordedAt() if type_ == "timestamptz":
            return lambda event: event.recorded_at or converted(event.recorded_at)
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
    if type(value) is int:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


_FITS: dict[ColumnType, type] = {
    "text": str,
    "timestamptz": NoneType,
    "jsonb": dict,
    "bigint": int,
    "boolean": bool,
}
"""Values of this type stay as they are; a time's text must be looked at."""

_CONVERTED: dict[ColumnType, Callable[[Any], Any]] = {
    "text": _text,
    "timestamptz": _instant,
    "jsonb": lambda value: value,
    "bigint": _of_type(int),
    "boolean": _of_type(bool),
}
"""A value as the column's type makes it, in the form in which a comparison reads columns."""

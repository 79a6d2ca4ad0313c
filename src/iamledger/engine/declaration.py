"""How a read model declares itself: its columns, and what events mean for its rows.

A rule says what an event of some type does to one row: `open_row` it, `put_row` (open or replace), `revise_row` or
`close_row`. The row is found by the projection's key, whose columns take the event's fields of the same names, unless
the rule says otherwise: another field, or the event's position, where each event makes a row of its own. Every row is
temporal: it has been true from the position `since` until the position `until`.

An event breaks the rules if it opens a row that is open, revises or closes one that is not, leaves a key empty, or touches a
row twice. The engine then stops that projection before that event, for that account; see `iamledger.engine.catchup`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, TypeAlias, get_args

ColumnType = Literal["text", "bigint", "boolean", "timestamptz", "jsonb"]
Kind = Literal["open", "put", "revise", "close"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the event's data, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class FromContext:
    """An entry of the event's context, by name: who did it, why."""

    name: str


@dataclass(frozen=True, slots=True)
class RecordedAt:
    """When the event was recorded."""


@dataclass(frozen=True, slots=True)
class RecordedPosition:
    """The event's position."""


RECORDED_AT = RecordedAt()
POSITION = RecordedPosition()

Source: TypeAlias = Field | FromContext | RecordedAt | RecordedPosition | str | int | bool | None
"""Where a column's value comes from: a part of the event, or a constant."""
KeySource: TypeAlias = str | RecordedPosition
"""Where a column of the key takes its value from: the field of that name, or the event's position, as text."""


class InvalidProjection(ValueError):
    """A projection's declaration contradicts itself."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an event of one type does to one row. Made by `open_row`, `put_row`, `revise_row` and `close_row`."""

    kind: Kind
    event: str
    key: Mapping[str, KeySource]
    columns: Sequence[str]
    set: Mapping[str, Source]


def open_row(
    event: str, *, key: Mapping[str, KeySource] | None = None, set: Mapping[str, Source] | None = None
) -> Rule:
    """The event begins a row, which must not be open. Every column takes the field of its name, but for those in `set`."""
    return Rule("open", event, key or {}, (), set or {})


def put_row(event: str, *, key: Mapping[str, KeySource] | None = None, set: Mapping[str, Source] | None = None) -> Rule:
    """The event begins a row, or replaces it whole if it is open."""
    return Rule("put", event, key or {}, (), set or {})


def revise_row(
    event: str, *columns: str, key: Mapping[str, KeySource] | None = None, set: Mapping[str, Source] | None = None
) -> Rule:
    """The event changes columns of a row, which must be open: those named, and those in `set`."""
    return Rule("revise", event, key or {}, columns, set or {})


def close_row(event: str, *, key: Mapping[str, KeySource] | None = None) -> Rule:
    """The event ends a row, which must be open."""
    return Rule("close", event, key or {}, (), {})


_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_RESERVED = frozenset({"account_id", "since", "until"})


@dataclass(frozen=True)
class Projection:
    """A read model: its name, the columns that make its key (text), its other columns, its rules.

    `columns` maps names to types. A column of type text takes any JSON value, in its JSON form if it is no string; the
    others take what is of their type, timestamptz times in ISO 8601. `personal` names the columns that hold personal values:
    all others see digests in the place of such values. Raises `InvalidProjection`.
    """

    name: str
    key: Sequence[str]
    columns: Mapping[str, ColumnType]
    rules: Sequence[Rule]
    description: str = ""
    personal: Sequence[str] = ()
    _digest: list[str] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.key, str):
            raise InvalidProjection(f"projection {self.name!r}: the key is a list of columns")
        names = [*self.key, *self.columns]
        for name in [self.name, *names]:
            if not _NAME.fullmatch(name):
                raise InvalidProjection(
                    f"projection {self.name!r}: {name!r} is not a name of lower-case letters, digits and _"
                )
        if not self.key or not self.rules:
            raise InvalidProjection(f"projection {self.name!r} needs a key and at least one rule")
        if len(set(names)) < len(names) or _RESERVED & set(names):
            raise InvalidProjection(
                f"projection {self.name!r}: a column appears twice, or is account_id, since or until"
            )
        for column, type_ in self.columns.items():
            if type_ not in get_args(ColumnType):
                raise InvalidProjection(
                    f"projection {self.name!r}: the column {column} is of type {type_!r}, not of"
                    f" {', '.join(get_args(ColumnType))}"
                )
        if not set(self.personal) <= set(self.columns):
            raise InvalidProjection(f"projection {self.name!r}: what is personal must be among its columns")
        for rule in self.rules:
            for column, named in rule.key.items():
                if not isinstance(named, KeySource):
                    raise InvalidProjection(
                        f"projection {self.name!r}: the rule for {rule.event} takes the key {column} from {named!r},"
                        " which is neither the name of a field nor POSITION"
                    )
            for column, source in rule.set.items():
                if not isinstance(source, Source):
                    raise InvalidProjection(
                        f"projection {self.name!r}: the rule for {rule.event} sets {column} to {source!r}, which is neither"
                        " a part of an event nor a text, an integer, a boolean or None"
                    )
            unknown = {*rule.columns, *rule.set} - set(self.columns) | set(rule.key) - set(self.key)
            if unknown:
                raise InvalidProjection(
                    f"projection {self.name!r}: the rule for {rule.event} names {', '.join(sorted(unknown))},"
                    " which the projection does not have"
                )

    def events(self) -> list[str]:
        """The types of events that it listens to."""
        return sorted({rule.event for rule in self.rules})

    def sources(self, rule: Rule) -> dict[str, Source]:
        """Where the columns that a rule sets take their values from."""
        columns = self.columns if rule.kind in ("open", "put") else rule.columns
        return {**{name: Field(name) for name in columns}, **rule.set}

    def key_fields(self, rule: Rule) -> list[KeySource]:
        """The fields of the event, or its position, that name the row's key, in the order of the key's columns."""
        return [rule.key.get(column, column) for column in self.key]

    def digest(self) -> str:
        """Changes whenever the declaration does: rows built by other rules are outdated."""
        if not self._digest:
            text = repr(
                (
                    list(self.key),
                    list(self.columns.items()),
                    ["by column", *sorted(self.personal)] if self.personal else [],  # once it was all or none
                    [_plain(rule) for rule in self.rules],
                )
            )
            self._digest.append(sha256(text.encode()).hexdigest()[:16])
        return self._digest[0]


def _plain(rule: Rule) -> tuple[object, ...]:
    return (
        rule.kind,
        rule.event,
        sorted(rule.key.items()),
        list(rule.columns),
        sorted((k, repr(v)) for k, v in rule.set.items()),
    )

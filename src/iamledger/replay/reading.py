"""Reading the events that projections listen to, no more of them than the rules look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from iamledger.engine.declaration import Field, FromContext, Projection, RecordedAt, Source
from iamledger.engine.naive import Recorded
from iamledger.replay.hashes import is_digest
from iamledger.store.events import iso_of_text


class Reading:
    """The statement that reads the events of some projections, and what makes them of its rows."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        every = [
            (rule.event, source, column in projection.personal)
            for projection in projections
            for rule in projection.rules
            if rule.kind != "close"
            for column, source in projection.sources(rule).items()
        ]

        def types(asks: Callable[[Source, bool], bool]) -> list[str]:
            return sorted({type_ for type_, source, personal in every if asks(source, personal)})

        self._types = {
            "types": sorted({type_ for projection in projections for type_ in projection.events()}),
            "context": types(lambda source, _: isinstance(source, FromContext)),
            "time": types(lambda source, _: isinstance(source, RecordedAt)),
            "personal": types(lambda source, personal: personal and isinstance(source, Field | FromContext)),
        }
        columns = (
            "e.position, CASE WHEN e.type = ANY(%(time)s) THEN e.recorded_at::text END, e.type,"
            " CASE WHEN e.type = ANY(%(context)s) THEN e.context::text END, e.data::text"
        )
        events = "iamledger.events e"
        self.recorded = _recorded
        """The event as projections see it, of a row."""
        if self._types["personal"]:
            columns += (
                ", e.has_personal AND e.type = ANY(%(personal)s), p.salt IS NOT NULL,"
                " CASE WHEN e.type = ANY(%(context)s) THEN p.context::text END, p.data::text"
            )
            events += (
                " LEFT JOIN iamledger.personal p ON p.account_id = e.account_id AND p.position = e.position"
                " AND e.type = ANY(%(personal)s)"
            )
            self.recorded = _readable
        self.statement = (
            f"SELECT {columns} FROM {events}"
            " WHERE e.account_id = %(account)s AND e.position <= %(upto)s AND e.type = ANY(%(types)s) ORDER BY e.position"
        )

    def parameters(self, account_id: str, upto: int) -> dict[str, Any]:
        """Those of the statement."""
        return {"account": account_id, "upto": upto, **self._types}


def _recorded(row: tuple[Any, ...]) -> Recorded:
    """The event as projections see it, digests in the place of personal values."""
    position, time, type_, context, data = row[:5]
    return Recorded(position, iso_of_text(time) if time else "", type_, _object(context), _object(data))


def _object(text: str | None) -> dict[str, Any]:
    """The entries of an object that was stored; of anything else, none."""
    if text is None:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if type(value) is dict else {}


def _readable(row: tuple[Any, ...]) -> Recorded:
    """The event as projections see it that ask for personal values: those, or None where they were erased."""
    stored = _recorded(row)
    has_personal, kept, its_context, its_data = row[5:]
    if not has_personal:
        return stored
    if kept:
        context = {**stored.context, **_object(its_context)}
        data = {**stored.data, **_object(its_data)}
    else:
        context, data = (
            {name: None if is_digest(value) else value for name, value in values.items()}
            for values in (stored.context, stored.data)
        )
    return Recorded(stored.position, stored.recorded_at, stored.type, context, data, concealed=stored)

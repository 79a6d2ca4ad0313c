"""What events are: frozen pydantic models whose class names are the storage format.

**Never rename an event class or a field, and never change what it means**: it is stored as it stands here. A type
changes only by optional fields with a default; anything else is a new type. `tests/golden/events` holds every stored
form ever written.

Fields say with annotations what the store needs to know of them: `Tag` makes a field's value one of the event's tags,
`PERSONAL` lets a value be erased later (it then reads as None).
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, PlainSerializer


@dataclass(frozen=True, slots=True)
class Tag:
    """The field's value, after this prefix and a colon, is a tag of the event. Names are folded to lower case."""

    prefix: str
    fold_case: bool = False

    def of(self, value: str) -> str:
        """The tag for a value."""
        return f"{self.prefix}:{value.lower() if self.fold_case else value}"


class _Personal:
    """See `PERSONAL`."""


PERSONAL = _Personal()
"""The field holds personal data: it is stored beside the event, can be erased, and then reads as None."""


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"  # strftime: no year 0999


Instant = Annotated[datetime, PlainSerializer(_iso, when_used="json")]
"""A point in time; stored in UTC with six digits of a second."""

USER = Tag("user")
USER_NAME = Tag("user-name", fold_case=True)
ACCESS_KEY = Tag("access-key")


class Event(BaseModel):
    """One immutable fact. The name of the class is its stored name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    issues_secret: ClassVar[str | None] = None
    """The field with the id of a credential whose secret is made and stored together with this event."""
    deletes_secrets: ClassVar[str | None] = None
    """The field with the id of a credential whose secrets are deleted together with this event."""
    opens_ledger: ClassVar[bool] = False
    """Such an event is the first of its ledger."""

    def ledger_tags(self) -> list[str]:
        """The tags by which decisions find this event. A field without a value makes none."""
        values = [(tag, getattr(self, name)) for name, tag in _marks(type(self))[0]]
        return [tag.of(value) for tag, value in values if value is not None]

    @classmethod
    def personal_fields(cls) -> tuple[str, ...]:
        """The fields that hold personal data."""
        return _marks(cls)[1]


@cache
def _marks(event: type[Event]) -> tuple[tuple[tuple[str, Tag], ...], tuple[str, ...]]:
    fields = event.model_fields.items()
    tags = tuple((name, mark) for name, field in fields for mark in field.metadata if isinstance(mark, Tag))
    personal = tuple(name for name, field in fields if PERSONAL in field.metadata)
    return tags, personal


@cache
def event_types() -> dict[str, type[Event]]:
    """All event types by their stored names, from every noun of this package."""
    package = import_module("iamledger.iam")
    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    return {event.__name__: event for event in Event.__subclasses__()}


def from_stored(stored_name: str, data: dict[str, Any]) -> Event | None:
    """The event that was stored, or None if this version of iamledger does not know its type."""
    event = event_types().get(stored_name)
    return None if event is None else event.model_validate(data)

"""The moments that `--as-of` names: a position, a time, or a date, which means its end in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import sleep

from iamledger import store
from iamledger.iam.refusals import InvalidInput, ValidationError
from iamledger.store.events import iso


@dataclass(frozen=True, slots=True)
class Moment:
    """A position of a ledger, and the time that was asked for, if it was a time."""

    position: int
    time: datetime | None = None


def moment(connection: store.Connection, account_id: str, text: str) -> Moment:
    """Find the position that a text names. Raises ValidationError, InvalidInput, `NoLedger`."""
    if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        head = store.head(connection, account_id).position
        if not 1 <= int(text) <= head:
            raise InvalidInput(f"There is no position {text}; the ledger of account {account_id} has 1 to {head}.")
        return Moment(int(text))
    time = parse_time(text)
    if time - datetime.now(UTC) < timedelta(seconds=1):  # this very second is over in a moment
        sleep(max(0.0, (time - datetime.now(UTC)).total_seconds() + 0.001))
    try:
        position = store.position_at(connection, account_id, time)
    except store.TimeInFuture:
        what = f"the end of {text} in UTC" if _is_date(text) else text
        raise InvalidInput(f"{what[0].upper()}{what[1:]} has not come yet. Give a time that has passed.") from None
    if position == 0:
        first = store.read(connection, account_id, limit=1)
        begins = f", at {iso(first[0].recorded_at)}" if first else ""
        raise InvalidInput(f"The ledger of account {account_id} begins after {text}{begins}.")
    return Moment(position, time)


_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}(:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
"""What `datetime.fromisoformat` takes is more, and differs by version: any character for the T, a week for its Monday."""

_SECOND = re.compile(r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?![.][0-9])")


def parse_time(text: str, option: str | None = None, *, end: bool = True) -> datetime:
    """A time in ISO 8601, in UTC unless it says otherwise; a bare date or second means its end, or its beginning.

    Tables show times to the second, so that such a time, given back, is one at which what they show had happened.

    Raises ValidationError, which names the option, if the text was given for one that takes no position.
    """
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        time = datetime.fromisoformat(text)
        if end and (_is_date(text) or _SECOND.search(text)):
            time += timedelta(days=1 if _is_date(text) else 0, seconds=not _is_date(text)) - timedelta(microseconds=1)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        where, position = (f", given with {option},", "") if option else ("", ", or a position, such as 42")
        raise ValidationError(
            f"{text!a}{where} is not a time. Write 2026-11-24 or 2026-11-24T15:30:00Z{position}."
        ) from None


def _is_date(text: str) -> bool:
    return len(text) == len("2026-11-24")

"""What `--as-of` names: positions, times, dates; and what it cannot name."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ACCOUNT, Urls
from iamledger import store
from iamledger.iam.refusals import InvalidInput, ValidationError
from iamledger.iam.user import create_user
from iamledger.ledger import Ledger
from iamledger.moments import Moment, moment, parse_time
from iamledger.store import Connection
from iamledger.store.events import iso

# Texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T15:30:00Z", datetime(2026, 11, 24, 15, 30, 0, 999_999, tzinfo=UTC)),
        ("2026-11-24T15:30:00.5Z", datetime(2026, 11, 24, 15, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-11-24T15:30:00.123456Z", datetime(2026, 11, 24, 15, 30, 0, 123_456, tzinfo=UTC)),
        ("2026-11-24T15:30:00", datetime(2026, 11, 24, 15, 30, 0, 999_999, tzinfo=UTC)),
        ("2026-11-24 15:30", datetime(2026, 11, 24, 15, 30, tzinfo=UTC)),
        ("2026-11-24T15", datetime(2026, 11, 24, 15, tzinfo=UTC)),
        ("2026-11-24T15:30:00+01:00", datetime(2026, 11, 24, 14, 30, 0, 999_999, tzinfo=UTC)),
        ("2026-11-24T15:30:00-0530", datetime(2026, 11, 24, 21, 0, 0, 999_999, tzinfo=UTC)),
        ("2026-11-24T00:30+02", datetime(2026, 11, 23, 22, 30, tzinfo=UTC)),
        ("2026-11-24", datetime(2026, 11, 24, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("9999-12-31", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("0001-01-01", datetime(1, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_utc_unless_it_says_otherwise(text: str, expected: datetime) -> None:
    assert parse_time(text) == expected
    assert parse_time(text).tzinfo is UTC


def test_a_bare_date_is_its_end_or_its_beginning() -> None:
    assert parse_time("2026-11-24", end=False) == datetime(2026, 11, 24, tzinfo=UTC)
    assert parse_time("2026-11-24") + timedelta(microseconds=1) == parse_time("2026-11-25", end=False)
    assert parse_time("2026-11-24T00:00", end=False) == parse_time("2026-11-24T00:00", end=True)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "now", "today", "yesterday", "42", "-1", "1.5", "infinity", "epoch", "24.11.2026", "11/24/2026"),
        *(
            "2026",
            "2026-11",
            "2026-1-1",
            "20261124",
            "2026-W48-2",
            "2026-328",
            "2026-13-01",
            "2026-02-29",
            "2026-00-10",
        ),
        *("0000-01-01", "10000-01-01", "-2026-01-01", "+2026-01-01", "2026-11-24T", "2026-11-24T1", "2026-11-24T25:00"),
        *(
            "2026-11-24T15:60",
            "2026-11-24T15:30:60",
            "2026-11-24T15:30:00.",
            "2026-11-24T15:30:00,5",
            "2026-11-24t15:30z",
        ),
        *("2026-11-24T15:30:00.1234567890Z", "2026-11-24T15:30Z+01:00", "2026-11-24T15:30+25:00", "2026-11-24T15:30 Z"),
        *(
            "2026-11-24x15:30",
            "2026-11-24  15:30",
            " 2026-11-24",
            "2026-11-24 ",
            "2026-11-24\n",
            "2026-11-24T15:30:00Z\n",
        ),
        *(
            "\u0662\u0660\u0662\u0666-11-24",
            "2026\u201311\u201324",
            "2026-11-24\0",
            "2026-11-24\udcff",
            "0001-01-01T00:00+14:00",
        ),
        "9999-12-31T23:59:59-12:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    for end in (True, False):
        with pytest.raises(ValidationError) as refused:
            parse_time(text, end=end)
        assert str(refused.value).isprintable()
        assert "Write 2026-11-24 or 2026-11-24T15:30:00Z" in str(refused.value)


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_time_that_is_printed_is_read_again(time: datetime) -> None:
    assert parse_time(time.isoformat(timespec="microseconds")) == time


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?"))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValidationError):
        assert parse_time(text).tzinfo is UTC


# Positions of a ledger


@pytest.fixture
def five(ledger: Ledger) -> Ledger:
    """A ledger with five positions."""
    for name in ("a", "b", "c", "d"):
        ledger.execute(create_user, name=name)
    return ledger


def times(connection: Connection) -> list[datetime]:
    """When each position was recorded."""
    return [event.recorded_at for event in store.read(connection, ACCOUNT)]


@pytest.mark.usefixtures("five")
def test_a_position_is_itself(connection: Connection) -> None:
    for position in range(1, 6):
        assert moment(connection, ACCOUNT, str(position)) == Moment(position)
    assert moment(connection, ACCOUNT, "003") == Moment(3)


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize("text", ["0", "6", "00", "999999999999999999"])
def test_a_position_that_is_not_there_is_refused(text: str, connection: Connection) -> None:
    with pytest.raises(InvalidInput) as refused:
        moment(connection, ACCOUNT, text)
    assert str(refused.value) == f"There is no position {text}; the ledger of account {ACCOUNT} has 1 to 5."


@pytest.mark.usefixtures("five")
def test_a_number_that_is_no_position_of_any_ledger_is_malformed(connection: Connection) -> None:
    for text in ("1" * 19, "-1", "+1", "1_000", "0x1", "\u0661", "1 "):
        with pytest.raises(ValidationError):
            moment(connection, ACCOUNT, text)


@pytest.mark.usefixtures("five")
def test_a_time_is_the_last_position_until_then(connection: Connection) -> None:
    moments = times(connection)
    for position, time in enumerate(moments, 1):
        assert moment(connection, ACCOUNT, iso(time)) == Moment(position, time)
        if position > 1:
            before = time - timedelta(microseconds=1)
            expected = sum(one <= before for one in moments)
            assert moment(connection, ACCOUNT, iso(before)).position == expected
    assert moment(connection, ACCOUNT, moments[2].isoformat()) == Moment(3, moments[2])


@pytest.mark.usefixtures("five")
def test_the_same_instant_in_other_zones_is_the_same_moment(connection: Connection) -> None:
    utc = times(connection)[3]
    for hours in (-11, -1, 0, 5.5, 14):
        shifted = (utc + timedelta(hours=hours)).replace(tzinfo=None).isoformat(timespec="microseconds")
        sign, minutes = "-" if hours < 0 else "+", abs(int(hours * 60))
        text = f"{shifted}{sign}{minutes // 60:02}:{minutes % 60:02}"
        assert moment(connection, ACCOUNT, text) == Moment(4, utc)


@pytest.mark.usefixtures("five")
def test_a_time_that_has_not_come_is_refused(connection: Connection) -> None:
    for text, told in (
        ("9999-12-31", "The end of 9999-12-31 in UTC has not come yet"),
        ("2999-01-01T00:00Z", "2999-01-01T00:00Z has not come yet"),
    ):
        with pytest.raises(InvalidInput) as refused:
            moment(connection, ACCOUNT, text)
        assert str(refused.value).startswith(told)
    ((today,),) = connection.execute("SELECT to_char(now(), 'YYYY-MM-DD')").fetchall()
    with pytest.raises(InvalidInput, match="has not come yet"):  # nobody knows what today will bring
        moment(connection, ACCOUNT, today)


@pytest.mark.usefixtures("five")
def test_a_time_before_the_ledger_is_refused(connection: Connection) -> None:
    first = times(connection)[0]
    for text in (iso(first - timedelta(microseconds=1)), "1970-01-01", "0001-01-01"):
        with pytest.raises(InvalidInput) as refused:
            moment(connection, ACCOUNT, text)
        assert str(refused.value) == f"The ledger of account {ACCOUNT} begins after {text}, at {iso(first)}."


@pytest.mark.usefixtures("five")
def test_a_date_is_its_end(connection: Connection, urls: Urls) -> None:
    """With the ledger moved to the past, where days are over."""
    with psycopg.connect(urls.superuser) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(
            "UPDATE iamledger.events SET recorded_at = '2026-01-01T12:00Z'::timestamptz + position * interval '1 day'"
        )
        superuser.execute("UPDATE iamledger.ledgers SET recorded_at = '2026-01-06T12:00Z'")
    for day in range(2, 7):
        found = moment(connection, ACCOUNT, f"2026-01-0{day}")
        assert found == Moment(day - 1, datetime(2026, 1, day, 23, 59, 59, 999_999, tzinfo=UTC))
        assert (
            moment(connection, ACCOUNT, f"2026-01-0{day}T11:59:59Z" if day > 2 else "2026-01-02T12:00Z").position >= 1
        )
    with pytest.raises(InvalidInput, match=r"begins after 2026-01-01, at 2026-01-02T12:00:00\.000000Z"):
        moment(connection, ACCOUNT, "2026-01-01")


def test_a_ledger_that_is_not_there_has_no_moments(connection: Connection) -> None:
    for text in ("1", "2026-01-01"):
        with pytest.raises(store.NoLedger):
            moment(connection, "999999999999", text)

"""A replay that is divided finds what an undivided one finds, and gives the same root."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from conftest import Urls
from iamledger import replay as replaying
from iamledger import store
from iamledger.replay import Replay, replay
from iamledger.replay.workers import Task, run_here
from iamledger.store import Connection, Database
from test_replay import CUT, EVENT, EVENTS, GONE, TAMPERINGS, Whole, filled

SIZES = (1, 2, 4, 8)


@pytest.fixture(scope="module")
def module_urls(new_database: Callable[[], Urls]) -> Urls:
    return new_database()


@pytest.fixture(scope="module")
def module_database(module_urls: Urls) -> Iterator[Database]:
    database = Database(module_urls.application)
    yield database
    database.close()


@pytest.fixture
def whole(module_urls: Urls, module_database: Database) -> Whole:
    return filled(module_database, module_urls)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ledgers are divided, too."""
    monkeypatch.setattr(replaying, "DIVIDED_FROM", 1)
    monkeypatch.setattr(replaying, "STRETCH", 4)


@pytest.fixture
def in_this_process(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Divided into the same tasks, which are done here: processes take long to start."""

    def here(
        connection: Connection, _url: str, tasks: Sequence[Task], _jobs: int, tell: Callable[[int], None]
    ) -> list[Any]:
        return run_here(connection, tasks, tell)

    monkeypatch.setattr(replaying, "run_divided", here)


def divided(whole: Whole, upto: int | None = None, **more: Any) -> Replay:
    url, upto = whole.database.url, upto or store.head(whole.connection, whole.account_id).position
    return replay(whole.connection, whole.account_id, upto, whole.tables(), verify=True, url=url, jobs=2, **more)


def assert_same(one: Replay, other: Replay) -> None:
    assert sorted(one.findings) == sorted(other.findings)
    assert (one.size, one.types, one.first_at, one.last_at, one.root, one.rows, one.stopped) == (
        (other.size, other.types, other.first_at, other.last_at, other.root, other.rows, other.stopped)
    )


@pytest.mark.parametrize("upto", range(1, EVENTS + 1))
@pytest.mark.parametrize("size", SIZES)
def test_stretches_join(
    whole: Whole, in_this_process: None, monkeypatch: pytest.MonkeyPatch, size: int, upto: int
) -> None:
    monkeypatch.setattr(replaying, "STRETCH", size)
    told: list[int] = []
    assert_same(divided(whole, upto, progress=told.append), whole.replayed(upto))
    assert told == sorted(told)
    assert told[-2:] == [upto, upto]


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_on_either_side_of_a_border(
    whole: Whole, in_this_process: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Most of it is at position 9: the first of a stretch of 4 or 8, one in the middle of 16, a stretch of its own."""
    statements, finding = TAMPERINGS[name]
    whole.spoil(*statements)
    undivided = whole.replayed()
    for size in (*SIZES, 16):
        monkeypatch.setattr(replaying, "STRETCH", size)
        seen = divided(whole)
        assert any(finding in found for found in seen.findings), seen.findings
        assert_same(seen, undivided)


@pytest.mark.parametrize("gone", [(1, 4), (4, 4), (4, 5), (5, 5), (5, 8), (3, 10), (9, 11), (1, 11)])
def test_missing_events_are_found_across_borders(whole: Whole, in_this_process: None, gone: tuple[int, int]) -> None:
    whole.spoil(*[GONE.format("events", position) for position in range(gone[0], gone[1] + 1)])
    seen = divided(whole)
    assert_same(seen, whole.replayed())
    assert any("are missing" in found or "ends at position" in found for found in seen.findings)


@pytest.mark.parametrize("position", [4, 5, 8])
def test_processes_find_a_forgery_at_a_border(whole: Whole, small: None, position: int) -> None:
    whole.spoil(EVENT.format("""data = data || '{"admin": true}'""", position))
    seen = divided(whole)
    assert f"position {position}: the event is not the one that was hashed when it was written" in seen.findings
    assert_same(seen, whole.replayed())


def test_processes_see_a_whole_ledger_whole(whole: Whole, small: None) -> None:
    told: list[int] = []
    seen = divided(whole, progress=told.append)
    assert seen.findings == []
    assert_same(seen, whole.replayed())
    assert told[-1] == EVENTS


def test_processes_find_what_is_cut_off(whole: Whole, small: None) -> None:
    whole.spoil(*CUT)
    seen = divided(whole)
    assert "the ledger ends at position 9, not at its head 11" in seen.findings
    assert_same(seen, whole.replayed())


def test_a_stopped_projection_is_no_drift(whole: Whole) -> None:
    """Its rows are compared up to where it stopped."""
    tables = whole.tables()
    stop = "UPDATE iamledger.projection_positions SET position = 9, failed = 10, reason = 'unfit' WHERE account_id = $A"
    whole.spoil(
        f"{stop} AND projection = 'users'",
        "DELETE FROM iamledger_projections.users_1 WHERE account_id = $A AND since > 9",
        "UPDATE iamledger_projections.users_1 SET until = NULL WHERE account_id = $A AND until > 9",
    )
    seen = replay(whole.connection, whole.account_id, EVENTS, tables, verify=True)
    assert seen.findings == ["position 10: users has stopped before this event, which does not fit its rules: unfit"]
    assert seen.stopped == ["users"]
    whole.spoil("UPDATE iamledger_projections.users_1 SET path = '/evil/' WHERE account_id = $A AND since = 9")
    seen = replay(whole.connection, whole.account_id, EVENTS, tables, verify=True)
    assert len(seen.findings) == 2

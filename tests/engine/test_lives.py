"""The projections of the product over long lives of accounts, in which every event of the product happens.

The events are those of the benchmark's fixed mix. That they are legal is checked with the model that the stateful test uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from uuid import uuid4

import pytest
from benchmarks.filling import stored
from benchmarks.mix import Life

from conftest import Urls
from engine.histories import new_account, oracle, rows, standing, write
from iamledger.engine.catchup import catch_up
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import live_tables
from iamledger.iam.events import event_types
from iamledger.replay import replay
from iamledger.store import Connection, Context, NewEvent, read
from iamledger.store.connection import connect
from iamledger_projections import projections
from stateful.model import folded
from stateful.terms import IAMS

MANY_USERS = {**IAMS, "users_per_account": 10**6}  # lives know no quota of users


@pytest.fixture(scope="module")
def connection(new_database: Callable[[], Urls]) -> Iterator[Connection]:
    with connect(new_database().application) as connection:
        yield connection


def who() -> Context:
    """The context of one command."""
    told = {"actor": {"kind": "test"}, "reason": "quarterly review", "ticket": "SEC-1"}
    return Context({**told, "request_id": str(uuid4())})


def life(account: str, events: int) -> list[NewEvent]:
    """The beginning of an account's life."""
    return [stored(event) for event in islice(Life(account), events)]


def test_lives_are_legal_and_have_every_event(connection: Connection) -> None:
    account = new_account()
    write(connection, account, life(account, 5000), who())
    recorded = read(connection, account)
    state = folded(((event.type, event.data, event.recorded_at) for event in recorded), MANY_USERS)
    assert {event.type for event in recorded} == set(event_types()) - {"RequestDenied"}  # which changes nothing
    assert all(state[things] for things in ("groups", "memberships", "policies", "versions", "attached", "inline"))


def test_what_is_caught_up_is_what_the_oracle_makes_and_what_a_rebuild_makes(connection: Connection) -> None:
    """By slices of all sizes, for every projection; and the ledger verifies, now and as of the past."""
    account, every = new_account(), list(projections().values())
    tables = list(live_tables(connection, every).values())
    events = life(account, 3000)
    for begin, end in [(0, 1), (1, 2), (2, 40), (40, 41), (41, 1000), (1000, 3000)]:
        write(connection, account, events[begin:end], who())
        assert catch_up(connection, account, tables) == end
    expected = {projection.name: oracle(connection, projection, account) for projection in every}
    for table in tables:
        told = expected[table.projection.name]
        assert told.failed is None, told.reason
        assert told.rows, f"{table.projection.name} got no rows"
        assert rows(connection, table, account) == told.rows
    for upto in (3000, 1234):
        assert replay(connection, account, upto, tables, verify=True).findings == []
    for projection in every:
        rebuilt = rebuild(connection, projection)
        assert rows(connection, rebuilt, account) == expected[projection.name].rows
        assert standing(connection, rebuilt, account) == (3000, None, None)


@pytest.mark.parametrize("position", [1, 100, 777, 1500])
def test_the_past_is_what_was_true_then(connection: Connection, position: int) -> None:
    """The rows that were true at a position are those that a ledger which ended there would have now."""
    account, every = new_account(), list(projections().values())
    write(connection, account, life(account, 1500), who())
    tables = list(live_tables(connection, every).values())
    catch_up(connection, account, tables)
    for table in tables:
        shorter = oracle(connection, table.projection, account, upto=position)
        then = f"since <= {position} AND (until IS NULL OR until > {position})"
        found = [(key, since, columns) for key, since, _, columns in rows(connection, table, account, then)]
        open_then = [(key, since, columns) for key, since, until, columns in shorter.rows if until is None]
        assert found == open_then

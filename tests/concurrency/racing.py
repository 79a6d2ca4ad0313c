"""Commands that run at the same moment, and what must be true of the ledger afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier

from conftest import ACCOUNT, new_ledger
from iamledger.engine.catchup import catch_up
from iamledger.engine.registry import live_tables
from iamledger.iam.refusals import Refusal
from iamledger.ledger import Conflict, Ledger, Outcome
from iamledger.replay import replay
from iamledger.store import Connection, Database, RecordedEvent, head, read
from iamledger_projections import projections
from stateful.model import State, fold

Work = Callable[[Ledger], Outcome]


def together(url: str, works: list[Work], **circumstances: str) -> list[Outcome | Exception]:
    """Let each work begin at the same moment, on a connection of its own."""
    start = Barrier(len(works))

    def one(work: Work) -> Outcome | Exception:
        database = Database(url)
        try:
            ledger = new_ledger(database, **circumstances)
            _ = database.connection
            start.wait()
            return work(ledger)
        except (Refusal, Conflict) as refused:
            return refused
        finally:
            database.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


def codes(outcomes: list[Outcome | Exception]) -> Counter[str]:
    """How often each outcome was."""
    return Counter("done" if isinstance(o, Outcome) else type(o).__name__ for o in outcomes)


def events(connection: Connection, account: str = ACCOUNT) -> list[RecordedEvent]:
    """The whole ledger, whose positions have no gap and whose times rise."""
    found = read(connection, account)
    assert [event.position for event in found] == list(range(1, head(connection, account).position + 1))
    assert all(a.recorded_at < b.recorded_at for a, b in pairwise(found))
    return found


def fold_of(history: Sequence[RecordedEvent]) -> list[State]:
    """What was true after each event; fails at an event that should not have been recorded."""
    return fold((event.type, event.data, event.recorded_at) for event in history)


def assert_whole(connection: Connection, state: State) -> None:
    """Secrets are those of the keys that are held, and nothing has drifted."""
    rows = connection.execute("SELECT credential FROM iamledger.secrets WHERE account_id = %s", (ACCOUNT,)).fetchall()
    assert {credential for (credential,) in rows} == set(state["keys"])
    tables = list(live_tables(connection, projections().values()).values())
    upto = catch_up(connection, ACCOUNT, tables)
    assert replay(connection, ACCOUNT, upto, tables, verify=True).findings == []

"""An account's ledger as a recorder of the `eventsourcing` library: its dynamic consistency boundary contract.

The library's applications and subscriptions read and append through the same SQL as everything else here. The rules:

- The library's events are opaque bytes; they are stored as a JSON string, their base64. An event of iamledger reads out
  as the canonical JSON of its data.
- An append opens the ledger if there is none. If two try it at once, the second is told so by the database, and appends
  to what the first has opened, its condition checked as ever.
- A read answers for one moment: head and positions are found in one statement. The events, which never change, are
  fetched in chunks while they are iterated.
"""

from __future__ import annotations

import threading
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Sequence
from uuid import uuid4

import eventsourcing.dcb.api as dcb
from eventsourcing.persistence import IntegrityError

from iamledger.store.appending import Condition, Request, append
from iamledger.store.canonical import canonical, parse
from iamledger.store.connection import Database
from iamledger.store.errors import ConditionFailed, LedgerExists, NoLedger, translated
from iamledger.store.events import Context, Match, NewEvent, Query, query_json

CHUNK = 1000  # events fetched at once
POLL_SECONDS = 0.03


class Recorder(dcb.DCBRecorder):
    """Reads and appends on the ledger of one account.

    `context` is recorded with every event; its `request_id` is that of the append, by which a replay knows what belongs
    together.
    """

    def __init__(self, database: Database, account_id: str, context: Context) -> None:
        self.database = database
        self.account_id = account_id
        self.context = context

    def append(self, events: Sequence[dcb.DCBEvent], condition: dcb.DCBAppendCondition | None = None) -> int:
        """Append, and return the last position. Raises `IntegrityError` if the condition fails.

        After `ConnectionLost` the events may be there or not: the library has no request ids to repeat an append with.
        """
        new = [NewEvent(event.type, b64encode(event.data).decode(), event.tags) for event in events]
        known = Condition(_query(condition.fail_if_events_match), condition.after or 0) if condition else None
        to, request, opens = (self.database.connection, self.account_id), Request(str(uuid4()), ""), False
        personal = [name for name in self.context.personal if name != "request_id"]
        context = Context({**self.context.entries, "request_id": request.id}, personal)
        while True:
            try:
                return append(*to, new, context=context, request=request, condition=known, opens=opens).last
            except (NoLedger, LedgerExists) as found:
                opens = isinstance(found, NoLedger)
            except ConditionFailed as failed:
                raise IntegrityError(condition) from failed

    def read(self, query: dcb.DCBQuery | None = None, *, after: int | None = None, limit: int | None = None) -> Events:
        """The events that match, after a position. Without a limit, the head of the answer is the ledger's."""
        with translated():
            row = self.database.connection.execute(
                "SELECT head, CASE WHEN head > %s THEN ARRAY("
                "  SELECT DISTINCT m FROM iamledger.matching(account_id, %s, %s) m ORDER BY m LIMIT %s) END"
                " FROM iamledger.ledgers WHERE account_id = %s",
                (after or 0, query_json(_query(query)), after or 0, limit, self.account_id),
            ).fetchone()
        head, positions = row or (None, None)
        if limit is not None:
            head = positions[-1] if positions else None
        return Events(self, head, positions or ())

    def subscribe(self, query: dcb.DCBQuery | None = None, *, after: int | None = None) -> Subscription:
        """The events that match, after a position, and then those to come."""
        return Subscription(self, query, after)


class Events(dcb.DCBReadResponse):
    """Events that were found. The head is the ledger's, or with a limit the last event's; None if there is none."""

    def __init__(self, recorder: Recorder, head: int | None, positions: Sequence[int]) -> None:
        self._recorder = recorder
        self._head = head
        self._positions, self._begun = positions, 0  # so many of them have been fetched
        self._fetched: deque[dcb.DCBSequencedEvent] = deque()

    @property
    def head(self) -> int | None:
        return self._head

    def __next__(self) -> dcb.DCBSequencedEvent:
        if not self._fetched:
            if self._begun == len(self._positions):
                raise StopIteration
            self._fetch(self._positions[self._begun : self._begun + CHUNK])
        return self._fetched.popleft()

    def _fetch(self, positions: Sequence[int]) -> None:
        with translated():
            rows = self._recorder.database.connection.execute(
                "SELECT position, type, tags, data::text FROM iamledger.recorded"
                " WHERE account_id = %s AND position = ANY(%s::bigint[]) ORDER BY position",
                (self._recorder.account_id, positions),
            ).fetchall()
        self._begun += len(positions)
        self._fetched.extend(_event(*row) for row in rows)


class Subscription(dcb.DCBSubscription[Recorder]):
    """Polls for events on a connection of its own until any thread calls `stop`. After an error, the next call goes on."""

    def __init__(self, recorder: Recorder, query: dcb.DCBQuery | None, after: int | None) -> None:
        super().__init__(Recorder(Database(recorder.database.url), recorder.account_id, recorder.context), query, after)
        self._events = Events(self._recorder, None, ())
        self._stopped = threading.Event()
        self._reading = threading.Lock()

    def __next__(self) -> dcb.DCBSequencedEvent:
        try:
            with self._reading:
                while not self._stopped.is_set():
                    for event in self._events:
                        self._last_position = event.position
                        return event
                    self._last_position = max(self._last_position, self._events.head or 0)
                    self._events = self._recorder.read(self._query, after=self._last_position)
                    if (self._events.head or 0) <= self._last_position:
                        self._stopped.wait(POLL_SECONDS)
            raise StopIteration
        finally:
            if self._stopped.is_set():
                self.stop()  # now that the connection is not in use

    def stop(self) -> None:
        """Let the thread that waits for an event end with StopIteration, and close the connection."""
        super().stop()
        self._stopped.set()
        if self._reading.acquire(blocking=False):
            self._recorder.database.close()
            self._reading.release()


def _query(query: dcb.DCBQuery | None) -> Query:
    return [Match(item.tags, item.types) for item in query.items] if query else ()


def _event(position: int, type_: str, tags: list[str], stored: str) -> dcb.DCBSequencedEvent:
    data = parse(stored)
    opaque = b64decode(data, validate=True) if isinstance(data, str) else canonical(data)
    return dcb.DCBSequencedEvent(dcb.DCBEvent(type_, opaque, tags), position)

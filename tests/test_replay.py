"""Replaying a ledger: a whole one gives no findings, and every kind of tampering is found."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from unittest.mock import patch

import psycopg
import pytest

from conftest import Urls, new_ledger
from iamledger import store
from iamledger.engine.catchup import catch_up
from iamledger.engine.compile import Table
from iamledger.engine.errors import ProjectionAhead
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import live_tables
from iamledger.engine.view import count_rows, open_view
from iamledger.iam.access_key import (
    create_access_key,
    record_access_key_use,
    revoke_access_key,
    rotate_access_key,
    use_of,
)
from iamledger.iam.account import create_account
from iamledger.iam.user import create_user, delete_user, tag_user, update_user
from iamledger.read_models import all_projections
from iamledger.replay import FINDINGS, Replay, replay
from iamledger.replay.rows import Rows
from iamledger.store import Connection, Database
from iamledger.store.events import body_hash, iso, leaf_hash

NUMBERS = count(100_000_000_000)
EVENTS = 11


@dataclass(frozen=True)
class Whole:
    """A ledger to which everything has happened, and ways to look at it and to spoil it."""

    database: Database
    superuser: str
    account_id: str

    @property
    def connection(self) -> Connection:
        return self.database.connection

    def tables(self) -> list[Table]:
        """The live projections, caught up."""
        tables = list(live_tables(self.connection, all_projections().values()).values())
        catch_up(self.connection, self.account_id, tables)
        return tables

    def replayed(self, upto: int | None = None, *, verify: bool = True) -> Replay:
        upto = upto or store.head(self.connection, self.account_id).position
        return replay(self.connection, self.account_id, upto, self.tables() if verify else (), verify=verify)

    def spoil(self, *statements: str) -> None:
        """What somebody does who has the rights of a superuser; `$A` stands for the account."""
        with psycopg.connect(self.superuser) as superuser:
            superuser.execute("SET session_replication_role = replica")  # the triggers would refuse it
            for statement in statements:
                changed = superuser.execute(statement.replace("$A", f"'{self.account_id}'"))
                assert changed.rowcount != 0, f"{statement} changed nothing"


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
    """A ledger of its own for each test, with its projections caught up."""
    return filled(module_database, module_urls)


@pytest.fixture
def alone(urls: Urls, database: Database) -> Whole:
    """The only ledger of its database, whose projections can be rebuilt without meeting what other tests have spoilt."""
    return filled(database, urls)


def filled(database: Database, urls: Urls) -> Whole:
    """A new account, with events of every kind."""
    account_id = str(next(NUMBERS))
    ledger = new_ledger(database, account_id, reason="a test")
    ledger.execute(create_account, account=account_id, account_name="acme", email="root@acme.example")
    ledger.execute(create_user, name="alice", path="/a/", tags=[("team", "storage")])  # 2
    (key,) = ledger.execute(create_access_key, user="alice").events  # 3
    ledger.execute(rotate_access_key, user="alice", grace=timedelta(hours=1))  # 4, 5
    ledger.execute(tag_user, user="alice", tags=[("team", "search"), ("on-call", "yes")])  # 6
    now = store.head(database.connection, account_id).recorded_at
    used = {"service_name": "s3", "region": "eu", "used_at": now}
    id_ = key.access_key_id  # type: ignore[attr-defined]
    ledger.execute(record_access_key_use, key=id_, use=use_of(id_, *used.values()), **used)  # type: ignore[arg-type]  # 7
    ledger.execute(revoke_access_key, key=id_, note="gone")  # 8
    ledger.execute(create_user, name="bob")  # 9
    ledger.execute(update_user, user="bob", new_name="carol")  # 10
    ledger.execute(delete_user, user="carol")  # 11
    found = Whole(database, urls.superuser, account_id)
    assert found.replayed().findings == []
    return found


# Whole ledgers


def test_a_whole_ledger_gives_no_findings(whole: Whole) -> None:
    progress: list[int] = []
    seen = replay(whole.connection, whole.account_id, EVENTS, whole.tables(), verify=True, progress=progress.append)
    assert seen.findings == []
    assert (seen.size, seen.verified) == (EVENTS, True)
    assert sum(seen.types.values()) == EVENTS
    assert seen.types["UserCreated"] == 2
    made = {"access_key_revocations": 1, "access_key_uses": 1, "access_keys": 3, "accounts": 1}
    made |= {"users": 4, "principal_names": 3}
    assert seen.rows == {**dict.fromkeys(all_projections(), 0), **made}
    head = store.head(whole.connection, whole.account_id)
    assert seen.last_at == iso(head.recorded_at)
    assert seen.first_at is not None
    assert seen.first_at < seen.last_at
    assert progress[-1] == EVENTS


@pytest.mark.parametrize("upto", range(1, EVENTS + 1))
def test_every_past_of_it_is_whole_too(upto: int, whole: Whole) -> None:
    seen = whole.replayed(upto)
    assert (seen.findings, seen.size) == ([], upto)


def test_the_root_depends_on_every_event(whole: Whole) -> None:
    roots = [whole.replayed(upto, verify=False).root for upto in range(1, EVENTS + 1)]
    assert len(set(roots)) == EVENTS
    assert roots == [whole.replayed(upto, verify=False).root for upto in range(1, EVENTS + 1)]


def test_a_replay_that_does_not_verify_finds_nothing(whole: Whole) -> None:
    whole.spoil("UPDATE iamledger.events SET data = '{}' WHERE account_id = $A AND position = 3")
    seen = whole.replayed(verify=False)
    assert (seen.findings, seen.verified, seen.rows, seen.size) == ([], False, {}, EVENTS)


def test_erased_personal_values_leave_a_ledger_whole(alone: Whole) -> None:
    root = alone.replayed().root
    for position in (1, 2, 6):
        assert store.erase(alone.connection, alone.account_id, position)
        for projection in all_projections().values():  # they have kept the value; a rebuild forgets it
            rebuild(alone.connection, projection)
        seen = alone.replayed()
        assert (seen.findings, seen.root) == ([], root)
    tags = store.read(alone.connection, alone.account_id, after=1, upto=2)[0].data["tags"]
    assert tags is None


def test_until_a_rebuild_rows_with_erased_values_are_found(whole: Whole) -> None:
    store.erase(whole.connection, whole.account_id, 1)
    (finding,) = whole.replayed().findings
    assert finding.startswith(f"accounts {whole.account_id} from 1 until now: has a row that differs: email is ")


def test_an_empty_boundary_of_a_ledger_that_is_not_there(module_database: Database) -> None:
    seen = replay(module_database.connection, "999999999999", 0, verify=True)
    assert (seen.size, seen.findings) == (0, [])


# Tampering

EVENT = "UPDATE iamledger.events SET {} WHERE account_id = $A AND position = {}"
HASH = "position {}: the event is not the one that was hashed when it was written"
ROW = "UPDATE iamledger_projections.{} SET {} WHERE account_id = $A"
# What the owner can allow personal values to be
ANYTHING = "ALTER DOMAIN iamledger.named_values DROP CONSTRAINT IF EXISTS named_values_check"
NO_POSITIONS = "ALTER DOMAIN iamledger.ledger_position DROP CONSTRAINT IF EXISTS ledger_position_check"
REQUEST = "UPDATE iamledger.requests SET {} WHERE account_id = $A AND first = {}"
PLANTED = "INSERT INTO iamledger.requests VALUES ($A, 'planted', '', {})"
AHEAD = "UPDATE iamledger.projection_positions SET {} WHERE account_id = $A AND projection = 'users'"
PERSONAL = "UPDATE iamledger.personal SET {} WHERE account_id = $A AND position = 2"
MOVE = "UPDATE iamledger.{0} SET position = {2} WHERE account_id = $A AND position = {1}"
GONE = "DELETE FROM iamledger.{} WHERE account_id = $A AND position = {}"
TAG = "UPDATE iamledger.event_tags SET {} WHERE account_id = $A AND position = 9 AND tag = 'user-name:bob'"
CUT = [f"DELETE FROM iamledger.{table} WHERE account_id = $A AND position > 9" for table in ("events", "event_tags")]


def changed(what: str, position: int = 9) -> tuple[list[str], str]:
    return [EVENT.format(what, position)], HASH.format(position)


TAMPERINGS: dict[str, tuple[list[str], str]] = {
    # The content of events
    "data": changed("""data = data || '{"path": "/evil/"}'"""),
    "data, a field more": changed("""data = data || '{"admin": true}'"""),
    "data, a field less": changed("data = data - 'path'"),
    "data, a number too large": changed("""data = data || '{"path": 1e1000}'"""),
    "data, a fraction": changed("""data = data || '{"path": 0.5}'"""),
    "data, very deep": changed("data = jsonb_build_object('path', (repeat('[', 600) || repeat(']', 600))::jsonb)"),
    "data, deeper": changed("data = jsonb_build_object('path', (repeat('[', 2000) || repeat(']', 2000))::jsonb)"),
    "data, no object": changed("data = '[1]'"),
    "data, null": changed("data = 'null'"),
    "data, a string": changed("""data = '"x"'""", 2),
    "context, the actor": changed("""context = jsonb_set(context, '{actor,os_user}', '"mallory"')"""),
    "context, the reason": changed("""context = context || '{"reason": "a good one"}'"""),
    "context, the request": changed("context = context - 'request_id'"),
    "context, no object": changed("context = '[]'"),
    "type": changed("type = 'UserDeleted'"),
    "type, one that nobody knows": changed("type = 'Nonsense'"),
    "version": changed("version = 2"),
    "tags, one less": changed("tags = tags[1:1]"),
    "tags, one more": changed("tags = tags || ARRAY['user:AIDA']"),
    "tags, another order": changed("tags = ARRAY[tags[2], tags[1]]"),
    "tags, none": changed("tags = '{}'"),
    "time, a microsecond later": changed("recorded_at = recorded_at + interval '1 microsecond'"),
    "time, before the event before": (
        [EVENT.format("recorded_at = recorded_at - interval '1 day'", 9)],
        "position 9: it was recorded at ",
    ),
    "time, equal to the event before": (
        [
            "UPDATE iamledger.events e SET recorded_at = b.recorded_at FROM iamledger.events b"
            " WHERE e.account_id = $A AND e.position = 9 AND b.account_id = $A AND b.position = 8"
        ],
        "position 9: it was recorded at ",
    ),
    "time, without an end": changed("recorded_at = 'infinity'"),
    "time, without a beginning": changed("recorded_at = '-infinity'"),
    "time, in another calendar": changed("recorded_at = '12026-01-01'"),
    "time, before the common era": changed("recorded_at = '0044-03-15 BC'"),
    "account": (
        ["UPDATE iamledger.events SET account_id = '999999999998' WHERE account_id = $A AND position = 9"],
        "position 10: the positions 9 to 9 are missing",
    ),
    "leaf hash": changed("leaf_hash = sha256('x')"),
    "leaf hash, a part": changed("leaf_hash = substr(leaf_hash, 1, 31)"),
    "leaf hash, none": changed("leaf_hash = ''"),
    # Their order
    "an event gone": ([GONE.format("events", 9)], "position 10: the positions 9 to 9 are missing"),
    "the first gone": ([GONE.format("events", 1)], "position 2: the positions 1 to 1 are missing"),
    "several gone": (
        [f"DELETE FROM iamledger.{t} WHERE account_id = $A AND position BETWEEN 3 AND 5" for t in ("events", "event_tags")],
        "position 6: the positions 3 to 5 are missing",
    ),
    "two exchanged": (
        [MOVE.format("events", *pair) for pair in ((9, 99), (10, 9), (99, 10))],
        HASH.format(9),
    ),
    "the tail gone": (CUT, "the ledger ends at position 9, not at its head 11"),
    "the tail and the head gone": (
        [
            *CUT,
            "UPDATE iamledger.ledgers SET head = 9, recorded_at ="
            " (SELECT recorded_at FROM iamledger.events WHERE account_id = $A AND position = 9) WHERE account_id = $A",
        ],
        "there are commands up to position 11, beyond the head 9",
    ),
    "the head lower": (
        ["UPDATE iamledger.ledgers SET head = 9 WHERE account_id = $A"],
        "there are events up to position 11, beyond the head 9",
    ),
    "the head higher": (
        ["UPDATE iamledger.ledgers SET head = 12 WHERE account_id = $A"],
        "the ledger ends at position 11, not at its head 12",
    ),
    "the head's time": (
        ["UPDATE iamledger.ledgers SET recorded_at = recorded_at - interval '1 hour' WHERE account_id = $A"],
        "the head is of ",
    ),
    "one more after the head": (
        [
            "INSERT INTO iamledger.events SELECT account_id, 12, recorded_at, type, version, has_personal, tags, context,"
            " data, leaf_hash FROM iamledger.events WHERE account_id = $A AND position = 11"
        ],
        "there are events up to position 12, beyond the head 11",
    ),
    # Personal values
    "a personal value": (
        [PERSONAL.format("""data = '{"tags": [["team", "evil"]]}'""")],
        "position 2: the personal value tags is not the one that was hashed",
    ),
    "a personal value, no object": (
        [ANYTHING, PERSONAL.format("data = '[]'")],
        "position 2: the personal value tags is missing, though others are there",
    ),
    "personal values of the context, an array": (
        [ANYTHING, PERSONAL.format("context = '[]'")],
        "position 2: its personal values are no objects",
    ),
    "personal values of the context, null": (
        [ANYTHING, PERSONAL.format("context = 'null'")],
        "position 2: its personal values are no objects",
    ),
    "personal values of the context, a string": (
        [ANYTHING, PERSONAL.format("""context = '"x"'""")],
        "position 2: its personal values are no objects",
    ),
    "a personal value gone from its row": (
        [PERSONAL.format("data = '{}'")],
        "position 2: the personal value tags is missing, though others are there",
    ),
    "a personal value more": (
        [PERSONAL.format("""data = data || '{"path": "/evil/"}'""")],
        "position 2: the personal value path is not the one that was hashed",
    ),
    "a personal value in the context": (
        [PERSONAL.format("""context = '{"reason": "evil"}'""")],
        "position 2: the personal value reason is not the one that was hashed",
    ),
    "a salt": ([PERSONAL.format("salt = 'x'")], "position 2: the personal value tags is not the one that was hashed"),
    "no salt": ([PERSONAL.format("salt = ''")], "position 2: "),
    "personal values of another event": (
        [MOVE.format("personal", 6, 66), MOVE.format("personal", 2, 6), MOVE.format("personal", 66, 2)],
        "position 2: the personal value tags is not the one that was hashed",
    ),
    "personal values for an event that has none": (
        ["INSERT INTO iamledger.personal VALUES ($A, 9, 'x', '{}', '{}')"],
        "position 9: it has personal values, and says that it has none",
    ),
    "personal values for an event that has none, and says so": (
        ["INSERT INTO iamledger.personal VALUES ($A, 9, 'x', '{}', '{}')", EVENT.format("has_personal = true", 9)],
        "position 9: it says that it has personal values, and has none",
    ),
    "personal values pretended": (
        [EVENT.format("has_personal = true", 9)],
        "position 9: it says that it has personal values, and has none",
    ),
    "personal values denied": (
        [EVENT.format("has_personal = false", 2)],
        "position 2: it has personal values, and says that it has none",
    ),
    "personal values denied and deleted": (
        [EVENT.format("has_personal = false", 2), GONE.format("personal", 2)],
        "position 2: it has personal values, and says that it has none",
    ),
    # Tags by which decisions find events
    "a tag's row gone": (
        ["DELETE FROM iamledger.event_tags WHERE account_id = $A AND position = 9 AND tag = 'user-name:bob'"],
        "position 9: the event has no row for its tag user-name:bob",
    ),
    "a tag's row more": (
        ["INSERT INTO iamledger.event_tags VALUES ($A, 'user-name:eve', 'UserCreated', 9)"],
        "position 9: the event does not carry the tag user-name:eve",
    ),
    "a tag's row without an event": (
        ["INSERT INTO iamledger.event_tags VALUES ($A, 'user-name:eve', 'UserCreated', 0)"],
        "position 0: the event does not carry the tag user-name:eve",
    ),
    "a tag's type": (
        [TAG.format("type = 'UserDeleted'")],
        "position 9: the event has no row for its tag user-name:bob",
    ),
    "a tag's position": (
        ["UPDATE iamledger.event_tags SET position = 10 WHERE account_id = $A AND position = 3"],
        "position 3: the event has no row for its tag access-key:",
    ),
    "a tag's case": (
        [TAG.format("tag = 'user-name:BOB'")],
        "position 9: the event does not carry the tag user-name:BOB",
    ),
    # Requests, by which repeats are known
    "a request gone": (
        ["DELETE FROM iamledger.requests WHERE account_id = $A AND first = 4"],
        "positions 4 to 5: no command is recorded that appended them",
    ),
    "the last request gone": (
        ["DELETE FROM iamledger.requests WHERE account_id = $A AND first = 11"],
        "positions 11 to 11: no command is recorded that appended them",
    ),
    "a request's positions": (
        ["UPDATE iamledger.requests SET last = 4 WHERE account_id = $A AND first = 4"],
        "positions 5 to 5: no command is recorded that appended them",
    ),
    "a request's id": (
        [REQUEST.format("request_id = 'r'", 4)],
        "positions 4 to 5: their events are not of the command r that is recorded for them",
    ),
    "two requests' ids": (
        [
            "UPDATE iamledger.requests r SET first = o.first, last = o.last FROM iamledger.requests o"
            " WHERE r.account_id = $A AND o.account_id = $A AND (r.first, o.first) IN ((9, 10), (10, 9))"
        ],
        "positions 9 to 9: their events are not of the command ",
    ),
    "a request that took in the next": (
        [
            "DELETE FROM iamledger.requests WHERE account_id = $A AND first = 10",
            REQUEST.format("last = 10", 9),
        ],
        "positions 9 to 10: their events are not of the command ",
    ),
    "a request more": (
        [PLANTED.format("11, 11")],
        "positions 11 to 11: their events are not of the command planted that is recorded for them",
    ),
    "a request of nothing at the head": (
        [PLANTED.format("12, 11")],
        "the command planted is recorded for positions 12 to 11, which are not there",
    ),
    "a request of nothing far beyond the head": (
        [PLANTED.format("100, 5")],
        "the command planted is recorded for positions 100 to 5, which are not there",
    ),
    "a request of nothing before the first": (
        [NO_POSITIONS, PLANTED.format("0, 0")],
        "the command planted is recorded for positions 0 to 0, which are not there",
    ),
    "a request of nothing in between": (
        [PLANTED.format("10, 9")],
        "the command planted is recorded for positions 10 to 9, which are not there",
    ),
    # What waits for events to come
    "a tag's row beyond the head": (
        ["INSERT INTO iamledger.event_tags VALUES ($A, 'user-name:eve', 'UserCreated', 12)"],
        "there are 1 rows of tags for positions where the ledger has no event: its head is 11",
    ),
    "personal values beyond the head": (
        ["INSERT INTO iamledger.personal VALUES ($A, 12, 'x', '{}', '{}')"],
        "there are 1 rows of personal values for positions where the ledger has no event: its head is 11",
    ),
    "personal values before the first": (
        ["INSERT INTO iamledger.personal VALUES ($A, 0, 'x', '{}', '{}')"],
        "there are 1 rows of personal values for positions where the ledger has no event: its head is 11",
    ),
    # Rows of projections
    "a projection beyond the head": (
        [AHEAD.format("position = 1000")],
        "users is recorded to have come to position 1000, beyond the head 11",
    ),
    "a row beyond the head": (
        [
            AHEAD.format("position = 1000"),
            "INSERT INTO iamledger_projections.users_1 (account_id, since, user_id, user_name)"
            " VALUES ($A, 500, 'AIDAEVIL', 'eve')",
        ],
        "users AIDAEVIL from 500 until now: has a row that no event made",
    ),
    "a projection that stopped beyond the head": (
        [AHEAD.format("failed = 1000, reason = 'evil'")],
        "users is recorded to have come to position 11 and to have stopped before 1000, beyond the head 11",
    ),
    "a row's column": ([ROW.format("users_1", "path = '/evil/'")], "has a row that differs: path is '/evil/' instead of "),
    "a row's json": (
        ["""UPDATE iamledger_projections.users_1 SET tags = '[["team", "evil"]]' WHERE account_id = $A AND since = 6"""],
        "has a row that differs: tags is ",
    ),
    "a row's time": ([ROW.format("accounts_1", "create_date = now()")], "has a row that differs: create_date is "),
    "a row's column that is none": ([ROW.format("accounts_1", "email = NULL")], "email is None instead of 'root@acme."),
    "a row's end": (
        ["UPDATE iamledger_projections.access_keys_1 SET until = NULL WHERE account_id = $A AND until = 8"],
        "access_keys ",
    ),
    "a row's beginning": (
        ["UPDATE iamledger_projections.users_1 SET since = 1 WHERE account_id = $A AND since = 2"],
        "lacks a row",
    ),
    "a row's key": ([ROW.format("access_key_revocations_1", "access_key_id = 'AKIA'")], "has a row that no event made"),
    "a row gone": (["DELETE FROM iamledger_projections.access_key_uses_1 WHERE account_id = $A"], "lacks a row"),
    "a row of the past gone": (
        ["DELETE FROM iamledger_projections.users_1 WHERE account_id = $A AND until = 6"],
        "lacks a row",
    ),
    "a row more": (
        [
            "INSERT INTO iamledger_projections.users_1 (account_id, since, user_id, user_name)"
            " VALUES ($A, 9, 'AIDAEVIL', 'eve')"
        ],
        "users AIDAEVIL from 9 until now: has a row that no event made",
    ),
    "a row's account": (
        ["UPDATE iamledger_projections.accounts_1 SET account_id = '999999999997' WHERE account_id = $A"],
        "lacks a row",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(name: str, whole: Whole) -> None:
    statements, finding = TAMPERINGS[name]
    whole.spoil(*statements)
    seen = whole.replayed()
    assert any(finding in found for found in seen.findings), seen.findings


def test_what_is_spoilt_in_one_account_is_not_found_in_another(module_urls: Urls, module_database: Database) -> None:
    one, other = (filled(module_database, module_urls) for _ in range(2))
    for statements in (
        changed("data = '{}'")[0],
        TAMPERINGS["a personal value"][0],
        TAMPERINGS["a tag's row more"][0],
        TAMPERINGS["a request gone"][0],
        TAMPERINGS["a row's column"][0],
        TAMPERINGS["the head's time"][0],
    ):
        one.spoil(*statements)
    assert len(one.replayed().findings) > 5
    assert other.replayed().findings == []


def test_an_event_that_is_changed_with_its_hash_changes_the_root(alone: Whole) -> None:
    before = alone.replayed().root
    alone.spoil(EVENT.format("""data = data || '{"path": "/evil/"}'""", 9))
    ((context, data, tags, type_, version, recorded_at),) = alone.connection.execute(
        "SELECT context, data, tags, type, version, recorded_at FROM iamledger.events"
        " WHERE account_id = %s AND position = 9",
        (alone.account_id,),
    ).fetchall()
    body = body_hash(context, data, tags, type_, version)
    leaf = leaf_hash(alone.account_id, body, 9, iso(recorded_at))
    alone.spoil(EVENT.format(f"leaf_hash = '\\x{leaf.hex()}'", 9))
    for projection in all_projections().values():
        rebuild(alone.connection, projection)
    seen = alone.replayed()
    assert seen.findings == []  # as good a forgery as there is ...
    assert seen.root != before  # ... but not for whoever noted the root
    assert b64encode(alone.replayed(8).root) == b64encode(alone.replayed(8, verify=False).root)


def test_findings_have_an_end(whole: Whole) -> None:
    whole.spoil(
        "INSERT INTO iamledger.event_tags SELECT $A, 'evil:' || n, 'UserCreated', 1 FROM generate_series(1, 500) n"
    )
    assert len(whole.replayed().findings) == FINDINGS


def test_a_ledger_is_read_only_while_it_is_replayed(whole: Whole) -> None:
    def write(_done: int) -> None:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            whole.connection.execute("CREATE TABLE iamledger_projections.x ()")
        raise KeyboardInterrupt

    with patch("iamledger.replay.hashes.CHUNK", 5), pytest.raises(KeyboardInterrupt):
        replay(whole.connection, whole.account_id, EVENTS, verify=True, progress=write)
    whole.database.close()
    assert whole.replayed().findings == []


@pytest.mark.parametrize(
    "statement",
    [
        PERSONAL.format("data = '[]'"),
        PERSONAL.format("context = 'null'"),
        """INSERT INTO iamledger.personal VALUES ($A, 9, 'x', '"x"', '{}')""",
    ],
)
def test_personal_values_are_objects(alone: Whole, statement: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        alone.spoil(statement)


def test_personal_values_that_are_no_object_are_read_as_erased(alone: Whole) -> None:
    alone.spoil(ANYTHING, PERSONAL.format("data = '[]'"))
    (event,) = store.read(alone.connection, alone.account_id, after=1, upto=2)
    assert isinstance(event.data, dict)
    assert event.data["tags"] is None


def test_positions_begin_at_one(alone: Whole) -> None:
    for positions in ("0, 0", "1, 0", "-1, 1"):
        with pytest.raises(psycopg.errors.CheckViolation):
            alone.spoil(PLANTED.format(positions))


@pytest.mark.parametrize("ahead", ["position = 12", "failed = 13, reason = 'evil'"])
def test_a_projection_beyond_the_head_is_not_read(alone: Whole, ahead: str) -> None:
    users = all_projections()["users"]
    alone.spoil(AHEAD.format(ahead))
    refused = (
        "users is recorded to have come to position 12, but .* ends at position 11. Rebuild it: iamledger projection"
    )
    with pytest.raises(ProjectionAhead, match=refused), open_view(alone.connection, alone.account_id, [users]):
        pass
    with pytest.raises(ProjectionAhead, match=refused):
        count_rows(alone.connection, alone.account_id, users)
    rebuild(alone.connection, users)
    with open_view(alone.connection, alone.account_id, [users]) as view:
        assert view.position == EVENTS
    assert count_rows(alone.connection, alone.account_id, users) == 1
    assert alone.replayed().findings == []


def test_rows_that_no_event_made_are_not_all_kept_in_mind(whole: Whole) -> None:
    whole.spoil(
        "INSERT INTO iamledger_projections.users_1 (account_id, since, user_id, user_name)"
        " SELECT $A, 9, 'AIDAEVIL' || n, 'eve' || n FROM generate_series(1, 500) n"
    )
    (users,) = (table for table in whole.tables() if table.projection.name == "users")
    with whole.connection.transaction():
        (compared,) = Rows(whole.account_id, [users], EVENTS).run(whole.connection, lambda _done: None)
    assert len(compared.findings) == FINDINGS

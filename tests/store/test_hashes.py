"""Hashes: SQL, Python and the vectors agree; they survive an erasure, and what was erased does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from conftest import Urls
from iamledger import store
from iamledger.store import Connection, Context, NewEvent, Request, canonical
from iamledger.store.canonical import MAX_INTEGER, parse
from iamledger.store.connection import connect
from iamledger.store.events import body_hash, digest, iso, leaf_hash
from iamledger.store.merkle import MerkleTree

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "hashes.json").read_text("utf-8"))
# The roots that RFC 6962 implementations give for the usual eight test entries.
ROOT_OF_ONE = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
ROOT_OF_EIGHT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"

TEXTS = some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
KEYS = some.text(some.characters(min_codepoint=1, max_codepoint=127), max_size=8)
SCALARS = some.none() | some.booleans() | some.integers(-MAX_INTEGER, MAX_INTEGER) | TEXTS
VALUES = some.recursive(SCALARS, lambda v: some.lists(v) | some.dictionaries(KEYS, v), max_leaves=8)
OBJECTS = some.dictionaries(KEYS, VALUES, max_size=4)


@some.composite
def with_personal(draw: some.DrawFn) -> tuple[dict[str, Any], list[str]]:
    values = draw(OBJECTS)
    return values, draw(some.lists(some.sampled_from(sorted(values)), unique=True)) if values else []


_requests = count()
_accounts = count(1)


@pytest.fixture
def account(connection: Connection) -> str:
    """A ledger with one event that tells nothing."""
    account = f"{next(_accounts):012}"
    append(connection, account, NewEvent("Begun", {}), opens=True)
    return account


def append(connection: Connection, account: str, *events: NewEvent, **options: Any) -> store.Appended:
    options.setdefault("context", Context())
    return store.append(connection, account, events, request=Request(f"r-{next(_requests)}", ""), **options)


def stored(connection: Connection, account: str, after: int = 0) -> list[tuple[Any, ...]]:
    """Rows of the table: position, recorded_at, context, data, tags, type, version, leaf hash."""
    rows = connection.execute(
        "SELECT position, recorded_at, context::text, data::text, tags, type, version, leaf_hash FROM iamledger.events"
        " WHERE account_id = %s AND position > %s ORDER BY position",
        (account, after),
    ).fetchall()
    return [(p, t, parse(context), parse(data), *others) for p, t, context, data, *others in rows]


def check(connection: Connection, account: str, after: int = 0) -> None:
    """Every leaf hash is that of the row it stands in."""
    rows = stored(connection, account, after)
    assert rows
    for position, recorded_at, context, data, tags, type_, version, leaf in rows:
        assert leaf_hash(account, body_hash(context, data, tags, type_, version), position, iso(recorded_at)) == leaf


class TestLeaf:
    @settings(deadline=None, max_examples=80)
    @given(
        events=some.lists(
            some.builds(
                lambda type_, told, tags, version: NewEvent(type_, told[0], tags, version, personal=told[1]),
                TEXTS,
                with_personal(),
                some.lists(TEXTS, max_size=3),
                some.integers(1, 2**15 - 1),
            ),
            min_size=1,
            max_size=3,
        ),
        context=with_personal(),
    )
    def test_the_hash_in_the_table_is_that_of_what_stands_beside_it(
        self, connection: Connection, events: list[NewEvent], context: tuple[dict[str, Any], list[str]]
    ) -> None:
        account = f"{next(_accounts):012}"
        append(connection, account, *events, context=Context(*context), opens=True)
        check(connection, account)
        readable = store.read(connection, account)
        assert [e.data for e in readable] == [e.data for e in events]
        assert [e.context for e in readable] == [context[0]] * len(events)
        for position in range(1, len(events) + 1):
            store.erase(connection, account, position)
        check(connection, account)

    @pytest.mark.parametrize("vector", VECTORS["events"], ids=lambda vector: vector["type"])
    def test_the_vectors_hold(self, connection: Connection, vector: dict[str, Any]) -> None:
        content = {key: vector[key] for key in ("context", "data", "tags", "type", "version")}
        assert canonical(content).decode() == vector["content"]
        body = body_hash(vector["context"], vector["data"], vector["tags"], vector["type"], vector["version"])
        assert body == sha256(vector["content"].encode()).hexdigest() == vector["body"]
        entry = {key: vector[key] for key in ("account", "body", "position", "recorded_at")} | {"v": 1}
        assert canonical(entry).decode() == vector["entry"]
        leaf = leaf_hash(vector["account"], vector["body"], vector["position"], vector["recorded_at"])
        assert leaf.hex() == vector["leaf"]
        in_sql = connection.execute(
            "SELECT iamledger.leaf_hash(%s, %s, %s, %s)",
            (vector["account"], vector["body"], vector["position"], datetime.fromisoformat(vector["recorded_at"])),
        ).fetchone()
        assert in_sql == (leaf,)

    @settings(deadline=None)
    @given(time=some.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=some.just(UTC)))
    def test_times_are_written_alike(self, connection: Connection, time: datetime) -> None:
        assert connection.execute("SELECT iamledger.iso(%s)", (time,)).fetchone() == (iso(time),)
        assert datetime.fromisoformat(iso(time)) == time

    def test_the_settings_of_the_session_have_no_say(self, urls: Urls, account: str) -> None:
        with connect(urls.application) as own:
            own.execute("SET timezone = 'Asia/Kathmandu'; SET intervalstyle = 'iso_8601'; SET bytea_output = 'escape'")
            own.execute("SET extra_float_digits = 0; SET standard_conforming_strings = off")
            append(own, account, NewEvent("T", {"a": "\\x41 ' \\"}, ["\\"]))
            check(own, account)


class TestTree:
    @pytest.mark.parametrize("vector", VECTORS["trees"], ids=["eight entries", "events"])
    def test_the_vectors_hold(self, vector: dict[str, Any]) -> None:
        tree = MerkleTree()
        roots = [tree.root().hex()]
        for entry, leaf in zip(vector["entries"], vector["leaves"], strict=True):
            assert sha256(b"\0" + bytes.fromhex(entry)).hexdigest() == leaf
            tree.append(bytes.fromhex(leaf))
            roots.append(tree.root().hex())
        assert roots == vector["roots"]

    def test_the_vectors_are_those_of_other_implementations(self) -> None:
        roots = VECTORS["trees"][0]["roots"]
        assert (roots[0], roots[1], roots[8]) == (sha256(b"").hexdigest(), ROOT_OF_ONE, ROOT_OF_EIGHT)

    def test_a_growing_tree_has_the_root_that_the_definition_gives(self) -> None:
        leaves = [sha256(b"%d" % n).digest() for n in range(130)]
        tree = MerkleTree()
        for size in range(len(leaves) + 1):
            assert (tree.size, tree.root()) == (size, merkle_tree_hash(leaves[:size]))
            if size < len(leaves):
                tree.append(leaves[size])


class TestPersonal:
    EVENT = NewEvent(
        "AccountCreated", {"name": "acme", "email": "root@acme.example"}, ["account:1"], personal=["email"]
    )
    CONTEXT = Context({"actor": "alice", "source_address": "192.0.2.77"}, personal=["source_address"])

    @pytest.mark.parametrize("vector", VECTORS["personal"], ids=lambda vector: str(vector["name"]))
    def test_the_vectors_hold(self, vector: dict[str, Any]) -> None:
        assert canonical([vector["name"], vector["value"]]).decode() == vector["content"]
        assert digest(vector["name"], vector["value"], bytes.fromhex(vector["salt"])) == vector["digest"]

    def test_a_digest_depends_on_salt_name_and_value(self) -> None:
        salt = bytes(16)
        digests = {
            digest("email", "a@b.example", salt),
            digest("email", "a@b.example", b"\1" + salt[1:]),
            digest("e-mail", "a@b.example", salt),
            digest("email", "c@d.example", salt),
            digest("emai", "la@b.example", salt),
        }
        assert len(digests) == 5

    def test_the_same_value_has_another_digest_in_each_event(self, connection: Connection, account: str) -> None:
        append(connection, account, self.EVENT, self.EVENT)
        digests = [data["email"]["digest"] for _, _, _, data, *_ in stored(connection, account, after=1)]
        assert len(set(digests)) == 2

    def test_what_is_hashed_is_the_digest_by_the_salt_that_stands_beside(
        self, connection: Connection, account: str
    ) -> None:
        append(connection, account, self.EVENT, context=self.CONTEXT)
        (_, _, context, data, *_) = stored(connection, account, after=1)[0]
        row = connection.execute(
            "SELECT salt, context::text, data::text FROM iamledger.personal WHERE account_id = %s", (account,)
        ).fetchone()
        assert row is not None
        salt, told, values = row[0], parse(row[1]), parse(row[2])
        assert (told, values) == ({"source_address": "192.0.2.77"}, {"email": "root@acme.example"})
        assert len(salt) == 16
        assert data == {"name": "acme", "email": {"digest": digest("email", "root@acme.example", salt)}}
        assert context["source_address"] == {"digest": digest("source_address", "192.0.2.77", salt)}

    def test_erasing_leaves_the_hashes_and_takes_the_values(
        self, connection: Connection, urls: Urls, account: str
    ) -> None:
        event = NewEvent("AccountCreated", {"name": "acme", "email": "me@erased.example"}, ["a"], personal=["email"])
        context = Context({"actor": "alice", "source_address": "198.51.100.9"}, personal=["source_address"])
        append(connection, account, event, context=context)
        append(connection, account, event)
        leaves = [leaf for *_, leaf in stored(connection, account)]
        row = connection.execute(
            "SELECT salt FROM iamledger.personal WHERE account_id = %s AND position = 2", (account,)
        ).fetchone()
        assert row is not None
        salt = row[0].hex()
        assert occurrences(urls, "198.51.100.9") == ["personal", "recorded"]
        assert occurrences(urls, salt) == ["personal"]

        assert store.erase(connection, account, 2)
        check(connection, account)
        assert [leaf for *_, leaf in stored(connection, account)] == leaves
        assert occurrences(urls, "198.51.100.9") == occurrences(urls, salt) == []
        _, erased, other = store.read(connection, account)
        assert erased.data == {"name": "acme", "email": None}
        assert erased.context == {"actor": "alice", "source_address": None}
        assert other.data == event.data, "only one event was meant"
        decided_on = store.read_boundary(connection, account, "-", [store.Match(["a"])]).events
        assert [data for _, _, data in decided_on] == [erased.data, other.data]

        assert store.erase(connection, account, 3)
        assert occurrences(urls, "me@erased.example") == []

    def test_there_is_nothing_to_erase_twice_or_where_nothing_was(self, connection: Connection, account: str) -> None:
        append(connection, account, self.EVENT)
        assert [store.erase(connection, account, position) for position in (2, 2, 1, 99)] == [True, False, False, False]

    def test_an_event_without_personal_values_has_no_row(self, connection: Connection, account: str) -> None:
        nothing = NewEvent("T", {"email": "", "tags": [], "phone": None}, personal=["email", "tags", "phone", "fax"])
        append(connection, account, NewEvent("T", {"name": "a"}), nothing)
        append(connection, account, NewEvent("T", {"name": "a"}), context=self.CONTEXT)
        rows = connection.execute(
            "SELECT position FROM iamledger.personal WHERE account_id = %s", (account,)
        ).fetchall()
        assert rows == [(4,)]
        flags = connection.execute(
            "SELECT has_personal FROM iamledger.events WHERE account_id = %s ORDER BY position", (account,)
        ).fetchall()
        assert flags == [(False,), (False,), (False,), (True,)]
        assert store.read(connection, account)[2].data == nothing.data

    def test_data_that_is_no_object_stays_as_it_is(self, connection: Connection, account: str) -> None:
        values = ["b3BhcXVl", ["a", {"digest": "0" * 64}], 7, None]
        append(connection, account, *(NewEvent("T", value) for value in values), context=self.CONTEXT)
        for _ in ("before", "after"):
            assert [e.data for e in store.read(connection, account, after=1)] == values
            for position in range(2, 6):
                store.erase(connection, account, position)

    def test_erasing_does_not_take_a_digest_that_is_none_of_ours(self, connection: Connection, account: str) -> None:
        data = {"email": "a@b.example", "image": {"digest": "sha256:1"}, "proof": {"digest": "0" * 64, "of": "x"}}
        append(connection, account, NewEvent("T", data, personal=["email"]))
        store.erase(connection, account, 2)
        assert store.read(connection, account)[1].data == {**data, "email": None}


def occurrences(urls: Urls, text: str) -> list[str]:
    """Which tables and views hold the text, in any row."""
    found = []
    with psycopg.connect(urls.superuser) as superuser:
        names = superuser.execute(
            "SELECT relname::text, oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'p')"
            " AND relnamespace IN ('iamledger'::regnamespace, 'iamledger_projections'::regnamespace) ORDER BY 1"
        ).fetchall()
        assert len(names) >= 8
        for name, relation in names:
            rows = superuser.execute(f"SELECT FROM {relation} t WHERE strpos(t::text, %s) > 0", (text,)).fetchall()
            found += [name] if rows else []
    return found


def merkle_tree_hash(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, to the letter."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1" + merkle_tree_hash(leaves[:split]) + merkle_tree_hash(leaves[split:])).digest()

"""Random rules and random histories: the engine's SQL and the naive interpreter make the same rows of them.

Most events obey the rules, so that histories become long; some do not, and then both must stop before the same event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from conftest import Urls
from engine.histories import Oracle, forget, live, new_account, oracle, rows, standing, write
from iamledger import store
from iamledger.engine.catchup import catch_up
from iamledger.engine.compile import Table
from iamledger.engine.declaration import (
    POSITION,
    RECORDED_AT,
    ColumnType,
    Field,
    FromContext,
    KeySource,
    Projection,
    Rule,
    Source,
    close_row,
    open_row,
    put_row,
    revise_row,
)
from iamledger.engine.errors import BrokenRule
from iamledger.engine.naive import Interpreter, Recorded
from iamledger.engine.rebuild import rebuild
from iamledger.store import Connection, Context, NewEvent
from iamledger.store.connection import connect

_numbers = count(1)

# What events hold. Names and texts are such as break careless SQL.

TEXTS = ["", "it's", 'say "hi"', "back\\slash", "100%", "%s", "%(account)s", "{users}", "null", "é\u2028😀\x7f\t\x01"]
TIMES = [
    "2024-02-29T12:00:00.000000Z",
    "2024-02-29T12:00:00Z",
    "2024-02-29T23:30:00.5+05:30",
    "2024-02-29T12:00:00",
    "1999-12-31T23:59:59-11:00",
    "0001-01-01T00:00:00.000001Z",
    "9999-12-31T23:59:59.999999Z",
]
FIELD_NAMES = ["plain", "it's", 'say "hi"', "back\\slash", "100%", "%s", "other"]
UNFIT = ["x", "12", "true", "now", "2024-02-30T00:00:00.000000Z", "20240229", 0, 1, True, [], {"a": 1}, "x" * 5, None]
"""What some column or other refuses."""
ROOMS = ["r1", "r2", "r3", "Ünder", "", 7, True]
"""Values of keys: few, so that events meet."""


def some_json(random: Random, depth: int = 2) -> Any:
    """Any JSON, strict as the store's."""
    kind = random.randrange(7 if depth else 5)
    match kind:
        case 0:
            return None
        case 1:
            return random.random() < 0.5
        case 2:
            return random.choice([0, 1, -1, 2**53 - 1, -(2**53) + 1, random.randrange(1000)])
        case 3 | 4:
            return random.choice(TEXTS)
        case 5:
            return [some_json(random, depth - 1) for _ in range(random.randrange(3))]
    return {name: some_json(random, depth - 1) for name in random.sample(["b", "a", "aa", "%"], random.randrange(4))}


def some_value(random: Random, type_: str) -> Any:
    """A value that fits the type of a column."""
    match type_:
        case "bigint":
            return random.choice([0, 1, -1, 2**53 - 1, -(2**53) + 1, random.randrange(1000)])
        case "boolean":
            return random.random() < 0.5
        case "timestamptz":
            return random.choice(TIMES)
    return some_json(random)


# Rules


def sources(type_: str) -> some.SearchStrategy[Source]:
    """Where a column of this type may take its value from: another field, the context, a constant."""
    if type_ in ("text", "jsonb"):
        return some.one_of(
            some.sampled_from(FIELD_NAMES).map(Field),
            some.sampled_from(["actor", "100%"]).map(FromContext),
            some.sampled_from([RECORDED_AT, POSITION, *TEXTS, -(2**63), 1, True, None]),
        )
    of_type: dict[str, some.SearchStrategy[Source]] = {
        "bigint": some.sampled_from([POSITION, -(2**63), 2**63 - 1, 0, None]),
        "boolean": some.sampled_from([True, False, None]),
        "timestamptz": some.sampled_from([RECORDED_AT, "2020-01-01T00:00:00Z", None]),
    }
    return of_type[type_]


@some.composite
def rules(draw: some.DrawFn, event: str, key: list[str], columns: dict[str, ColumnType], second: bool) -> Rule:
    kind = draw(some.sampled_from(["open", "open", "put", "revise", "revise", "close"]))
    named: dict[str, KeySource] = {column: f"other {column}" for column in key} if second else {}
    if draw(some.integers(0, 7)) == 0:
        named[draw(some.sampled_from(key))] = POSITION
    if kind == "close":
        return close_row(event, key=named)
    chosen = draw(some.lists(some.sampled_from(sorted(columns)), unique=True)) if columns else []
    told = {column: draw(sources(columns[column])) for column in chosen}
    if kind == "revise":
        rest = [column for column in columns if column not in told]
        return revise_row(
            event, *(draw(some.lists(some.sampled_from(rest), unique=True)) if rest else []), key=named, set=told
        )
    return (open_row if kind == "open" else put_row)(event, key=named, set=told)


@some.composite
def projections(draw: some.DrawFn) -> Projection:
    """One or two columns in the key, up to four others, up to five types of events with one or two rules each."""
    number = next(_numbers)
    key = draw(some.lists(some.sampled_from(["user", "group", "position", "doc"]), min_size=1, max_size=2, unique=True))
    names = draw(some.lists(some.sampled_from(["order", "op", "before", "plain", "other"]), max_size=4, unique=True))
    types = some.sampled_from(["text", "bigint", "boolean", "timestamptz", "jsonb"])
    columns: dict[str, Any] = {name: draw(types) for name in names}
    found = []
    for event in [f"{name} {number}" for name in ("Opened", "It's 100%", 'A "type"', "Back\\slashed", "Put")]:
        for second in [False, True][: draw(some.sampled_from([0, 1, 1, 1, 2]))]:
            found.append(draw(rules(event, key, columns, second)))
    if not any(rule.kind in ("open", "put") for rule in found):
        found.append(open_row(f"Begun {number}"))
    return Projection(f"p{number}", key, columns, draw(some.permutations(found)), personal=list(columns))


# Histories


@dataclass(frozen=True)
class Happened:
    """An event of a history, and what is done around it."""

    account: int
    event: NewEvent
    context: Context
    erased: bool
    caught_up: bool
    """Catch this account up, once the event is there."""


def some_happening(random: Random, projection: Projection) -> Happened:
    """Any event, mostly one that the projection listens to."""
    data: dict[str, Any] = {}
    for column in projection.key:
        data[column], data[f"other {column}"] = random.choice(ROOMS), random.choice(ROOMS)
    data.update({name: some_json(random) for name in FIELD_NAMES if random.random() < 0.5})
    data.update(
        {name: some_value(random, type_) for name, type_ in projection.columns.items() if random.random() < 0.9}
    )
    if random.random() < 0.1:
        data[random.choice(sorted(data))] = random.choice(UNFIT)
    personal = random.sample(sorted(data), 2) if random.random() < 0.1 else []
    return Happened(
        random.randrange(2),
        NewEvent(random.choice([*projection.events(), "Unrelated"]), data, personal=personal),
        Context({"actor": some_json(random), "100%": "ja"}, personal=random.choice([(), ("actor",)])),
        erased=random.random() < 0.5,
        caught_up=random.random() < 0.3,
    )


@some.composite
def histories(draw: some.DrawFn) -> tuple[Projection, list[Happened]]:
    """Each event is made from a number. Of those that would break a rule, most are passed over for another."""
    projection = draw(projections())
    length = draw(some.integers(0, 60))
    kept: list[Happened] = []
    interpreters = [Interpreter(projection), Interpreter(projection)]
    for number in draw(some.lists(some.integers(0, 2**32 - 1), min_size=length, max_size=length)):
        random = Random(number)
        for _ in range(8):
            happened = some_happening(random, projection)
            interpreter = interpreters[happened.account]
            before = dict(interpreter.open)
            try:
                interpreter.apply(_as_read(happened, 1 + sum(one.account == happened.account for one in kept)))
            except BrokenRule as broken:
                interpreter.open = before
                if random.random() < (0.985 if "a row that" in str(broken) else 0.7):
                    continue
            kept.append(happened)
            break
    return projection, kept


def _as_read(happened: Happened, position: int) -> Recorded:
    """The event as projections will see it, but for when it was recorded, and for what digests there are."""
    stored, read = [], []
    for values, personal in (
        (happened.context.entries, happened.context.personal),
        (happened.event.data, happened.event.personal),
    ):
        concealed = [name for name in personal if values[name]]
        stored.append({**values, **{name: {"digest": f"{next(_numbers):064x}"} for name in concealed}})
        read.append({**values, **dict.fromkeys(concealed if happened.erased else [])})
    where = (position, "2024-01-01T00:00:00.000000Z", happened.event.type)
    return Recorded(*where, *read, Recorded(*where, *stored))


# The property


@pytest.fixture(scope="module")
def connection(new_database: Callable[[], Urls]) -> Iterator[Connection]:
    """One database for all histories."""
    with connect(new_database().application) as connection:
        connection.execute("SET synchronous_commit = off")
        yield connection


@pytest.mark.slow
@settings(max_examples=150, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
@given(histories())
def test_the_engine_and_the_naive_interpreter_agree(
    connection: Connection, history: tuple[Projection, list[Happened]]
) -> None:
    projection, happened = history
    accounts = [new_account(), new_account()]
    table = live(connection, projection)
    for one in happened:
        account = accounts[one.account]
        position = write(connection, account, [one.event], one.context)
        if one.erased:
            store.erase(connection, account, position)
        if one.caught_up:
            catch_up(connection, account, [table])
    try:
        _compare(connection, projection, [accounts[n] for n in sorted({one.account for one in happened})])
    finally:
        forget(connection, projection)


def _compare(connection: Connection, projection: Projection, accounts: list[str]) -> None:
    table = live(connection, projection)
    told: dict[str, Oracle] = {}
    for account in accounts:
        head = catch_up(connection, account, [table])
        told[account] = oracle(connection, projection, account)
        assert rows(connection, table, account) == told[account].rows
        failed = told[account].failed
        reached, stopped, _ = standing(connection, table, account)
        assert (reached, stopped) == (head if failed is None else failed - 1, failed)

    rebuilt = rebuild(connection, projection)
    assert rebuilt == live(connection, projection) == Table(projection, 2)
    for account in accounts:
        assert rows(connection, rebuilt, account) == told[account].rows
        assert standing(connection, rebuilt, account)[1] == told[account].failed

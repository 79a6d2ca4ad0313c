"""Compiles a projection to SQL: its table, and the statement that applies a range of events to it.

The statement is set-based and runs inside PostgreSQL; no event crosses the wire. It has three steps. `ops` turns events
into operations on keys, by the rules. `folded` adds the open rows of the touched keys, orders each key's operations, carries
columns along, and finds where each version ends and whether an operation broke a rule. Then ended rows are closed and
new versions inserted. Columns are carried along in a document, or stand for themselves where no rule revises any.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from psycopg.sql import quote

from iamledger.engine.declaration import (
    ColumnType,
    Field,
    FromContext,
    KeySource,
    Projection,
    RecordedAt,
    RecordedPosition,
    Rule,
    Source,
)

SCHEMA = "iamledger_projections"


@dataclass(frozen=True, slots=True)
class Table:
    """One generation of a projection's rows."""

    projection: Projection
    generation: int

    @property
    def name(self) -> str:
        """Qualified with the schema."""
        return f"{SCHEMA}.{self.projection.name}_{self.generation}"

    def create(self) -> str:
        """The bare table."""
        columns = [f"{quoted(name)} text NOT NULL" for name in self.projection.key]
        columns += [f"{quoted(name)} {type_}" for name, type_ in self.projection.columns.items()]
        return (
            f"CREATE TABLE {self.name} (account_id text NOT NULL, since bigint NOT NULL, until bigint, {', '.join(columns)})"
            " WITH (fillfactor = 90)"
        )

    def index_keys(self) -> str:
        """What applying events needs, once there are rows."""
        key = _quoted(self.projection.key)
        return (
            f"ALTER TABLE {self.name} ADD PRIMARY KEY (account_id, {key}, since);"
            f"CREATE INDEX ON {self.name} (account_id, {key}) WHERE until IS NULL"
        )

    def index_past(self) -> str:
        """What `rows_at` needs: ended rows by how long they lasted, and since when."""
        return (
            f"CREATE INDEX ON {self.name} (account_id, (iamledger.magnitude(until - since)), since, until)"
            " WHERE until IS NOT NULL"
        )

    def drop(self) -> str:
        """Remove the generation."""
        return f"DROP TABLE IF EXISTS {self.name}"

    def rows_now(self, account: str) -> str:
        """The rows of an account that are true now."""
        return f"SELECT * FROM {self.name} WHERE account_id = {account} AND until IS NULL"

    def rows_at(self, account: str, position: int, head: int) -> str:
        """The rows of an account that were true at a position; `head` is a position up to which rows have been made.

        A row that lasted for 2^m positions or more, but less than twice as many, and was true then, began at most
        twice 2^m positions before. So each magnitude is a short range of an index, of which at least about half is
        true: the past costs what the present does, however often rows were revised.
        """
        return (
            f"{self.rows_now(account)} AND since <= {position} UNION ALL"
            f" SELECT ended.* FROM generate_series(0, {head.bit_length()}) AS m CROSS JOIN LATERAL ("
            f"SELECT * FROM {self.name} WHERE account_id = {account} AND until IS NOT NULL"
            f" AND iamledger.magnitude(until - since) = m AND since > {position} - (2::bigint << m)"
            f" AND since <= {position} AND until > {position}) AS ended"
        )

    def apply(self, accounts: str, *, fresh: bool = False) -> str:
        """The statement that applies events.

        `accounts` is a condition on `e.account_id`; `fresh` says that they have no rows yet. Parameters: `after` and
        `upto`, positions. Returns one row if an event broke a rule: account and position of the first, and what it did.
        """
        return _apply(self, accounts, fresh)


def _apply(table: Table, accounts: str, fresh: bool) -> str:
    # Names of our own begin with an underscore, which no column of a projection does.
    projection = table.projection
    key, columns = _quoted(projection.key), "".join(f", {quoted(name)}" for name in projection.columns)
    into = f"account_id, since, until, {key}{columns}"
    no_key = " OR ".join(f"{quoted(name)} IS NULL" for name in projection.key)
    carried, values = columns, columns
    if _revises(projection):
        carried = ", iamledger.merged(_doc) OVER w AS _doc"
        values = "".join(
            f", {_typed(f'_doc->{_text(name)}', f'_doc->>{_text(name)}', type_)}"
            for name, type_ in projection.columns.items()
        )
    lanes = _lanes(projection)
    ops = " UNION ALL ".join(_lane(projection, rules, accounts) for rules in lanes)
    twice = "coalesce(lag(_position) OVER w = _position, false)" if len(lanes) > 1 else "false"
    seeds = "" if fresh else _seeds(table)
    closed = "" if fresh else _closed(table)
    return f"""
WITH ops AS ({ops}),
folded AS MATERIALIZED (
    SELECT account_id, {key}, _position, _op{carried}, lead(_position) OVER w AS _until,
           lag(_op) OVER w AS _before, {twice} AS _twice
      FROM (SELECT * FROM ops{seeds}) AS all_ops
    WINDOW w AS (PARTITION BY account_id, {key} ORDER BY _position)
), {closed}opened AS (
    INSERT INTO {table.name} ({into})
    SELECT account_id, _position, _until, {key}{values} FROM folded
     WHERE _op NOT IN ('seed', 'close') AND NOT ({no_key} OR _twice)
)
SELECT account_id, _position, _op || ' of a row that ' || CASE WHEN {no_key} THEN 'has no key'
           WHEN _twice THEN 'the event touched already' WHEN _op = 'open' THEN 'is open' ELSE 'is not open' END
  FROM folded
 WHERE _op <> 'seed' AND ({no_key} OR _twice OR CASE _op WHEN 'put' THEN false WHEN 'open' THEN _before <> 'close'
                          ELSE _before IS NULL OR _before = 'close' END)
 ORDER BY account_id, _position LIMIT 1"""


def _seeds(table: Table) -> str:
    """The open rows of the touched keys, as the operations that made them."""
    projection = table.projection
    key, key_of_row = _quoted(projection.key), ", ".join(f"r.{quoted(name)}" for name in projection.key)
    if _revises(projection):
        row = ", ".join(f"{_text(name)}, r.{quoted(name)}" for name in projection.columns)
        content = f"jsonb_build_object({row})"
    else:
        content = ", ".join(f"r.{quoted(name)}" for name in projection.columns)
    return (
        f" UNION ALL SELECT r.account_id, r.since, 'seed', {key_of_row}{content and ', ' + content} FROM {table.name} r"
        f" WHERE r.until IS NULL AND (r.account_id, {key_of_row}) IN (SELECT account_id, {key} FROM ops)"
    )


def _closed(table: Table) -> str:
    """Ends the rows that the operations ended or replaced."""
    same_key = " AND ".join(f"r.{quoted(name)} = f.{quoted(name)}" for name in ["account_id", *table.projection.key])
    return (
        f"closed AS (UPDATE {table.name} r SET until = f._until FROM folded f"
        f" WHERE f._op = 'seed' AND f._until IS NOT NULL AND {same_key} AND r.since = f._position AND r.until IS NULL), "
    )


def _revises(projection: Projection) -> bool:
    return any(rule.kind == "revise" for rule in projection.rules)


def _lanes(projection: Projection) -> list[list[Rule]]:
    """The rules, so that no lane has two for one type of event; each lane reads the events once."""
    by_event = [list(rules) for _, rules in groupby(sorted(projection.rules, key=lambda r: r.event), lambda r: r.event)]
    return [[rules[lane] for rules in by_event if len(rules) > lane] for lane in range(max(map(len, by_event)))]


def _lane(projection: Projection, rules: list[Rule], accounts: str) -> str:
    """The operations that one lane's rules make of the events."""
    types = ", ".join(_text(rule.event) for rule in rules)
    keys = [
        _case(rules, [_key(projection.key_fields(rule)[n]) for rule in rules]) + f" AS {quoted(column)}"
        for n, column in enumerate(projection.key)
    ]
    op = _case(rules, [_text(rule.kind) for rule in rules])
    if _revises(projection):
        content = [f"{_case(rules, [_document(projection, rule) for rule in rules])} AS _doc"]
    else:
        content = [
            f"{_case(rules, [_column(projection, rule, name) for rule in rules])} AS {quoted(name)}"
            for name in projection.columns
        ]
    return (
        f"SELECT e.account_id, e.position AS _position, {op} AS _op, {', '.join([*keys, *content])}"
        f" FROM iamledger.events e WHERE {accounts} AND e.position > %(after)s AND e.position <= %(upto)s"
        f" AND e.type IN ({types})"
    )


def _key(source: KeySource) -> str:
    """A column of the key, as text."""
    return f"e.data->>{_text(source)}" if isinstance(source, str) else "e.position::text"


def _case(rules: list[Rule], values: list[str]) -> str:
    """A value by the event's type; no CASE where all types agree."""
    if len(set(values)) == 1:
        return values[0]
    whens = " ".join(f"WHEN {_text(rule.event)} THEN {value}" for rule, value in zip(rules, values, strict=True))
    return f"CASE e.type {whens} END"


def _document(projection: Projection, rule: Rule) -> str:
    """The columns that a rule sets, as a JSON object."""
    pairs = ", ".join(
        f"{_text(name)}, {_json(source, projection.columns[name], name in projection.personal)}"
        for name, source in projection.sources(rule).items()
    )
    return f"jsonb_build_object({pairs})" if pairs else "'{}'::jsonb"


def _column(projection: Projection, rule: Rule, name: str) -> str:
    """A column's value, of its type, by a rule that sets all columns; or nothing, by one that ends the row."""
    type_ = projection.columns[name]
    if rule.kind == "close":
        return f"NULL::{type_}"
    source = projection.sources(rule)[name]
    value = _json(source, type_, name in projection.personal)
    match source:
        case None:
            return f"NULL::{type_}"
        case RecordedAt() if type_ == "timestamptz":
            return value
        case Field(field) if value == f"e.data->{_text(field)}":
            return _typed(value, f"e.data->>{_text(field)}", type_)
        case FromContext(entry) if value == f"e.context->{_text(entry)}":
            return _typed(value, f"e.context->>{_text(entry)}", type_)
        case Field() | FromContext():
            return _typed(value, f"({value})#>>'{{}}'", type_)
    return _typed(f"to_jsonb({value})", f"to_jsonb({value})#>>'{{}}'", type_)


def _json(source: Source, type_: ColumnType, personal: bool) -> str:
    """A source's value, as what becomes a part of a JSON object."""
    match source:
        case Field(name):
            return _readable("data", name) if personal else f"e.data->{_text(name)}"
        case FromContext(name):
            return _readable("context", name) if personal else f"e.context->{_text(name)}"
        case RecordedAt():
            return "e.recorded_at" if type_ == "timestamptz" else "iamledger.iso(e.recorded_at)"
        case RecordedPosition():
            return "e.position"
        case None:
            return "NULL"
        case bool():
            return "true" if source else "false"
        case int():
            return f"'{source}'::bigint"
        case str():
            return f"{_text(source)}::text"


def _readable(part: str, name: str) -> str:
    """An entry of an event's data or context; the personal value, where its digest stands, or nothing if it was erased.

    Values are looked up one by one, and only for digests: a join would read all of them, and its plan would hang on
    statistics that a fresh ledger does not have.
    """
    value, entry = f"e.{part}->{_text(name)}", _text(name)
    personal = (
        f"SELECT coalesce(p.{part}->{entry}, {value}) FROM iamledger.personal p"
        " WHERE p.account_id = e.account_id AND p.position = e.position"
    )
    erased = f"CASE WHEN NOT iamledger.is_digest({value}) THEN {value} END"
    return f"CASE WHEN e.has_personal AND {value} ? 'digest' THEN coalesce(({personal}), {erased}) ELSE {value} END"


def _typed(json: str, text: str, type_: ColumnType) -> str:
    """A JSON value (given as such, and as text) as a column's type. What is none is an error, so the event stops it.

    A time must look like one: PostgreSQL also takes 'now' and the like, which would be another time in each rebuild.
    """
    match type_:
        case "text":
            return text
        case "timestamptz":
            shape = _text("____-__-__T__:__:__%")
            return f"(CASE WHEN {text} LIKE {shape} THEN {text} ELSE {text} || ' is no time' END)::timestamptz"
        case "jsonb":
            return f"nullif({json}, 'null')"
    return f"nullif({json}, 'null')::{type_}"


def quoted(name: str) -> str:
    """A column's name in SQL; it may be a word of SQL, such as `user` or `group`."""
    return f'"{name}"'


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def _text(text: str) -> str:
    """A literal in a statement that has parameters."""
    return quote(text).replace("%", "%%")

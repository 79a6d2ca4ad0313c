"""Compiles a projection to SQL: its table, and the statement that applies a range of events to it.

The statement is set-based and runs inside PostgreSQL; no event crosses the wire. It has three steps. `ops` turns events
into operations on keys, by the rules. `folded` adds the open rows of the touched keys, orders each key's operations, carries
columns along, and finds where each version ends and whether an operation broke a rule. Then ended rows are closed and
new versions inserted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from psycopg.sql import quote

from iamledger.engine.declaration import Field, FromContext, Projection, RecordedAt, RecordedPosition, Rule, Source

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
        """The table, with the indexes that applying events needs."""
        key = _quoted(self.projection.key)
        columns = [f"{quoted(name)} text NOT NULL" for name in self.projection.key]
        columns += [f"{quoted(name)} {type_}" for name, type_ in self.projection.columns.items()]
        return (
            f"CREATE TABLE {self.name} (account_id text NOT NULL, since bigint NOT NULL, until bigint, {', '.join(columns)},"
            f" PRIMARY KEY (account_id, {key}, since)) WITH (fillfactor = 90);"
            f"CREATE INDEX ON {self.name} (account_id, {key}) WHERE until IS NULL"
        )

    def index(self) -> str:
        """The range index, which makes the past about as fast as the present. Rows that never end need none."""
        if all(rule.kind == "open" for rule in self.projection.rules):
            return ""
        return f"CREATE INDEX ON {self.name} USING gist (account_id, int8range(since, until))"

    def drop(self) -> str:
        """Remove the generation."""
        return f"DROP TABLE IF EXISTS {self.name}"

    def apply(self, accounts: str) -> str:
        """The statement that applies events.

        `accounts` is a condition on `e.account_id`. Parameters: `after` and `upto`, positions. Returns one row: the
        account and position of the first event that broke a rule (null if none did), and what it did.
        """
        return _apply(self, accounts)


def _apply(table: Table, accounts: str) -> str:
    # Names of our own begin with an underscore, which no column of a projection does.
    projection = table.projection
    key = _quoted(projection.key)
    key_of_row = ", ".join(f"r.{quoted(name)}" for name in projection.key)
    row = ", ".join(f"{_text(name)}, r.{quoted(name)}" for name in projection.columns)
    into = _quoted(["account_id", "since", "until", *projection.key, *projection.columns])
    values = "".join(f", {_cast(name, type_)}" for name, type_ in projection.columns.items())
    same_key = " AND ".join(f"r.{quoted(name)} = f.{quoted(name)}" for name in ["account_id", *projection.key])
    no_key = " OR ".join(f"{quoted(name)} IS NULL" for name in projection.key)
    revises = any(rule.kind == "revise" for rule in projection.rules)
    document = "iamledger.merged(_doc) OVER w" if revises else "_doc"
    ops = " UNION ALL ".join(_lane(projection, rules, accounts) for rules in _lanes(projection))
    seeds = (
        f" UNION ALL SELECT r.account_id, r.since, 'seed', {key_of_row}, jsonb_build_object({row}) FROM {table.name} r"
        f" WHERE r.until IS NULL AND (r.account_id, {key_of_row}) IN (SELECT account_id, {key} FROM ops)"
    )
    return f"""
WITH ops AS MATERIALIZED ({ops}),
folded AS MATERIALIZED (
    SELECT account_id, {key}, _position, _op, {document} AS _doc, lead(_position) OVER w AS _until,
           lag(_op) OVER w AS _before, coalesce(lag(_position) OVER w = _position, false) AS _twice
      FROM (SELECT * FROM ops{seeds}) AS all_ops
    WINDOW w AS (PARTITION BY account_id, {key} ORDER BY _position)
), closed AS (
    UPDATE {table.name} r SET until = f._until FROM folded f
     WHERE f._op = 'seed' AND f._until IS NOT NULL AND {same_key} AND r.since = f._position AND r.until IS NULL
), opened AS (
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


def _lanes(projection: Projection) -> list[list[Rule]]:
    """The rules, so that no lane has two for one type of event; each lane reads the events once."""
    by_event = [list(rules) for _, rules in groupby(sorted(projection.rules, key=lambda r: r.event), lambda r: r.event)]
    return [[rules[lane] for rules in by_event if len(rules) > lane] for lane in range(max(map(len, by_event)))]


def _lane(projection: Projection, rules: list[Rule], accounts: str) -> str:
    """The operations that one lane's rules make of the events."""
    types = ", ".join(_text(rule.event) for rule in rules)
    keys = [
        _case(rules, [f"e.data->>{_text(projection.key_fields(rule)[n])}" for rule in rules]) + f" AS {quoted(column)}"
        for n, column in enumerate(projection.key)
    ]
    op = _case(rules, [_text(rule.kind) for rule in rules])
    doc = _case(rules, [_document(projection, rule) for rule in rules])
    return (
        f"SELECT e.account_id, e.position AS _position, {op} AS _op, {', '.join(keys)}, {doc} AS _doc"
        f" FROM ({_events(projection, accounts)} AND e.type IN ({types}) OFFSET 0) AS e"
    )


def _events(projection: Projection, accounts: str) -> str:
    """The events of the range; with personal values put back if the projection wants some.

    Those are looked up one by one, and only where a digest stands in a field that is asked for: a join would read all of
    them, and its plan would hang on statistics that a fresh ledger does not have.
    """
    sources = [source for rule in projection.rules for source in projection.sources(rule).values()]
    fields = {source.name for source in sources if isinstance(source, Field)}
    fields.update(name for rule in projection.rules for name in projection.key_fields(rule))
    parts = {"data": fields, "context": {source.name for source in sources if isinstance(source, FromContext)}}
    columns = "".join(f", {_part(projection, part, names)}" for part, names in parts.items() if names)
    return (
        f"SELECT e.account_id, e.position, e.recorded_at, e.type{columns} FROM iamledger.events e"
        f" WHERE {accounts} AND e.position > %(after)s AND e.position <= %(upto)s"
    )


def _part(projection: Projection, part: str, names: set[str]) -> str:
    """The data or the context of an event, as far as a projection may see it."""
    if not projection.personal:
        return f"e.{part}"
    concealed = " OR ".join(f"e.{part}->{_text(name)} ? 'digest'" for name in sorted(names))
    personal = (
        f"SELECT p.{part} FROM iamledger.personal p WHERE p.account_id = e.account_id AND p.position = e.position"
    )
    return (
        f"CASE WHEN e.has_personal AND ({concealed})"
        f" THEN iamledger.readable(e.{part}, true, ({personal})) ELSE e.{part} END AS {part}"
    )


def _case(rules: list[Rule], values: list[str]) -> str:
    """A value by the event's type; no CASE where all types agree."""
    if len(set(values)) == 1:
        return values[0]
    whens = " ".join(f"WHEN {_text(rule.event)} THEN {value}" for rule, value in zip(rules, values, strict=True))
    return f"CASE e.type {whens} END"


def _document(projection: Projection, rule: Rule) -> str:
    pairs = ", ".join(f"{_text(name)}, {_source(source)}" for name, source in projection.sources(rule).items())
    return f"jsonb_build_object({pairs})" if pairs else "'{}'::jsonb"


def _source(source: Source) -> str:
    match source:
        case Field(name):
            return f"e.data->{_text(name)}"
        case FromContext(name):
            return f"e.context->{_text(name)}"
        case RecordedAt():
            return "iamledger.iso(e.recorded_at)"
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


def _cast(name: str, type_: str) -> str:
    """A column's value from the folded document. What is not of the column's type is an error, so the event stops it.

    A time must look like one: PostgreSQL also takes 'now' and the like, which would be another time in each rebuild.
    """
    value, text = f"nullif(_doc->{_text(name)}, 'null')", f"_doc->>{_text(name)}"
    match type_:
        case "text":
            return text
        case "timestamptz":
            shape = _text("____-__-__T__:__:__%")
            return f"(CASE WHEN {text} LIKE {shape} THEN {text} ELSE {text} || ' is no time' END)::timestamptz"
        case "jsonb":
            return value
    return f"{value}::{type_}"


def quoted(name: str) -> str:
    """A column's name in SQL; it may be a word of SQL, such as `user` or `group`."""
    return f'"{name}"'


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def _text(text: str) -> str:
    """A literal in a statement that has parameters."""
    return quote(text).replace("%", "%%")

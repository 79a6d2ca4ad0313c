"""Compiles a projection to SQL: its table, and the statement that applies a range of events to it.

The statement is set-based and runs inside PostgreSQL; no event crosses the wire. It has three steps. `ops` turns events
into operations on keys, by the rules. `folded` adds the open rows of the touched keys, orders each key's operations, carries
columns along, and finds where each version ends and whether an operation broke a rule. Then ended rows are closed and
new versions inserted.
"""

from __future__ import annotations

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
        key = ", ".join(self.projection.key)
        columns = [f"{name} text NOT NULL" for name in self.projection.key]
        columns += [f"{name} {type_}" for name, type_ in self.projection.columns.items()]
        return (
            f"CREATE TABLE {self.name} (account_id text NOT NULL, since bigint NOT NULL, until bigint, {', '.join(columns)},"
            f" PRIMARY KEY (account_id, {key}, since)) WITH (fillfactor = 90);"
            f"CREATE INDEX ON {self.name} (account_id, {key}) WHERE until IS NULL"
        )

    def index(self) -> str:
        """The range index, which makes the past about as fast as the present."""
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
    projection = table.projection
    key = ", ".join(projection.key)
    columns = ", ".join(projection.columns)
    revises = any(rule.kind == "revise" for rule in projection.rules)
    document = "iamledger.merged(doc) OVER w" if revises else "doc"
    row = ", ".join(f"'{name}', r.{name}" for name in projection.columns)
    values = "".join(f", {_cast(name, type_)}" for name, type_ in projection.columns.items())
    same_key = " AND ".join(f"r.{name} = f.{name}" for name in ["account_id", *projection.key])
    ops = " UNION ALL ".join(_lane(projection, lane, rules, accounts) for lane, rules in enumerate(_lanes(projection)))
    seeds = (
        f" UNION ALL SELECT r.account_id, r.since, 'seed', {', '.join('r.' + name for name in projection.key)},"
        f" jsonb_build_object({row}) FROM {table.name} r"
        f" WHERE r.until IS NULL AND (r.account_id, {', '.join('r.' + name for name in projection.key)}) IN"
        f" (SELECT account_id, {key} FROM ops)"
    )
    return f"""
WITH ops AS MATERIALIZED ({ops}),
folded AS MATERIALIZED (
    SELECT account_id, {key}, position, op, {document} AS doc,
           lead(position) OVER w AS until, lag(op) OVER w AS before, lag(position) OVER w AS before_position
      FROM (SELECT * FROM ops{seeds}) AS all_ops
    WINDOW w AS (PARTITION BY account_id, {key} ORDER BY position)
), closed AS (
    UPDATE {table.name} r SET until = f.until FROM folded f
     WHERE f.op = 'seed' AND f.until IS NOT NULL AND {same_key} AND r.since = f.position AND r.until IS NULL
), opened AS (
    INSERT INTO {table.name} (account_id, {key}, since, until, {columns})
    SELECT account_id, {key}, position, until{values} FROM folded WHERE op NOT IN ('seed', 'close')
)
SELECT account_id, position, op || ' of a row that ' || CASE
           WHEN {" OR ".join(f"{name} IS NULL" for name in projection.key)} THEN 'has no key'
           WHEN position = before_position THEN 'the event touched already'
           WHEN op = 'open' THEN 'is open' ELSE 'is not open' END
  FROM folded
 WHERE op <> 'seed' AND ({" OR ".join(f"{name} IS NULL" for name in projection.key)} OR position = before_position
        OR CASE op WHEN 'put' THEN false WHEN 'open' THEN before <> 'close' ELSE before IS NULL OR before = 'close' END)
 ORDER BY account_id, position LIMIT 1"""


def _lanes(projection: Projection) -> list[list[Rule]]:
    """The rules, so that no lane has two for one type of event; each lane reads the events once."""
    by_event = [list(rules) for _, rules in groupby(sorted(projection.rules, key=lambda r: r.event), lambda r: r.event)]
    return [[rules[lane] for rules in by_event if len(rules) > lane] for lane in range(max(map(len, by_event)))]


def _lane(projection: Projection, lane: int, rules: list[Rule], accounts: str) -> str:
    """The operations that one lane's rules make of the events."""
    types = ", ".join(quote(rule.event) for rule in rules)
    keys = [
        _case(rules, [f"e.data->>{quote(projection.key_fields(rule)[n])}" for rule in rules]) + f" AS {column}"
        for n, column in enumerate(projection.key)
    ]
    op = _case(rules, [quote(rule.kind) for rule in rules])
    doc = _case(rules, [_document(projection, rule) for rule in rules])
    return (
        f"SELECT e.account_id, e.position, {op} AS op, {', '.join(keys)}, {doc} AS doc"
        f" FROM (SELECT account_id, position, recorded_at, type, context, data FROM iamledger.recorded e"
        f" WHERE {accounts} AND position > %(after)s AND position <= %(upto)s AND type IN ({types}) OFFSET 0) AS e"
    )


def _case(rules: list[Rule], values: list[str]) -> str:
    """A value by the event's type; no CASE where all types agree."""
    if len(set(values)) == 1:
        return values[0]
    whens = " ".join(f"WHEN {quote(rule.event)} THEN {value}" for rule, value in zip(rules, values, strict=True))
    return f"CASE e.type {whens} END"


def _document(projection: Projection, rule: Rule) -> str:
    pairs = ", ".join(f"{quote(name)}, {_source(source)}" for name, source in projection.sources(rule).items())
    return f"jsonb_build_object({pairs})" if pairs else "'{}'::jsonb"


def _source(source: Source) -> str:
    match source:
        case Field(name):
            return f"e.data->{quote(name)}"
        case FromContext(name):
            return f"e.context->{quote(name)}"
        case RecordedAt():
            return "iamledger.iso(e.recorded_at)"
        case RecordedPosition():
            return "e.position"
        case None:
            return "NULL"
        case bool():
            return "true" if source else "false"
        case int():
            return f"{source}::bigint"
        case str():
            return f"{quote(source)}::text"


def _cast(name: str, type_: str) -> str:
    """A column's value from the folded document."""
    if type_ == "jsonb":
        return f"nullif(doc->{quote(name)}, 'null')"
    return f"doc->>{quote(name)}" if type_ == "text" else f"(doc->>{quote(name)})::{type_}"

"""Which generation of each projection is live, and the making of the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from iamledger.engine.compile import Table
from iamledger.engine.declaration import Projection
from iamledger.engine.errors import ProjectionOutdated
from iamledger.store.connection import Connection
from iamledger.store.errors import translated
from iamledger.store.reading import head as store_head


def live_tables(connection: Connection, projections: Iterable[Projection]) -> dict[str, Table]:
    """The live generation of each projection; the first is made where there is none.

    Raises `ProjectionOutdated` if one was built by other rules.
    """
    registered = _registered(connection)
    tables = {}
    for projection in projections:
        if projection.name not in registered:
            begin(connection, projection)
            registered = _registered(connection)
        generation, digest = registered[projection.name]
        if digest != projection.digest():
            raise ProjectionOutdated(
                f"The rules of the projection {projection.name} have changed since it was built."
                f" Run `iamledger projection rebuild {projection.name}`."
            )
        tables[projection.name] = Table(projection, generation)
    return tables


def _registered(connection: Connection) -> dict[str, tuple[int, str]]:
    with translated():
        rows = connection.execute("SELECT name, generation, declaration FROM iamledger.projections").fetchall()
    return {name: (generation, digest) for name, generation, digest in rows}


def begin(connection: Connection, projection: Projection) -> None:
    """Make the first generation, if there is none. Who registers it first makes it; others wait until it is there."""
    table = Table(projection, 1)
    with translated(), connection.transaction():
        registered = connection.execute(
            "INSERT INTO iamledger.projections (name, generation, declaration) VALUES (%s, 1, %s) ON CONFLICT DO NOTHING",
            (projection.name, projection.digest()),
        )
        if registered.rowcount == 1:
            connection.execute("DELETE FROM iamledger.projection_positions WHERE projection = %s", (projection.name,))
            connection.execute(table.drop())
            connection.execute(table.create())
            connection.execute(table.index_keys())
            connection.execute(table.index_past())


@dataclass(frozen=True, slots=True)
class Stopped:
    """An account for which a projection has stopped before an event that does not fit its rules."""

    account_id: str
    position: int
    reason: str


def stopped(connection: Connection, table: Table) -> list[Stopped]:
    """The accounts for which a generation has stopped, in order."""
    with translated():
        rows = connection.execute(
            "SELECT account_id, failed, reason FROM iamledger.projection_positions"
            " WHERE projection = %s AND generation = %s AND failed IS NOT NULL ORDER BY account_id",
            (table.projection.name, table.generation),
        ).fetchall()
    return [Stopped(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a projection has come with an account."""

    projection: str
    generation: int | None
    position: int
    head: int
    state: str
    """`current`, `behind`, `failed`, `outdated` (built by other rules) or `new` (never built)."""
    failed: int | None = None
    reason: str | None = None


def standing(connection: Connection, account_id: str, projections: Iterable[Projection]) -> list[Standing]:
    """How far each projection has come with an account. Raises `NoLedger`."""
    head = store_head(connection, account_id).position
    registered = _registered(connection)
    with translated():
        rows = connection.execute(
            "SELECT projection, generation, position, failed, reason FROM iamledger.projection_positions"
            " WHERE account_id = %s",
            (account_id,),
        ).fetchall()
    reached = {(name, generation): (position, failed, reason) for name, generation, position, failed, reason in rows}
    found = []
    for projection in projections:
        generation, digest = registered.get(projection.name, (None, None))
        position, failed, reason = reached.get((projection.name, generation), (0, None, None))
        state = (
            "new"
            if generation is None
            else "outdated"
            if digest != projection.digest()
            else "failed"
            if failed is not None
            else "behind"
            if position < head
            else "current"
        )
        found.append(Standing(projection.name, generation, position, head, state, failed, reason))
    return found

"""Which generation of each projection is live, and the making of the first."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from iamledger.engine.compile import Table
from iamledger.engine.declaration import Projection
from iamledger.engine.errors import ProjectionOutdated
from iamledger.store.connection import Connection
from iamledger.store.errors import translated


def live_tables(connection: Connection, projections: Iterable[Projection]) -> dict[str, Table]:
    """The live generation of each projection; the first is made where there is none.

    Raises `ProjectionOutdated` if one was built by other rules.
    """
    registered = _registered(connection)
    tables = {}
    for projection in projections:
        if projection.name not in registered:
            _create_first(connection, projection)
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


def _create_first(connection: Connection, projection: Projection) -> None:
    table = Table(projection, 1)
    try:
        with translated(), connection.transaction():
            connection.execute(table.create())
            connection.execute(table.index())
            connection.execute(
                "INSERT INTO iamledger.projections (name, generation, declaration) VALUES (%s, 1, %s)",
                (projection.name, projection.digest()),
            )
    except (psycopg.errors.DuplicateTable, psycopg.errors.UniqueViolation):
        pass  # somebody else made it at the same moment

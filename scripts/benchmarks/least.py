"""The least that a verification must do, as tasks of workers, which import nothing of the other benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson

from iamledger.engine.compile import Table
from iamledger.engine.verify import found_rows
from iamledger.replay.hashes import CHECKED, streamed
from iamledger.replay.reading import Reading
from iamledger.store import Connection


@dataclass(frozen=True, slots=True)
class Hashed:
    """The events of a stretch: read, parsed, made canonical; hashed as body, leaf, node of the tree and personal value."""

    account_id: str
    after: int
    upto: int

    def run(self, connection: Connection, _tell: Callable[[int], None]) -> None:
        """Do it."""
        loads, dumps, hashed, sort = orjson.loads, orjson.dumps, sha256, orjson.OPT_SORT_KEYS
        stretch = {"account": self.account_id, "after": self.after, "upto": self.upto}
        for chunk in streamed(connection, CHECKED, stretch):
            for _position, leaf, _time, type_, version, tags, context, data, _personal, salt, told, data_told in chunk:
                content = {
                    "context": loads(context),
                    "data": loads(data),
                    "tags": tags,
                    "type": type_,
                    "version": version,
                }
                hashed(dumps(content, None, sort)).hexdigest()
                hashed(leaf * 6).digest()  # a leaf's entry is as long
                hashed(leaf * 2).digest()  # and so is a node
                for text in (told, data_told):
                    if salt is not None and text != "{}":
                        hashed(dumps(loads(text), None, sort)).hexdigest()


@dataclass(frozen=True, slots=True)
class RowsRead:
    """The events that a group of projections listens to, read and parsed; and all of their rows, read and packed."""

    account_id: str
    tables: Sequence[Table]
    upto: int

    def run(self, connection: Connection, _tell: Callable[[int], None]) -> None:
        """Do it."""
        reading = Reading([table.projection for table in self.tables])
        for chunk in streamed(connection, reading.statement, reading.parameters(self.account_id, self.upto)):
            for row in chunk:
                orjson.loads(row[4])
        for table in self.tables:
            for _ in found_rows(connection, self.account_id, table, self.upto):
                pass

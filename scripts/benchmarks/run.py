"""One run: its server, its sizes, and the ledgers that several groups of measurements share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from benchmarks import filling
from benchmarks.server import Server
from iamledger.engine.compile import Table
from iamledger.engine.declaration import Projection
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import live_tables
from iamledger.store import Connection, connect
from iamledger_projections import projections

QUICK = 20
"""By how much a quick run's sizes are divided."""


@dataclass(frozen=True)
class Ledgers:
    """A database with ledgers by the fixed mix."""

    url: str
    events: int
    accounts: Sequence[str]
    contents: filling.Contents


@dataclass
class Run:
    """What every group of measurements is given."""

    server: Server
    quick: bool = False
    rounds_asked: int | None = None
    begun: float = field(default_factory=monotonic)
    made: dict[tuple[int, int], Ledgers] = field(default_factory=dict)

    def size(self, full: int) -> int:
        """How many of what a full run has this one has."""
        return max(1, full // QUICK) if self.quick else full

    def rounds(self, full: int) -> int:
        """How many rounds, of a measurement that has so many in a full run."""
        return self.rounds_asked or (min(full, 2) if self.quick else full)

    def tell(self, what: str) -> None:
        """Say on standard error what is going on."""
        print(f"[{monotonic() - self.begun:5.0f} s] {what}", file=sys.stderr, flush=True)

    def ledgers(self, events: int, accounts: int) -> Ledgers:
        """So many events (of a full run) in so many accounts, by the fixed mix; made once."""
        events = self.size(events)
        if (events, accounts) not in self.made:
            self.tell(f"writing {events:,} events into {accounts} accounts")
            url = self.server.database()
            contents = filling.write(url, filling.lives(accounts, events))
            self.server.interleave(url)
            self.server.settle(url)
            self.made[events, accounts] = Ledgers(url, events, filling.accounts(accounts), contents)
        return self.made[events, accounts]

    def build(self, url: str) -> None:
        """Build every projection of a database, on statistics that are fresh before and after. Not measured."""
        self.server.settle(url)
        with connect(url) as connection:
            for projection in all_projections():
                rebuild(connection, projection)
        self.server.settle(url)


def all_projections() -> list[Projection]:
    """Every projection that comes with the product, dearest to build first."""
    return sorted(projections().values(), key=lambda p: len(p.rules) * (1 + len(p.columns)), reverse=True)


def live(connection: Connection) -> list[Table]:
    """The live generation of every projection."""
    return list(live_tables(connection, all_projections()).values())

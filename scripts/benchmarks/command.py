"""The command line of scripts/bench."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path

GROUPS = (
    "startup",
    "appends",
    "quota",
    "rebuild",
    "catchup",
    "verify",
    "asof",
    "boundary",
    "review",
    "plan",
    "policy",
    "access",
)
EXAMPLES = """\
examples:
  scripts/bench                         everything, at full size (about 35 minutes)
  scripts/bench --quick                 everything at a twentieth of the size: does the benchmark itself work?
  scripts/bench appends rebuild         two groups
  scripts/bench asof --rounds 30 --json asof.json
  scripts/bench --server 'host=db.example user=postgres'    on another PostgreSQL

A bar that is missed is printed as missed; the exit status tells only whether everything could be measured.
"""


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = _parser()
    wanted = parser.parse_args()
    if unknown := sorted(set(wanted.names) - set(GROUPS)):
        parser.error(f"there is no group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped
    try:
        import psycopg_pool  # noqa: F401
    except ModuleNotFoundError:
        print(
            "The event store that we are measured against needs psycopg-pool: .venv/bin/pip install 'psycopg[pool]'",
            file=sys.stderr,
        )
        return 2
    from benchmarks import report
    from benchmarks.run import Run
    from benchmarks.server import serve

    groups = {name: import_module(f"benchmarks.{name}") for name in wanted.names or GROUPS}
    results: list[report.Result] = []
    failed: list[str] = []
    with serve(wanted.server) as server:
        run = Run(server, wanted.quick, wanted.rounds)
        about = report.surroundings(server)
        for name, group in groups.items():
            run.tell(name)
            try:
                results += group.measure(run)
            except Exception:
                traceback.print_exc()
                failed.append(name)
        mixes = [made.contents.rows() for made in run.made.values()]
    about["load"] += f", {os.getloadavg()[0]:.1f} at the end; only ratios tell much if others used the machine"
    if wanted.quick:
        about["note"] = "--quick: sizes divided by 20, few rounds. These are not the numbers to look at."
    print("\n".join(f"{name + ':':<10} {text}" for name, text in about.items()))
    if mixes:
        print("\nThe mix of events, as it was written:\n\n" + report.markdown(max(mixes, key=len)))
    print("\nMedians (least to most); a ratio is the median of the ratios of single rounds.\n")
    print(report.table(results))
    if wanted.json:
        report.write_json(wanted.json, about, results)
    for name in failed:
        print(f"\n{name} could not be measured; see above.", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "scripts/bench",
        description="Measure iamledger beside what it is measured against, in one run on one server.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"groups: {', '.join(GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="divide sizes by 20, to see that the benchmark works")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="rounds of every measurement, instead of its own number"
    )
    parser.add_argument(
        "--server", metavar="URL", help="another PostgreSQL, as a superuser, instead of an embedded one"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything into a file, for programs")
    return parser

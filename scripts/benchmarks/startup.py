"""Whole processes, from start to exit: the command line against importing a library that it cannot do without."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measuring import interleaved, seconds
from benchmarks.report import Bar, Result
from benchmarks.run import Run

USERS = 20


def measure(run: Run) -> Iterator[Result]:
    """`--help`, which imports as little as it can; and a read on a server that runs."""
    program = Path(sys.executable).with_name("iamledger")
    environment = _environment(run)
    run.tell(f"an account of {USERS} users, by the command line")
    _process(environment, program, "account", "create", "acme", "--email", "root@acme.example")
    for n in range(USERS):
        _process(environment, program, "user", "create", f"user-{n}", "--path", "/engineering/")
    run.tell("starting processes")
    contenders = {
        "help": partial(_process, environment, program, "--help"),
        "typer": partial(_process, environment, sys.executable, "-c", "import typer"),
        "list": partial(_process, environment, program, "user", "list"),
        "psycopg": partial(_process, environment, sys.executable, "-c", "import psycopg"),
    }
    interleaved(2, contenders)
    found = interleaved(run.rounds(25), contenders)
    help_, list_ = Bar("ratio", "at most", 1.5), Bar("ratio", "at most", 2.5)
    yield Result("startup", "`iamledger --help`", "ms", found["help"], found["typer"], "import typer", help_)
    yield Result("startup", "`iamledger user list`", "ms", found["list"], found["psycopg"], "import psycopg", list_)


def _environment(run: Run) -> dict[str, str]:
    """The embedded default, or the server that was named."""
    if run.server.home is not None:
        return {**os.environ, "IAMLEDGER_HOME": str(run.server.home)}
    return {
        **os.environ,
        "IAMLEDGER_DATABASE_URL": run.server.database(),
        "IAMLEDGER_MASTER_KEY": b64encode(bytes(32)).decode(),
    }


def _process(environment: dict[str, str], *command: str | Path) -> float:
    """How long one process takes, in ms. It must succeed."""

    def work() -> None:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.decode()}")

    return seconds(work) * 1000

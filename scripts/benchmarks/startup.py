"""Whole processes, from start to exit: the command line against importing a library that it cannot do without."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import filling
from benchmarks.appends import MASTER_KEY
from benchmarks.measuring import interleaved, seconds
from benchmarks.report import Bar, Result
from benchmarks.run import Run
from iamledger.iam.account import create_account
from iamledger.iam.user import create_user
from iamledger.ledger import Circumstances, Ledger
from iamledger.opening import open_database
from iamledger.settings import Settings

USERS = 20


def measure(run: Run) -> Iterator[Result]:
    """`--help`, which imports as little as it can; and a read on a server that runs."""
    program = Path(sys.executable).with_name("iamledger")
    environment = _environment(run)
    run.tell(f"starting processes, beside an account of {USERS} users")
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
    """Settings of a small account: on the embedded default, or on the server that was named."""
    url = None if run.server.home else run.server.database()
    settings = Settings(run.server.home or Path("/nowhere"), url, owner_url=None, account=None)
    database = open_database(settings)
    (account_id,) = filling.accounts(1)
    ledger = Ledger(database, account_id, Circumstances(filling.ACTOR), master_key=lambda: MASTER_KEY)
    ledger.execute(create_account, account=account_id, account_name="acme", email="root@acme.example")
    for n in range(USERS):
        ledger.execute(create_user, name=f"user-{n}", path="/engineering/")
    database.close()
    place = {"IAMLEDGER_HOME": str(settings.home)} if url is None else {"IAMLEDGER_DATABASE_URL": url}
    return {**os.environ, **place}


def _process(environment: dict[str, str], *command: str | Path) -> float:
    """How long one process takes, in ms. It must succeed."""

    def work() -> None:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.decode()}")

    return seconds(work) * 1000

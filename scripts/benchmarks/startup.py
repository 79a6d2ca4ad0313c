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
from iamledger.accounts import account_ids
from iamledger.iam.account import create_account
from iamledger.iam.inline_policy import put_user_policy
from iamledger.iam.user import create_user
from iamledger.ledger import Circumstances, Ledger
from iamledger.opening import open_database
from iamledger.settings import Settings

USERS = 20
OWN_BUCKET = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject",'
    '"Resource":"arn:aws:s3:::${aws:username}/*"}}'
)


def measure(run: Run) -> Iterator[Result]:
    """`--help`, which imports as little as it can; and a read on a server that runs."""
    program = Path(sys.executable).with_name("iamledger")
    environment = small_account(run)
    run.tell(f"starting processes, beside an account of {USERS} users")
    contenders = {
        "help": partial(process, environment, program, "--help"),
        "typer": partial(process, environment, sys.executable, "-c", "import typer"),
        "list": partial(process, environment, program, "user", "list"),
        "psycopg": partial(process, environment, sys.executable, "-c", "import psycopg"),
    }
    interleaved(2, contenders)
    found = interleaved(run.rounds(25), contenders)
    help_, list_ = Bar("ratio", "at most", 1.5), Bar("ratio", "at most", 2.5)
    yield Result("startup", "`iamledger --help`", "ms", found["help"], found["typer"], "import typer", help_)
    yield Result("startup", "`iamledger user list`", "ms", found["list"], found["psycopg"], "import psycopg", list_)


def small_account(run: Run) -> dict[str, str]:
    """Settings of a small account, made once: on the embedded default, or on the server that was named.

    Each user may read a bucket of its own.
    """
    url = None if run.server.home else run.server.database()
    settings = Settings(run.server.home or Path("/nowhere"), url, owner_url=None, account=None)
    database = open_database(settings)
    (account_id,) = filling.accounts(1)
    ledger = Ledger(database, account_id, Circumstances(filling.ACTOR), master_key=lambda: MASTER_KEY)
    if account_id not in account_ids(database.connection):
        ledger.execute(create_account, account=account_id, account_name="acme", email="root@acme.example")
        for n in range(USERS):
            ledger.execute(create_user, name=f"user-{n}", path="/engineering/")
            ledger.execute(put_user_policy, user=f"user-{n}", policy_name="own", document=OWN_BUCKET)
    database.close()
    place = {"IAMLEDGER_HOME": str(settings.home)} if url is None else {"IAMLEDGER_DATABASE_URL": url}
    return {**os.environ, **place}


def process(environment: dict[str, str], *command: str | Path) -> float:
    """How long one process takes, in ms. It must succeed."""

    def work() -> None:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.decode()}")

    return seconds(work) * 1000

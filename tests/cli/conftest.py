"""The program under test, as a person or a script runs it: arguments, environment, exit status, output, errors."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest

from conftest import MASTER_KEY, Urls
from iamledger.cli.main import run

IAMLEDGER = str(Path(sys.executable).with_name("iamledger"))
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Ran:
    """What a run of the program left."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer, which must be one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines of the answer."""
        return self.out.splitlines()


@dataclass(frozen=True)
class Program:
    """`iamledger` with an environment and a folder of its own.

    Called, it runs within this process, by its entry point; `process` runs the installed program.
    """

    folder: Path
    environment: Mapping[str, str]
    urls: Urls | None = None
    held: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, **environment: str) -> Ran:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors="surrogateescape") for _ in range(2))
        status: Any = 0
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            with (
                patch.dict(os.environ, {**self.environment, **environment}, clear=True),
                patch.object(sys, "argv", ["iamledger", *arguments]),
                patch.object(sys, "stdout", out),
                patch.object(sys, "stderr", err),
            ):
                try:
                    run()
                except SystemExit as end:
                    status = end.code or 0
                except Exception:
                    status = 1
                    traceback.print_exc(file=err)
        finally:
            os.chdir(before)
        for stream in (out, err):
            stream.flush()
        return Ran(status, *(stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in (out, err)))  # type: ignore[attr-defined]

    def process(self, *arguments: str | bytes, stdin: str | None = None, **environment: str) -> Ran:
        """Run the installed program."""
        done = subprocess.run(
            [IAMLEDGER, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            cwd=self.folder,
            env={**self.environment, **environment},
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the installed program, with its streams piped unless the options say otherwise."""
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "cwd": self.folder,
            **options,
            "env": {**self.environment, **options.get("env", {})},
        }
        return subprocess.Popen([IAMLEDGER, *arguments], **options)

    def shell(self, script: str, **environment: str) -> Ran:
        """Run a script of bash in which `iamledger` is the installed program."""
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**self.environment, **environment},
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def did(self, *arguments: str, **environment: str) -> Any:
        """Run a command that must succeed; its answer in JSON."""
        ran = self(*arguments, "--output", "json", **environment)
        assert ran.status == 0, ran.err
        return ran.json

    def issued(self, *arguments: str) -> tuple[str, str]:
        """Run a command that issues an access key: the key's id, and its secret."""
        result = self.did("access-key", *arguments)["Result"]
        return result["AccessKeyId"], result["SecretAccessKey"]

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the database, as a superuser."""
        assert self.urls is not None
        with psycopg.connect(self.urls.superuser, autocommit=True) as superuser:
            cursor = superuser.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def heads(self) -> list[tuple[Any, ...]]:
        """The head of every ledger, and the number of everything that is stored."""
        return self.rows(
            "SELECT account_id, head, recorded_at FROM iamledger.ledgers"
            " UNION ALL SELECT name, n, NULL FROM (SELECT 'events' AS name, count(*) AS n FROM iamledger.events"
            " UNION ALL SELECT 'requests', count(*) FROM iamledger.requests"
            " UNION ALL SELECT 'secrets', count(*) FROM iamledger.secrets) AS counted ORDER BY 1"
        )


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment with nothing of this machine in it but the way to the program."""
    return {
        "PATH": f"{Path(IAMLEDGER).parent}:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "IAMLEDGER_HOME": str(home),
        **more,
    }


def own_server(urls: Urls) -> dict[str, str]:
    """The settings for a server of one's own."""
    return {"IAMLEDGER_DATABASE_URL": urls.application, "IAMLEDGER_MASTER_KEY": b64encode(MASTER_KEY.key).decode()}


def empty(urls: Urls) -> None:
    """Make a database as it was after its migration, which is faster than to drop it and make another."""
    with psycopg.connect(urls.superuser, autocommit=True) as superuser:
        superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        superuser.execute("SET session_replication_role = replica")  # the triggers refuse it otherwise
        tables = superuser.execute(
            "SELECT n.nspname, format('%I.%I', n.nspname, c.relname) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname LIKE 'iamledger%'"
        ).fetchall()
        for schema, table in tables:
            superuser.execute(f"{'TRUNCATE' if schema == 'iamledger' else 'DROP TABLE'} {table}")
        superuser.execute(f'ALTER DATABASE "{superuser.info.dbname}" RESET ALL')


@pytest.fixture(scope="session")
def one_database(new_database: Callable[[], Urls]) -> Urls:
    """A database that is emptied before each test."""
    return new_database()


@pytest.fixture
def program(one_database: Urls, tmp_path: Path) -> Program:
    """The program on an empty database."""
    empty(one_database)
    return Program(tmp_path, environment(tmp_path / "home", **own_server(one_database)), one_database)


@pytest.fixture
def acme(program: Program) -> Program:
    """The program on a database with the account acme and the user alice."""
    program.did("account", "create", "acme", "--email", "root@acme.example", "--id", "123456789012")
    program.did("user", "create", "alice", "--path", "/engineering/", "--tag", "team=storage")
    return program


def acme_with_key(urls: Urls, folder: Path) -> Program:
    """The program on a database with the account acme and the user alice, who has a key."""
    program = Program(folder, environment(folder / "home", **own_server(urls)), urls)
    program.did("account", "create", "acme", "--email", "root@acme.example", "--id", "123456789012")
    program.did("user", "create", "alice", "--path", "/engineering/", "--tag", "team=storage")
    program.held["key"], program.held["secret"] = program.issued("create", "alice")
    return program


@pytest.fixture(scope="session")
def shared_acme(new_database: Callable[[], Urls], tmp_path_factory: pytest.TempPathFactory) -> Program:
    """As `acme`, for tests that leave everything as it is."""
    return acme_with_key(new_database(), tmp_path_factory.mktemp("shared"))


@pytest.fixture
def embedded() -> Iterator[Program]:
    """The program without any setting but a home, where it will make its own server; that is stopped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="iamledger-cli-"))
    folder.chmod(0o755)  # root's server has another user, who must get through
    program = Program(folder, environment(folder / "home"))
    yield program
    program("db", "stop")
    shutil.rmtree(folder)

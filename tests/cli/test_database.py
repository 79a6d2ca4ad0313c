"""The database behind the program: unreachable, unmigrated, locked, restarted, one's own, or embedded."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cli.conftest import Program, environment
from conftest import ACCOUNT, MASTER_KEY, OPERATOR, Urls
from iamledger import store
from iamledger.iam.access_key import create_access_key
from iamledger.iam.user import create_user
from iamledger.ledger import Circumstances, Ledger
from iamledger.store import Database
from iamledger.store.embedded import SUPERUSER, EmbeddedServer

KEY = b64encode(MASTER_KEY.key).decode()
CREATE = ["account", "create", "acme", "--email", "root@acme.example", "--id", ACCOUNT]

# Unreachable


@pytest.mark.parametrize(
    "arguments", [["user", "list"], ["user", "create", "bob"], CREATE, ["db", "status"], ["db", "migrate"]]
)
def test_an_unreachable_server_is_told_soon(arguments: list[str], program: Program) -> None:
    begun = time.monotonic()
    ran = program(*arguments, IAMLEDGER_DATABASE_URL="postgresql://nobody:hunter2@127.0.0.1:1/nowhere")
    assert time.monotonic() - begun < 5
    assert (ran.status, ran.out) == (5, "")
    assert ran.err.startswith("Unreachable: the database cannot be reached: ")
    assert "Traceback" not in ran.err
    assert "hunter2" not in ran.err


def test_a_server_that_does_not_answer_is_given_up(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"host=127.0.0.1 port={silent.getsockname()[1]} dbname=x connect_timeout=2"
        begun = time.monotonic()
        ran = program("user", "list", IAMLEDGER_DATABASE_URL=url)
    assert time.monotonic() - begun < 6
    assert (ran.status, ran.out) == (5, "")


@pytest.mark.parametrize("url", ["nonsense", "host=", "postgresql://[", "dbname=nosuch", "port=x", "sslmode=maybe"])
def test_a_url_that_leads_nowhere_is_no_traceback(url: str, program: Program) -> None:
    assert program.urls is not None
    if url == "dbname=nosuch":
        url = make_conninfo(program.urls.application, dbname="nosuch")
    if url == "host=":
        url = "host=/nowhere"
    ran = program("user", "list", IAMLEDGER_DATABASE_URL=url)
    assert (ran.status, ran.out) == (5, "")
    assert ran.err.startswith("Unreachable: ")
    assert "Traceback" not in ran.err


def test_a_database_without_the_schema_is_to_be_migrated(server: str, program: Program) -> None:
    url = make_conninfo(server, dbname="template1")
    for arguments in (["user", "list"], CREATE, ["audit", "replay"], ["projection", "status"]):
        ran = program(*arguments, IAMLEDGER_DATABASE_URL=url)
        assert (ran.status, ran.out) == (5, "")
        assert ran.err.startswith("SchemaOutdated: ")
        assert "iamledger db migrate" in ran.err
    told = program("db", "status", "-o", "json", IAMLEDGER_DATABASE_URL=url).json
    assert told["Schema"].endswith("migrations missing: iamledger db migrate")


def test_a_database_that_is_newer_is_told(program: Program) -> None:
    program.rows("INSERT INTO public.iamledger_migrations (number, name) VALUES (999, 'tomorrow')")
    try:
        ran = program("db", "migrate")
        assert ran.status == 5
        assert "999" in ran.err
        assert "upgrade iamledger" in ran.err
    finally:
        program.rows("DELETE FROM public.iamledger_migrations WHERE number = 999")


def test_the_second_of_two_hosts_is_used_if_the_first_is_down(acme: Program) -> None:
    assert acme.urls is not None
    here = conninfo_to_dict(acme.urls.application)
    url = make_conninfo(acme.urls.application, host=f"127.0.0.1,{here['host']}", port=f"1,{here.get('port', 5432)}")
    assert acme("user", "show", "alice", IAMLEDGER_DATABASE_URL=url).status == 0
    assert acme("user", "create", "bob", IAMLEDGER_DATABASE_URL=url).status == 0


# Locks


def locked(urls: Urls, statement: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection that holds a lock until it is closed."""
    holder = psycopg.connect(urls.superuser)
    holder.execute(statement)
    return holder


HEAD = f"SELECT FROM iamledger.ledgers WHERE account_id = '{ACCOUNT}' FOR UPDATE"


@pytest.mark.parametrize(
    "arguments", [["user", "create", "bob"], ["access-key", "create", "alice", "--save", "key.csv"]]
)
def test_a_head_that_stays_locked_is_a_conflict(arguments: Sequence[str], acme: Program) -> None:
    assert acme.urls is not None
    before = acme.heads()
    with patch("iamledger.store.connection.LOCK_TIMEOUT", "50ms"), locked(acme.urls, HEAD):
        ran = acme(*arguments)
    assert (ran.status, ran.out) == (4, "")
    assert ran.err.startswith(f"Conflict: Somebody holds a lock on the ledger of account {ACCOUNT}")
    assert "Repeat the command" in ran.err
    assert acme.heads() == before
    assert not (acme.folder / "key.csv").exists()
    assert acme(*arguments).status == 0


def test_reading_goes_on_while_the_head_is_locked(acme: Program) -> None:
    assert acme.urls is not None
    acme("user", "list")
    with patch("iamledger.store.connection.LOCK_TIMEOUT", "50ms"), locked(acme.urls, HEAD):
        for arguments in (["user", "list"], ["audit", "log"], ["user", "list", "--as-of", "1"]):
            assert acme(*arguments).status == 0
        ((now,),) = acme.rows("SELECT iamledger.iso(clock_timestamp())")
        ran = acme("user", "list", "--as-of", now)
    assert (ran.status, ran.out) == (4, "")  # whoever holds the head may be about to append at that time
    assert ran.err.startswith("Conflict: ")


def test_a_projection_that_stays_locked_is_a_conflict(acme: Program) -> None:
    assert acme.urls is not None
    acme("user", "list")
    lock = "LOCK TABLE iamledger_projections.users_1 IN ACCESS EXCLUSIVE MODE"
    with patch("iamledger.store.connection.LOCK_TIMEOUT", "50ms"), locked(acme.urls, lock):
        ran = acme("user", "list")
    assert (ran.status, ran.out) == (4, "")
    assert ran.err.startswith("Conflict: ")
    assert acme("user", "list").status == 0


@pytest.mark.slow
def test_a_locked_head_is_waited_for_and_then_told(acme: Program) -> None:
    assert acme.urls is not None
    with locked(acme.urls, HEAD):
        begun = time.monotonic()
        ran = acme.process("user", "create", "bob")
        assert 5 < time.monotonic() - begun < 30
    assert (ran.status, ran.out) == (4, "")
    waiting = acme.start("user", "create", "bob")
    with locked(acme.urls, HEAD):
        time.sleep(1)
    assert waiting.communicate(timeout=30)[0].startswith("Created user bob.")


# Sessions that are killed


def kill(urls: Urls, pid: int) -> None:
    """End a session as an administrator does."""
    with psycopg.connect(urls.superuser, autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def ledger(database: Database) -> Ledger:
    """The ledger of acme, in this process."""
    return Ledger(database, ACCOUNT, Circumstances(OPERATOR), master_key=lambda: MASTER_KEY)


@pytest.fixture
def database(acme: Program) -> Iterator[Database]:
    """A connection of the test's own to acme's database."""
    assert acme.urls is not None
    database = Database(acme.urls.application)
    yield database
    database.close()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_command_whose_session_is_killed_is_repeated_and_happens_once(
    when: str, acme: Program, database: Database
) -> None:
    assert acme.urls is not None
    urls, real, calls = acme.urls, store.append, 0

    def append(connection: store.Connection, *arguments: Any, **more: Any) -> store.Appended:
        nonlocal calls
        calls += 1
        if calls == 1 and when == "before":
            kill(urls, connection.info.backend_pid)
        appended = real(connection, *arguments, **more)
        if calls == 1:
            kill(urls, connection.info.backend_pid)
            connection.execute("SELECT 1")  # the answer is lost
        return appended

    def translated(*arguments: Any, **more: Any) -> store.Appended:
        with store.translated():
            return append(*arguments, **more)

    with patch.object(store, "append", translated):
        outcome = ledger(database).execute(create_access_key, user="alice")
    assert not outcome.repeated
    assert len(outcome.secrets) == 1  # told again to the very process that lost the answer
    assert (outcome.first, outcome.last) == (8, 8)
    assert acme.rows("SELECT head FROM iamledger.ledgers") == [(8,)]
    assert acme.rows("SELECT count(*) FROM iamledger.secrets") == [(1,)]


def test_a_session_that_is_killed_between_commands_is_opened_again(acme: Program, database: Database) -> None:
    assert acme.urls is not None
    speaker = ledger(database)
    for name in ("a", "b", "c"):
        kill(acme.urls, database.connection.info.backend_pid)
        assert speaker.execute(create_user, name=name).events


def test_a_reader_whose_session_is_killed_gets_a_clear_error(acme: Program) -> None:
    assert acme.urls is not None
    urls = acme.urls

    def list_users(view: Any, *_: Any) -> Any:
        kill(urls, view.connection.info.backend_pid)
        return view.rows("SELECT 1")

    with patch("iamledger_projections.users.list_users", list_users):
        ran = acme("user", "list")
    assert (ran.status, ran.out) == (5, "")
    assert ran.err.startswith("Unreachable: the database cannot be reached: ")
    assert "Traceback" not in ran.err


# Master keys


def test_a_server_of_ones_own_needs_a_master_key(program: Program) -> None:
    ran = program(*CREATE, IAMLEDGER_MASTER_KEY="")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("MasterKeyError: A server of your own needs a master key: set IAMLEDGER_MASTER_KEY_FILE")
    assert program.rows("SELECT count(*) FROM iamledger.ledgers") == [(0,)]
    assert not (program.folder / "home/master.key").exists()
    assert program("account", "list", IAMLEDGER_MASTER_KEY="").status == 0  # reading needs none


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_master_key_that_others_can_read_is_refused(mode: int, program: Program) -> None:
    file = program.folder / "master.key"
    file.write_text(KEY + "\n")
    file.chmod(mode)
    told = {"IAMLEDGER_MASTER_KEY": "", "IAMLEDGER_MASTER_KEY_FILE": str(file)}
    ran = program(*CREATE, **told)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == f"MasterKeyError: The master key file {file} can be read by others. Run: chmod 600 {file}\n"
    assert KEY not in ran.err
    file.chmod(0o600)
    assert program(*CREATE, **told).status == 0


@pytest.mark.parametrize("text", ["", "short", "A" * 43, KEY[:-2], f"{KEY}{KEY}", "\0" * 44, "é" * 32])
def test_a_malformed_master_key_is_refused_and_not_repeated(text: str, program: Program) -> None:
    file = program.folder / "master.key"
    file.write_text(text)
    file.chmod(0o600)
    ran = program(*CREATE, IAMLEDGER_MASTER_KEY="", IAMLEDGER_MASTER_KEY_FILE=str(file))
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"MasterKeyError: The master key file {file} must hold 32 random bytes in base64.")
    assert not text or text not in ran.err


@pytest.mark.parametrize("name", ["missing.key", "."])
def test_a_master_key_file_that_is_none_is_refused(name: str, program: Program) -> None:
    path = str(program.folder / name)
    ran = program(*CREATE, IAMLEDGER_MASTER_KEY="", IAMLEDGER_MASTER_KEY_FILE=path)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("MasterKeyError: The master key file ")
    assert "Traceback" not in ran.err


# A server of one's own


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedServer]:
    """A server on which nobody has ever run iamledger, with passwords, an owner `dba` of a database, and a user `app`."""
    home = Path(tempfile.mkdtemp(prefix="iamledger-own-"))
    home.chmod(0o755)
    server = EmbeddedServer(home)
    server.ensure_running()
    with psycopg.connect(server.conninfo(SUPERUSER, "postgres"), autocommit=True) as superuser:
        superuser.execute("CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'owns'")
        superuser.execute("CREATE ROLE app LOGIN PASSWORD 'applies'")
        superuser.execute("CREATE DATABASE iam OWNER dba")
        rules = server.data_directory / "pg_hba.conf"
        rules.write_text(f"local all {SUPERUSER} trust\nlocal all all scram-sha-256\n")
        superuser.execute("SELECT pg_reload_conf()")
    try:
        yield server
    finally:
        server.stop(mode="immediate")
        shutil.rmtree(home, ignore_errors=True)


def test_a_server_of_ones_own_from_the_beginning(own: EmbeddedServer, tmp_path: Path) -> None:
    def url(user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@/iam?host={own.socket_directory}"

    program = Program(
        tmp_path,
        environment(tmp_path / "home", IAMLEDGER_DATABASE_URL=url("app", "applies"), IAMLEDGER_MASTER_KEY=KEY),
    )
    owner = {"IAMLEDGER_OWNER_URL": url("dba", "owns")}

    wrong = program("user", "list", IAMLEDGER_DATABASE_URL=url("app", "hunter2"))
    assert (wrong.status, wrong.out) == (5, "")
    assert 'password authentication failed for user "app"' in wrong.err
    assert "hunter2" not in wrong.err

    for arguments in (["user", "list"], CREATE):  # the role is made by the first migration
        early = program(*arguments)
        assert (early.status, early.out) == (5, "")
        assert "iamledger db migrate" in early.err
        assert "Traceback" not in early.err
    denied = program("db", "migrate")
    assert (denied.status, denied.out) == (1, "")
    assert denied.err.startswith("AccessDenied: permission denied")

    missing = program("db", "migrate", "--dry-run", "-o", "json", **owner).json["Missing"]
    assert [row["Migration"] for row in missing] == list(range(1, len(missing) + 1))
    assert program("db", "migrate", "-o", "json", **owner).json == {"Applied": missing}
    assert program("db", "migrate", **owner).err == "The schema is up to date.\n"

    stranger = program("user", "list")
    assert (stranger.status, stranger.out) == (5, "")
    assert "iamledger_app" in stranger.err
    with psycopg.connect(url("dba", "owns"), autocommit=True) as dba:
        dba.execute("GRANT iamledger_app TO app")

    told = program("db", "status", "-o", "json").json
    assert (told["User"], told["Database"], told["Schema"]) == ("app", "iam", "up to date")
    program.did(*CREATE)
    program.did("user", "create", "alice", "--tag", "a=b")
    key, _ = program.issued("create", "alice")
    program.did("access-key", "revoke", key)
    for arguments in (
        ["account", "show"],
        ["user", "list", "--as-of", "2"],
        ["access-key", "list"],
        ["audit", "log", "--patch"],
        ["audit", "replay", "--verify"],
        ["projection", "rebuild", "--verify"],
        ["projection", "status"],
    ):
        assert program(*arguments).status == 0, arguments
    actor = program("audit", "show", "1", "-o", "json").json["Event"]["Actor"]
    assert actor["database_user"] == "app"
    with psycopg.connect(url("app", "applies")) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("DELETE FROM iamledger.events")


def test_a_server_that_restarts_between_commands(own: EmbeddedServer, tmp_path: Path) -> None:
    with psycopg.connect(own.conninfo(SUPERUSER, "postgres"), autocommit=True) as superuser:
        superuser.execute("CREATE DATABASE restarted")
    url = own.conninfo(SUPERUSER, "restarted")
    program = Program(tmp_path, environment(tmp_path, IAMLEDGER_DATABASE_URL=url, IAMLEDGER_MASTER_KEY=KEY))
    assert program("db", "migrate").status == 0
    program.did(*CREATE)
    database = Database(url)
    speaker = ledger(database)
    speaker.execute(create_user, name="first")
    own.stop(mode="fast")
    down = program("user", "list")
    assert (down.status, down.out) == (5, "")
    own.ensure_running()
    program.did("user", "create", "second")
    speaker.execute(create_user, name="third")  # with a session of before
    database.close()
    assert [user["UserName"] for user in program.did("user", "list")["Users"]] == ["first", "second", "third"]


# The embedded server


@pytest.mark.slow
def test_ten_commands_at_once_on_a_fresh_home(embedded: Program) -> None:
    names = [f"account-{n}" for n in range(10)]
    started = [
        embedded.start("account", "create", name, "--email", "root@acme.example", "-o", "json") for name in names
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert '"Position": 1' in out
    listed = embedded("account", "list", "-o", "json").json["Accounts"]
    assert sorted(account["AccountName"] for account in listed) == sorted(names)
    assert (embedded.folder / "home/master.key").stat().st_mode & 0o777 == 0o600
    at_once = [embedded.start("user", "create", f"user-{n}", "--account", "account-1", "-o", "json") for n in range(10)]
    positions = []
    for process in at_once:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        positions.append(int(out.split('"Position": ')[1].split(",")[0]))
    assert sorted(positions) == list(range(7, 17))


@pytest.mark.slow
def test_the_embedded_servers_url_master_key_and_log(embedded: Program) -> None:
    assert embedded(*CREATE).status == 0
    embedded.did("user", "create", "alice")
    for arguments, user in (([], "iamledger_app"), (["--owner"], "iamledger_owner")):
        url = embedded("db", "url", *arguments).out.strip()
        with psycopg.connect(url) as connection:
            assert connection.info.user == user
            assert connection.execute("SELECT count(*) FROM iamledger.recorded").fetchone() == (7,)
    key = embedded.folder / "home/master.key"
    key.chmod(0o644)
    refused = embedded("access-key", "create", "alice")
    assert (refused.status, refused.out) == (1, "")
    assert "can be read by others" in refused.err
    key.chmod(0o600)
    _, secret = embedded.issued("create", "alice")
    os.kill(embedded("db", "status", "-o", "json").json["ProcessId"], 9)  # our own, by its number
    assert embedded.did("access-key", "list")["AccessKeys"][0]["Status"] == "Active"
    assert secret not in (embedded.folder / "home/postgres.log").read_text()
    assert embedded("db", "stop").out == "Stopped.\n"

"""A secret is shown once, to whoever asked for the key, and stands nowhere else."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from base64 import b64decode, b64encode
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest

from cli.conftest import Program, Ran
from conftest import ACCOUNT, MASTER_KEY
from iamledger.cli.session import Writing
from iamledger.ledger import SECRET_KIND

SECRET = re.compile(r"(?<![\w+/])[A-Za-z0-9+/]{40}(?![\w+/=])")


def traces(secret: str) -> list[str]:
    """The forms in which a secret could stand in a text."""
    raw = secret.encode()
    return [secret, raw.hex(), b64decode(secret).hex(), b64encode(raw).decode(), secret[::-1], secret[:20], secret[20:]]


def dump(program: Program) -> str:
    """Every row of every table of the database, as text; bytes in hexadecimal digits."""
    tables = program.rows(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'm', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
    )
    assert {"events", "requests", "secrets", "personal", "data_keys", "event_tags"} <= {name for _, name in tables}
    rows = [
        f"{row}" for schema, name in tables for (row,) in program.rows(f'SELECT t::text FROM "{schema}"."{name}" t')
    ]
    assert len(rows) > 10
    return "\n".join(rows)


def sealed(program: Program) -> list[str]:
    """The credentials whose secrets are stored."""
    return [name for (name,) in program.rows("SELECT credential FROM iamledger.secrets ORDER BY 1")]


def shown(ran: Ran) -> list[str]:
    """What looks like a secret in the output of a command."""
    return SECRET.findall(ran.out + ran.err)


def test_a_secret_is_shown_when_it_is_issued_and_never_again(acme: Program) -> None:
    first = acme("access-key", "create", "alice", "--request-id", "one")
    (secret,) = shown(first)
    key_id = sealed(acme)[0]
    assert "cannot be shown again" in first.err
    for arguments in (
        ["access-key", "create", "alice", "--request-id", "one"],
        ["access-key", "create", "alice", "--request-id", "one", "-o", "json"],
        ["access-key", "create", "alice", "--request-id", "one", "-o", "csv"],
        ["access-key", "create", "alice", "--request-id", "one", "--dry-run"],
        ["access-key", "create", "alice", "--dry-run"],
        ["access-key", "create", "alice", "--dry-run", "-o", "json"],
        ["access-key", "rotate", "alice", "--dry-run"],
        ["access-key", "show", key_id, "-o", "json"],
        ["access-key", "list", "-o", "json"],
        ["user", "show", "alice", "-o", "json"],
        ["audit", "log", "--patch", "-o", "json"],
        ["audit", "key", key_id, "-o", "csv"],
        ["audit", "show", "3"],
        ["audit", "replay", "--verify", "-o", "json"],
    ):
        ran = acme(*arguments)
        assert ran.status == 0, ran.err
        assert secret not in ran.out + ran.err
        assert not [one for one in shown(ran) if not re.fullmatch(r"[0-9a-f]{40}", one)], arguments
    assert sealed(acme) == [key_id]


@pytest.mark.parametrize("output", ["table", "json", "csv"])
@pytest.mark.parametrize("command", ["create", "rotate"])
def test_every_form_of_output_shows_it_just_once(command: str, output: str, acme: Program) -> None:
    if command == "rotate":
        acme.issued("create", "alice")
    ran = acme("access-key", command, "alice", "-o", output)
    assert ran.status == 0
    assert len(shown(ran)) == 1
    assert not shown(Ran(0, "", ran.err))


@pytest.mark.parametrize("secret", ["+" + "a" * 39, "/" + "b" * 39, "a" * 39 + "+"])
def test_a_secret_is_written_as_it_is(secret: str, acme: Program) -> None:
    with patch("iamledger.iam.identifiers.secret_access_key", lambda _entropy: secret):
        assert acme("access-key", "create", "alice", "-o", "csv").lines[1].partition(",")[2] == secret
        assert acme("access-key", "create", "alice", "--save", "key.csv").status == 0
    assert (acme.folder / "key.csv").read_text().splitlines()[1].partition(",")[2] == secret


def test_no_table_of_the_database_holds_a_secret_in_plain_text(acme: Program) -> None:
    old, first = acme.issued("create", "alice")
    _, second = acme.issued("rotate", "alice", "--grace", "0")
    acme.did("access-key", "revoke", old, "--note", "gone")
    acme("audit", "replay", "--verify")
    everything = dump(acme)
    assert old in everything
    for secret in (first, second, b64encode(MASTER_KEY.key).decode()):
        for trace in traces(secret):
            assert trace not in everything
    (context, data) = acme.rows(
        "SELECT string_agg(context::text, ''), string_agg(data::text, '') FROM iamledger.events"
        " WHERE type <> 'ManagedPolicyImported'"  # AWS's policies speak of secrets
    )[0]
    assert "ecret" not in context
    assert "ecret" not in data


def test_what_is_sealed_is_the_secret_that_was_shown(acme: Program) -> None:
    key_id, secret = acme.issued("create", "alice")
    ((wrapped,),) = acme.rows("SELECT wrapped FROM iamledger.data_keys")
    ((value,),) = acme.rows("SELECT sealed FROM iamledger.secrets")
    data_key = MASTER_KEY.unwrap(ACCOUNT, MASTER_KEY.id, bytes(wrapped))
    assert data_key.open(key_id, SECRET_KIND, bytes(value)) == secret


def test_revoking_deletes_the_sealed_secret_of_that_key_alone(acme: Program) -> None:
    old, _ = acme.issued("create", "alice")
    new, _ = acme.issued("rotate", "alice")
    acme("access-key", "revoke", old, "--dry-run")
    assert sealed(acme) == sorted([old, new])
    acme.did("access-key", "deactivate", old)
    assert sealed(acme) == sorted([old, new])
    acme.did("access-key", "revoke", old)
    assert sealed(acme) == [new]
    assert acme("access-key", "revoke", old).status == 1
    acme.did("access-key", "revoke", new)
    assert sealed(acme) == []


def test_a_server_that_logs_everything_never_sees_a_secret(acme: Program) -> None:
    ((data_directory,),) = acme.rows("SHOW data_directory")
    log = Path(data_directory).parent / "postgres.log"
    if not log.exists():
        pytest.skip("the log of this server is not where ours would be")
    ((name,),) = acme.rows("SELECT current_database()")
    for setting in ("log_statement = 'all'", "log_parameter_max_length = -1", "log_error_verbosity = 'default'"):
        acme.rows(f'ALTER DATABASE "{name}" SET {setting}')
    _, first = acme.issued("create", "alice")
    refused = acme("access-key", "create", "nobody")
    _, second = acme.issued("rotate", "alice")
    assert refused.status == 1
    text = log.read_text(errors="replace")
    assert text.count("iamledger.append") >= 2  # it does log them
    assert "sealed" in text  # with their parameters
    for secret in (first, second, b64encode(MASTER_KEY.key).decode()):
        for trace in traces(secret):
            assert trace not in text


# Internal errors


def test_a_traceback_does_not_tell_the_secret(acme: Program) -> None:
    told: list[str] = []

    def fail(_self: Writing, outcome: object, *_rest: object) -> None:
        told.extend(outcome.secrets.values())  # type: ignore[attr-defined]
        raise RuntimeError(f"something is wrong with {outcome}")

    with patch.object(Writing, "tell", fail):
        ran = acme("access-key", "create", "alice")
    assert ran.status == 1
    assert "RuntimeError" in ran.err  # an error that nobody expected is not hidden
    assert told
    assert told[0] not in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("iamledger access-key create alice >/dev/full", "No space left on device"),
        ("iamledger access-key create alice -o json >/dev/full", "No space left on device"),
        ("iamledger access-key create alice | true; exit ${PIPESTATUS[0]}", "Broken pipe"),
    ],
)
def test_a_secret_that_cannot_be_shown_is_told_to_be_lost(script: str, error: str, acme: Program) -> None:
    ran = acme.shell(script)
    (key_id,) = sealed(acme)
    assert ran.status == 1
    assert ran.out == ""
    assert f"The secret of {key_id} is lost: {error}. Revoke that key, and create another.\n" in ran.err
    assert "Traceback" not in ran.err
    assert "Exception" not in ran.err
    assert not shown(ran)


def test_without_an_output_no_key_is_issued(acme: Program) -> None:
    ran = acme.shell("iamledger access-key create alice >&-")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "Standard output is closed. To do without the answer: >/dev/null\n"
    assert sealed(acme) == []


def test_without_standard_error_notes_do_not_get_into_the_answer(acme: Program) -> None:
    ran = acme.shell("iamledger access-key create alice -o csv 2>&-")
    assert ran.status == 0
    assert len(ran.lines) == 2
    assert acme.shell("iamledger access-key create nobody 2>&-").out == ""


def test_nothing_of_it_is_seen_by_others_while_the_command_runs(acme: Program) -> None:
    assert acme.urls is not None
    with psycopg.connect(acme.urls.superuser) as holder:
        holder.execute("SELECT FROM iamledger.ledgers FOR UPDATE")
        command = acme.start("access-key", "create", "alice")
        waiting: list[tuple[str]] = []
        with psycopg.connect(acme.urls.superuser, autocommit=True) as observer:
            give_up = time.monotonic() + 20
            while not waiting and time.monotonic() < give_up:
                time.sleep(0.05)
                waiting = observer.execute(
                    "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                ).fetchall()
        words = Path(f"/proc/{command.pid}/cmdline").read_bytes().decode()
        holder.rollback()
    out, err = command.communicate(timeout=30)
    (secret,) = SECRET.findall(out)
    assert "append" in waiting[0][0]
    for trace in traces(secret):
        assert trace not in waiting[0][0]
        assert trace not in words
        assert trace not in err


# Files


@pytest.mark.parametrize("umask", ["000", "022", "277"])
def test_a_saved_secret_is_readable_by_its_owner_alone(umask: str, acme: Program) -> None:
    ran = acme.shell(f"umask {umask}; iamledger access-key create alice --save key.csv")
    file = acme.folder / "key.csv"
    assert ran.status == 0, ran.err
    assert stat.S_IMODE(file.stat().st_mode) & ~0o600 == 0
    header, line = file.read_text().splitlines()
    assert header == "Access key ID,Secret access key"
    assert line.startswith(f"{sealed(acme)[0]},")
    assert len(SECRET.findall(line)) == 1
    assert not shown(ran)


@pytest.mark.parametrize("command", ["create", "rotate"])
def test_a_file_holds_exactly_one_key(command: str, acme: Program) -> None:
    if command == "rotate":
        acme.issued("create", "alice")
    told = acme("access-key", command, "alice", "--save", "key.csv", "-o", "json")
    result = json.loads(told.out)["Result"]
    assert result["SavedTo"] == "key.csv"
    assert "SecretAccessKey" not in result
    lines = (acme.folder / "key.csv").read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].partition(",")[0] == result["AccessKeyId"]


def test_a_file_is_never_overwritten(acme: Program) -> None:
    file = acme.folder / "key.csv"
    (acme.folder / "link.csv").symlink_to(acme.folder / "elsewhere.csv")
    file.write_text("precious")
    for name in ("key.csv", "link.csv", ".", "no/such/folder.csv", "x" * 300):
        ran = acme("access-key", "create", "alice", "--save", name)
        assert (ran.status, ran.out) == (2, "")
        assert f"{name} cannot be made: " in ran.err.replace("\n", "")
    assert file.read_text() == "precious"
    assert not (acme.folder / "elsewhere.csv").exists()
    assert sealed(acme) == []


def test_a_repeat_needs_no_other_file(acme: Program) -> None:
    command = ("access-key", "create", "alice", "--save", "key.csv", "--request-id", "one")
    acme.did(*command)
    saved = (acme.folder / "key.csv").read_text()
    again = acme(*command)
    assert (again.status, again.lines[0]) == (0, "Done before: Created an access key for user alice.")
    assert (acme.folder / "key.csv").read_text() == saved
    assert len(sealed(acme)) == 1


def test_no_file_is_left_if_no_secret_was_issued(acme: Program) -> None:
    acme.did("access-key", "create", "alice", "--request-id", "one")
    for arguments, status in (
        (["create", "nobody"], 1),
        (["create", "alice", "--dry-run"], 0),
        (["create", "alice", "--request-id", "one"], 0),
        (["rotate", "nobody"], 1),
        (["rotate", "alice", "--grace", "1000d"], 1),
        (["rotate", "alice", "--grace", "soon"], 2),
    ):
        ran = acme("access-key", *arguments, "--save", "key.csv")
        assert ran.status == status
        assert not (acme.folder / "key.csv").exists(), arguments


def test_a_file_that_cannot_be_written_is_removed_and_the_secret_told_to_be_lost(acme: Program) -> None:
    ran = acme.shell("ulimit -f 0; iamledger access-key create alice --save key.csv")
    (key_id,) = sealed(acme)
    assert (ran.status, ran.out) == (1, "")
    assert f"The secret of {key_id} is lost: File too large. Revoke that key, and create another.\n" in ran.err
    assert "Traceback" not in ran.err
    assert not shown(ran)
    assert not (acme.folder / "key.csv").exists()


def test_a_saved_secret_stays_if_only_the_answer_is_lost(acme: Program) -> None:
    ran = acme.shell("iamledger access-key create alice --save key.csv >/dev/full")
    assert ran.status == 1
    assert "is lost" not in ran.err
    assert SECRET.findall((acme.folder / "key.csv").read_text())


def test_the_master_key_is_needed_and_named(acme: Program) -> None:
    other = b64encode(os.urandom(32)).decode()
    ran = acme("access-key", "create", "alice", "--save", "key.csv", IAMLEDGER_MASTER_KEY=other)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"MasterKeyError: The secrets of account {ACCOUNT} were sealed under the master key")
    assert other not in ran.err
    assert sealed(acme) == []
    assert not (acme.folder / "key.csv").exists()
    garbage = acme("access-key", "create", "alice", IAMLEDGER_MASTER_KEY="hunter2hunter2")
    assert garbage.status == 1
    assert "hunter2" not in garbage.err

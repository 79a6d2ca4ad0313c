"""What is printed where: tables for people, JSON and CSV for programs, and nothing that steers a terminal."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import IAMLEDGER, Program, Ran
from conftest import ACCOUNT
from iamledger_projections import projections

ESCAPE = "\x1b"
BOLD_A = "\U0001d400"  # a letter beyond the first plane
READS = [
    ["account", "show"],
    ["user", "list"],
    ["user", "show", "alice"],
    ["access-key", "list"],
    ["access-key", "show", "KEY"],
]
AUDITS = [["audit", "log"], ["audit", "show", "2"], ["audit", "key", "KEY"]]
OTHERS = [["account", "list"], ["projection", "list"], ["projection", "status"], ["audit", "replay"]]


def terminal(program: Program, *arguments: str, width: int = 100, **environment: str) -> Ran:
    """Run the program on a pseudo-terminal of so many columns, where all of its output goes."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    process = program.start(
        *arguments,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={"TERM": "xterm-256color", **environment},
    )
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 65536):
            seen += chunk
    except OSError:  # EIO: the other side was closed
        pass
    os.close(master)
    return Ran(process.wait(timeout=30), seen.decode().replace("\r\n", "\n"), "")


def unstyled(text: str) -> str:
    """A text without the escape codes of styles."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def called(program: Program, arguments: list[str]) -> list[str]:
    """Arguments with the key that the program holds."""
    return [program.held["key"] if word == "KEY" else word for word in arguments]


# Terminals and pipes


@pytest.mark.parametrize("arguments", [*READS, *AUDITS, *OTHERS], ids=" ".join)
def test_in_a_pipe_everything_is_plain(arguments: list[str], shared_acme: Program) -> None:
    ran = shared_acme(*called(shared_acme, arguments), TERM="xterm-256color", FORCE_COLOR="1")
    assert ran.status == 0
    assert ran.out.replace("\n", "").isprintable()
    assert all(line == line.rstrip() for line in ran.lines)


def test_columns_are_aligned_in_a_pipe(shared_acme: Program) -> None:
    header, *rows, _ = shared_acme("projection", "list").lines
    for name in header.split():
        start = header.index(name)
        assert all(start == 0 or row[start - 2 : start] == "  " for row in rows if len(row) > start)
        assert all(row[start] != " " for row in rows)


def test_on_a_terminal_there_are_colours_and_a_table(shared_acme: Program) -> None:
    ran = terminal(shared_acme, "user", "list")
    assert ran.status == 0
    assert f"{ESCAPE}[1m" in ran.out
    assert "───" in ran.out
    assert "alice" in ran.out
    log = terminal(shared_acme, "audit", "log", "--oneline")
    assert f"{ESCAPE}[33m" in log.out


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
@pytest.mark.parametrize("arguments", [["user", "list"], ["audit", "log", "--patch"]], ids=" ".join)
def test_no_color_leaves_no_escape_code(
    arguments: list[str], environment: dict[str, str], shared_acme: Program
) -> None:
    ran = terminal(shared_acme, *arguments, **environment)
    assert ran.status == 0
    assert ran.out.replace("\n", "").isprintable()
    assert "alice" in ran.out


def test_an_empty_no_color_changes_nothing(shared_acme: Program) -> None:
    assert ESCAPE in terminal(shared_acme, "user", "show", "alice", NO_COLOR="").out


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_identifiers_are_whole_on_every_terminal(width: int, shared_acme: Program) -> None:
    listed = unstyled(terminal(shared_acme, "access-key", "list", width=width).out)
    assert shared_acme.held["key"] in listed
    assert "…" not in listed
    told = unstyled(terminal(shared_acme, "audit", "key", shared_acme.held["key"], width=width).out)
    assert "AccessKeyCreated" in told
    times = re.findall(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", told)
    assert len(times) == 1


@pytest.mark.parametrize("columns", ["1", "40", "0", "nonsense"])
def test_any_width_is_borne(columns: str, shared_acme: Program) -> None:
    for arguments in (["user", "list"], ["user", "--help"], ["access-key", "rotate", "--help"], ["projection", "list"]):
        assert shared_acme(*arguments, COLUMNS=columns).status == 0
    ran = terminal(shared_acme, "user", "list", COLUMNS=columns)
    assert ran.status == 0
    assert "alice" in ran.out


def test_help_fits_forty_columns(shared_acme: Program) -> None:
    shown = shared_acme("access-key", "create", "--help", COLUMNS="40")
    assert max(len(line) for line in shown.lines if "iamledger" not in line) <= 50  # Typer's least


def test_long_names_are_shown_whole(acme: Program) -> None:
    name, path = "n" * 64, f"/{'p' * 200}/"
    acme.did("user", "create", name, "--path", path, "--tag", f"{'k' * 128}={'v' * 256}")
    for width in (40, 80, 200):
        letters = unstyled(terminal(acme, "user", "list", width=width).out)
        for letter, number in (("n", 64), ("p", 200), ("k", 128), ("v", 256)):
            assert letters.count(letter) >= number
    assert name in acme("user", "list").out
    assert path in acme("user", "list").out


def test_wide_characters_do_not_break_a_table(acme: Program) -> None:
    acme.did("user", "tag", "alice", "名前=漢字", f"{BOLD_A}=ж")
    assert "名前=漢字" in acme("user", "list").out
    assert "漢字" in unstyled(terminal(acme, "user", "list", width=200).out)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_characters_gets_them_spelled_out(encoding: str, acme: Program) -> None:
    acme.did("user", "tag", "alice", f"{BOLD_A}=ж")
    for arguments in (["access-key", "--help"], ["user", "list"], ["audit", "log", "-o", "csv"]):
        ran = acme.process(*arguments, PYTHONIOENCODING=encoding)
        assert (ran.status, "Traceback" in ran.err) == (0, False)
    ran = acme.process("user", "show", "alice", "-o", "json", PYTHONIOENCODING=encoding)
    assert {"Key": BOLD_A, "Value": "ж"} in ran.json["User"]["Tags"]


def test_progress_is_shown_on_a_terminal_alone(acme: Program) -> None:
    ran = terminal(acme, "projection", "rebuild", "--verify")
    assert ran.status == 0
    assert f"Rebuilding {len(projections())} projections" in ran.out
    assert "Verifying" in ran.out
    piped = acme("projection", "rebuild", "--verify")
    assert piped.err == ""


# JSON and CSV


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_json_tells_account_position_and_time(arguments: list[str], shared_acme: Program) -> None:
    ran = shared_acme(*called(shared_acme, arguments), "-o", "json")
    told = ran.json
    assert list(told)[:3] == ["Account", "Position", "RecordedAt"]
    assert (told["Account"], told["Position"]) == (ACCOUNT, 8)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z", told["RecordedAt"])
    assert len(told) == 4
    assert ran.err == ""


@pytest.mark.parametrize("arguments", AUDITS, ids=" ".join)
def test_json_of_the_audit_trail_tells_account_and_position(arguments: list[str], shared_acme: Program) -> None:
    told = shared_acme(*called(shared_acme, arguments), "-o", "json").json
    assert told["Account"] == ACCOUNT
    events = told.get("Events") or [told["Event"]]
    assert all(event["RecordedAt"].endswith("Z") and event["Type"] and event["Actor"] for event in events)


@pytest.mark.parametrize("arguments", [*READS, *AUDITS, *OTHERS], ids=" ".join)
def test_csv_has_a_header_and_rows_of_its_length(arguments: list[str], shared_acme: Program) -> None:
    header, *rows = csv.reader(io.StringIO(shared_acme(*called(shared_acme, arguments), "-o", "csv").out))
    assert rows
    assert len(set(header)) == len(header)
    assert all(len(row) == len(header) for row in rows)


def test_an_answer_about_the_past_stays_the_same(acme: Program) -> None:
    key, _ = acme.issued("create", "alice")
    acme.held["key"] = key
    asked = [*READS, ["audit", "log"], ["audit", "key", "KEY"]]
    answers = [acme(*called(acme, words), "--as-of", "8", "-o", "json").json for words in asked]
    acme.did("access-key", "revoke", key)
    acme.did("user", "delete", "alice")
    acme.did("user", "create", "alice", "--path", "/other/")
    assert [acme(*called(acme, words), "--as-of", "8", "-o", "json").json for words in asked] == answers


def test_more_is_told_in_json_and_noted_for_people(shared_acme: Program) -> None:
    for limit, more in (("2", True), ("8", False)):
        told = shared_acme("audit", "log", "-n", limit, "-o", "json")
        assert (told.json["More"], told.err) == (more, "")
        assert shared_acme("audit", "log", "-n", limit, "-o", "csv").err == ""
        noted = shared_acme("audit", "log", "-n", limit).err
        assert noted == ("There are more events; show them with --limit.\n" if more else "")


def test_data_stands_in_the_order_of_the_event_types_fields(shared_acme: Program) -> None:
    order = ["user_id", "user_name", "path", "tags"]
    assert list(shared_acme("audit", "show", "7", "-o", "json").json["Event"]["Data"]) == order
    text = shared_acme("audit", "show", "7").out
    assert sorted(order, key=text.index) == order
    row = list(csv.DictReader(io.StringIO(shared_acme("audit", "log", "-o", "csv").out)))[1]
    assert list(json.loads(row["Data"])) == order


def test_empty_lists(acme: Program) -> None:
    acme.did("user", "delete", "alice")
    for noun, name in (("user", "Users"), ("access-key", "AccessKeys")):
        assert acme(noun, "list").lines[0] == f"No {name}."
        assert acme(noun, "list", "-o", "json").json[name] == []
        assert len(acme(noun, "list", "-o", "csv").lines) == 1
        assert f"No {name}." in terminal(acme, noun, "list").out
    nobody = ["audit", "log", "--actor", "nobody"]
    assert acme(*nobody).out == "No events.\n"
    assert acme(*nobody, "-o", "json").json["Events"] == []
    assert len(acme(*nobody, "-o", "csv").lines) == 1


def test_no_account_at_all(program: Program) -> None:
    assert program("account", "list", "-o", "json").json == {"Accounts": []}
    assert len(program("account", "list", "-o", "csv").lines) == 1
    assert program("projection", "verify").status == 0


def test_a_command_that_writes_prints_json_or_csv_alone(acme: Program) -> None:
    told = acme("user", "tag", "alice", "a=b", "-o", "json")
    assert (told.json["Account"], told.json["Position"], told.err) == (ACCOUNT, 8, "")
    ran = acme("user", "tag", "alice", "a=c", "-o", "csv")
    assert (ran.out, ran.err) == ("", "position 9\n")
    rows = list(csv.reader(io.StringIO(acme("user", "create", "bob", "-o", "csv").out)))
    assert [len(row) for row in rows] == [3, 3]


# Hostile content


@pytest.mark.parametrize("name", ["=cmd", "+1", "-1", "@sum"])
def test_cells_that_look_like_formulas_are_defused(name: str, acme: Program) -> None:
    assert acme("user", "create", "--reason", "=1+1", "--ticket", "@x", "--tag", "a=b", "--", name).status == 0
    users = list(csv.DictReader(io.StringIO(acme("user", "list", "-o", "csv").out)))
    assert f"'{name}" in [user["UserName"] for user in users]
    event = next(csv.DictReader(io.StringIO(acme("audit", "log", "-o", "csv").out)))
    assert (event["Reason"], event["Ticket"]) == ("'=1+1", "'@x")
    assert acme("user", "show", "-o", "json", "--", name).json["User"]["UserName"] == name


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\t\x7f\u202e\u2028=x"


@pytest.fixture
def tampered(acme: Program) -> Program:
    """A ledger into which somebody wrote what no command would."""
    acme.did("access-key", "create", "alice")
    text = json.dumps(HOSTILE)[1:-1].replace("'", "''")
    acme.rows(
        f"""SET session_replication_role = replica;
        UPDATE iamledger.events SET data = data || '{{"path": "{text}", "tags": [["{text}", "{text}"]]}}',
               context = context || '{{"reason": "{text}", "ticket": "{text}", "actor":
               {{"type": "LocalOperator", "os_user": "{text}", "database_user": "{text}"}}}}' WHERE position > 1;
        UPDATE iamledger.personal SET data = '{{"tags": [["{text}", "{text}"]]}}' WHERE data ? 'tags';
        UPDATE iamledger.events SET type = type || '{text}' WHERE position = 3;"""
    )
    acme("projection", "rebuild")
    return acme


@pytest.mark.parametrize("output", ["table", "json", "csv"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["user", "list"],
        ["user", "show", "alice"],
        ["audit", "log"],
        ["audit", "log", "--patch"],
        ["audit", "log", "--oneline"],
        ["audit", "show", "2"],
        ["audit", "replay", "--verify"],
        ["projection", "verify"],
    ],
    ids=" ".join,
)
def test_stored_text_cannot_steer_the_terminal(arguments: list[str], output: str, tampered: Program) -> None:
    ran = tampered(*arguments, "-o", output)
    assert "Traceback" not in ran.err
    assert (ran.out + ran.err).replace("\n", "").isprintable()
    if output == "json":
        assert ran.json


def test_stored_text_cannot_steer_a_real_terminal(tampered: Program) -> None:
    for arguments in (["user", "list"], ["user", "show", "alice"], ["audit", "log", "--patch"]):
        ran = terminal(tampered, *arguments)
        assert ran.status == 0
        assert unstyled(ran.out).replace("\n", "").isprintable()


def test_json_tells_hostile_text_as_it_is(tampered: Program) -> None:
    event = tampered("audit", "show", "2", "-o", "json").json["Event"]
    assert event["Data"]["path"] == HOSTILE
    assert event["Reason"] == HOSTILE


def test_a_reason_with_line_ends_stays_in_its_line(acme: Program) -> None:
    acme.did("user", "create", "bob", "--reason", "one\r\n2026-01-01 forged", "--ticket", "a\tb")
    dry = acme("access-key", "revoke", "x" * 20, "--note", "a\nb", "--dry-run")
    assert dry.status == 1
    lines = acme("audit", "log", "--oneline").lines
    assert len(lines) == 8
    assert lines[0].endswith(r"one\r\n2026-01-01 forged")
    key, _ = acme.issued("create", "bob")
    shown = acme("access-key", "revoke", key, "--note", "a\nforged: yes", "--dry-run").lines
    assert not [line for line in shown if line.startswith("forged")]


# Pipes that close, interrupts


@pytest.fixture
def talkative(acme: Program) -> Program:
    """A ledger with more to tell than a pipe holds."""
    for n in range(40):
        acme.did("user", "tag", "alice", *(f"{k}={n}{'v' * 200}" for k in "abcdefghij"))
    return acme


def test_a_reader_that_leaves_is_no_traceback(talkative: Program) -> None:
    for script in (
        "iamledger audit log -n 1000 --patch | head -1",
        "iamledger audit log -n 1000 -o json | head -1",
        "iamledger audit log -n 1000 -o csv | head -1",
        "iamledger user list | true",
        "iamledger user --help | true",
        "iamledger user show nobody 2>&1 | true",
    ):
        ran = talkative.shell(script)
        assert ran.err == "", script
        assert len(ran.lines) <= 1


def test_an_answer_that_cannot_be_written_is_told(acme: Program) -> None:
    ran = acme.shell("iamledger user list >/dev/full")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "The answer could not be written: No space left on device. What the command did is done.\n"


def waited(process: subprocess.Popen[str], text: str) -> str:
    """Read what a process prints until a text has come."""
    assert process.stdout is not None
    seen = ""
    give_up = time.monotonic() + 20
    while text not in seen and time.monotonic() < give_up:
        if select.select([process.stdout], [], [], 0.1)[0]:
            seen += os.read(process.stdout.fileno(), 65536).decode()
    time.sleep(0.1)  # for the rest of what was written at once
    while select.select([process.stdout], [], [], 0)[0] and (rest := os.read(process.stdout.fileno(), 65536)):
        seen += rest.decode()
    if text not in seen:
        process.kill()
        process.communicate()
    assert text in seen
    return seen


@pytest.mark.parametrize("output", ["table", "csv", "json"])
def test_following_shows_new_events_at_once_until_it_is_interrupted(output: str, acme: Program) -> None:
    process = acme.start("audit", "log", "--follow", "-n", "1", "-o", output, "--user", "alice")
    seen = waited(process, "UserCreated")
    acme.did("user", "create", "bob")
    acme.did("user", "tag", "alice", "a=b")
    seen += waited(process, "UserTagged")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert (out, err) == ("", "")
    assert "bob" not in seen
    if output == "csv":
        rows = list(csv.DictReader(io.StringIO(seen)))
        assert [row["Type"] for row in rows] == ["UserCreated", "UserTagged"]
    if output == "json":
        decoder, parts, at = json.JSONDecoder(), [], 0
        while at < len(seen.rstrip()):
            part, end = decoder.raw_decode(seen[at:].lstrip())
            at = len(seen) - len(seen[at:].lstrip()) + end
            parts.append(part["Events"][0]["Type"])
        assert parts == ["UserCreated", "UserTagged"]


def test_an_interrupt_while_a_command_waits_is_no_traceback(acme: Program) -> None:
    process = acme.start("audit", "log", "--follow")
    waited(process, "AccountCreated")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[1] == ""
    assert process.returncode == 130


# Help


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    script = """
import contextlib, io, sys
import typer
from iamledger.cli.main import app, run
from iamledger_projections import projections

def paths(command, *path):
    yield path
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from paths(command.get_command(None, name), *path, name)

every = list(paths(typer.main.get_command(app)))
for path in every:
    sys.argv = ["iamledger", *path, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            run()
        except SystemExit as end:
            assert end.code == 0, path
    assert "Usage: " in out.getvalue()
heavy = {"pydantic", "psycopg", "rich", "cryptography", "orjson", "eventsourcing", "asyncio"}
print(len(every), sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        check=False,
    )
    assert done.stderr == ""
    number, heavy = done.stdout.split(" ", 1)
    assert int(number) > 35
    assert heavy.strip() == "[]"


def test_the_version_is_told_without_a_database(tmp_path: Path) -> None:
    done: Any = subprocess.run(
        [IAMLEDGER, "--version"],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": "/nowhere", "IAMLEDGER_HOME": "/dev/null/no"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"iamledger \d+\.\d+.*\n", done.stdout)


def test_findings_are_red_on_a_terminal_and_plain_elsewhere(acme: Program) -> None:
    acme.rows("SET session_replication_role = replica; UPDATE iamledger.events SET version = 2 WHERE position = 2")
    shown = terminal(acme, "audit", "replay", "--verify")
    assert shown.status == 1
    assert f"{ESCAPE}[31mFinding: position 2: " in shown.out
    assert "\\x1b" not in shown.out
    piped = acme("audit", "replay", "--verify")
    assert piped.status == 1
    assert piped.err.startswith("Finding: position 2: ")
    told = acme("audit", "replay", "--verify", "-o", "json")
    assert (told.status, told.json["Verified"]) == (1, False)
    assert told.json["Findings"]


def test_accounts_of_a_time_are_those_that_had_begun(acme: Program) -> None:
    ((now,),) = acme.rows("SELECT iamledger.iso(clock_timestamp())")
    acme.did("account", "create", "beta", "--email", "root@beta.example")
    assert [a["AccountName"] for a in acme("account", "list", "--as-of", now, "-o", "json").json["Accounts"]] == [
        "acme"
    ]
    assert len(acme("account", "list", "-o", "json").json["Accounts"]) == 2
    position = acme("account", "list", "--as-of", "1")
    assert (position.status, position.out) == (1, "")

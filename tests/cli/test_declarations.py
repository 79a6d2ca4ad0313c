"""`plan`, `apply` and `export`: what they answer, refuse and leave alone."""

from __future__ import annotations

import csv
import io
import os
import subprocess
from pathlib import Path

import pytest

from cli.conftest import IAMLEDGER, Program, Ran

ACME = "123456789012"
DOC = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}'
BOB = f"accounts:\n  '{ACME}':\n    users:\n      bob: {{path: /ops/, tags: {{team: ops}}}}\n"
BETA = "  beta:\n    email: root@beta.example\n    users: {carol: }\n"


def written(program: Program, text: str, name: str = "file.yaml") -> str:
    """The name of a file with this text in the program's folder."""
    (program.folder / name).write_bytes(text.encode())
    return name


def refused(program: Program, *arguments: str, status: int = 1) -> Ran:
    """A run that must be refused, and append nothing."""
    before = program.heads()
    ran = program(*arguments)
    assert ran.status == status, ran
    assert "Traceback" not in ran.err
    assert program.heads() == before
    return ran


def users(program: Program, account: str = ACME) -> list[str]:
    """The names of an account's users."""
    return [user["UserName"] for user in program.did("user", "list", "--account", account)["Users"]]


# Plan and apply


def test_plan_shows_and_appends_nothing(acme: Program) -> None:
    file, before = written(acme, BOB), acme.heads()
    ran = acme("plan", file)
    assert (ran.status, ran.err) == (0, "")
    assert ran.lines == [
        f"Account {ACME}",
        "Operation   About     Change",
        "CreateUser  user bob  path /ops/",
        "Would append 1 event: UserCreated 1.",
    ]
    assert acme.heads() == before


def test_apply_appends_and_then_there_is_nothing_to_change(acme: Program) -> None:
    file = written(acme, BOB)
    position = acme.heads()[0][1]
    ran = acme("apply", file, "--reason", "joins", "--ticket", "HR-7")
    assert (ran.status, ran.err) == (0, "")
    assert ran.lines[-2:] == ["Appended 1 event: UserCreated 1.", f"positions {position + 1} to {position + 1}"]
    assert users(acme) == ["alice", "bob"]
    ((reason, ticket),) = acme.rows(
        "SELECT context->>'reason', context->>'ticket' FROM iamledger.events ORDER BY position DESC LIMIT 1"
    )
    assert (reason, ticket) == ("joins", "HR-7")
    before = acme.heads()
    for command in ("plan", "apply"):
        again = acme(command, file)
        assert again.status == 0
        assert again.lines == [f"Account {ACME}", "Nothing to change.", f"as of position {position + 1}"]
    assert acme.heads() == before


def test_exit_code_tells_whether_anything_would_change(acme: Program) -> None:
    file = written(acme, BOB)
    assert acme("plan", file, "--exit-code").status == 3
    for output in ("json", "csv"):
        assert acme("plan", file, "--exit-code", "--output", output).status == 3
    assert acme("apply", file).status == 0
    assert acme("plan", file, "--exit-code").status == 0


def test_apply_dry_run_is_a_plan(acme: Program) -> None:
    file, before = written(acme, BOB), acme.heads()
    assert acme("apply", file, "--dry-run").out == acme("plan", file).out
    assert acme.heads() == before


def test_prune(acme: Program) -> None:
    file = written(acme, BOB)
    assert [step["Operation"] for step in acme.did("plan", file, "--prune")["Accounts"][0]["Steps"]] == [
        "DeleteUser",
        "CreateUser",
    ]
    acme.did("apply", file, "--prune")
    assert users(acme) == ["bob"]


def test_json(acme: Program) -> None:
    file = written(acme, BOB)
    head = acme.heads()[0][1]
    (planned,) = acme.did("plan", file)["Accounts"]
    assert (planned["Account"], planned["PlannedAt"], planned["Position"]) == (ACME, head, None)
    assert planned["Steps"] == [
        {"Operation": "CreateUser", "About": "user bob", "Change": "path /ops/", "Before": None, "After": None}
    ]
    assert [(event["Type"], event["Position"]) for event in planned["Events"]] == [("UserCreated", None)]
    (applied,) = acme.did("apply", file)["Accounts"]
    assert (applied["Position"], applied["Repeated"]) == (head + 1, False)
    assert applied["Events"][0]["Data"]["tags"] == [["team", "ops"]]
    assert acme.did("apply", file) == {
        "Accounts": [
            {"Account": ACME, "PlannedAt": head + 1, "Position": None, "Repeated": False, "Steps": [], "Events": []}
        ]
    }


def test_csv(acme: Program) -> None:
    ran = acme("plan", written(acme, BOB), "--output", "csv")
    assert list(csv.reader(io.StringIO(ran.out))) == [
        ["Account", "Operation", "About", "Change", "Before", "After"],
        [ACME, "CreateUser", "user bob", "path /ops/", "", ""],
    ]


def test_standard_input(acme: Program) -> None:
    for command in ("plan", "apply"):
        ran = acme.process(command, "-", stdin=BOB)
        assert (ran.status, ran.err) == (0, "")
        assert "CreateUser  user bob" in ran.out
    assert users(acme) == ["alice", "bob"]
    bad = acme.process("plan", "-", stdin="accounts: [")
    assert bad.status == 1
    assert bad.err.startswith("InvalidInput: -, line 2, column 1: ")


def test_closed_standard_input_is_told(acme: Program) -> None:
    done = subprocess.run(
        [IAMLEDGER, "plan", "-"],
        capture_output=True,
        text=True,
        cwd=acme.folder,
        env=dict(acme.environment),
        preexec_fn=lambda: os.close(0),
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "InvalidInput: Standard input is closed.\n")


def test_a_byte_order_mark_and_line_ends_of_windows_are_taken(acme: Program) -> None:
    file = written(acme, "\ufeff" + BOB.replace("\n", "\r\n"))
    assert acme("apply", file).status == 0
    assert users(acme) == ["alice", "bob"]


# Several accounts


def test_several_accounts(acme: Program) -> None:
    file = written(acme, BOB + BETA)
    first, second = acme.did("apply", file)["Accounts"]
    assert first["Account"] == ACME
    assert users(acme, second["Account"]) == ["carol"]
    assert [plan["Steps"] for plan in acme.did("plan", file)["Accounts"]] == [[], []]


@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_what_was_done_before_a_refusal_is_told_and_stays(acme: Program, output: str) -> None:
    file = written(acme, BOB + BETA.replace("carol: ", "carol: {groups: [nosuch]}"))
    ran = acme("apply", file, "--output", output)
    assert ran.status == 1
    assert ran.err == "InvalidInput: line 7: there is no group 'nosuch', neither in the account nor in the file.\n"
    assert users(acme) == ["alice", "bob"]
    assert acme.rows("SELECT account_id FROM iamledger.ledgers") == [(ACME,)]
    if output == "json":
        assert [one["Account"] for one in ran.json["Accounts"]] == [ACME]
    else:
        assert "CreateUser" in ran.out
        assert ACME in ran.out


def test_what_can_be_seen_to_be_wrong_is_refused_before_anything_is_done(acme: Program) -> None:
    for second, told in (
        ("  acme: \n", f"InvalidInput: lines 2 and 5: both are account {ACME}. Write it once.\n"),
        ("  '12': \n", "ValidationError: 1 validation error detected: Value '12' at 'accountId'"),
        (
            "  beta: {usrs: }\n",
            "InvalidInput: file.yaml, line 5, column 10: account beta can have no 'usrs'; did you mean",
        ),
    ):
        ran = refused(acme, "apply", written(acme, BOB + second))
        assert ran.out == ""
        assert ran.err.startswith(told)


# Refusals


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_file_that_cannot_be_read(acme: Program, command: str) -> None:
    assert refused(acme, command, "nosuch.yaml").err == "nosuch.yaml: No such file or directory\n"
    assert "is a directory" in refused(acme, command, ".", status=2).err
    (acme.folder / "latin.yaml").write_bytes(b"accounts:\n  a: {name: caf\xe9}\n")
    assert refused(acme, command, "latin.yaml").err == (
        "InvalidInput: latin.yaml: byte 26 is no UTF-8. Save the file as UTF-8.\n"
    )
    (acme.folder / "utf16.yaml").write_bytes(BOB.encode("utf-16"))
    assert "utf16.yaml: byte 1 is no UTF-8" in refused(acme, command, "utf16.yaml").err
    assert (
        refused(acme, command, written(acme, "")).err
        == "InvalidInput: file.yaml: empty. Write one with: iamledger export\n"
    )
    assert "Missing argument" in refused(acme, command, status=2).err


@pytest.mark.parametrize(
    "text", ["accounts: {a: \x1b[31m}", "accounts: {'\\x1b[31m': []}", 'accounts: {"\\x1b[31m": []}']
)
def test_nothing_in_a_file_reaches_the_terminal_as_it_is(acme: Program, text: str) -> None:
    ran = refused(acme, "plan", written(acme, text))
    assert "\x1b" not in ran.err


def test_a_refusal_names_the_step(acme: Program) -> None:
    file = written(acme, "accounts:\n  acme:\n    users:\n      bob: {path: nopath}\n      carol: \n")
    ran = refused(acme, "apply", file)
    assert ran.err.startswith("ValidationError: user bob: 1 validation error detected: Value 'nopath' at 'path' failed")
    acme.issued("create", "alice")
    ran = refused(acme, "apply", written(acme, "accounts: {acme: }"), "--prune")
    assert ran.err == "DeleteConflict: user alice: Cannot delete entity, must delete access keys first.\n"
    assert refused(acme, "plan", "file.yaml", "--prune").err == ran.err  # a plan is refused as its application is


def test_plan_takes_no_purpose(acme: Program) -> None:
    file = written(acme, BOB)
    for option in ("--reason", "--ticket", "--request-id", "--account"):
        assert "No such option" in refused(acme, "plan", file, option, "x", status=2).err
    assert "No such option" in refused(acme, "apply", file, "--account", "acme", status=2).err


# Requests


def test_a_request_that_is_repeated_does_nothing_twice(acme: Program) -> None:
    file = written(acme, BOB + BETA)
    first = acme.did("apply", file, "--request-id", "r-1")["Accounts"]
    before = acme.heads()
    assert [one["Steps"] for one in acme.did("apply", file, "--request-id", "r-1")["Accounts"]] == [[], []]
    assert acme.heads() == before
    # Somebody undid it in the meantime: the first answer is told, as that of any other command.
    acme.did("user", "delete", "bob")
    before = acme.heads()
    again = acme.did("apply", file, "--request-id", "r-1")["Accounts"]
    assert [one["Repeated"] for one in again] == [True, False]
    assert again[0]["Position"] == first[0]["Position"]
    assert "Appended before 1 event: UserCreated 1." in acme("apply", file, "--request-id", "r-1").lines
    other = written(acme, BOB.replace("bob", "dave"), "other.yaml")
    assert refused(acme, "apply", other, "--request-id", "r-1").err.startswith("IdempotentParameterMismatch: ")
    assert acme.heads() == before


def test_several_new_accounts_in_one_request(program: Program) -> None:
    file = written(program, "accounts:\n" + BETA + BETA.replace("beta", "gamma"))
    done = program.did("apply", file, "--request-id", "r-1")["Accounts"]
    assert len({one["Account"] for one in done}) == 2
    assert sorted(a["AccountName"] for a in program.did("account", "list")["Accounts"]) == ["beta", "gamma"]


# Export


def test_an_export_applied_again_changes_nothing(acme: Program) -> None:
    acme.did(
        "apply",
        written(acme, BOB + f"    policies: {{P: {{document: '{DOC}'}}}}\n    groups: {{g: {{policies: [P]}}}}\n"),
    )
    ran = acme("export")
    assert ran.status == 0
    head = acme.heads()[0][1]
    assert ran.lines[0].startswith(f"# Account {ACME} as of position {head}, recorded 20")
    assert ran.err.startswith(f"as of position {head}, recorded ")
    file = written(acme, ran.out, "export.yaml")
    for arguments in (
        ["plan", file, "--exit-code"],
        ["plan", file, "--prune", "--exit-code"],
        ["apply", file, "--prune"],
    ):
        ran = acme(*arguments)
        assert (ran.status, ran.lines[1]) == (0, "Nothing to change.")


def test_an_export_of_the_past_makes_an_account_as_it_was(acme: Program) -> None:
    file = written(acme, BOB + f"    groups: {{g: {{inline: {{i: '{DOC}'}}}}}}\n")
    acme.did("apply", file)
    then = acme.heads()[0][1]
    was = acme("export").out
    acme.did("apply", written(acme, "accounts: {acme: }"), "--prune")
    assert users(acme) == []
    past = acme("export", "--as-of", str(then)).out
    assert past == was
    copied = written(acme, past.replace(ACME, "210987654321"), "copy.yaml")
    acme.did("apply", copied)
    copy = acme("export", "--account", "210987654321").out
    assert copy.splitlines()[1:] == past.replace(ACME, "210987654321").splitlines()[1:]
    acme.did("apply", written(acme, past))  # and the account can go back to it
    assert acme("export").out.splitlines()[1:] == was.splitlines()[1:]


def test_an_export_of_before_anything(acme: Program) -> None:
    assert acme("export", "--as-of", "1").out.splitlines()[1:] == [
        "accounts:",
        f"  '{ACME}':",
        "    name: acme",
        "    email: root@acme.example",
        "    policies: {}",
        "    groups: {}",
        "    users: {}",
    ]
    assert refused(acme, "export", "--as-of", "999").err
    assert refused(acme, "export", "--account", "nosuch").err.startswith("NoSuchEntity: ")


def test_an_export_goes_straight_into_a_plan(acme: Program) -> None:
    ran = acme.shell("set -o pipefail; iamledger export | iamledger plan - --prune --exit-code")
    assert (ran.status, "Nothing to change." in ran.out) == (0, True)


def test_the_file_is_not_touched(acme: Program) -> None:
    file = written(acme, BOB)
    path = Path(acme.folder, file)
    path.chmod(0o400)
    acme.did("apply", file)
    assert path.read_text() == BOB

"""What is refused: its exit status, IAM's code and message on standard error, no answer, and nothing appended."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from cli.conftest import Program, acme_with_key
from conftest import Urls

ESCAPE, BELL, DELETE, NEXT_LINE = "\x1b[31m", "\a", "\x7f", "\x85"
SURROGATE = b"\xff".decode("utf-8", "surrogateescape")  # what Python makes of an argument that is not UTF-8
HIDDEN = "\u202e"  # turns the direction of text
KEY = "AKIAIOSFODNN7EXAMPLE"

VALIDATION, INPUT, ENTITY, USAGE = "ValidationError", "InvalidInput", "NoSuchEntity", "Error"

MALFORMED: list[tuple[str, Sequence[str]]] = [
    # Names of users
    *((VALIDATION, ["user", "create", name])
      for name in ("", " ", "a b", "a/b", "ä", "a\n", "a\t", "x" * 65)),
    *((VALIDATION, ["user", "create", name])
      for name in (f"a{ESCAPE}", f"a{BELL}", f"a{DELETE}", f"a{SURROGATE}", "a'--")),
    *((VALIDATION, ["user", "show", name]) for name in ("", "a b", f"a{ESCAPE}", f"a{SURROGATE}", "x" * 129, "a\n")),
    *((VALIDATION, ["user", "delete", name]) for name in ("", "a*", "x" * 129)),
    *((VALIDATION, ["user", "update", "alice", "--new-name", name]) for name in ("", "a b", "x" * 65, f"a{SURROGATE}")),
    (VALIDATION, ["access-key", "create", ""]),
    (VALIDATION, ["access-key", "list", ""]),
    (VALIDATION, ["access-key", "rotate", "a\u0661"]),  # an Arabic digit is no \w of IAM's
    (ENTITY, ["user", "show", "x" * 128]),
    (ENTITY, ["access-key", "list", "nobody"]),
    (USAGE, ["user", "create", "--", "-a", "b"]),
    # Paths
    *((VALIDATION, ["user", "create", "bob", "--path", path]) for path in ("", "a", "a/", "/a", "//", "/ /", "/ä/")),
    *((VALIDATION, ["user", "create", "bob", "--path", path])
      for path in (f"/{ESCAPE}/", f"/{SURROGATE}/", f"/{'x' * 511}/")),
    *((VALIDATION, ["user", "update", "alice", "--new-path", path]) for path in ("", "a", "/a", "/\n/")),
    *((VALIDATION, ["user", "list", "--path-prefix", prefix])
      for prefix in ("", "a", "/ ", f"/{SURROGATE}", "/" * 513)),
    # Tags
    *((USAGE, ["user", "create", "bob", "--tag", tag]) for tag in ("", "a")),
    *((VALIDATION, ["user", "create", "bob", "--tag", tag]) for tag in ("=b", "a!=b", "a=b;", "a\t=b", f"a={ESCAPE}")),
    *((VALIDATION, ["user", "create", "bob", "--tag", tag])
      for tag in (f"{'k' * 129}=v", f"k={'v' * 257}", f"a={SURROGATE}")),
    *((INPUT, ["user", "create", "bob", "--tag", "a=1", "--tag", tag]) for tag in ("a=2", "A=1", "aws:a=1", "AWS:a=")),
    (VALIDATION, ["user", "tag", "alice", f"a{HIDDEN}=b"]),
    (USAGE, ["user", "tag", "alice"]),
    (VALIDATION, ["user", "untag", "alice", ""]),
    (INPUT, ["user", "untag", "alice", "a", "A"]),
    ("LimitExceeded", ["user", "tag", "alice", *(f"k{n}=" for n in range(51))]),
    # Accounts and e-mail addresses
    *((VALIDATION, ["account", "create", name, "--email", "a@b.example"])
      for name in ("", " ", "ä", f"a{ESCAPE}", "x" * 51)),
    *((VALIDATION, ["account", "create", "new", "--email", mail])
      for mail in ("", "a", "a@b", "@b.example", "a b@c.example")),
    *((VALIDATION, ["account", "create", "new", "--email", mail])
      for mail in (f"a{ESCAPE}@b.example", f"{'x' * 60}@b.io")),
    *((VALIDATION, ["account", "create", "new", "--email", mail])
      for mail in (f"a{SURROGATE}@b.io", f"a{HIDDEN}@b.example")),
    *((VALIDATION, ["account", "create", "n", "--email", "a@b.io", "--id", id_])
      for id_ in ("", "1", "x" * 12, "1" * 13)),
    (VALIDATION, ["account", "create", "n", "--email", "a@b.io", "--id", "\u0661" * 12]),
    ("EntityAlreadyExists", ["account", "create", "n", "--email", "a@b.io", "--id", "123456789012"]),
    (USAGE, ["account", "create", "new"]),
    (USAGE, ["account", "create", "new", "--email", "a@b.io", "--account", "123456789012"]),
    *((VALIDATION, ["user", "list", "--account", account]) for account in ("", f"a{ESCAPE}", SURROGATE, "ä", "x" * 51)),
    *((ENTITY, ["user", "list", "--account", account]) for account in ("nosuch", "12345", "1" * 13, "999999999999")),
    *((ENTITY, ["user", "create", "bob", "--account", account]) for account in ("nosuch", "999999999999")),
    *((ENTITY, ["audit", "replay", "--account", account]) for account in ("nosuch", "999999999999")),
    (ENTITY, ["account", "use", "999999999999"]),
    (VALIDATION, ["account", "use", ""]),
    # Keys
    *((VALIDATION, ["access-key", "show", key])
      for key in ("", "AKIA", f"{KEY}!", f"{KEY}{ESCAPE}", f"{KEY}ä", "x" * 129)),
    *((VALIDATION, ["access-key", "revoke", key]) for key in ("", "AKIA", f"{KEY} ", f"{KEY}{SURROGATE}")),
    *((VALIDATION, ["audit", "key", key]) for key in ("", "AKIA", f"{KEY}\n")),
    *((ENTITY, [*command, KEY]) for command in (["access-key", "show"], ["access-key", "activate"], ["audit", "key"])),
    (USAGE, ["access-key", "revoke", "KEY", "-r", "bored"]),
    (VALIDATION, ["access-key", "revoke", "KEY", "--note", ""]),
    (VALIDATION, ["access-key", "revoke", "KEY", "--note", ESCAPE]),
    (VALIDATION, ["access-key", "revoke", "KEY", "--note", "x" * 1001]),
    # Times, durations and positions
    *((USAGE, ["access-key", "rotate", "alice", "--grace", grace])
      for grace in ("", "-1h", "1", "1w", "1h30m", "٣h", " 1h")),
    *((INPUT, ["access-key", "rotate", "alice", "--grace", grace]) for grace in ("366d", "999999d", "8761h")),
    *((VALIDATION, ["access-key", "revoke", "KEY", "--suspected-since", time])
      for time in ("", "now", "42", "2026-13-01")),
    (INPUT, ["access-key", "revoke", "KEY", "--suspected-since", "9999-01-01"]),
    (VALIDATION, ["access-key", "record-use", "KEY", "--service", "s3", "--region", "eu", "--at", "yesterday"]),
    (INPUT, ["access-key", "record-use", "KEY", "--service", "s3", "--region", "eu", "--at", "9999-12-31T23:59:59.999999Z"]),
    *((VALIDATION, ["access-key", "record-use", "KEY", "--service", s, "--region", "eu"])
      for s in ("", "S3", "a b", "x" * 129)),
    *((VALIDATION, ["access-key", "record-use", "KEY", "--service", "s3", "--region", r]) for r in ("", "EU", ESCAPE)),
    (USAGE, ["access-key", "record-use", "KEY"]),
    *((INPUT, ["user", "list", "--as-of", position]) for position in ("0", "99", "20260101", "999999999999999999")),
    *((VALIDATION, ["user", "list", "--as-of", text])
      for text in ("", "-1", "1.5", "1e3", " 1", "\u0661", SURROGATE, "9" * 19)),
    *((VALIDATION, ["user", "list", "--as-of", text])
      for text in ("today", "2026-02-30", "2026-1-1", "2026-01-01T25:00")),
    *((VALIDATION, ["user", "list", "--as-of", text]) for text in ("0000-01-01", "2026-W01-1", "2026-01-01x00:00")),
    (VALIDATION, ["user", "list", "--as-of", "9999-12-31T23:59:59-12:00"]),
    *((INPUT, ["user", "list", "--as-of", text]) for text in ("9999-12-31", "1970-01-01", "0001-01-01")),
    *((VALIDATION, ["audit", "log", option, text]) for option in ("--since", "--until") for text in ("", "42", "soon")),
    *((USAGE, ["audit", "log", "-n", number]) for number in ("0", "-1", "x", "1.5", "9" * 30)),
    *((USAGE, ["audit", "show", position]) for position in ("0", "x", "", "1e3")),
    *((ENTITY, ["audit", "show", position]) for position in ("99", "9" * 30)),
    *((VALIDATION, ["audit", "replay", "--until", text]) for text in ("", "x", "-1")),
    (INPUT, ["audit", "replay", "--until", "99"]),
    *((USAGE, ["audit", "replay", "--expect-root", root]) for root in ("", "x", "=" * 44, "A" * 44)),
    # Filters
    *((VALIDATION, ["audit", "log", "--user", user]) for user in ("", "a b", ESCAPE)),
    *((VALIDATION, ["audit", "log", "--actor", actor]) for actor in ("", ESCAPE, SURROGATE, "x" * 2049)),
    *((VALIDATION, ["audit", "log", "--key", key]) for key in ("", "AKIA")),
    *((VALIDATION, ["audit", "log", "--type", type_]) for type_ in ("", "UserEaten", SURROGATE, "Event")),
    (ENTITY, ["audit", "log", "--user", "nobody"]),
    (USAGE, ["audit", "log", "--follow", "--until", "2026-01-01"]),
    ("NoSuchProjection", ["projection", "rebuild", ""]),
    ("NoSuchProjection", ["projection", "verify", f"users{ESCAPE}"]),
    # Purposes
    *((VALIDATION, ["user", "create", "bob", "--reason", reason])
      for reason in ("", ESCAPE, DELETE, NEXT_LINE, "x" * 1001)),
    *((VALIDATION, ["user", "create", "bob", "--ticket", ticket]) for ticket in ("", BELL, SURROGATE, "x" * 201)),
    *((VALIDATION, ["user", "create", "bob", "--request-id", id_]) for id_ in ("", "a b", "ä", ESCAPE, "x" * 129)),
    ("IdempotentParameterMismatch", ["user", "create", "bob", "--request-id", "known"]),
    # Usage
    *((USAGE, [*command])
      for command in (["nosuch"], ["user", "nosuch"], ["user", "list", "--nosuch"], ["user", "show"])),
    *((USAGE, ["user", "list", "--output", output]) for output in ("", "xml", "JSON")),
    (USAGE, ["user", "list", "extra"]),
    (USAGE, ["user", "list", "--as-of"]),
    (USAGE, ["audit", "log", "--stale"]),
    (USAGE, ["access-key", "create", "alice", "--save", "/nowhere/at/all.csv"]),
    (USAGE, ["access-key", "create", "alice", "--save", "/"]),
    (USAGE, ["access-key", "create", "alice", "--save", "-"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def refusing(new_database: Callable[[], Urls], tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A ledger of its own, with a request that is known."""
    program = acme_with_key(new_database(), tmp_path_factory.mktemp("refusing"))
    program.did("user", "create", "carol", "--request-id", "known")
    return program


def test_there_are_more_than_a_hundred_malformed_inputs() -> None:
    assert len(MALFORMED) > 200
    assert len({tuple(arguments) for _, arguments in MALFORMED}) == len(MALFORMED)


@pytest.mark.parametrize(("code", "arguments"), MALFORMED, ids=lambda v: v if isinstance(v, str) else ascii(v)[:70])
def test_malformed_input_is_refused(code: str, arguments: Sequence[str], refusing: Program) -> None:
    before = refusing.heads()
    ran = refusing(*(refusing.held["key"] if word == "KEY" else word for word in arguments))
    assert ran.out == ""
    assert re.search(rf"^{code}: .", ran.err, re.MULTILINE), ran.err
    assert ran.status == (2 if code == USAGE else 1)
    assert "Traceback" not in ran.err
    assert ran.err.replace("\n", "").isprintable()  # nothing that steers a terminal
    assert refusing.heads() == before


def test_bytes_that_are_not_text_are_refused_by_the_installed_program(refusing: Program) -> None:
    before = refusing.heads()
    ran = refusing.process("user", "create", b"bob\xff")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "ValidationError: The argument 'bob\\udcff' holds bytes that are not text.\n"
    assert refusing.heads() == before


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("IAMLEDGER_ACCOUNT", "nosuch", "NoSuchEntity"),
        ("IAMLEDGER_ACCOUNT", SURROGATE, "ValidationError"),
        ("IAMLEDGER_QUOTA_USERS_PER_ACCOUNT", "many", "SettingsError"),
        ("IAMLEDGER_QUOTA_USERS_PER_ACCOUNT", "-1", "SettingsError"),
        ("IAMLEDGER_QUOTA_USERS_PER_ACCOUNT", "1", "LimitExceeded"),
        ("IAMLEDGER_QUOTA_TAGS_PER_RESOURCE", "0", "LimitExceeded"),
        ("IAMLEDGER_PROJECTIONS", "/nowhere", "InvalidProjection"),
    ],
)
def test_a_malformed_setting_is_refused(name: str, value: str, code: str, refusing: Program) -> None:
    before = refusing.heads()
    arguments = ["user", "create", "bob", "--tag", "a=b"]
    ran = refusing.process(*arguments, **{name: value}) if "PROJ" in name else refusing(*arguments, **{name: value})
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"{code}: ")
    assert "Traceback" not in ran.err
    assert refusing.heads() == before


def test_a_spoilt_default_account_is_named(acme: Program) -> None:
    file = acme.folder / "home/default-account"
    for text in (b"", b"acme\n", b"\xff\n", "\u0661".encode() * 12):
        file.write_bytes(text)
        ran = acme("user", "list")
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith(f"InvalidInput: {file} does not hold the number of an account.")
    assert acme("account", "use", "acme").status == 0
    assert acme("user", "list").status == 0


def test_a_default_account_of_another_database_is_no_traceback(acme: Program) -> None:
    (acme.folder / "home/default-account").write_text("999999999999\n")
    ran = acme("user", "list")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("NoSuchEntity: There is no ledger for account 999999999999.")


def test_a_home_that_is_a_file_is_told(program: Program) -> None:
    (program.folder / "home").write_text("")
    ran = program("account", "create", "acme", "--email", "root@acme.example", "--id", "123456789012")
    assert ran.status == 0
    assert "Created account acme." in ran.out
    assert "not made the default one" in ran.err
    used = program("account", "use", "acme")
    assert (used.status, used.out) == (1, "")
    assert "Traceback" not in used.err
    assert program("account", "show").status == 0  # the only one is the default


def test_what_depends_on_the_state_is_refused_with_iams_words(acme: Program) -> None:
    old, _ = acme.issued("create", "alice")
    before = acme.heads()
    for arguments, message in (
        (["user", "create", "ALICE"], "EntityAlreadyExists: User with name ALICE already exists."),
        (["user", "delete", "alice"], "DeleteConflict: Cannot delete entity, must delete access keys first."),
        (["user", "delete", "bob"], "NoSuchEntity: The user with name bob cannot be found."),
        (["access-key", "rotate", "bob"], "NoSuchEntity: The user with name bob cannot be found."),
    ):
        ran = acme(*arguments)
        assert (ran.status, ran.out, ran.err) == (1, "", message + "\n")
    assert acme.heads() == before
    acme.did("access-key", "deactivate", old)
    inactive = acme("access-key", "rotate", "alice")
    assert inactive.status == 1
    assert inactive.err.startswith(f"InvalidInput: The Access Key with id {old} is Inactive.")
    acme.issued("create", "alice")
    for command in ("create", "rotate"):
        third = acme("access-key", command, "alice")
        assert (third.status, third.err) == (1, "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2\n")


def test_nothing_to_change_is_no_refusal(acme: Program) -> None:
    before = acme.heads()
    for arguments in (["user", "tag", "alice", "team=storage"], ["user", "update", "alice", "--new-name", "alice"]):
        ran = acme(*arguments)
        assert (ran.status, ran.out, ran.err) == (0, "Nothing to change.\n", "")
    assert acme.heads() == before


OWN_PROJECTION = """
from iamledger.engine.declaration import Projection, open_row

projection = Projection(name="paths", key=["path"], columns={"user_name": "text"}, rules=[open_row("UserCreated")])
"""


def test_a_rebuild_tells_for_which_accounts_it_stopped_before_an_event(acme: Program) -> None:
    """Two users of one path open a row twice. The other account goes on."""
    folder = acme.folder / "own"
    folder.mkdir()
    (folder / "paths.py").write_text(OWN_PROJECTION)
    own = {"IAMLEDGER_PROJECTIONS": str(folder)}
    assert acme("account", "create", "umbrella", "--email", "root@umbrella.example").status == 0
    for name in ("bob", "carol"):
        assert acme("user", "create", name, "--path", "/twice/").status == 0
    ran = acme.process("projection", "rebuild", "paths", "users", **own)
    assert ran.status == 1
    assert [line.split() for line in ran.lines[1:]] == [["paths", "2", "1"], ["users", "2", "0"]]
    assert "paths stopped before position " in ran.err
    assert "open of a row that is open" in ran.err
    assert "Traceback" not in ran.err
    told = acme.process("projection", "rebuild", "paths", "--output", "json", **own)
    assert (told.status, told.json["Rebuilt"][0]["FailedAccounts"]) == (1, 1)
    verified = acme.process("projection", "verify", "paths", **own)
    assert verified.status == 1
    assert "paths has stopped before this event" in verified.err
    assert "Mend its rules first" in verified.err
    assert "put right" not in verified.err, "there is no drift"


def test_changes_have_no_form_in_csv_and_fit_in_no_line(acme: Program) -> None:
    for arguments, advice in (
        (["--output", "csv"], "use --output json"),
        (["--oneline"], "leave --oneline or --patch out"),
    ):
        ran = acme("audit", "log", "--patch", *arguments)
        assert (ran.status, ran.out) == (2, "")
        assert advice in " ".join(ran.err.split())


def test_events_that_were_changed_are_not_taken_over_by_a_rebuild(acme: Program) -> None:
    """Verifying warns of it; and a root that is expected proves something only of events that fit their hashes."""
    whole = acme("audit", "replay", "-o", "json").json
    assert acme("audit", "replay", "--expect-root", whole["Root"], "-o", "json").json["Verified"]
    acme.rows("SET session_replication_role = replica; UPDATE iamledger.events SET version = 2 WHERE position = 2")
    ran = acme("projection", "verify")
    assert ran.status == 1
    assert "Do not rebuild" in ran.err
    assert "put right" not in ran.err
    assert acme("audit", "replay", "-o", "json").json["Root"] == whole["Root"]
    assert acme("audit", "replay", "--expect-root", whole["Root"]).status == 1

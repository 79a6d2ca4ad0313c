"""Completion of names in the shell: what there is in the account, and never an error."""

from __future__ import annotations

import pytest

from cli.conftest import Program


@pytest.fixture
def acme(program: Program) -> Program:
    """An account with a user, a group, a policy and a key; and another account."""
    for command in (
        "account create acme --email root@acme.example --id 123456789012",
        "account create beta --email root@beta.example --id 234567890123",
        "account use 123456789012",
        "user create alice",
        "user create Albert",
        "user create bob",
        "user create alien --account beta",
        "group create admins",
        "access-key create alice",
        "resource register arn:aws:s3:::reports --creator alice",
        "resource register arn:aws:s3:::Reports",
    ):
        assert program(*command.split()).status == 0
    return program


def completed(program: Program, line: str, **environment: str) -> list[str]:
    """What the shell offers at the end of a line."""
    words = line.split(" ")
    ran = program(_IAMLEDGER_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), **environment)
    assert (ran.status, ran.err) == (0, "")
    return ran.out.split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("iamledger user show ", ["Albert", "alice", "bob"]),
        ("iamledger user show Al", ["Albert"]),
        ("iamledger user move b", ["bob"]),
        ("iamledger user move bob --from a", ["admins"]),
        ("iamledger group add-user ", ["admins"]),
        ("iamledger group add-user admins bo", ["bob"]),
        ("iamledger policy attach Read", ["ReadOnlyAccess"]),
        ("iamledger policy attach ReadOnlyAccess --group ", ["admins"]),
        ("iamledger policy boundary set al", ["alice"]),
        ("iamledger user show --account beta al", ["alien"]),
        ("iamledger user show --account nobody al", []),
        ("iamledger user create al", []),
        ("iamledger user show x'y", []),
        ("iamledger resource show arn:aws:s3:::r", ["arn:aws:s3:::reports"]),
        ("iamledger resource policy put ", ["arn:aws:s3:::Reports", "arn:aws:s3:::reports"]),
        ("iamledger resource transfer arn:aws:s3:::reports --to b", ["bob"]),
        ("iamledger resource register arn", []),
        ("iamledger policy vers", ["version"]),
        ("iamledger service show iamled", ["iamledger"]),
        ("iamledger service show s3-o", ["s3-object-lambda", "s3-outposts"]),
        ("iamledger pla", ["plan"]),
    ],
)
def test_names_are_completed(acme: Program, line: str, names: list[str]) -> None:
    assert completed(acme, line) == names


def test_keys_are_completed(acme: Program) -> None:
    (key,) = completed(acme, "iamledger access-key revoke AK")
    assert len(key) == 20


def test_nothing_is_started_or_told_when_there_is_no_database(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    nowhere = Program(home, {"IAMLEDGER_HOME": str(home), "PATH": "/bin"})
    assert completed(nowhere, "iamledger user show ") == []
    assert list(home.iterdir()) == []
    assert completed(nowhere, "iamledger user show ", IAMLEDGER_DATABASE_URL="host=/nonexistent dbname=x") == []

"""No command is forgotten: each, with the arguments of its own example, is denied to a user without any policy."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
import typer
from psycopg.conninfo import make_conninfo

from cli.conftest import Program, environment, own_server
from conftest import Urls
from iamledger import store
from iamledger.cli import main
from iamledger.cli.main import app
from iamledger.iam.permissions import permissions_of
from iamledger.services import open_catalogue
from iamledger.settings import settings
from iamledger.store import reading as store_reading
from test_authorization import DECISIONS

LOCAL = {"policy validate", "policy expand", "service list", "service show"}
"""Look at no ledger, and so have no caller."""
ROOT = Path(__file__).parent.parent.parent


def commands(group: Any, context: click.Context, *names: str) -> Iterator[tuple[str, Any]]:
    """Every command of the program, by its name."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        if hasattr(command, "list_commands"):
            yield from commands(command, context, *names, name)
        else:
            yield " ".join((*names, name)), command


PROGRAM = typer.main.get_command(app)
COMMANDS = dict(commands(PROGRAM, click.Context(PROGRAM)))


def example(command: Any) -> list[str]:
    """The arguments of a command's example."""
    line = re.sub(r'^psql "\$\((.*?)\)".*', r"\1", command.epilog.removeprefix("Example: "))
    words = shlex.split(line.partition(" | ")[0])
    while "=" in words[0]:  # settings come before the program
        words.pop(0)
    assert words.pop(0) == "iamledger"
    there = {"beta": "acme"}  # the account that there is
    return [there.get(word, word.replace("AKIA…", "AKIAIOSFODNN7EXAMPLE")) for word in words]


def files(folder: Path) -> None:
    """What the examples read."""
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}
    for name in ("deployers.json", "own-keys.json", "new.json", "old.json", "policy.json", "bucket.json"):
        (folder / name).write_text(json.dumps(document))
    (folder / "aws-policies").mkdir()
    (folder / "aws-policies" / "Billing.json").write_text(json.dumps(document))
    (folder / "acme.yaml").write_text('accounts:\n  "123456789012":\n    users:\n      carol: {}\n')


@pytest.fixture(scope="module")
def acme(new_database: Callable[[], Urls], tmp_path_factory: pytest.TempPathFactory) -> Program:
    """One for all tests, since what is denied changes nothing."""
    urls, folder = new_database(), tmp_path_factory.mktemp("permits")
    program = Program(folder, environment(folder / "home", **own_server(urls)), urls)
    program.did("account", "create", "acme", "--email", "root@acme.example", "--id", "123456789012")
    program.did("user", "create", "nobody")
    files(folder)
    return program


@pytest.fixture(scope="module")
def credentials(acme: Program) -> dict[str, str]:
    """Settings by which nobody is the caller."""
    key, secret = acme.issued("create", "nobody")
    return {"IAMLEDGER_ACCESS_KEY_ID": key, "IAMLEDGER_SECRET_ACCESS_KEY": secret}


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 60
    assert COMMANDS.keys() >= LOCAL


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_is_forgotten(acme: Program, credentials: dict[str, str], name: str) -> None:
    command = COMMANDS[name]
    arguments = example(command)
    assert " ".join(arguments).startswith(name), "the example is of this command"
    takes_a_caller = any(parameter.name == "as_user" for parameter in command.params)
    if name in LOCAL:
        assert not takes_a_caller
        return
    assert takes_a_caller != name.startswith("db ")
    before = acme.heads()
    ran = acme(*arguments, "--as", "nobody") if takes_a_caller else acme(*arguments, **credentials)
    changed = [row[0] for row in acme.heads() if row not in before]
    recorded = [] if name.startswith("db ") or name == "plan" else ["123456789012", "events", "requests"]
    assert changed == recorded, "nothing but the attempt"
    assert ran.err.startswith("AccessDenied: "), ran.err
    assert ran.out == ""
    assert ran.status == 1


def asked() -> set[str]:
    """Every action that a decision or a command asks for."""
    found = {permission.action for decision in DECISIONS for permission in permissions_of(decision)}
    for command in functions():
        found |= {action for permit in getattr(command, "permits", ()) for action in permit.actions}
    return found


def functions() -> Iterator[Any]:
    """The functions behind all commands."""
    for file in Path(main.__file__).parent.glob("*.py"):
        module = import_module(f"iamledger.cli.{file.stem}")
        for group in {id(one): one for one in vars(module).values() if isinstance(one, typer.Typer)}.values():
            yield from (command.callback for command in group.registered_commands)


def test_what_is_asked_for_is_what_there_is() -> None:
    """Policies can be written from the catalogue: it has every action that is asked for, and none of ours that is not."""
    catalogue = open_catalogue(settings())
    assert len(asked()) > 60
    assert {action for action in asked() if catalogue.canonical(action) != action} == set()
    ours = {f"iamledger:{action.name}" for action in catalogue.service("iamledger").actions.values()}
    assert ours == {action for action in asked() if action.startswith("iamledger:")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["account", "create", "new", "--email", "a@b.example"],
        ["account", "use", "acme"],
        ["projection", "rebuild", "users"],
        ["projection", "verify"],
        ["resource", "shared-with-me"],
    ],
    ids=" ".join,
)
def test_what_is_about_other_accounts_is_not_even_the_roots(acme: Program, arguments: list[str]) -> None:
    assert acme(*arguments, "--as", "root").err.startswith("AccessDenied: This command is for the local operator alone")
    operation = "".join(word.capitalize() for word in " ".join(arguments[:2]).replace("-", " ").split())
    (event,) = acme.did("audit", "log", "--limit", "1")["Events"]
    assert event["Actor"]["arn"] == "arn:aws:iam::123456789012:root"
    assert event["Data"] == {
        "user_id": "123456789012",
        "action": f"iamledger:{operation}",
        "resource_arn": "*",
        "outcome": "implicitDeny",
        "decided_by": "iamledger",
        "statements": [],
    }


def test_a_credential_is_of_its_account_alone(acme: Program, credentials: dict[str, str]) -> None:
    acme.did("account", "create", "other", "--email", "root@other.example", "--id", "234567890123")
    grant = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
    (acme.folder / "all.json").write_text(grant)
    acme.did("policy", "put-inline", "all", "all.json", "--user", "nobody")
    assert acme("account", "use", "234567890123").status == 0
    assert acme.did("user", "list", **credentials)["Account"] == "123456789012"
    assert acme("user", "list", "--account", "other", **credentials).err.startswith("AccessDenied: ")
    assert [row["AccountId"] for row in acme.did("account", "list", **credentials)["Accounts"]] == ["123456789012"]
    assert acme("apply", "acme.yaml", **credentials).status == 0
    (acme.folder / "other.yaml").write_text('accounts:\n  "234567890123":\n    users:\n      carol: {}\n')
    ran = acme("apply", "other.yaml", **credentials)
    assert "nothing in another account" in ran.err
    assert ran.status == 1
    told = set()
    for content in ("name: other", "name: wrong", "email: root@other.example", "users: {nobody: {}}"):
        for key in ("234567890123", "345678901234", "other", "another"):
            (acme.folder / "probe.yaml").write_text(f'accounts:\n  "{key}":\n    {content}\n')
            told.add(acme("plan", "probe.yaml", **credentials))
    assert len(told) == 1, "whatever a file says of another account, the answer is the same"
    before, there = (acme.did("account", "show", "--account", name)["Position"] for name in ("acme", "other"))
    told = {acme("user", "list", "--account", account, **credentials) for account in ("other", "another", "9" * 12)}
    assert len(told) == 1
    attempts = acme.did("audit", "log", "--limit", "3", "--account", "acme")["Events"]
    assert [event["Position"] for event in attempts] == [before + 3, before + 2, before + 1]
    assert {event["Data"]["action"] for event in attempts} == {"iamledger:UserList"}
    assert {event["Actor"]["access_key_id"] for event in attempts} == {credentials["IAMLEDGER_ACCESS_KEY_ID"]}
    assert acme.did("account", "show", "--account", "other")["Position"] == there
    assert acme("account", "use", "acme").status == 0


def test_the_use_of_a_key_is_noted(acme: Program) -> None:
    acme.did("user", "create", "robot")
    key, secret = acme.issued("create", "robot")
    settings = {"IAMLEDGER_ACCESS_KEY_ID": key, "IAMLEDGER_SECRET_ACCESS_KEY": secret}

    def uses() -> list[Any]:
        return list(acme.did("audit", "log", "--type", "AccessKeyUsed", "--key", key)["Events"])

    assert acme("user", "create", "carol", "--dry-run", **settings).status == 1
    assert uses() == []
    assert acme("user", "create", "carol", "--request-id", "mine", "--reason", "why", **settings).status == 1
    (use,) = uses()
    assert (use["Data"]["service_name"], use["Data"]["region"]) == ("iam", "us-east-1")
    assert (use["Actor"]["access_key_id"], use["Reason"]) == (key, None)
    assert use["RequestId"] != "mine"
    for _ in range(2):
        acme("user", "list", **settings)
    assert len(uses()) <= 2, "one for each quarter of an hour, of which one may have begun"
    assert acme.did("access-key", "show", key)["AccessKey"]["ServiceName"] == "iam"
    wrong = {**settings, "IAMLEDGER_SECRET_ACCESS_KEY": secret[::-1]}
    before = acme.heads()
    assert acme("user", "list", **wrong).err.startswith("SignatureDoesNotMatch: ")
    assert acme.heads() == before


def test_to_note_a_use_no_ledger_is_read(acme: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query without items finds every event; on a ledger of millions, each command would take minutes."""
    acme.did("user", "create", "often")
    key, secret = acme.issued("create", "often")
    read: list[tuple[Any, int]] = []

    def counted(connection: Any, account_id: str, request_id: str, query: Any) -> store.Boundary:
        found = store_reading.read_boundary(connection, account_id, request_id, query)
        read.append((query, len(found.events)))
        return found

    monkeypatch.setattr(store, "read_boundary", counted)
    for _ in range(2):
        acme("user", "list", IAMLEDGER_ACCESS_KEY_ID=key, IAMLEDGER_SECRET_ACCESS_KEY=secret)
        assert read
        assert all(query for query, _ in read)
        assert max(events for _, events in read) < 10
        read.clear()


def test_a_locked_ledger_can_be_read_by_credentials(acme: Program) -> None:
    """The use is not noted then, but that is no reason not to answer."""
    acme.did("user", "create", "reader")
    grant = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}}'
    (acme.folder / "list.json").write_text(grant)
    acme.did("policy", "put-inline", "list", "list.json", "--user", "reader")
    key, secret = acme.issued("create", "reader")
    assert acme.urls is not None
    with psycopg.connect(acme.urls.superuser) as holder:
        holder.execute("SELECT FROM iamledger.ledgers WHERE account_id = '123456789012' FOR UPDATE")
        ran = acme("user", "list", IAMLEDGER_ACCESS_KEY_ID=key, IAMLEDGER_SECRET_ACCESS_KEY=secret)
        assert (ran.status, ran.err) == (0, "")


def test_both_settings_or_none(acme: Program) -> None:
    ran = acme("user", "list", IAMLEDGER_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE")
    assert ran.err.startswith("SettingsError: ")
    assert ran.status == 1


def test_a_secret_is_never_repeated(acme: Program, credentials: dict[str, str]) -> None:
    secret = credentials["IAMLEDGER_SECRET_ACCESS_KEY"]
    ran = acme("user", "list", **{**credentials, "IAMLEDGER_SECRET_ACCESS_KEY": f"{secret}x"})
    assert ran.err.startswith("SignatureDoesNotMatch")
    assert secret not in ran.err + ran.out
    assert acme.rows("SELECT count(*) FROM iamledger.events WHERE data::text LIKE %s", f"%{secret}%") == [(0,)]


MANNERS = {
    "user": ["alice", "ALICE", "{id}"],
    "group": ["ops", "Ops", "{id}"],
    "policy": ["AdministratorAccess", "arn:aws:iam::aws:policy/AdministratorAccess"],
    "principal": ["alice", "{id}", "arn:aws:iam::123456789012:user/secret/alice"],
}
READING = [
    ("user", ["user", "show"]),
    ("user", ["access-key", "list"]),
    ("user", ["policy", "list-inline", "--user"]),
    ("user", ["policy", "show-inline", "p", "--user"]),
    ("group", ["group", "show"]),
    ("group", ["policy", "list-inline", "--group"]),
    ("policy", ["policy", "show"]),
    ("policy", ["policy", "version", "list"]),
    ("policy", ["policy", "version", "show", "--", "{}", "v1"]),
    ("principal", ["what-can"]),
    ("principal", ["can", "--", "{}", "s3:GetObject", "arn:aws:s3:::x"]),
]


@pytest.fixture(scope="module")
def guarded(
    new_database: Callable[[], Urls], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Program, dict[str, str]]:
    """Carol may read everything but what is secret. Then alice, a group and a key are gone or elsewhere."""
    urls, folder = new_database(), tmp_path_factory.mktemp("guarded")
    program = Program(folder, environment(folder / "home", **own_server(urls)), urls)
    program.did("account", "create", "acme", "--email", "root@acme.example", "--id", "123456789012")
    secret = [f"arn:aws:iam::123456789012:{kind}/secret/*" for kind in ("user", "group")]
    statements = [
        {"Effect": "Allow", "Action": ["iam:*", "iamledger:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": [*secret, "arn:aws:iam::aws:policy/AdministratorAccess"]},
    ]
    (folder / "carol.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    ids = {}
    for user, path in (("carol", "/"), ("alice", "/secret/")):
        ids[user] = program.did("user", "create", user, "--path", path)["Result"]["UserId"]
    ids["ops"] = program.did("group", "create", "ops", "--path", "/secret/")["Result"]["GroupId"]
    program.did("policy", "put-inline", "p", "carol.json", "--user", "carol")
    key, _ = program.issued("create", "alice")
    ids["before"] = str(program.did("policy", "put-inline", "p", "carol.json", "--user", "alice")["Position"])
    return program, {**ids, "key": key}


@pytest.mark.parametrize("when", [[], ["--as-of", "{before}"]], ids=["now", "then"])
@pytest.mark.parametrize(("kind", "words"), READING, ids=lambda part: part if isinstance(part, str) else " ".join(part))
def test_a_deny_holds_whatever_a_thing_is_called_by(
    guarded: tuple[Program, dict[str, str]], kind: str, words: list[str], when: list[str]
) -> None:
    program, ids = guarded
    when = [word.format(**ids) for word in when]
    for manner in MANNERS[kind]:
        called = manner.format(id=ids["ops" if kind == "group" else "alice"])
        said = [word.replace("{}", called) for word in words]
        if "{}" not in words:
            said.append(called)
        else:
            said = [*(word for word in said if word != "--")]
        ran = program(*said, *when, "--as", "carol")
        assert ran.err.startswith("AccessDenied: "), (said, ran)
        assert ran.out == ""


def test_the_past_is_permitted_by_the_names_it_had(guarded: tuple[Program, dict[str, str]]) -> None:
    program, ids = guarded
    at = ["--as-of", ids["before"], "--as", "carol"]
    program.did("access-key", "revoke", ids["key"])
    program.did("policy", "delete-inline", "p", "--user", "alice")
    program.did("user", "update", "alice", "--new-path", "/")
    assert program("user", "show", "alice", "--as", "carol").status == 0
    for words in (["user", "show", "alice"], ["user", "show", ids["alice"]], ["access-key", "show", ids["key"]]):
        assert program(*words, *at).err.startswith("AccessDenied: ")
    assert program("user", "show", "alice", "--diff", ids["before"], "12", "--as", "carol").err.startswith(
        "AccessDenied"
    )
    program.did("user", "delete", "alice")
    for words in (["user", "show", "alice"], ["user", "show", ids["alice"]], ["access-key", "show", ids["key"]]):
        assert program(*words, *at).err.startswith("AccessDenied: ")


@pytest.mark.parametrize("kind", ["user", "group"])
def test_what_had_another_name_is_permitted_by_that(acme: Program, credentials: dict[str, str], kind: str) -> None:
    """What --diff shows of a thing at the first moment is what it was then, so it needs the permission on that."""
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["iam:Get*", "iam:List*"], "Resource": "*"},
            {"Effect": "Deny", "Action": "*", "Resource": f"arn:aws:iam::*:{kind}/secret/*"},
        ],
    }
    acme.did("user", "create", f"looks-{kind}")
    (acme.folder / "looks.json").write_text(json.dumps(document))
    acme.did("policy", "put-inline", "looks", "looks.json", "--user", f"looks-{kind}")
    before = acme.did(kind, "create", f"spy-{kind}", "--path", "/secret/")["Position"]
    acme.did(kind, "update", f"spy-{kind}", "--new-name", f"clean-{kind}", "--new-path", "/")
    after = acme.did("account", "show")["Position"]
    caller = ("--as", f"looks-{kind}")
    assert acme(kind, "show", f"clean-{kind}", *caller).status == 0
    assert acme(kind, "show", f"clean-{kind}", "--diff", str(after), str(after), *caller).status == 0
    ran = acme(kind, "show", f"clean-{kind}", "--diff", str(before), str(after), *caller)
    assert "with an explicit deny" in ran.err
    assert (ran.status, ran.out) == (1, "")
    assert "secret" not in ran.err
    acme.did(kind, "create", f"new-{kind}")
    last = acme.did("account", "show")["Position"]
    assert acme(kind, "show", f"new-{kind}", "--diff", str(before), str(last), *caller).status == 0, "it was not there"


def test_nothing_is_recorded_by_what_appends_nothing(acme: Program, credentials: dict[str, str]) -> None:
    acme.did("user", "create", "planner")
    key, secret = acme.issued("create", "planner")
    caller = {"IAMLEDGER_ACCESS_KEY_ID": key, "IAMLEDGER_SECRET_ACCESS_KEY": secret}
    before = acme.heads()
    for arguments in (["plan", "acme.yaml"], ["apply", "acme.yaml", "--dry-run"]):
        assert acme(*arguments, **caller).err.startswith("AccessDenied: ")
        assert acme(*arguments, "--as", "planner").err.startswith("AccessDenied: ")
    assert acme.heads() == before


def test_a_file_for_another_account_is_an_attempt_on_record(acme: Program, credentials: dict[str, str]) -> None:
    acme.did("user", "create", "applier")
    grant = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
    (acme.folder / "all.json").write_text(grant)
    acme.did("policy", "put-inline", "all", "all.json", "--user", "applier")
    (acme.folder / "elsewhere.yaml").write_text('accounts:\n  "234567890123":\n    users:\n      carol: {}\n')
    assert acme("apply", "elsewhere.yaml", "--as", "applier").err.startswith("AccessDenied: ")
    (attempt,) = acme.did("audit", "log", "--limit", "1")["Events"]
    assert (attempt["Type"], attempt["Data"]["action"]) == ("RequestDenied", "iamledger:Apply")


@pytest.mark.parametrize("arguments", [["user", "list"], ["account", "create", "z", "--email", "a@b.example"]])
def test_a_denial_that_cannot_be_recorded_is_still_one(
    acme: Program, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr("iamledger.store.connection.LOCK_TIMEOUT", "100ms")
    assert acme.urls is not None
    acme.did("user", "create", "locked-out", "--if-not-exists")
    before = acme.heads()
    with psycopg.connect(acme.urls.superuser) as holder:
        holder.execute("SELECT FROM iamledger.ledgers WHERE account_id = '123456789012' FOR UPDATE")
        ran = acme(*arguments, "--as", "locked-out")
    assert ran.err.startswith("AccessDenied: ")
    assert "This attempt could not be recorded: Somebody holds a lock" in ran.err
    assert ran.status == 1
    assert acme.heads() == before


def test_a_ledger_that_can_only_be_read_is_read_by_credentials(acme: Program) -> None:
    acme.did("user", "create", "onlooker")
    (acme.folder / "list.json").write_text(
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}}'
    )
    acme.did("policy", "put-inline", "list", "list.json", "--user", "onlooker")
    key, secret = acme.issued("create", "onlooker")
    acme.did("user", "list")  # which brings the projections up to date
    url = make_conninfo(acme.environment["IAMLEDGER_DATABASE_URL"], options="-c default_transaction_read_only=on")
    ran = acme(
        "user",
        "list",
        IAMLEDGER_ACCESS_KEY_ID=key,
        IAMLEDGER_SECRET_ACCESS_KEY=secret,
        IAMLEDGER_DATABASE_URL=url,
    )
    assert (ran.status, ran.err) == (0, "")

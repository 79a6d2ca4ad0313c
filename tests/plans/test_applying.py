"""Files applied to accounts in a real ledger: an account becomes what the file says, in one go or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from conftest import ACCOUNT, MASTER_KEY, OPERATOR, Disturbance, Points, Urls, new_ledger
from iamledger import store
from iamledger.engine.rebuild import rebuild
from iamledger.engine.view import open_view
from iamledger.iam.access_key import create_access_key
from iamledger.iam.aws_managed import AWS_MANAGED
from iamledger.iam.managed_policy import create_policy_version
from iamledger.iam.quotas import Quotas
from iamledger.iam.refusals import (
    DeleteConflict,
    IdempotentParameterMismatch,
    InvalidInput,
    LimitExceeded,
    MalformedPolicyDocument,
    Refusal,
    ValidationError,
)
from iamledger.iam.user import create_user
from iamledger.ledger import Circumstances, Conflict, Ledger, Outcome
from iamledger.plans.applying import Plan, apply_account, numbered, plan_account
from iamledger.plans.declared import NO_BOUNDARY, Account, Document, Group, Policy, User
from iamledger.plans.present import PROJECTIONS, present_account
from iamledger.plans.reading import read_accounts
from iamledger.plans.writing import write_account
from iamledger.read_models import all_projections
from iamledger.store import Connection, Database

DOC = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}'
DENY = DOC.replace("Allow", "Deny")
AWS = "arn:aws:iam::aws:policy/"
EVERY_AWS = [policy.arn.rpartition("/")[2] for policy in AWS_MANAGED]


@pytest.fixture(scope="module")
def shared(new_database: Callable[[], Urls]) -> Iterator[Database]:
    """A database in which each test has accounts of its own."""
    database = Database(new_database().application)
    yield database
    database.close()


NUMBERS = count(300000000000)


@pytest.fixture
def fresh(shared: Database) -> Ledger:
    """The ledger of an account that does not exist yet."""
    return new_ledger(shared, str(next(NUMBERS)))


def read(body: str, key: str = ACCOUNT) -> Account:
    """The account of a file with these members, and a name and an address."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (account,) = read_accounts(f"accounts:\n  '{key}':\n    name: acme\n    email: root@acme.example\n{lines}")
    return account


def applied(ledger: Ledger, body: str, *, prune: bool = False) -> Outcome:
    """What came of applying a file to the ledger's account."""
    return apply_account(ledger, read(body, ledger.account_id), prune=prune)[1]


def present(ledger: Ledger, position: int | None = None) -> Account:
    """What the account holds."""
    projections = [all_projections()[name] for name in PROJECTIONS]
    with open_view(ledger.database.connection, ledger.account_id, projections, position=position) as view:
        return present_account(view)


def exported(ledger: Ledger, position: int | None = None) -> Account:
    """What the account holds, written as a file and read again."""
    (account,) = read_accounts(write_account(present(ledger, position)))
    return account


def normalised(account: Account) -> Any:
    """What counts of an account: no lines, no order, own policies by name, nothing left unsaid."""
    names = {name.lower(): f"{AWS}{name}" for name in EVERY_AWS}

    def called(policy: str) -> str:
        own = policy.rpartition("/")[2].lower()
        if policy.startswith(AWS):
            return policy
        return own if own in account.policies else names.get(own, policy)

    def inline(documents: Any) -> dict[str, str]:
        return {name: document.text for name, document in (documents or {}).items()}

    policies = {p.name: (p.path, p.description or None, p.document.text) for p in account.policies.values()}
    groups = {
        g.name: (g.path or "/", {called(p) for p in g.policies or ()}, inline(g.inline))
        for g in account.groups.values()
    }
    users = {
        u.name: (
            u.path or "/",
            dict(u.tags or ()),
            {name.lower() for name in u.groups or ()},
            {called(p) for p in u.policies or ()},
            inline(u.inline),
            called(u.boundary) if u.boundary else NO_BOUNDARY,
        )
        for u in account.users.values()
    }
    return policies, groups, users


def head(ledger: Ledger) -> int:
    """The position of the account's last event, 0 if there is none."""
    try:
        return store.head(ledger.database.connection, ledger.account_id).position
    except store.NoLedger:
        return 0


def planned(ledger: Ledger, desired: Account, *, prune: bool = False) -> Plan:
    """The plan for the ledger's account."""
    return plan_account(ledger.database.connection, ledger.account_id, desired, prune=prune)


# Any account into any other

documents = st.sampled_from(
    [DOC, DENY, DOC + "\n", f"\r\n{DOC}", f"  {DOC} ", DOC.replace('"*"', '"arn:aws:s3:::\xe9\xff"')]
).map(Document)
paths = st.sampled_from(["/", "/a/", "/a/b/"])


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Accounts over a small universe of names, so that two of them have much in common. Paths of policies are fixed."""
    own = draw(st.sets(st.sampled_from(["P", "Q", "ReadOnlyAccess", "R"])))
    attachable = st.lists(
        st.sampled_from([*sorted(own), *(name.lower() for name in own), f"{AWS}ReadOnlyAccess", "AdministratorAccess"]),
        max_size=4,
    )
    inline = st.dictionaries(st.sampled_from(["i", "I", "j"]), documents, max_size=2)
    policies = [Policy(name, draw(documents), f"/{name.lower()}/") for name in sorted(own)]
    groups = [
        Group(draw(st.sampled_from([name, name.lower()])), draw(paths), draw(attachable), draw(inline))
        for name in sorted(draw(st.sets(st.sampled_from(["Devs", "Ops", "HR"]))))
    ]
    joinable = st.lists(st.sampled_from([g.name.upper() for g in groups]), max_size=3) if groups else st.just([])
    users = [
        User(
            draw(st.sampled_from([name, name.upper()])),
            draw(paths),
            list(draw(st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["", "1", "2"]))).items()),
            draw(joinable),
            draw(attachable),
            draw(inline),
            draw(st.sampled_from([NO_BOUNDARY, f"{AWS}ReadOnlyAccess", *sorted(own)])),
        )
        for name in sorted(draw(st.sets(st.sampled_from(["alice", "bob", "carol"]))))
    ]
    kinds = ({thing.name.lower(): thing for thing in kind} for kind in (policies, groups, users))
    return Account("", "acme", "root@acme.example", *kinds)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(accounts(), accounts())
def test_any_account_becomes_any_other(shared: Database, one: Account, other: Account) -> None:
    number = str(next(NUMBERS))
    ledger = new_ledger(shared, number)
    for desired in (replace(one, key=number), replace(other, key=number)):
        before = head(ledger)
        plan, outcome = apply_account(ledger, desired, prune=True)
        assert head(ledger) == before + len(outcome.events)
        assert len(plan.steps) <= len(outcome.events)
        now = present(ledger)
        assert normalised(now) == normalised(desired)
        assert not planned(ledger, desired, prune=True).steps
        assert not planned(ledger, exported(ledger), prune=True).steps
    # and an export of it makes an account whose export is the same
    copy = new_ledger(shared, str(next(NUMBERS)))
    text = write_account(present(ledger)).replace(number, copy.account_id)
    (file,) = read_accounts(text)
    apply_account(copy, file)
    assert normalised(present(copy)) == normalised(present(ledger))
    again = write_account(present(copy))
    (reread,) = read_accounts(again)
    assert normalised(reread) == normalised(file)
    # as does one of the past
    (past,) = read_accounts(write_account(present(ledger, before)).replace(number, third := str(next(NUMBERS))))
    apply_account(new_ledger(shared, third), past)
    assert normalised(present(new_ledger(shared, third))) == normalised(present(ledger, before))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(accounts(), accounts())
def test_without_pruning_what_the_file_does_not_name_stays(shared: Database, one: Account, other: Account) -> None:
    assume(not {*one.users} <= {*other.users} or not {*one.groups} <= {*other.groups})
    number = str(next(NUMBERS))
    ledger = new_ledger(shared, number)
    apply_account(ledger, replace(one, key=number))
    before = normalised(present(ledger))
    apply_account(ledger, replace(other, key=number))
    after, wanted = normalised(present(ledger)), normalised(other)
    for had, has, named in zip(before, after, wanted, strict=True):
        spoken_of = {name.lower() for name in named}
        for name, thing in had.items():
            if name.lower() not in spoken_of:
                assert json.dumps(has[name], default=sorted) == json.dumps(thing, default=sorted)
    assert not planned(ledger, replace(other, key=number)).steps


# Quotas


def test_ten_policies_are_replaced_by_ten_others(fresh: Ledger) -> None:
    files = []
    for kind in "ab":
        names = [f"{kind}{n}" for n in range(10)]
        own = "".join(f"  {name}: {{document: '{DOC}'}}\n" for name in names)
        attached = f"policies: [{', '.join(names)}]"
        files.append(f"policies:\n{own}groups: {{g: {{{attached}}}}}\nusers: {{u: {{{attached}}}}}")
    applied(fresh, files[0])
    applied(fresh, files[1])
    assert sorted(present(fresh).users["u"].policies or ()) == [
        f"arn:aws:iam::{fresh.account_id}:policy/b{n}" for n in range(10)
    ]
    applied(fresh, files[0], prune=True)
    assert sorted(present(fresh).policies) == [f"a{n}" for n in range(10)]


def test_ten_groups_are_replaced_by_ten_others(fresh: Ledger) -> None:
    files = [
        f"groups: {{{', '.join(f'{kind}{n}: ' for n in range(10))}}}\n"
        f"users: {{u: {{groups: [{', '.join(f'{kind}{n}' for n in range(10))}]}}}}"
        for kind in "ab"
    ]
    applied(fresh, files[0])
    applied(fresh, files[1])
    assert present(fresh).users["u"].groups == [f"b{n}" for n in range(10)]


def test_the_oldest_version_makes_room_for_a_sixth(fresh: Ledger) -> None:
    texts = [DOC + " " * n for n in range(7)]
    for text in texts:
        applied(fresh, f"policies: {{p: {{document: '{text}'}}}}")
        assert present(fresh).policies["p"].document.text == text
    arn = f"arn:aws:iam::{fresh.account_id}:policy/p"
    with pytest.raises(LimitExceeded):
        fresh.execute(create_policy_version, policy=arn, document=DENY)


def test_inline_policies_at_the_quota_change_places(fresh: Ledger) -> None:
    def text(size: int) -> str:
        return DOC.replace('*"}', f'arn:aws:s3:::{"x" * (size - len(DOC) - 12)}"}}')

    for sizes in ((1500, 500), (500, 1500), (1500, 500)):
        one, other = map(text, sizes)
        applied(fresh, f"users: {{u: {{inline: {{a: '{one}', b: '{other}'}}}}}}")
    with pytest.raises(LimitExceeded, match=r"^user u: b: Maximum policy size of 2048"):
        applied(fresh, f"users: {{u: {{inline: {{a: '{text(1500)}', b: '{text(600)}'}}}}}}")


def test_an_account_at_its_quotas_is_swapped_for_another(shared: Database) -> None:
    small = Quotas(users_per_account=2, groups_per_account=2, policies_per_account=2)
    ledger = Ledger(shared, str(next(NUMBERS)), Circumstances(OPERATOR), master_key=lambda: MASTER_KEY, quotas=small)
    files = [
        f"policies: {{{k}1: {{document: '{DOC}'}}, {k}2: {{document: '{DOC}'}}}}\n"
        f"groups: {{{k}1: {{policies: [{k}1]}}, {k}2: }}\n"
        f"users: {{{k}1: {{groups: [{k}1], boundary: {k}2}}, same: {{groups: [{k}2]}}}}"
        for k in "ab"
    ]
    applied(ledger, files[0])
    with pytest.raises(LimitExceeded, match=r"^policy b1: Cannot exceed quota for PoliciesPerAccount: 2$"):
        applied(ledger, files[1])
    assert list(present(ledger).policies) == ["a1", "a2"]
    applied(ledger, files[1], prune=True)
    assert list(present(ledger).policies) == ["b1", "b2"]
    assert list(present(ledger).users) == ["b1", "same"]
    assert sorted(present(ledger).groups) == ["b1", "b2"]


def test_a_boundary_is_replaced_and_its_policy_pruned(fresh: Ledger) -> None:
    for name in "ab":
        applied(fresh, f"policies: {{{name}: {{document: '{DOC}'}}}}\nusers: {{u: {{boundary: {name}}}}}", prune=True)
        assert present(fresh).users["u"].boundary == f"arn:aws:iam::{fresh.account_id}:policy/{name}"
        assert list(present(fresh).policies) == [name]


# All or nothing

GOOD = "groups: {g: }\nusers:\n  a: {groups: [g]}\n  b: {groups: [g]}\n"


@pytest.mark.parametrize(
    ("more", "refusal", "told"),
    [
        ("  z: {policies: [a1, a2]}\npolicies: {}", InvalidInput, "line 9: there is no policy 'a1'"),
        ("  z: {groups: [nosuch]}", InvalidInput, "line 9: there is no group 'nosuch'"),
        ("  z: {inline: {i: '{}'}}", MalformedPolicyDocument, "user z: i: "),
        ("  z: {inline: {i: 'no JSON'}}", MalformedPolicyDocument, "user z: i: "),
        ("  z: {path: nopath}", ValidationError, "user z: 1 validation error detected: Value 'nopath' at 'path'"),
        ("  'z z': ", ValidationError, "user z z: 1 validation error detected: Value 'z z' at 'userName'"),
        ("  z: {tags: {'aws:x': y}}", InvalidInput, "user z: Tag keys that start with aws: are reserved"),
        (f"  z: {{tags: {{{', '.join(f'k{n}: v' for n in range(51))}}}}}", LimitExceeded, "user z: Cannot exceed quota"),
        ("  é: ", ValidationError, "userName"),
        (f"  {'x' * 65}: ", ValidationError, "userName"),
    ],
)  # fmt: skip
def test_what_is_refused_leaves_nothing_behind(fresh: Ledger, more: str, refusal: type[Refusal], told: str) -> None:
    with pytest.raises(refusal) as refused:
        applied(fresh, GOOD + more)
    assert told in str(refused.value)
    assert head(fresh) == 0
    before = applied(fresh, "users: {y: }").last
    with pytest.raises(refusal):
        applied(fresh, GOOD + more, prune=True)
    assert head(fresh) == before
    assert list(present(fresh).users) == ["y"]


def test_the_last_user_beyond_the_quota_refuses_all(shared: Database) -> None:
    quotas = Quotas(users_per_account=2)
    ledger = Ledger(shared, str(next(NUMBERS)), Circumstances(OPERATOR), master_key=lambda: MASTER_KEY, quotas=quotas)
    with pytest.raises(LimitExceeded, match=r"^user c: Cannot exceed quota for UsersPerAccount: 2$"):
        applied(ledger, "users: {a: , b: , c: }")
    assert head(ledger) == 0
    assert applied(ledger, "users: {a: , b: }").last


def test_a_user_with_access_keys_is_not_pruned(fresh: Ledger) -> None:
    applied(fresh, GOOD)
    fresh.execute(create_access_key, user="b")
    before = head(fresh)
    with pytest.raises(DeleteConflict, match=r"^user b: Cannot delete entity, must delete access keys first"):
        applied(fresh, "groups: {g: }\nusers: {a: }", prune=True)
    assert head(fresh) == before


def test_who_stays_loses_what_is_pruned(fresh: Ledger) -> None:
    own = f"policies: {{p: {{document: '{DOC}'}}, q: {{document: '{DOC}'}}}}\n"
    applied(
        fresh,
        own + "groups: {g: {policies: [p, q]}, h: }\n"
        "users: {a: {groups: [g, h], policies: [p, ReadOnlyAccess], boundary: p}, b: {groups: [h]}}",
    )
    kept = f"policies: {{q: {{document: '{DOC}'}}}}\n"
    applied(fresh, kept + "groups: {g: }\nusers: {a: , b: }", prune=True)
    account = exported(fresh)
    assert account.users["a"].groups == ["g"]
    assert [arn.rpartition("/")[2] for arn in account.users["a"].policies or ()] == ["ReadOnlyAccess"]
    assert account.users["a"].boundary == ""
    assert account.users["b"].groups == []
    assert [arn.rpartition("/")[2] for arn in account.groups["g"].policies or ()] == ["q"]
    assert not planned(fresh, read(kept + "groups: {g: }\nusers: {a: , b: }", fresh.account_id), prune=True).steps


def test_a_dry_run_appends_nothing_and_says_what_would_come(fresh: Ledger) -> None:
    desired = read(GOOD, fresh.account_id)
    plan, outcome = apply_account(fresh, desired, dry_run=True)
    assert (plan.position, outcome.last) == (0, None)
    assert [type(event).__name__ for event in outcome.events].count("UserCreated") == 2
    assert head(fresh) == 0
    assert [type(event) for event in apply_account(fresh, desired)[1].events] == [
        type(event) for event in outcome.events
    ]
    plan, outcome = apply_account(fresh, desired, dry_run=True)
    assert (plan.steps, outcome.events, outcome.last) == ([], [], None)


# Others at the same time


def test_a_ledger_that_moves_is_planned_again(ledger: Ledger, points: Points) -> None:
    def interfere(point: str) -> None:
        if point == "append" and head(ledger) == 1:
            with points.undisturbed():
                new_ledger(ledger.database).execute(create_user, name="alice", path="/other/")

    with points.disturbed(Disturbance(interfere)):
        plan, outcome = apply_account(ledger, read("users: {alice: {path: /eng/}}"))
    assert plan.position == 2
    assert [type(event).__name__ for event in outcome.events] == ["UserPathChanged"]
    assert present(ledger).users["alice"].path == "/eng/"


def test_a_ledger_that_others_write_to_all_the_time_is_no_hindrance(ledger: Ledger, points: Points) -> None:
    names = count()

    def interfere(point: str) -> None:
        if point == "append":
            with points.undisturbed():
                new_ledger(ledger.database).execute(create_user, name=f"other{next(names)}")

    with points.disturbed(Disturbance(interfere)):
        apply_account(ledger, read("users: {alice: }"))
        apply_account(ledger, read("users: {bob: }"), dry_run=True)
    assert "alice" in present(ledger).users


def test_an_account_that_is_opened_meanwhile_is_planned_again(database: Database, points: Points) -> None:
    ledger = new_ledger(database)

    def interfere(point: str) -> None:
        if point == "append" and not head(ledger):
            with points.undisturbed():
                applied(new_ledger(database), "users: {bob: }")

    with points.disturbed(Disturbance(interfere)):
        plan, _ = apply_account(ledger, read("users: {alice: }"))
    assert [step.about for step in plan.steps] == ["user alice"]
    assert list(present(ledger).users) == ["alice", "bob"]


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_lost_connection_is_made_good(ledger: Ledger, points: Points, no_pauses: None, fault: str) -> None:
    with points.disturbed(Disturbance(fault=fault)):
        _, outcome = apply_account(ledger, read(GOOD))
    assert outcome.last == head(ledger) == 1 + len(outcome.events)
    assert list(present(ledger).users) == ["a", "b"]


def test_two_who_apply_different_files_at_once_come_one_after_the_other(urls: Urls) -> None:
    """Each file is meant exactly, so that in the end there is what one of them says, never a mixture."""
    files = [
        f"groups: {{{k}: }}\nusers: {{u: {{path: /{k}/, tags: {{t: {k}}}, groups: [{k}]}}, only-{k}: }}" for k in "abc"
    ]
    failures: list[BaseException] = []
    barrier = threading.Barrier(len(files))

    def run(body: str) -> None:
        database = Database(urls.application)
        try:
            for _ in range(5):
                barrier.wait(30)
                try:
                    applied(new_ledger(database), body, prune=True)
                except Conflict:
                    continue
        except BaseException as error:
            failures.append(error)
            barrier.abort()
        finally:
            database.close()

    threads = [threading.Thread(target=run, args=(body,)) for body in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    database = Database(urls.application)
    now = normalised(present(new_ledger(database)))
    assert now in [normalised(read(body)) for body in files]
    database.close()


# Which account


def test_a_new_account_by_number(fresh: Ledger) -> None:
    desired = read("", fresh.account_id)
    assert numbered(fresh.database.connection, [desired], None) == {fresh.account_id: desired}
    plan, outcome = apply_account(fresh, desired)
    assert [step.operation for step in plan.steps] == ["CreateAccount", *["ImportManagedPolicy"] * len(AWS_MANAGED)]
    assert (plan.position, outcome.first) == (0, 1)
    assert not planned(fresh, desired).steps


def test_a_new_account_by_name(connection: Connection, database: Database) -> None:
    (desired,) = read_accounts("accounts: {beta: {email: b@acme.example}}")
    ((number, _),) = numbered(connection, [desired], None).items()
    assert number.isdigit()
    apply_account(new_ledger(database, number), desired)
    assert (present(new_ledger(database, number)).name, number) == ("beta", number)
    assert numbered(connection, [desired], None) == {number: desired}
    assert not plan_account(connection, number, desired).steps


def test_new_accounts_of_one_request_have_numbers_of_their_own(connection: Connection) -> None:
    both = read_accounts("accounts: {beta: {email: b@acme.example}, gamma: {email: c@acme.example}}")
    numbers = list(numbered(connection, both, "request"))
    assert len(set(numbers)) == 2
    assert list(numbered(connection, both, "request")) == numbers
    assert list(numbered(connection, both, "other")) != numbers


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accounts:\n  beta: {}", "line 2: account beta is to be created, so it needs a name and an email"),
        ("accounts:\n  beta: {name: x}", "line 2: account beta is to be created, so it needs a name and an email"),
        ("accounts:\n  '999999999999': {email: a@acme.example}", "999999999999 is to be created, so it needs"),
        ("accounts:\n  beta: {name: gamma, email: a@acme.example}", "is to be created, so gamma cannot be its name"),
    ],
)  # fmt: skip
def test_what_a_new_account_needs(connection: Connection, text: str, told: str) -> None:
    (desired,) = read_accounts(text)
    ((number, _),) = numbered(connection, [desired], None).items()
    with pytest.raises(InvalidInput, match=told):
        plan_account(connection, number, desired)


@pytest.mark.parametrize("key", ["12", "1" * 13, "0", "é", " ", "x" * 51])
def test_what_can_be_no_account_is_refused(connection: Connection, key: str) -> None:
    with pytest.raises(ValidationError):
        numbered(connection, [Account(key)], None)


def test_one_account_under_two_keys_is_refused(ledger: Ledger) -> None:
    both = read_accounts(f"accounts:\n  acme:\n  '{ACCOUNT}':\n")
    with pytest.raises(InvalidInput, match=f"^lines 2 and 3: both are account {ACCOUNT}. Write it once"):
        numbered(ledger.database.connection, both, None)


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ("{name: other}", f"line 1: the name of account {ACCOUNT} is acme and cannot be changed"),
        ("{name: Acme}", "the name of account"),
        ("{name: ''}", "the name of account"),
        ("{email: other@acme.example}", "the e-mail address of account .* is root@acme.example and cannot be changed"),
        ("{email: ''}", "the e-mail address"),
    ],
)
def test_a_name_or_address_that_differs_is_refused(ledger: Ledger, members: str, told: str) -> None:
    (desired,) = read_accounts(f"accounts: {{'{ACCOUNT}': {members}}}")
    with pytest.raises(InvalidInput, match=told):
        apply_account(ledger, desired)
    assert head(ledger) == 1


def test_a_request_is_safe_to_repeat(database: Database) -> None:
    ledger = new_ledger(database, request_id="r1")
    first = applied(ledger, GOOD)
    assert not applied(ledger, GOOD).events  # there is nothing left to do
    others = new_ledger(database)
    applied(others, "groups: {g: }\nusers: {a: {groups: []}, b: {groups: []}}", prune=True)
    with pytest.raises(IdempotentParameterMismatch):
        applied(ledger, GOOD)  # what is to be done now was not what was asked for
    assert first.last is not None
    assert head(ledger) == first.last + 2


# What was erased


def test_what_was_erased_does_not_matter(database: Database) -> None:
    ledger = new_ledger(database)
    desired = read("users: {alice: {tags: {team: storage}}, bob: {tags: {team: ops}}}")
    apply_account(ledger, desired)
    for position in range(1, head(ledger) + 1):
        store.erase(database.connection, ACCOUNT, position)
    for name in ("accounts", "users"):
        database.connection.execute("SELECT 1")  # rows of projections follow when they are rebuilt
        assert name in all_projections()
    for name in ("accounts", "users"):
        rebuild(database.connection, all_projections()[name])
    now = present(ledger)
    assert now.email is None
    assert now.users["alice"].tags == []
    account = exported(ledger)
    assert account.email is None
    assert not planned(ledger, account, prune=True).steps
    plan, _ = apply_account(ledger, desired)  # the address cannot be compared; the tags are set again
    assert [step.operation for step in plan.steps] == ["TagUser", "TagUser"]


# Size


@pytest.mark.slow
def test_five_thousand_users(fresh: Ledger) -> None:
    reads = Points()
    users = "".join(f"  u{n}: {{path: /a/, tags: {{team: t{n % 7}}}, groups: [g{n % 50}]}}\n" for n in range(5000))
    groups = "".join(f"  g{n}: {{policies: [ReadOnlyAccess]}}\n" for n in range(50))
    body = f"groups:\n{groups}users:\n{users}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "read_boundary", reads.read_boundary)
        disturbance = Disturbance()
        with reads.disturbed(disturbance):
            assert len(applied(fresh, body).events) == 10_106
    assert disturbance.reads < 5  # not one for each user
    desired = read(body, fresh.account_id)
    assert not planned(fresh, desired, prune=True).steps
    applied(fresh, "", prune=True)
    assert not present(fresh).users

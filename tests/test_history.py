"""The audit trail: events found by whom they are about, who did them, what they are and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from conftest import ACCOUNT, Urls, new_ledger
from iamledger import store
from iamledger.actors import LocalOperator, Principal
from iamledger.history import Filter, at_position, find, group_ids, of_access_key, owner_name, policy_ids, user_ids
from iamledger.iam.access_key import create_access_key, revoke_access_key, rotate_access_key
from iamledger.iam.account import create_account
from iamledger.iam.attachment import attach_group_policy, detach_group_policy
from iamledger.iam.group import create_group, update_group
from iamledger.iam.inline_policy import put_group_policy
from iamledger.iam.managed_policy import create_policy, delete_policy, import_managed_policy
from iamledger.iam.membership import add_user_to_group
from iamledger.iam.permissions_boundary import put_user_permissions_boundary
from iamledger.iam.refusals import NoSuchEntity, Refusal, ValidationError
from iamledger.iam.user import create_user, delete_user, tag_user, update_user
from iamledger.ledger import Circumstances
from iamledger.store import Connection, Database

ARN = "arn:aws:iam::123456789012:root"


@dataclass(frozen=True)
class Told:
    """A history, and the ids in it."""

    connection: Connection
    alice: str
    second_alice: str
    old: str
    new: str

    def positions(self, wanted: Filter, *, upto: int = 99, after: int = 0, limit: int | None = None) -> list[int]:
        """Where the events are that match, newest first."""
        return [e.position for e in find(self.connection, ACCOUNT, wanted, upto=upto, after=after, limit=limit)]

    def time(self, position: int) -> object:
        return at_position(self.connection, ACCOUNT, position).recorded_at


@pytest.fixture(scope="module")
def history(new_database: Callable[[], Urls]) -> Iterator[Told]:
    """Alice becomes bob, a second alice comes and goes; keys are rotated and revoked; three different actors."""
    database = Database(new_database().application)
    ledger = new_ledger(database)

    def did(actor: LocalOperator | Principal, decision: Callable[..., object], **arguments: object) -> object:
        ledger.circumstances = Circumstances(actor, reason="because")
        return ledger.execute(decision, **arguments).events  # type: ignore[arg-type]

    operator, other, principal = (
        LocalOperator("ada", "iamledger_app"),
        LocalOperator("grace", "iamledger_app"),
        Principal(ARN, ACCOUNT),
    )
    did(operator, create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")  # 1
    (first,) = did(operator, create_user, name="alice", tags=[("team", "a")])  # type: ignore[misc]  # 2
    (key,) = did(other, create_access_key, user="alice")  # type: ignore[misc]  # 3
    rotated = did(principal, rotate_access_key, user="alice", grace=timedelta(0))  # 4, 5
    did(operator, update_user, user="alice", new_name="bob")  # 6
    (second,) = did(operator, create_user, name="Alice")  # type: ignore[misc]  # 7
    did(other, revoke_access_key, key=key.access_key_id)  # 8
    did(principal, tag_user, user="alice", tags=[("x", "y")])  # 9
    did(operator, delete_user, user="alice")  # 10
    new_ledger(database, "210987654321").execute(
        create_account, account="210987654321", account_name="other", email="root@acme.example"
    )
    new_ledger(database, "210987654321").execute(create_user, name="alice")
    ids = first.user_id, second.user_id, key.access_key_id, rotated[0].access_key_id  # type: ignore[index]
    yield Told(database.connection, *ids)
    database.close()


def test_without_a_filter_it_is_everything_newest_first(history: Told) -> None:
    assert history.positions(Filter()) == list(range(10, 0, -1))
    oldest_first = find(history.connection, ACCOUNT, Filter(), upto=99, newest_first=False)
    assert [event.position for event in oldest_first] == list(range(1, 11))
    assert {event.account_id for event in oldest_first} == {ACCOUNT}


def test_ranges_and_limits(history: Told) -> None:
    assert history.positions(Filter(), upto=4) == [4, 3, 2, 1]
    assert history.positions(Filter(), after=4, upto=6) == [6, 5]
    assert history.positions(Filter(), limit=3) == [10, 9, 8]
    assert history.positions(Filter(), after=10) == []
    assert history.positions(Filter(), upto=0) == []


def test_by_user(history: Told) -> None:
    assert history.positions(Filter(user=history.alice)) == [8, 6, 5, 4, 3, 2]
    assert history.positions(Filter(user=history.second_alice)) == [10, 9, 7]
    assert history.positions(Filter(user="bob")) == [8, 6, 5, 4, 3, 2]  # all of it, not only since it is called so
    assert history.positions(Filter(user="BOB")) == [8, 6, 5, 4, 3, 2]
    assert history.positions(Filter(user="alice")) == [10, 9, 8, 7, 6, 5, 4, 3, 2]  # both that were ever called so


def test_a_name_finds_every_user_that_ever_had_it(history: Told) -> None:
    assert sorted(user_ids(history.connection, ACCOUNT, "alice", 99)) == sorted([history.alice, history.second_alice])
    assert user_ids(history.connection, ACCOUNT, "alice", 6) == [history.alice]
    assert user_ids(history.connection, ACCOUNT, "Bob", 99) == [history.alice]
    with pytest.raises(NoSuchEntity):
        user_ids(history.connection, ACCOUNT, "bob", 5)  # nobody was called so yet
    assert user_ids(history.connection, ACCOUNT, history.second_alice, 99) == [history.second_alice]


def test_users_of_other_accounts_are_not_found(history: Told) -> None:
    (foreign,) = user_ids(history.connection, "210987654321", "alice", 99)
    assert foreign not in (history.alice, history.second_alice)
    with pytest.raises(NoSuchEntity, match=f"No user with name {foreign} has ever been in account"):
        history.positions(Filter(user=foreign))


def test_by_access_key(history: Told) -> None:
    assert history.positions(Filter(access_key_id=history.old)) == [8, 5, 3]
    assert history.positions(Filter(access_key_id=history.new)) == [5, 4]
    assert history.positions(Filter(access_key_id="AKIAIOSFODNN7EXAMPLE")) == []


def test_by_actor(history: Told) -> None:
    assert history.positions(Filter(actor="ada")) == [10, 7, 6, 2, 1]
    assert history.positions(Filter(actor="grace")) == [8, 3]
    assert history.positions(Filter(actor=ARN)) == [9, 5, 4]
    for nobody in ("Ada", "ad", "%", "arn:aws:iam::%", "iamledger_app", "AIDAAUDITOR"):
        assert history.positions(Filter(actor=nobody)) == []


def test_by_type_however_its_case(history: Told) -> None:
    assert history.positions(Filter(types=["UserCreated"])) == [7, 2]
    assert history.positions(Filter(types=["usercreated", "ACCESSKEYREVOKED"])) == [8, 7, 2]
    assert history.positions(Filter(types=["UserUntagged"])) == []


def test_by_time(history: Told) -> None:
    third, sixth = history.time(3), history.time(6)
    assert history.positions(Filter(since=third)) == list(range(10, 2, -1))  # type: ignore[arg-type]
    assert history.positions(Filter(until=third)) == [3, 2, 1]  # type: ignore[arg-type]
    assert history.positions(Filter(since=third, until=sixth)) == [6, 5, 4, 3]  # type: ignore[arg-type]
    assert history.positions(Filter(since=sixth, until=third)) == []  # type: ignore[arg-type]


def test_everything_that_is_given_must_hold(history: Told) -> None:
    assert history.positions(Filter(user="alice", access_key_id=history.old)) == [8, 5, 3]
    assert history.positions(Filter(user="bob", access_key_id=history.old, actor="grace")) == [8, 3]
    assert history.positions(Filter(user="bob", actor="grace", types=["AccessKeyCreated"])) == [3]
    assert history.positions(Filter(user=history.second_alice, access_key_id=history.old)) == []
    assert history.positions(Filter(user="alice", actor="ada", since=history.time(6)), upto=9) == [7, 6]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wanted",
    [
        *(Filter(user=user) for user in ("", " ", "a b", "ä", "a\n", "a\udcff", "x" * 129, "user:x")),
        *(Filter(access_key_id=key) for key in ("", "AKIA", "AKIA" + "!" * 16, "A" * 129, "A" * 19 + "\udcff")),
        *(Filter(actor=actor) for actor in ("", "a\n", "a\0", "a\x1b", "a\udcff", "x" * 2049)),
        *(Filter(types=[type_]) for type_ in ("", "User", "UserCreated ", "Event", "UserCreated\udcff")),
        Filter(types=["UserCreated", "Nonsense"]),
    ],
    ids=ascii,
)
def test_malformed_filters_are_refused(wanted: Filter, history: Told) -> None:
    with pytest.raises(ValidationError) as refused:
        history.positions(wanted)
    assert str(refused.value).isprintable()


def test_a_user_that_never_was_is_refused(history: Told) -> None:
    for name in ("carol", "x" * 128, "AIDA", "alic", "alice.", "a@ice"):
        with pytest.raises(NoSuchEntity, match="has ever been in account"):
            history.positions(Filter(user=name))


# Groups and policies


@dataclass(frozen=True)
class Grants(Told):
    """A history of groups and policies, and more ids in it."""

    admins: str
    second_admins: str
    policy: str
    second_policy: str
    of_aws: str


MINE = f"arn:aws:iam::{ACCOUNT}:policy/ops/Deploy"
MOVED = f"arn:aws:iam::{ACCOUNT}:policy/Deploy"
OF_AWS = "arn:aws:iam::aws:policy/Deploy"
DOCUMENT = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'


@pytest.fixture(scope="module")
def grants(new_database: Callable[[], Urls]) -> Iterator[Grants]:
    """The group admins becomes bosses, and there are other Admins; Deploy is deleted, and made again elsewhere."""
    database = Database(new_database().application)
    ledger = new_ledger(database)

    def did(decision: Callable[..., Any], **arguments: Any) -> Any:
        return ledger.execute(decision, **arguments).events[0]

    did(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")  # 1
    alice = did(create_user, name="alice", path="/eng/").user_id  # 2
    admins = did(create_group, name="admins", path="/ops/").group_id  # 3
    policy = did(create_policy, name=MINE, document=DOCUMENT).policy_id  # 4
    did(add_user_to_group, user="alice", group="admins")  # 5
    did(attach_group_policy, group="admins", policy=MINE)  # 6
    did(update_group, group="admins", new_name="bosses")  # 7
    second_admins = did(create_group, name="Admins").group_id  # 8
    did(put_group_policy, group="Admins", policy_name="own", document=DOCUMENT)  # 9
    did(detach_group_policy, group="bosses", policy=MINE)  # 10
    did(delete_policy, policy=MINE)  # 11
    second_policy = did(create_policy, name=MOVED, document=DOCUMENT).policy_id  # 12
    of_aws = did(import_managed_policy, name=OF_AWS, document=DOCUMENT).policy_id  # 13
    did(put_user_permissions_boundary, user="alice", policy=OF_AWS)  # 14
    ids = admins, second_admins, policy, second_policy, of_aws
    yield Grants(database.connection, alice, "", "", "", *ids)
    database.close()


def test_by_group(grants: Grants) -> None:
    for named in ("bosses", "BOSSES", grants.admins, f"arn:aws:iam::{ACCOUNT}:group/ops/bosses"):
        assert grants.positions(Filter(group=named)) == [10, 7, 6, 5, 3]
    assert grants.positions(Filter(group=grants.second_admins)) == [9, 8]
    assert grants.positions(Filter(group="admins")) == [10, 9, 8, 7, 6, 5, 3]  # both that were ever called so
    assert grants.positions(Filter(group="admins"), upto=7) == [7, 6, 5, 3]
    assert grants.positions(Filter(group="admins", user="alice")) == [5]
    assert sorted(group_ids(grants.connection, ACCOUNT, "admins", 99)) == sorted([grants.admins, grants.second_admins])


def test_by_policy(grants: Grants) -> None:
    for named in (MINE, grants.policy):
        assert grants.positions(Filter(policy=named)) == [11, 10, 6, 4]
    assert grants.positions(Filter(policy=MOVED)) == [12]
    assert grants.positions(Filter(policy=OF_AWS)) == [14, 13]
    assert grants.positions(Filter(policy="deploy")) == [14, 13, 12, 11, 10, 6, 4]  # whosever it is
    assert grants.positions(Filter(policy="Deploy", group="bosses")) == [10, 6]
    assert policy_ids(grants.connection, ACCOUNT, "Deploy", 11) == [grants.policy]


def test_by_the_arn_of_a_user(grants: Grants) -> None:
    assert grants.positions(Filter(user=f"arn:aws:iam::{ACCOUNT}:user/eng/alice")) == [14, 5, 2]


def test_groups_and_policies_that_never_were_are_refused(grants: Grants) -> None:
    for wanted, message in (
        (Filter(group="nobodies"), "No group with name nobodies has ever been in account"),
        (Filter(group=grants.policy), "No group with name ANPA"),
        (Filter(group=f"arn:aws:iam::{ACCOUNT}:group/nobodies"), "No group with ARN arn:aws:iam::"),
        (Filter(policy="Nothing"), "No policy with name Nothing"),
        (Filter(policy=MOVED + "er"), "No policy with ARN arn:aws:iam::"),
        (Filter(policy=grants.admins), "No policy with name AGPA"),
    ):
        with pytest.raises(NoSuchEntity, match=message):
            grants.positions(wanted)
    with pytest.raises(NoSuchEntity):
        grants.positions(Filter(group="bosses"), upto=6)  # nothing was called so yet
    with pytest.raises(NoSuchEntity):
        grants.positions(Filter(policy=MOVED), upto=11)


@pytest.mark.parametrize(
    "wanted",
    [
        *(Filter(group=name) for name in ("", "a b", "a\n", "x" * 129, "group:x", "a\udcff", OF_AWS)),
        Filter(group="arn:aws:iam::210987654321:group/admins"),
        Filter(user="arn:aws:iam::210987654321:user/alice"),
        *(
            Filter(policy=name)
            for name in ("", "a b", "x" * 129, "arn:", "arn:aws:iam::aws:policy/", OF_AWS + "\udcff")
        ),
    ],
    ids=ascii,
)
def test_malformed_groups_and_policies_are_refused(wanted: Filter, grants: Grants) -> None:
    with pytest.raises(ValidationError) as refused:
        grants.positions(wanted)
    assert str(refused.value).isprintable()


# Keys, names and single events


def test_the_whole_life_of_a_key_oldest_first(history: Told) -> None:
    life = of_access_key(history.connection, ACCOUNT, history.old, 99)
    assert [event.type for event in life] == ["AccessKeyCreated", "AccessKeyRotated", "AccessKeyRevoked"]
    assert [event.position for event in of_access_key(history.connection, ACCOUNT, history.old, 5)] == [3, 5]


def test_a_key_that_was_not_there_is_refused(history: Told) -> None:
    for account_id, key, upto in (
        (ACCOUNT, history.new, 3),
        ("210987654321", history.old, 99),
        (ACCOUNT, "A" * 20, 99),
    ):
        with pytest.raises(NoSuchEntity, match=f"No Access Key with id {key} has ever been in account {account_id}"):
            of_access_key(history.connection, account_id, key, upto)
    with pytest.raises(Refusal):
        of_access_key(history.connection, ACCOUNT, "short", 99)


def test_the_name_of_an_owner_is_the_last_that_it_had(history: Told) -> None:
    assert owner_name(history.connection, ACCOUNT, history.alice, 5) == "alice"
    assert owner_name(history.connection, ACCOUNT, history.alice, 6) == "bob"
    assert owner_name(history.connection, ACCOUNT, history.second_alice, 99) == "Alice"  # also if it is gone
    assert owner_name(history.connection, ACCOUNT, "AIDANOBODY", 99) == "AIDANOBODY"


def test_one_event(history: Told) -> None:
    event = at_position(history.connection, ACCOUNT, 6)
    assert (event.type, event.data["user_name"]) == ("UserRenamed", "bob")
    assert event.context["reason"] == "because"
    for position in (0, 11, 2**62, 10**30):
        with pytest.raises(NoSuchEntity, match=f"There is no position {position}; the ledger .* has 1 to 10"):
            at_position(history.connection, ACCOUNT, position)
    with pytest.raises(store.NoLedger):
        at_position(history.connection, "999999999999", 1)


def test_personal_values_are_put_back_until_they_are_erased(database: Database) -> None:
    ledger = new_ledger(database, reason="a")
    ledger.execute(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")
    assert at_position(database.connection, ACCOUNT, 1).data["email"] == "root@acme.example"
    assert store.erase(database.connection, ACCOUNT, 1)
    (event,) = find(database.connection, ACCOUNT, Filter(), upto=1)
    assert event.data == {"account_id": ACCOUNT, "account_name": "acme", "email": None}

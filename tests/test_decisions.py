"""Binding a decision to what it was asked; and that decisions are pure, which binding relies on."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest

import iamledger.iam
from iamledger.decisions import Bound, Decision, bind, parameters
from iamledger.iam.access_key import (
    AccessKey,
    AccessKeyCreated,
    UserAccessKeys,
    create_access_key,
    deactivate_access_key,
    record_access_key_use,
    revoke_access_key,
    rotate_access_key,
)
from iamledger.iam.account import create_account
from iamledger.iam.attachment import (
    GroupAttachedPolicies,
    PolicyAttachments,
    UserAttachedPolicies,
    UserPolicyAttached,
    attach_user_policy,
)
from iamledger.iam.events import USER, Event
from iamledger.iam.group import GROUP, GroupCreated, GroupName, delete_group
from iamledger.iam.inline_policy import GroupInlinePolicies, UserInlinePolicies, put_user_policy
from iamledger.iam.managed_policy import POLICY, PolicyCreated, create_policy, delete_policy
from iamledger.iam.membership import (
    GroupMembers,
    UserAddedToGroup,
    UserGroups,
    UserRemovedFromGroup,
    add_user_to_group,
    move_user,
)
from iamledger.iam.nouns import CountOf, Dependent, DependentsOf, Noun
from iamledger.iam.permissions_boundary import PolicyBoundaryUse, UserPermissionsBoundary
from iamledger.iam.quotas import Quotas
from iamledger.iam.refusals import NoSuchEntity, ValidationError
from iamledger.iam.user import (
    User,
    UserCreated,
    UserName,
    UserPathChanged,
    UserRenamed,
    create_user,
    delete_user,
    update_user,
)
from iamledger.past import Past
from iamledger.store.events import Match
from specification import ACCOUNT, NOW, entropy, given, key_id, policy_text, user_id

A, B = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
K1, K2 = "AKIAAAAAAAAAAAAAAAAA", "AKIABBBBBBBBBBBBBBBBB"
ALICE = UserCreated(user_id=A, user_name="Alice", path="/")
KEY = AccessKeyCreated(access_key_id=K1, user_id=A)
NAME_TYPES = {"UserCreated", "UserRenamed", "UserDeleted"}
GROUP_NAME_TYPES = {"GroupCreated", "GroupRenamed", "GroupDeleted"}
POLICY_NAME_TYPES = {"PolicyCreated", "ManagedPolicyImported", "PolicyDeleted"}
G, H, P = "AGPAAAAAAAAAAAAAAAAAA", "AGPABBBBBBBBBBBBBBBBB", "ANPAAAAAAAAAAAAAAAAAA"
ARN = f"arn:aws:iam::{ACCOUNT}:policy/ops/Deployers"
STAFF = GroupCreated(group_id=G, group_name="Staff", path="/")
DEPLOYERS = PolicyCreated(
    policy_id=P, arn=ARN, policy_name="Deployers", path="/ops/", version_id="v1", document=policy_text()
)
KEY_TYPES = {"AccessKeyCreated", "AccessKeyDeactivated", "AccessKeyActivated", "AccessKeyRotated", "AccessKeyRevoked"}


@pytest.fixture(autouse=True)
def _drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every new id is the one of draw 7."""
    monkeypatch.setattr(os, "urandom", lambda size: entropy(7)[:size])


def asked(query: Sequence[Match]) -> dict[str, set[str]]:
    """The types that are asked for, by tag; every item has one tag and no two the same."""
    assert len({tuple(item.tags) for item in query}) == len(query)
    return {tag: set(item.types) for item in query for (tag,) in [item.tags]}


def decide(bound: Bound, *events: Event, counts: int = 0) -> list[Any]:
    """Decide on these events, at positions that the store would give them in any order."""
    past = Past(reversed(list(enumerate(events, 1))))
    bound.resolve_names(past)
    return bound.decide(past, now=NOW, quotas=Quotas(), count={CountOf("users"): counts}.__getitem__)


class TestArguments:
    @pytest.mark.parametrize(
        ("decision", "arguments", "message"),
        [
            (delete_user, {"user": "alice", "force": True}, "unexpected keyword argument 'force'"),
            (delete_user, {"name": "alice"}, "needs to know which user"),
            (delete_user, {}, "delete_user needs to know which user"),
            (delete_user, {"user": None}, "needs to know which user"),
            (create_access_key, {"keys": "alice"}, "needs to know which user"),
            (record_access_key_use, {"key": K1}, "record_access_key_use needs to know which use"),
            (create_user, {"name": "alice", "user_id": A}, "create_user is not told its user_id: that is supplied"),
            (create_user, {"name": "alice", "users": 0}, "is not told its users"),
            (create_user, {"name": "alice", "quotas": Quotas()}, "is not told its quotas"),
            (create_access_key, {"user": "alice", "key": K1}, "is not told its key"),
            (revoke_access_key, {"key": K1, "now": NOW}, "is not told its now"),
            (delete_user, {"user": "alice", "dependents": []}, "is not told its dependents"),
        ],
    )
    def test_what_nobody_asks_for_is_a_type_error(
        self, decision: Decision, arguments: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(TypeError, match=message):
            bind(decision, ACCOUNT, arguments)

    def test_a_wish_that_is_missing_is_a_type_error(self) -> None:
        with pytest.raises(TypeError, match="missing 2 required positional arguments: 'account_name' and 'email'"):
            decide(bind(create_account, ACCOUNT, {"account": ACCOUNT}))

    @pytest.mark.parametrize(
        ("decision", "arguments"),
        [
            (delete_user, {"user": ""}),
            (delete_user, {"user": "al ice"}),
            (update_user, {"user": "alice", "new_name": ""}),
            (deactivate_access_key, {"key": "AKIA"}),
            (create_account, {"account": "1"}),
        ],
    )
    def test_a_reference_is_checked_before_anything_is_read(
        self, decision: Decision, arguments: dict[str, Any]
    ) -> None:
        with pytest.raises(ValidationError):
            bind(decision, ACCOUNT, arguments)

    def test_arguments_of_the_caller_stay_as_they_are(self) -> None:
        arguments = {"user": "alice", "grace": timedelta(0)}
        bind(rotate_access_key, ACCOUNT, arguments)
        assert arguments == {"user": "alice", "grace": timedelta(0)}

    def test_what_was_asked_is_told_without_what_was_made_or_supplied(self) -> None:
        bound = bind(create_user, ACCOUNT, {"name": "Alice", "path": "/a/"})
        assert bound.given() == {"name": "Alice", "path": "/a/"}
        rotate = bind(rotate_access_key, ACCOUNT, {"user": "Alice", "grace": timedelta(1)})
        assert rotate.given() == {"user": "Alice", "keys": "Alice", "grace": timedelta(1)}
        assert bind(update_user, ACCOUNT, {"user": "Alice"}).given() == {"user": "Alice"}

    def test_new_ids_are_drawn_once_when_it_is_bound(self) -> None:
        user = bind(create_user, ACCOUNT, {"name": "alice"})
        key = bind(create_access_key, ACCOUNT, {"user": "alice"})
        assert (user.ids, key.ids) == ({"user_id": user_id(7)}, {"key": key_id(7)})
        assert decide(key, ALICE) == decide(key, ALICE) == [AccessKeyCreated(access_key_id=key_id(7), user_id=A)]

    def test_counts_are_asked_for_only_by_decisions_that_have_them(self) -> None:
        wanted: list[CountOf] = []
        past = Past([(1, ALICE)])
        for decision, arguments in ((create_user, {"name": "bob"}), (delete_user, {"user": "alice"})):
            bound = bind(decision, ACCOUNT, arguments)
            bound.resolve_names(past)
            bound.decide(past, now=NOW, quotas=Quotas(), count=lambda count: wanted.append(count) or 0)
        assert wanted == [CountOf("users")]


class TestBoundary:
    def test_a_user_is_found_by_name_then_by_id(self) -> None:
        bound = bind(update_user, ACCOUNT, {"user": "ALICE", "new_path": "/a/"})
        assert asked(bound.first_query()) == {"user-name:alice": NAME_TYPES}
        bound.resolve_names(Past([(1, ALICE)]))
        assert asked(bound.second_query()) == {f"user:{A}": {"UserCreated", "UserRenamed", "UserPathChanged"}}

    def test_both_names_of_a_renaming_belong_to_it(self) -> None:
        bound = bind(update_user, ACCOUNT, {"user": "alice", "new_name": "Carol"})
        assert asked(bound.first_query()) == {"user-name:alice": NAME_TYPES, "user-name:carol": NAME_TYPES}

    def test_a_name_for_two_parameters_is_asked_once(self) -> None:
        bound = bind(update_user, ACCOUNT, {"user": "alice", "new_name": "ALICE"})
        assert asked(bound.first_query()) == {"user-name:alice": NAME_TYPES}

    def test_nouns_of_one_tag_share_a_reference_and_a_query(self) -> None:
        bound = bind(create_access_key, ACCOUNT, {"user": "alice"})
        assert bound.references == {"user": "alice", "keys": "alice", "key": key_id(7)}
        assert asked(bound.first_query()) == {"user-name:alice": NAME_TYPES, f"access-key:{key_id(7)}": KEY_TYPES}
        bound.resolve_names(Past([(1, ALICE)]))
        types = {"UserCreated", "UserRenamed", "UserPathChanged"} | KEY_TYPES
        assert asked(bound.second_query()) == {f"user:{A}": types}

    def test_what_is_called_by_its_id_needs_one_query(self) -> None:
        bound = bind(deactivate_access_key, ACCOUNT, {"key": K1})
        assert asked(bound.first_query()) == {f"access-key:{K1}": KEY_TYPES}
        bound.resolve_names(Past())
        assert bound.second_query() == []

    def test_dependents_belong_to_it(self) -> None:
        bound = bind(delete_user, ACCOUNT, {"user": "alice"})
        bound.resolve_names(Past([(1, ALICE)]))
        assert asked(bound.second_query())[f"user:{A}"] >= KEY_TYPES | {
            "UserAddedToGroup", "UserPolicyAttached", "UserPolicyPut", "UserPermissionsBoundaryPut",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("decision", "of", "dependents"),
        [
            (
                delete_user,
                USER,
                [UserAccessKeys, UserAttachedPolicies, UserGroups, UserInlinePolicies, UserPermissionsBoundary],
            ),
            (delete_group, GROUP, [GroupAttachedPolicies, GroupInlinePolicies, GroupMembers]),
            (delete_policy, POLICY, [PolicyAttachments, PolicyBoundaryUse]),
        ],
    )
    def test_dependents_are_all_nouns_of_the_tag_that_say_so_by_name(
        self, decision: Decision, of: Any, dependents: list[type[Dependent]]
    ) -> None:
        (parameter,) = (p for p in parameters(decision) if p.dependents)
        assert parameter.dependents == DependentsOf(of)
        name = {USER: "alice", GROUP: "staff", POLICY: ARN}[of]
        bound = bind(decision, ACCOUNT, {of.prefix: name})
        assert bound.many == {"dependents": dependents}
        assert {noun.tag for noun in dependents} == {of}

    def test_things_of_several_kinds_are_found_by_their_names_then_by_their_ids(self) -> None:
        bound = bind(attach_user_policy, ACCOUNT, {"user": "alice", "policy": ARN})
        assert bound.references == {"user": "alice", "attached": "alice", "policy": ARN}
        assert asked(bound.first_query()) == {
            "user-name:alice": NAME_TYPES,
            f"policy-name:{ACCOUNT}:deployers": POLICY_NAME_TYPES,
        }
        bound.resolve_names(Past([(1, ALICE), (2, DEPLOYERS)]))
        assert asked(bound.second_query()) == {
            f"user:{A}": {"UserCreated", "UserRenamed", "UserPathChanged", "UserPolicyAttached", "UserPolicyDetached"},
            f"policy:{P}": {"PolicyCreated", "ManagedPolicyImported"},
        }
        assert decide(bound, ALICE, DEPLOYERS) == [UserPolicyAttached(user_id=A, policy_id=P, policy_arn=ARN)]

    def test_two_of_one_kind_are_told_apart(self) -> None:
        bound = bind(move_user, ACCOUNT, {"user": "alice", "source": "staff", "target": "Guests"})
        assert asked(bound.first_query()) == {
            "user-name:alice": NAME_TYPES,
            "group-name:staff": GROUP_NAME_TYPES,
            "group-name:guests": GROUP_NAME_TYPES,
        }
        guests = GroupCreated(group_id=H, group_name="guests", path="/")
        member = UserAddedToGroup(user_id=A, group_id=G)
        assert decide(bound, ALICE, STAFF, guests, member) == [
            UserRemovedFromGroup(user_id=A, group_id=G),
            UserAddedToGroup(user_id=A, group_id=H),
        ]

    def test_a_name_that_nobody_holds_is_refused(self) -> None:
        bound = bind(delete_user, ACCOUNT, {"user": "Alice"})
        with pytest.raises(NoSuchEntity, match=r"^The user with name Alice cannot be found\.$"):
            bound.resolve_names(Past([(1, UserCreated(user_id=B, user_name="bob", path="/"))]))

    def test_a_new_name_that_nobody_holds_is_not(self) -> None:
        bound = bind(update_user, ACCOUNT, {"user": "alice", "new_name": "Carol"})
        assert decide(bound, ALICE) == [UserRenamed(user_id=A, old_user_name="Alice", user_name="Carol")]

    def test_an_optional_noun_that_is_left_out_is_not_read(self) -> None:
        for left_out in ({}, {"new_name": None}):
            bound = bind(update_user, ACCOUNT, {"user": "alice", "new_path": "/a/", **left_out})
            assert bound.nouns == {"user": User}
            assert decide(bound, ALICE) == [UserPathChanged(user_id=A, path="/a/")]


# A decision that returns what it was given, so that each kind of argument can be seen.


@dataclass(frozen=True)
class Seen(Noun):
    """Counts the events it is shown."""

    tag: ClassVar = USER
    evolves_on: ClassVar = (UserCreated, UserPathChanged)
    paths: tuple[str, ...] = ()

    def evolve(self, event: Any) -> Seen:
        return replace(self, paths=(*self.paths, event.path))


def see(
    seen: Seen,
    names: Annotated[int, CountOf("users")],
    quotas: Quotas,
    now: datetime,
    name: UserName | None = None,
    key: AccessKey | None = None,
    wish: str = "none",
) -> Iterator[Any]:
    yield from (seen, names, quotas, now, name, key, wish)


class TestFolding:
    def test_each_parameter_gets_what_its_annotation_says(self) -> None:
        bound = bind(see, ACCOUNT, {"seen": A, "name": "ALICE", "wish": "x"})
        seen, names, quotas, now, name, key, wish = decide(bound, ALICE, counts=3)
        assert (seen, names, quotas, now) == (Seen(A, ("/",)), 3, Quotas(), NOW)
        assert (name, key, wish) == (UserName("ALICE", A), None, "x")

    def test_a_noun_sees_its_events_in_the_order_of_their_positions_each_once(self) -> None:
        moves = [UserPathChanged(user_id=A, path=f"/{n}/") for n in range(12)]
        bound = bind(see, ACCOUNT, {"seen": A})
        known = list(enumerate([ALICE, *moves], 1))
        past = Past([*reversed(known), *known])
        bound.resolve_names(past)
        seen: Any
        seen, *_ = bound.decide(past, now=NOW, quotas=Quotas(), count=lambda _wanted: 0)
        assert seen.paths == ("/", *(f"/{n}/" for n in range(12)))

    def test_a_noun_sees_nothing_of_others_and_no_other_types(self) -> None:
        others = [
            ALICE,
            UserCreated(user_id=B, user_name="bob", path="/b/"),
            KEY,
            UserPathChanged(user_id=B, path="/c/"),
        ]
        rename = UserRenamed(user_id=A, old_user_name="Alice", user_name="carol")
        seen, *_ = decide(bind(see, ACCOUNT, {"seen": A}), *others, rename)
        assert seen.paths == ("/",)

    def test_a_noun_without_events_is_as_it_was_before_its_first(self) -> None:
        *_, key, _ = decide(bind(see, ACCOUNT, {"seen": A, "key": K2}), KEY)
        assert key == AccessKey(K2)

    def test_nothing_is_remembered_from_one_try_to_the_next(self) -> None:
        bound = bind(delete_user, ACCOUNT, {"user": "alice"})
        assert [type(event).__name__ for event in decide(bound, ALICE)] == ["UserDeleted"]
        later = UserCreated(user_id=B, user_name="alice", path="/")
        gone = given(ALICE).when(delete_user, user="alice").events
        assert [event.ledger_tags()[0] for event in decide(bound, ALICE, *gone, later)] == [f"user:{B}"]


class TestPast:
    """What commands know already is not asked for again."""

    def test_only_what_was_not_asked_for_before_is_new(self) -> None:
        past = Past()
        assert past.ask([Match(["a:1"], ["X", "Y"]), Match(["b:2"], ["X"])]) == [
            Match(["a:1"], ["X", "Y"]),
            Match(["b:2"], ["X"]),
        ]
        assert past.ask([Match(["a:1"], ["Y", "Z"]), Match(["b:2"], ["X"])]) == [Match(["a:1"], ["Z"])]
        assert past.ask([Match(["a:1"], ["Z", "X", "Y"]), Match(["b:2"], ["X"])]) == []
        assert past.ask([]) == []

    def test_the_same_item_twice_in_a_query_is_asked_for_once(self) -> None:
        assert Past().ask([Match(["a:1"], ["X"]), Match(["a:1"], ["X", "Y"])]) == [
            Match(["a:1"], ["X"]),
            Match(["a:1"], ["Y"]),
        ]

    def test_the_boundary_is_all_that_was_asked_for_with_an_item_for_each_tag(self) -> None:
        past = Past()
        assert past.boundary() == []
        past.ask([Match(["a:1"], ["X"]), Match(["b:2"], ["X"])])
        past.ask([Match(["a:1"], ["Y"])])
        assert asked(past.boundary()) == {"a:1": {"X", "Y"}, "b:2": {"X"}}

    def test_what_was_learnt_does_not_widen_the_boundary(self) -> None:
        past = Past([(1, ALICE)])
        assert past.boundary() == []
        past.learn([(2, KEY)])
        assert past.boundary() == []

    @pytest.mark.parametrize("tags", [[], ["a:1", "b:2"]])
    def test_an_item_has_just_one_tag(self, tags: list[str]) -> None:
        with pytest.raises(ValueError, match="unpack"):
            Past().ask([Match(tags, ["X"])])

    def test_an_event_is_known_by_each_of_its_tags(self) -> None:
        past = Past([(1, UserAddedToGroup(user_id=A, group_id=G))])
        assert past.fold(UserGroups, A).groups == {G}
        assert past.fold(GroupMembers, G).users == {A}
        assert past.fold(UserGroups, B).groups == set()

    def test_events_are_folded_in_the_order_of_their_positions_however_they_were_learnt(self) -> None:
        past = Past([(5, UserAddedToGroup(user_id=A, group_id=G))])
        past.learn([(9, UserAddedToGroup(user_id=A, group_id=H)), (7, UserRemovedFromGroup(user_id=A, group_id=G))])
        assert past.fold(UserGroups, A).groups == {H}
        past.learn([(8, UserAddedToGroup(user_id=A, group_id=G))])
        assert past.fold(UserGroups, A).groups == {G, H}

    def test_what_is_known_at_a_position_stays(self) -> None:
        past = Past([(5, UserAddedToGroup(user_id=A, group_id=G))])
        past.learn([(5, UserAddedToGroup(user_id=A, group_id=H))])
        assert past.fold(UserGroups, A).groups == {G}

    def test_a_noun_sees_no_types_that_were_only_asked_for_by_others(self) -> None:
        past = Past([(1, ALICE), (2, KEY), (3, UserAddedToGroup(user_id=A, group_id=G))])
        assert past.fold(User, A) == User(A, "Alice", "/")

    def test_names_are_folded_without_regard_to_case_and_keep_how_they_were_asked_for(self) -> None:
        past = Past([(1, STAFF)])
        assert past.fold(GroupName, "STAFF") == GroupName("STAFF", G)


class TestSeveral:
    """Commands that come one after another look at one past, in which those before have happened."""

    def run(self, past: Past, commands: Sequence[Bound]) -> list[Event]:
        """What the ledger does, with nothing in the store."""
        past.ask(match for bound in commands for match in bound.first_query())
        events: list[Event] = []
        for bound in commands:
            bound.resolve_names(past)
            past.ask(bound.second_query())
            decided = bound.decide(past, now=NOW, quotas=Quotas(), count=lambda _wanted: 0)
            past.learn(enumerate(decided, len(events) + 1))
            events += decided
        return events

    def test_a_later_one_sees_what_earlier_ones_yielded(self) -> None:
        create = bind(create_user, ACCOUNT, {"name": "Alice"})
        commands = [
            create,
            bind(update_user, ACCOUNT, {"user": "alice", "new_name": "carol"}),
            bind(put_user_policy, ACCOUNT, {"user": "carol", "policy_name": "own", "document": policy_text()}),
        ]
        created, renamed, put = self.run(Past(), commands)
        assert renamed == UserRenamed(user_id=create.ids["user_id"], old_user_name="Alice", user_name="carol")
        assert put.ledger_tags() == [f"user:{create.ids['user_id']}"] == created.ledger_tags()[:1]

    def test_the_boundary_is_of_all_of_them(self) -> None:
        past = Past()
        commands = [
            bind(create_policy, ACCOUNT, {"name": ARN, "document": policy_text()}),
            bind(create_user, ACCOUNT, {"name": "alice"}),
            bind(attach_user_policy, ACCOUNT, {"user": "alice", "policy": ARN}),
        ]
        self.run(past, commands)
        assert set(asked(past.boundary())) == {
            f"policy-name:{ACCOUNT}:deployers",
            "user-name:alice",
            f"user:{user_id(7)}",
            f"policy:{commands[0].ids['policy_id']}",
        }

    def test_one_that_needs_what_a_later_one_creates_is_refused(self) -> None:
        commands = [
            bind(add_user_to_group, ACCOUNT, {"user": "alice", "group": "staff"}),
            bind(create_user, ACCOUNT, {"name": "alice"}),
        ]
        with pytest.raises(NoSuchEntity, match="user with name alice"):
            self.run(Past([(1, STAFF)]), commands)


# Purity, by what the modules import and name.

PURE = sorted(Path(iamledger.iam.__file__).parent.rglob("*.py"))
IMPORTS = {
    "__future__", "base64", "collections", "dataclasses", "datetime", "enum", "functools", "hashlib", "json",
    "pydantic", "re", "typing", "unicodedata",
}  # fmt: skip
OURS = ("iamledger.iam.", "iamledger.policy.")
FINDS_THE_NOUNS = {"importlib", "pkgutil"}
IMPURE = {"now", "utcnow", "today", "fromtimestamp", "open", "print", "input", "eval", "exec", "__import__"}


def test_the_nouns_are_all_there() -> None:
    nouns = {"access_key.py", "account.py", "attachment.py", "group.py", "inline_policy.py", "managed_policy.py"}
    nouns |= {
        "membership.py",
        "permissions_boundary.py",
        "resource.py",
        "user.py",
        "events.py",
        "nouns.py",
        "aws_managed.py",
    }
    assert nouns <= {path.name for path in PURE}


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_no_noun_imports_clock_randomness_io_or_the_store(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.ImportFrom) and node.level), "a relative import"
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            allowed = IMPORTS | FINDS_THE_NOUNS if path.name == "events.py" else IMPORTS
            assert module.split(".")[0] in allowed or f"{module}.".startswith(OURS), module


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_no_noun_names_what_tells_the_time_or_reaches_outside(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr not in IMPURE, f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Name) and node.id != "now":  # `now` is what decisions are told
            assert node.id not in IMPURE, f"line {node.lineno}: {node.id}"

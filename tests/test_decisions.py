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
from iamledger.iam.events import USER, Event
from iamledger.iam.nouns import CountOf, DependentsOf, Noun
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
from specification import ACCOUNT, NOW, entropy, given, key_id, user_id

A, B = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
K1, K2 = "AKIAAAAAAAAAAAAAAAAA", "AKIABBBBBBBBBBBBBBBBB"
ALICE = UserCreated(user_id=A, user_name="Alice", path="/")
KEY = AccessKeyCreated(access_key_id=K1, user_id=A)
NAME_TYPES = {"UserCreated", "UserRenamed", "UserDeleted"}
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
        assert bound.many == {"dependents": [UserAccessKeys]}
        bound.resolve_names(Past([(1, ALICE)]))
        assert asked(bound.second_query())[f"user:{A}"] >= KEY_TYPES

    def test_dependents_are_all_nouns_of_the_tag_that_say_so(self) -> None:
        (parameter,) = (p for p in parameters(delete_user) if p.dependents)
        assert parameter.dependents == DependentsOf(USER)
        assert UserAccessKeys.tag == USER

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


# Purity, by what the modules import and name.

PURE = sorted(Path(iamledger.iam.__file__).parent.rglob("*.py"))
IMPORTS = {
    "__future__", "base64", "collections", "dataclasses", "datetime", "enum", "functools", "pydantic", "re", "typing",
    "unicodedata",
}  # fmt: skip
FINDS_THE_NOUNS = {"importlib", "pkgutil"}
IMPURE = {"now", "utcnow", "today", "fromtimestamp", "open", "print", "input", "eval", "exec", "__import__"}


def test_the_nouns_are_all_there() -> None:
    assert {"access_key.py", "account.py", "user.py", "events.py", "nouns.py"} <= {path.name for path in PURE}


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_no_noun_imports_clock_randomness_io_or_the_store(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.ImportFrom) and node.level), "a relative import"
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            allowed = IMPORTS | FINDS_THE_NOUNS if path.name == "events.py" else IMPORTS
            assert module.split(".")[0] in allowed or f"{module}.".startswith("iamledger.iam."), module


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_no_noun_names_what_tells_the_time_or_reaches_outside(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr not in IMPURE, f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Name) and node.id != "now":  # `now` is what decisions are told
            assert node.id not in IMPURE, f"line {node.lineno}: {node.id}"

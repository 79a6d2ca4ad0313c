"""Which commands a difference leads to, and in which order. Whether they do what they should is for `test_applying`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from iamledger.iam.refusals import InvalidInput
from iamledger.plans.declared import NO_BOUNDARY, Account, Document, Group, Policy, User
from iamledger.plans.planning import Step, plan

NUMBER = "123456789012"
AWS = "arn:aws:iam::aws:policy/"
OWN = f"arn:aws:iam::{NUMBER}:policy/"
MANAGED = {"readonlyaccess": f"{AWS}ReadOnlyAccess", "twin": f"{AWS}Twin"}
DOC, OTHER = Document('{"a": 1}'), Document('{"a": 2}')


def account(*things: Policy | Group | User) -> Account:
    """An account that holds these."""
    kinds: dict[type, dict[str, Any]] = {Policy: {}, Group: {}, User: {}}
    for thing in things:
        kinds[type(thing)][thing.name.lower()] = thing
    return Account(NUMBER, "acme", "a@b.example", kinds[Policy], kinds[Group], kinds[User])


def there(name: str, **members: Any) -> User:
    """A user who is there, of whom everything is known."""
    return replace(User(name, "/", (), (), (), {}, NO_BOUNDARY), **members)


def group_there(name: str, **members: Any) -> Group:
    """A group that is there."""
    return replace(Group(name, "/", (), {}), **members)


def told(steps: Sequence[Step]) -> list[tuple[str, dict[str, Any]]]:
    """Operations and arguments."""
    return [(step.operation, dict(step.command.arguments)) for step in steps]


def planned(desired: Account, present: Account, *, prune: bool = False) -> list[tuple[str, dict[str, Any]]]:
    """What there is to do."""
    return told(plan(desired, present, MANAGED, prune=prune))


def operations(desired: Account, present: Account, *, prune: bool = False) -> list[str]:
    """The names of what there is to do."""
    return [operation for operation, _ in planned(desired, present, prune=prune)]


FULL = account(
    Policy("P", DOC, "/p/", "about"),
    group_there("G", path="/g/", policies=[f"{OWN}p/P"], inline={"i": DOC}),
    there(
        "u",
        path="/u/",
        tags=[("k", "v")],
        groups=["G"],
        policies=[f"{OWN}p/P"],
        inline={"i": DOC},
        boundary=f"{OWN}p/P",
    ),
)


# What is not named is left alone


@pytest.mark.parametrize("prune", [False, True])
def test_the_same_is_nothing_to_do(prune: bool) -> None:
    assert planned(FULL, FULL, prune=prune) == []


def test_what_the_file_does_not_name_is_left_alone() -> None:
    assert planned(account(), FULL) == []
    silent = account(Policy("P", DOC, "/p/"), Group("G"), User("u"))
    assert planned(silent, FULL) == []
    assert planned(silent, FULL, prune=True) == []


def test_the_file_may_call_things_in_other_ways() -> None:
    other_words = account(
        Policy("P", Document("{ 'a': 1 }", {"a": 1}), "/p/"),
        Group("G", policies=["p", f"{OWN}p/P", "P"]),
        User("u", groups=["g", "G"], policies=["p"], boundary="p"),
    )
    assert planned(other_words, FULL) == []


# Creation


def test_what_others_need_comes_first() -> None:
    desired = account(
        User("u", "/u/", [("k", "v")], ["g"], ["p", "ReadOnlyAccess"], {"i": DOC}, "P"),
        Group("G", None, ["P"], {"i": DOC}),
        Policy("P", DOC, "/p/", "about"),
    )
    assert planned(desired, account()) == [
        ("CreatePolicy", {"name": f"{OWN}p/P", "document": DOC.text, "description": "about"}),
        ("CreateGroup", {"name": "G", "path": "/"}),
        ("PutGroupPolicy", {"group": "G", "policy_name": "i", "document": DOC.text}),
        ("AttachGroupPolicy", {"group": "G", "policy": f"{OWN}p/P"}),
        ("CreateUser", {"name": "u", "path": "/u/", "tags": [("k", "v")]}),
        ("PutUserPolicy", {"user": "u", "policy_name": "i", "document": DOC.text}),
        ("AttachUserPolicy", {"user": "u", "policy": f"{OWN}p/P"}),
        ("AttachUserPolicy", {"user": "u", "policy": f"{AWS}ReadOnlyAccess"}),
        ("AddUserToGroup", {"user": "u", "group": "G"}),
        ("PutUserPermissionsBoundary", {"user": "u", "policy": f"{OWN}p/P"}),
    ]


def test_a_new_user_with_little_is_created_with_little() -> None:
    assert planned(account(User("u", boundary=NO_BOUNDARY)), account()) == [
        ("CreateUser", {"name": "u", "path": "/", "tags": []})
    ]


# Names and paths


def test_another_spelling_is_a_rename_and_another_path_a_move() -> None:
    present = account(group_there("devs"), there("alice"))
    assert planned(account(Group("Devs"), User("ALICE", "/x/")), present) == [
        ("UpdateGroup", {"group": "devs", "new_name": "Devs"}),
        ("UpdateUser", {"user": "alice", "new_name": "ALICE", "new_path": "/x/"}),
    ]
    assert planned(account(Group("devs", "/x/"), User("alice", "/")), present) == [
        ("UpdateGroup", {"group": "devs", "new_path": "/x/"})
    ]


def test_what_is_renamed_is_called_by_its_new_name() -> None:
    present = account(group_there("devs"), there("alice", groups=["devs"], tags=[("a", "b")]))
    desired = account(Group("Devs"), User("Alice", tags=(), groups=["DEVS"], policies=["ReadOnlyAccess"]))
    assert planned(desired, present) == [
        ("UpdateGroup", {"group": "devs", "new_name": "Devs"}),
        ("UpdateUser", {"user": "alice", "new_name": "Alice"}),
        ("UntagUser", {"user": "Alice", "keys": ["a"]}),
        ("AttachUserPolicy", {"user": "Alice", "policy": f"{AWS}ReadOnlyAccess"}),
    ]


# Tags


@pytest.mark.parametrize(
    ("wanted", "has", "steps"),
    [
        ([], [], []),
        ([("a", "1")], [("a", "1")], []),
        ([("b", "2"), ("a", "1")], [("a", "1"), ("b", "2")], []),
        ([("a", "2")], [("a", "1")], [("TagUser", {"tags": [("a", "2")]})]),
        ([("A", "1")], [("a", "1")], [("TagUser", {"tags": [("A", "1")]})]),
        ([], [("a", "1"), ("b", "2")], [("UntagUser", {"keys": ["a", "b"]})]),
        ([("c", "3"), ("a", "1")], [("a", "1"), ("b", "2")],
         [("UntagUser", {"keys": ["b"]}), ("TagUser", {"tags": [("c", "3")]})]),
        ([("a", "")], [("a", "1")], [("TagUser", {"tags": [("a", "")]})]),
        ([("a", "1")], None, [("TagUser", {"tags": [("a", "1")]})]),
        ([], None, []),
    ],
)  # fmt: skip
def test_tags(wanted: Any, has: Any, steps: list[tuple[str, dict[str, Any]]]) -> None:
    done = planned(account(User("u", tags=wanted)), account(there("u", tags=has)))
    assert done == [(operation, {"user": "u", **arguments}) for operation, arguments in steps]


# Policies


def test_what_is_attached_is_taken_away_before_other_is_added() -> None:
    present = account(Policy("P", DOC), group_there("g", policies=[f"{OWN}P"]), there("u", policies=[f"{OWN}P"]))
    for thing, kind in (
        (Group("g", policies=["ReadOnlyAccess"]), "Group"),
        (User("u", policies=["ReadOnlyAccess"]), "User"),
    ):
        whose = {kind.lower(): thing.name}
        assert planned(account(thing), present) == [
            (f"Detach{kind}Policy", {**whose, "policy": f"{OWN}P"}),
            (f"Attach{kind}Policy", {**whose, "policy": f"{AWS}ReadOnlyAccess"}),
        ]


def test_of_two_policies_with_a_name_the_files_is_meant_then_awss() -> None:
    for present in (account(), account(Policy("Twin", DOC))):  # nobody can take a name over by making a policy
        done = planned(account(User("u", policies=["TWIN"])), present)
        assert done[1][1]["policy"] == f"{AWS}Twin"
        done = planned(account(User("u", policies=[f"{AWS}Twin"])), present)
        assert done[1][1]["policy"] == f"{AWS}Twin"
    done = planned(account(Policy("Twin", DOC, "/new/"), User("u", policies=["twin", f"{AWS}Twin"])), account())
    assert [arguments["policy"] for _, arguments in done[2:]] == [f"{OWN}new/Twin", f"{AWS}Twin"]


@pytest.mark.parametrize(
    "policy",
    ["P", f"{OWN}P", f"{OWN}x/Q", f"{OWN}q", f"{AWS}readonlyaccess", "arn:aws:iam::210987654321:policy/Q", "", "é"],
)
def test_a_policy_that_is_nowhere_is_refused_with_the_line(policy: str) -> None:
    present = account(Policy("Q", DOC))
    for thing in (User("u", policies=[policy], line=7), Group("g", policies=[policy], line=7)):
        with pytest.raises(
            InvalidInput, match=r"^line 7: there is no policy .*, neither in the account nor in the file"
        ):
            planned(account(thing), present)
    if policy != NO_BOUNDARY:
        with pytest.raises(InvalidInput, match=r"^line 7: there is no policy"):
            planned(account(User("u", boundary=policy, line=7)), present)


def test_a_group_that_is_nowhere_is_refused_with_the_line() -> None:
    with pytest.raises(
        InvalidInput, match=r"^line 9: there is no group 'Ops', neither in the account nor in the file\.$"
    ):
        planned(account(User("u", groups=["devs", "Ops"], line=9)), account(group_there("devs")))


def test_another_text_is_put_in_force() -> None:
    present = account(Policy("P", DOC, "/p/", "about"))
    for document in (OTHER, Document('{"a":1}'), Document('{"a": 2}', {"a": 2})):
        assert planned(account(Policy("P", document, "/p/")), present) == [
            ("ReplacePolicyDocument", {"policy": f"{OWN}p/P", "document": document.text})
        ]
    assert planned(account(Policy("P", Document("other words", {"a": 1}), "/p/", "about")), present) == []


@pytest.mark.parametrize(
    ("desired", "what"),
    [
        (Policy("P", DOC, "/", line=3), "cannot be moved or renamed"),
        (Policy("p", DOC, "/p/", line=3), "cannot be moved or renamed"),
        (Policy("P", DOC, "/p/", "other", 3), "the description of policy P cannot be changed"),
        (Policy("P", DOC, "/p/", "", 3), "the description of policy P cannot be changed"),
    ],
)
def test_what_cannot_be_changed_of_a_policy_is_refused_with_the_line(desired: Policy, what: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^line 3: .*{what}"):
        planned(account(desired), account(Policy("P", DOC, "/p/", "about")))


def test_an_empty_description_is_none() -> None:
    assert planned(account(Policy("P", DOC, "/", "")), account(Policy("P", DOC))) == []


def test_inline_policies_are_deleted_replaced_and_added_in_this_order() -> None:
    for kind, make in (("Group", group_there), ("User", there)):
        present = account(make("x", inline={"same": DOC, "gone": DOC, "other": DOC, "Case": DOC}))
        wanted = {"new": DOC, "same": DOC, "other": OTHER, "case": DOC}
        thing = Group("x", inline=wanted) if kind == "Group" else User("x", inline=wanted)
        done = planned(account(thing), present)
        assert [(operation, arguments["policy_name"]) for operation, arguments in done] == [
            (f"Delete{kind}Policy", "gone"),
            (f"Delete{kind}Policy", "Case"),  # inline policies differ by case
            (f"Put{kind}Policy", "other"),
            (f"Put{kind}Policy", "new"),
            (f"Put{kind}Policy", "case"),
        ]


def test_inline_policies_that_shrink_make_room() -> None:
    long, short = Document(f'{{"a": "{"x" * 50}"}}'), Document("{}")
    present = account(there("u", inline={"a": short, "b": long}))
    done = planned(account(User("u", inline={"a": long, "b": short})), present)
    assert [arguments["policy_name"] for _, arguments in done] == ["b", "a"]


@pytest.mark.parametrize(
    ("wanted", "has", "step"),
    [
        (None, f"{OWN}P", None),
        (NO_BOUNDARY, NO_BOUNDARY, None),
        (NO_BOUNDARY, f"{OWN}P", ("DeleteUserPermissionsBoundary", {"boundary": "u"})),
        ("p", NO_BOUNDARY, ("PutUserPermissionsBoundary", {"user": "u", "policy": f"{OWN}P"})),
        ("p", f"{OWN}P", None),
        (f"{OWN}P", f"{OWN}P", None),
        ("ReadOnlyAccess", f"{OWN}P", ("PutUserPermissionsBoundary", {"user": "u", "policy": f"{AWS}ReadOnlyAccess"})),
    ],
)
def test_boundaries(wanted: str | None, has: str, step: Any) -> None:
    present = account(Policy("P", DOC), there("u", boundary=has))
    assert planned(account(User("u", boundary=wanted)), present) == ([step] if step else [])


# Pruning


def test_pruning_takes_away_what_stands_in_the_way_and_then_deletes() -> None:
    assert planned(account(), FULL, prune=True) == [
        ("DeleteUserPolicy", {"user": "u", "policy_name": "i"}),
        ("DetachUserPolicy", {"user": "u", "policy": f"{OWN}p/P"}),
        ("RemoveUserFromGroup", {"user": "u", "group": "G"}),
        ("DeleteUserPermissionsBoundary", {"boundary": "u"}),
        ("DeleteGroupPolicy", {"group": "G", "policy_name": "i"}),
        ("DetachGroupPolicy", {"group": "G", "policy": f"{OWN}p/P"}),
        ("DeleteUser", {"user": "u"}),
        ("DeleteGroup", {"group": "G"}),
        ("DeletePolicy", {"policy": f"{OWN}p/P", "with_versions": True}),
    ]


@pytest.mark.parametrize("kept", [(), ("P",), ("G",), ("u",), ("P", "G"), ("P", "u"), ("G", "u"), ("P", "G", "u")])
def test_what_is_named_is_kept(kept: tuple[str, ...]) -> None:
    named = [thing for thing in (Policy("P", DOC, "/p/"), Group("G"), User("u")) if thing.name in kept]
    done = operations(account(*named), FULL, prune=True)
    for name, deleted in (("P", "DeletePolicy"), ("G", "DeleteGroup"), ("u", "DeleteUser")):
        assert (deleted in done) == (name not in kept)


def test_pruning_makes_room_before_anything_is_created() -> None:
    present = account(
        Policy("Old", DOC), group_there("old"), there("old", groups=["old"]), there("kept", groups=["old"])
    )
    desired = account(Policy("New", DOC), Group("new"), User("kept", groups=["new"]), User("new"))
    assert operations(desired, present, prune=True) == [
        *("RemoveUserFromGroup", "RemoveUserFromGroup", "DeleteUser", "DeleteGroup", "DeletePolicy"),
        *("CreatePolicy", "CreateGroup", "AddUserToGroup", "CreateUser"),
    ]


def test_a_boundary_is_replaced_before_its_policy_is_pruned() -> None:
    present = account(Policy("Old", DOC), there("u", boundary=f"{OWN}Old"))
    desired = account(Policy("New", DOC), User("u", boundary="New"))
    assert operations(desired, present, prune=True) == ["CreatePolicy", "PutUserPermissionsBoundary", "DeletePolicy"]


def test_policies_of_aws_are_not_pruned() -> None:
    assert planned(account(), account(), prune=True) == []


def test_names_count_without_regard_to_case_when_pruning() -> None:
    present = account(group_there("devs"), there("alice"))
    assert operations(account(Group("DEVS"), User("Alice")), present, prune=True) == ["UpdateGroup", "UpdateUser"]


# What is told


def test_a_step_says_what_it_is_about() -> None:
    desired = account(
        Policy("P", DOC), Group("G", policies=["P"]), User("u", tags=[("k", "v")], groups=["G"], inline={"i": DOC})
    )
    present = account(there("u"))
    assert [(step.operation, step.about) for step in plan(desired, present, MANAGED)] == [
        ("CreatePolicy", "policy P"),
        ("CreateGroup", "group G"),
        ("AttachGroupPolicy", f"group G: {OWN}P"),
        ("TagUser", "user u: k"),
        ("PutUserPolicy", "user u: i"),
        ("AddUserToGroup", "user u: G"),
    ]

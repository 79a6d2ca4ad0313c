"""The decisions about inline policies of users and groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from iamledger.decisions import Decision
from iamledger.iam.events import Event
from iamledger.iam.group import GroupCreated, GroupDeleted, GroupRenamed, delete_group
from iamledger.iam.inline_policy import (
    GroupPolicyDeleted,
    GroupPolicyPut,
    UserPolicyDeleted,
    UserPolicyPut,
    delete_group_policy,
    delete_user_policy,
    put_group_policy,
    put_user_policy,
)
from iamledger.iam.refusals import (
    DeleteConflict,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
    ValidationError,
)
from iamledger.iam.user import UserCreated, UserDeleted, UserRenamed, delete_user
from specification import given, policy_text

U, V = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
A, B = "AGPAAAAAAAAAAAAAAAAAA", "AGPABBBBBBBBBBBBBBBBB"
TEXT, OTHER = policy_text(), policy_text(action="s3:PutObject")
START = given(
    UserCreated(user_id=U, user_name="Alice", path="/"),
    UserCreated(user_id=V, user_name="bob", path="/"),
    GroupCreated(group_id=A, group_name="Alice", path="/"),
    GroupCreated(group_id=B, group_name="bob", path="/"),
)


@dataclass(frozen=True)
class Kind:
    """What has inline policies, and how; there is one called Alice, and another called bob."""

    noun: str
    id: str
    other: str
    put: Decision
    delete: Decision
    delete_noun: Decision
    put_type: type[Event]
    deleted_type: type[Event]
    noun_deleted_type: type[Event]
    renamed_type: type[Event]
    quota: int

    def __str__(self) -> str:
        return self.noun

    def written(self, name: str = "own", text: str = TEXT, of: str = "") -> Event:
        return self.put_type(**{f"{self.noun}_id": of or self.id}, policy_name=name, document=text)

    def deleted(self, name: str = "own", of: str = "") -> Event:
        return self.deleted_type(**{f"{self.noun}_id": of or self.id}, policy_name=name)

    def gone(self) -> Event:
        return self.noun_deleted_type(**{f"{self.noun}_id": self.id, f"{self.noun}_name": "Alice"})

    def renamed(self) -> Event:
        names = {f"old_{self.noun}_name": "Alice", f"{self.noun}_name": "carol"}
        return self.renamed_type(**{f"{self.noun}_id": self.id}, **names)

    def over(self, quota: int | None = None, name: str = "Alice") -> LimitExceeded:
        return LimitExceeded(f"Maximum policy size of {quota or self.quota} bytes exceeded for {self.noun} {name}")

    def not_found(self, name: str) -> NoSuchEntity:
        return NoSuchEntity(f"The {self.noun} policy with name {name} cannot be found.")

    def alice(self, name: str = "own") -> dict[str, Any]:
        return {self.noun: "alice", "policy_name": name}


USERS = Kind(
    "user", U, V, put_user_policy, delete_user_policy, delete_user,
    UserPolicyPut, UserPolicyDeleted, UserDeleted, UserRenamed, 2048,
)  # fmt: skip
GROUPS = Kind(
    "group", A, B, put_group_policy, delete_group_policy, delete_group,
    GroupPolicyPut, GroupPolicyDeleted, GroupDeleted, GroupRenamed, 5120,
)  # fmt: skip
both = pytest.mark.parametrize("kind", [USERS, GROUPS], ids=str)


@both
class TestPut:
    def test_a_policy_is_written(self, kind: Kind) -> None:
        START.when(kind.put, **kind.alice(), document=TEXT).then(kind.written()).again().then()

    def test_it_is_found_by_what_it_is_a_part_of(self, kind: Kind) -> None:
        assert kind.written().ledger_tags() == kind.deleted().ledger_tags() == [f"{kind.noun}:{kind.id}"]

    def test_it_is_replaced(self, kind: Kind) -> None:
        START.followed_by([kind.written()]).when(kind.put, **kind.alice(), document=OTHER).then(
            kind.written(text=OTHER)
        ).again().then()

    def test_back_to_the_first_text(self, kind: Kind) -> None:
        past = START.followed_by([kind.written(), kind.written(text=OTHER)])
        past.when(kind.put, **kind.alice(), document=TEXT).then(kind.written())

    def test_the_text_is_kept_as_it_was_submitted_and_other_white_space_is_a_change(self, kind: Kind) -> None:
        START.followed_by([kind.written()]).when(kind.put, **kind.alice(), document=f"\n{TEXT}\t").then(
            kind.written(text=f"\n{TEXT}\t")
        )

    @pytest.mark.parametrize("name", ["Own", "OWN", "another"])
    def test_names_differ_with_regard_to_case(self, kind: Kind, name: str) -> None:
        START.followed_by([kind.written()]).when(kind.put, **kind.alice(name), document=TEXT).then(kind.written(name))

    def test_a_name_counts_there_alone(self, kind: Kind) -> None:
        other = {USERS: GROUPS, GROUPS: USERS}[kind]
        START.followed_by([kind.written(of=kind.other), other.written()]).when(
            kind.put, **kind.alice(), document=TEXT
        ).then(kind.written())

    def test_a_name_has_128_characters_at_most(self, kind: Kind) -> None:
        START.when(kind.put, **kind.alice("x" * 128), document=TEXT).then(kind.written("x" * 128))
        START.when(kind.put, **kind.alice("x" * 129), document=TEXT).then(
            ValidationError(
                f"1 validation error detected: Value '{'x' * 77}...' at 'policyName' failed to satisfy constraint:"
                " Member must have length less than or equal to 128"
            )
        )

    def test_what_was_deleted_can_be_written_again(self, kind: Kind) -> None:
        START.followed_by([kind.written(), kind.deleted()]).when(kind.put, **kind.alice(), document=TEXT).then(
            kind.written()
        )

    def test_it_stays_when_the_name_changes(self, kind: Kind) -> None:
        START.followed_by([kind.written(), kind.renamed()]).when(
            kind.put, **{**kind.alice(), kind.noun: "carol"}, document=TEXT
        ).then()

    def test_a_text_that_is_no_json_is_malformed(self, kind: Kind) -> None:
        assert isinstance(START.when(kind.put, **kind.alice(), document="{").outcome, MalformedPolicyDocument)

    def test_no_text_and_one_of_more_than_131072_characters_are_invalid(self, kind: Kind) -> None:
        START.when(kind.put, **kind.alice(), document="").then(
            ValidationError(
                "1 validation error detected: Value '' at 'policyDocument' failed to satisfy constraint:"
                " Member must have length greater than or equal to 1"
            )
        )
        assert START.when(kind.put, **kind.alice(), document=TEXT.ljust(131072)).events
        assert isinstance(START.when(kind.put, **kind.alice(), document=TEXT.ljust(131073)).outcome, ValidationError)


@both
class TestSize:
    """Of all texts together, white space not counted."""

    def test_one_policy_may_use_it_all(self, kind: Kind) -> None:
        longest = policy_text(kind.quota)
        assert len(longest) > kind.quota
        START.when(kind.put, **kind.alice(), document=longest).then(kind.written(text=longest))
        START.when(kind.put, **kind.alice(), document=policy_text(kind.quota + 1)).then(kind.over())

    def test_several_use_it_together(self, kind: Kind) -> None:
        past = START.followed_by(
            [kind.written("a", policy_text(1000)), kind.written("b", policy_text(kind.quota - 1500) + " " * 5000)]
        )
        past.when(kind.put, **kind.alice("c"), document=policy_text(500)).then(kind.written("c", policy_text(500)))
        past.when(kind.put, **kind.alice("c"), document=policy_text(501)).then(kind.over())

    def test_a_text_that_is_replaced_does_not_count(self, kind: Kind) -> None:
        past = START.followed_by([kind.written("a", policy_text(1000)), kind.written("b", policy_text(500))])
        most = kind.quota - 500
        past.when(kind.put, **kind.alice("a"), document=policy_text(most)).then(kind.written("a", policy_text(most)))
        past.when(kind.put, **kind.alice("a"), document=policy_text(most + 1)).then(kind.over())
        past.when(kind.put, **kind.alice("A"), document=policy_text(most)).then(kind.over())

    def test_a_text_that_was_deleted_does_not_count(self, kind: Kind) -> None:
        full = policy_text(kind.quota)
        past = START.followed_by([kind.written("a", full), kind.deleted("a")])
        past.when(kind.put, **kind.alice("b"), document=full).then(kind.written("b", full))

    def test_those_of_others_do_not_count(self, kind: Kind) -> None:
        other = {USERS: GROUPS, GROUPS: USERS}[kind]
        full = policy_text(kind.quota)
        past = START.followed_by([kind.written(of=kind.other, text=full), other.written(text=full)])
        past.when(kind.put, **kind.alice(), document=full).then(kind.written(text=full))

    def test_white_space_is_free(self, kind: Kind) -> None:
        full = policy_text(kind.quota)
        past = START.followed_by([kind.written(text=full)])
        past.when(kind.put, **kind.alice(), document=f"\r\n\t {full}" + " " * 3000).then(
            kind.written(text=f"\r\n\t {full}" + " " * 3000)
        )

    def test_the_quota_is_a_setting_of_the_kind(self, kind: Kind) -> None:
        other = {USERS: GROUPS, GROUPS: USERS}[kind]
        small = START.followed_by([kind.renamed()]).under(**{f"inline_policies_size_per_{kind.noun}": 120})
        small.when(kind.put, **{**kind.alice(), kind.noun: "carol"}, document=policy_text(121)).then(
            kind.over(120, "carol")
        )
        unlimited = START.under(**{f"inline_policies_size_per_{other.noun}": 120})
        unlimited.when(kind.put, **kind.alice(), document=policy_text(121)).then(kind.written(text=policy_text(121)))

    def test_the_quota_of_managed_policies_is_another(self, kind: Kind) -> None:
        START.under(policy_size=50).when(kind.put, **kind.alice(), document=TEXT).then(kind.written())


@both
class TestDelete:
    def test_a_policy_is_deleted(self, kind: Kind) -> None:
        START.followed_by([kind.written()]).when(kind.delete, **kind.alice()).then(kind.deleted()).again().then(
            kind.not_found("own")
        )

    def test_others_stay(self, kind: Kind) -> None:
        deleted = START.followed_by([kind.written(), kind.written("Own")]).when(kind.delete, **kind.alice())
        deleted.after.when(kind.delete, **kind.alice("Own")).then(kind.deleted("Own"))

    @pytest.mark.parametrize("name", ["Own", "another"])
    def test_what_is_not_there_is_refused(self, kind: Kind, name: str) -> None:
        other = {USERS: GROUPS, GROUPS: USERS}[kind]
        past = START.followed_by([kind.written(), kind.written(name, of=kind.other), other.written(name)])
        past.when(kind.delete, **kind.alice(name)).then(kind.not_found(name))


@both
@pytest.mark.parametrize("do", ["put", "delete"])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_user_or_group_that_is_not_there_is_refused(kind: Kind, do: str, deleted: bool) -> None:
    name = "alice" if deleted else "nobody"
    wishes = {**kind.alice(), kind.noun: name, **({"document": TEXT} if do == "put" else {})}
    START.followed_by([kind.gone()] if deleted else []).when(getattr(kind, do), **wishes).then(
        NoSuchEntity(f"The {kind.noun} with name {name} cannot be found.")
    )


@both
class TestDeletion:
    """Of what inline policies are a part of."""

    def test_policies_must_be_deleted_first(self, kind: Kind) -> None:
        refusal = DeleteConflict("Cannot delete entity, must delete policies first.")
        past = START.followed_by([kind.written(), kind.written("Own")])
        past.when(kind.delete_noun, **{kind.noun: "alice"}).then(refusal)
        past.followed_by([kind.deleted()]).when(kind.delete_noun, **{kind.noun: "alice"}).then(refusal)
        past.followed_by([kind.deleted(), kind.deleted("Own")]).when(kind.delete_noun, **{kind.noun: "alice"}).then(
            kind.gone()
        )

    def test_those_of_others_do_not_matter(self, kind: Kind) -> None:
        other = {USERS: GROUPS, GROUPS: USERS}[kind]
        START.followed_by([kind.written(of=kind.other), other.written()]).when(
            kind.delete_noun, **{kind.noun: "alice"}
        ).then(kind.gone())

    def test_the_next_holder_of_the_name_inherits_none(self, kind: Kind) -> None:
        again = {
            USERS: UserCreated(user_id="AIDACCCCCCCCCCCCCCCCC", user_name="alice", path="/"),
            GROUPS: GroupCreated(group_id="AGPACCCCCCCCCCCCCCCCC", group_name="alice", path="/"),
        }[kind]
        START.followed_by([kind.written(), kind.deleted(), kind.gone(), again]).when(kind.delete, **kind.alice()).then(
            kind.not_found("own")
        )

"""The decisions about access keys: issuing, (de)activation, rotation, revocation, use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from iamledger.iam.access_key import (
    AccessKeyActivated,
    AccessKeyCreated,
    AccessKeyDeactivated,
    AccessKeyRevoked,
    AccessKeyRotated,
    AccessKeyUsed,
    RevocationReason,
    activate_access_key,
    create_access_key,
    deactivate_access_key,
    record_access_key_use,
    revoke_access_key,
    rotate_access_key,
    use_of,
)
from iamledger.iam.refusals import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    ValidationError,
)
from iamledger.iam.user import UserCreated, UserDeleted, UserRenamed, delete_user
from specification import NOW, Given, When, given, key_id

A, B = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
K1, K2, K3 = (f"AKIA{n * 16}" for n in "ABC")
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
ALICE = UserCreated(user_id=A, user_name="Alice", path="/")
BOB = UserCreated(user_id=B, user_name="bob", path="/")
NO_USER = NoSuchEntity("The user with name alice cannot be found.")
NO_KEY = NoSuchEntity(f"The Access Key with id {K1} cannot be found.")
FULL = LimitExceeded("Cannot exceed quota for AccessKeysPerUser: 2")


def created(key: str, user: str = A) -> AccessKeyCreated:
    return AccessKeyCreated(access_key_id=key, user_id=user)


def deactivated(key: str) -> AccessKeyDeactivated:
    return AccessKeyDeactivated(access_key_id=key, user_id=A)


def activated(key: str) -> AccessKeyActivated:
    return AccessKeyActivated(access_key_id=key, user_id=A)


def revoked(key: str, **data: Any) -> AccessKeyRevoked:
    return AccessKeyRevoked(access_key_id=key, user_id=A, **{"revocation_reason": "unspecified", **data})


def rotated(old: str, new: str, until: datetime) -> AccessKeyRotated:
    return AccessKeyRotated(access_key_id=old, user_id=A, superseded_by=new, usable_until=until)


def drawn_twice(key: str) -> EntityAlreadyExists:
    return EntityAlreadyExists(f"The access key id {key} was drawn a second time. Repeat the command.")


def ended(key: str, by: str) -> InvalidInput:
    return InvalidInput(
        f"The Access Key with id {key} was superseded by {by} and is unusable since 2026-11-24T12:07:30Z."
        " Revoke it and create another."
    )


class TestCreate:
    def test_a_key_is_issued_with_a_new_id(self) -> None:
        given(ALICE, created(K1)).when(create_access_key, user="ALICE").then(created(key_id(2)))

    def test_it_is_found_by_key_and_user_and_issues_a_secret(self) -> None:
        assert created(K1).ledger_tags() == [f"access-key:{K1}", f"user:{A}"]
        assert AccessKeyCreated.issues_secret == AccessKeyRevoked.deletes_secrets == "access_key_id"

    def test_an_id_that_was_drawn_before_is_refused(self) -> None:
        """The same command again, and the same draw for another user."""
        first = given(ALICE, BOB).when(create_access_key, user="alice").then(created(key_id(2)))
        first.again().then(drawn_twice(key_id(2)))
        elsewhere = given(ALICE, created(key_id(3), B), revoked(key_id(3)))
        elsewhere.when(create_access_key, user="alice").then(drawn_twice(key_id(3)))

    def test_two_are_the_most_whatever_their_status(self) -> None:
        given(ALICE, created(K1), created(K2), deactivated(K2)).when(create_access_key, user="alice").then(FULL)

    def test_keys_of_others_and_revoked_ones_do_not_count(self) -> None:
        past = given(ALICE, BOB, created(K1), created(K2, B), revoked(K1), created(K3))
        past.when(create_access_key, user="alice").then(created(key_id(6)))

    def test_the_quota_is_a_setting(self) -> None:
        two = given(ALICE, created(K1), created(K2))
        two.under(access_keys_per_user=3).when(create_access_key, user="alice").then(created(key_id(3)))
        less = LimitExceeded("Cannot exceed quota for AccessKeysPerUser: 1")
        given(ALICE, created(K1)).under(access_keys_per_user=1).when(create_access_key, user="alice").then(less)

    def test_a_renamed_user_keeps_its_keys_and_is_found_by_its_new_name_only(self) -> None:
        rename = UserRenamed(user_id=A, old_user_name="Alice", user_name="carol")
        past = given(ALICE, created(K1), created(K2), rename)
        past.when(create_access_key, user="carol").then(FULL)
        past.when(create_access_key, user="alice").then(NO_USER)

    def test_a_recreated_user_inherits_no_keys(self) -> None:
        again = UserCreated(user_id=B, user_name="alice", path="/")
        past = given(ALICE, created(K1), revoked(K1), UserDeleted(user_id=A, user_name="Alice"), again)
        none = NoSuchEntity("The user with name alice has no access key to rotate. Create one.")
        past.when(rotate_access_key, user="alice", grace=DAY).then(none)
        past.when(create_access_key, user="alice").then(created(key_id(5), B))

    def test_a_user_who_is_gone_is_refused(self) -> None:
        given(ALICE, UserDeleted(user_id=A, user_name="Alice")).when(create_access_key, user="alice").then(NO_USER)


class TestStatus:
    PAST = given(ALICE, created(K1), created(K2))

    def test_a_key_is_deactivated_once_each_time(self) -> None:
        self.PAST.when(deactivate_access_key, key=K1).then(deactivated(K1)).again().then()
        on = self.PAST.followed_by([deactivated(K1), activated(K1)])
        on.when(deactivate_access_key, key=K1).then(deactivated(K1))

    def test_a_key_is_activated_once(self) -> None:
        self.PAST.when(activate_access_key, key=K1).then()
        off = self.PAST.followed_by([deactivated(K1), deactivated(K2)])
        off.when(activate_access_key, key=K1).then(activated(K1)).again().then()

    @pytest.mark.parametrize("past", [given(), given(ALICE, created(K2)), given(ALICE, created(K1), revoked(K1))])
    @pytest.mark.parametrize("decision", [deactivate_access_key, activate_access_key, revoke_access_key])
    def test_a_key_that_does_not_exist_is_refused(self, past: Given, decision: Any) -> None:
        past.when(decision, key=K1).then(NO_KEY)

    def test_an_id_differs_by_case(self) -> None:
        none = NoSuchEntity(f"The Access Key with id {K1.lower()} cannot be found.")
        self.PAST.when(deactivate_access_key, key=K1.lower()).then(none)

    @pytest.mark.parametrize("status", [[deactivated(K1)], []])
    def test_after_its_grace_a_superseded_key_is_not_activated(self, status: list[Any]) -> None:
        past = given(ALICE, created(K1), created(K2), rotated(K1, K2, NOW), *status)
        past.when(activate_access_key, key=K1).then(ended(K1, K2))
        before = past.at(NOW - timedelta(microseconds=1)).when(activate_access_key, key=K1)
        before.then(*([activated(K1)] if status else []))

    def test_the_key_that_superseded_it_has_no_end(self) -> None:
        past = given(ALICE, created(K1), created(K2), rotated(K1, K2, NOW - DAY), deactivated(K2))
        past.when(activate_access_key, key=K2).then(activated(K2))


class TestRotate:
    def rotate(self, *past: Any, grace: timedelta = DAY, **quotas: int) -> When:
        return given(ALICE, *past).under(**quotas).when(rotate_access_key, user="alice", grace=grace)

    @pytest.mark.parametrize("grace", [timedelta(0), SECOND, timedelta(days=365)])
    def test_the_old_key_ends_after_the_grace(self, grace: timedelta) -> None:
        self.rotate(created(K1), grace=grace).then(created(key_id(2)), rotated(K1, key_id(2), NOW + grace))

    @pytest.mark.parametrize("grace", [-SECOND, timedelta(microseconds=-1), timedelta(days=365, microseconds=1)])
    def test_a_grace_outside_a_year_is_refused(self, grace: timedelta) -> None:
        refusal = InvalidInput("The grace of a rotation must be between 0 and 365 days.")
        self.rotate(created(K1), grace=grace).then(refusal)

    def test_without_a_key_it_is_refused(self) -> None:
        none = NoSuchEntity("The user with name Alice has no access key to rotate. Create one.")
        self.rotate().then(none)
        self.rotate(BOB, created(K2, B)).then(none)
        self.rotate(created(K1), revoked(K1)).then(none)

    def test_with_two_keys_it_is_refused_and_so_is_a_repeat(self) -> None:
        self.rotate(created(K1), created(K2)).then(FULL)
        self.rotate(created(K1)).again().then(FULL)

    def test_an_inactive_key_is_refused(self) -> None:
        self.rotate(created(K1), deactivated(K1)).then(
            InvalidInput(
                f"The Access Key with id {K1} is Inactive. Activate it first, or revoke it and create another."
            )
        )
        self.rotate(created(K1), deactivated(K1), activated(K1)).then(
            created(key_id(4)), rotated(K1, key_id(4), NOW + DAY)
        )

    def test_the_new_key_can_be_rotated_when_the_old_one_was_revoked(self) -> None:
        self.rotate(created(K1), created(K2), rotated(K1, K2, NOW + DAY), revoked(K1)).then(
            created(key_id(5)), rotated(K2, key_id(5), NOW + DAY)
        )

    def test_a_key_whose_grace_has_ended_gets_no_other(self) -> None:
        """Its successor was revoked before it; were it rotated again, it would be usable again."""
        self.rotate(created(K1), created(K2), rotated(K1, K2, NOW), revoked(K2)).then(ended(K1, K2))

    def test_with_a_higher_quota_it_is_the_oldest_that_was_not_superseded(self) -> None:
        both = [created(K1), created(K2), deactivated(K1), activated(K1)]
        self.rotate(*both, access_keys_per_user=3).then(created(key_id(5)), rotated(K1, key_id(5), NOW + DAY))
        self.rotate(created(K1), created(K2), rotated(K1, K2, NOW - DAY), access_keys_per_user=3).then(
            created(key_id(4)), rotated(K2, key_id(4), NOW + DAY)
        )

    def test_a_superseded_key_holds_its_slot_and_blocks_deletion(self) -> None:
        past = given(ALICE, created(K1), created(K2), rotated(K1, K2, NOW - DAY), revoked(K2), created(K3))
        past.when(create_access_key, user="alice").then(FULL)
        refusal = DeleteConflict("Cannot delete entity, must delete access keys first.")
        past.followed_by([revoked(K3)]).when(delete_user, user="alice").then(refusal)


class TestRevoke:
    PAST = given(ALICE, created(K1))

    def test_a_key_is_revoked_once(self) -> None:
        self.PAST.when(revoke_access_key, key=K1).then(revoked(K1, note=None, suspected_since=None)).again().then(
            NO_KEY
        )

    @pytest.mark.parametrize("reason", list(RevocationReason))
    def test_the_reason_is_kept(self, reason: RevocationReason) -> None:
        self.PAST.when(revoke_access_key, key=K1, revocation_reason=reason).then(revoked(K1, revocation_reason=reason))

    def test_the_reasons_are_those_of_rfc_5280_that_fit(self) -> None:
        fit = "unspecified keyCompromise affiliationChanged superseded cessationOfOperation privilegeWithdrawn"
        assert [str(reason) for reason in RevocationReason] == fit.split()

    def test_note_and_suspicion_are_kept(self) -> None:
        wishes = {"note": "found in a public\nrepository ☠", "suspected_since": NOW - DAY}
        self.PAST.when(revoke_access_key, key=K1, **wishes).then(revoked(K1, **wishes))

    @pytest.mark.parametrize("more", [[deactivated(K1)], [created(K2), rotated(K1, K2, NOW - DAY)]])
    def test_inactive_and_superseded_keys_are_revoked_too(self, more: list[Any]) -> None:
        self.PAST.followed_by(more).when(revoke_access_key, key=K1).then(revoked(K1))

    def test_it_cannot_be_suspected_since_the_future(self) -> None:
        self.PAST.when(revoke_access_key, key=K1, suspected_since=NOW).then(revoked(K1, suspected_since=NOW))
        refusal = InvalidInput("A key cannot be suspected since a time that has not come yet.")
        self.PAST.when(revoke_access_key, key=K1, suspected_since=NOW + timedelta(microseconds=1)).then(refusal)

    def test_a_suspicion_of_long_ago_can_be_read_again(self) -> None:
        long_ago = datetime(999, 1, 1, tzinfo=UTC)
        self.PAST.when(revoke_access_key, key=K1, suspected_since=long_ago).again().then(NO_KEY)

    @pytest.mark.parametrize("note", ["", "x" * 1001, "a\0b", "\x1b[2J", "\x85", "\ud800"])
    def test_a_malformed_note_is_refused(self, note: str) -> None:
        assert isinstance(self.PAST.when(revoke_access_key, key=K1, note=note).outcome, ValidationError)


class TestUse:
    PAST = given(ALICE, created(K1))

    def record(self, at: datetime = NOW, past: Given = PAST, service: str = "s3", region: str = "eu-west-1") -> When:
        use = use_of(K1, service, region, at)
        wishes = {"service_name": service, "region": region, "used_at": at}
        return past.when(record_access_key_use, key=K1, use=use, **wishes)

    def used(self, at: datetime, quarter: str, service: str = "s3", region: str = "eu-west-1") -> AccessKeyUsed:
        use = f"{K1}/{service}/{region}/{quarter}"
        return AccessKeyUsed(access_key_id=K1, user_id=A, service_name=service, region=region, used_at=at, use=use)

    def test_a_use_is_noted_once_per_quarter_of_an_hour(self) -> None:
        first = self.record(NOW).then(self.used(NOW, "2026-11-24T12:00Z"))
        first.again().then()
        start = NOW.replace(minute=0, second=0, microsecond=0)
        self.record(start, first.after).then()
        self.record(start + timedelta(minutes=15) - SECOND, first.after.at(NOW + DAY)).then()
        for other, quarter in ((start + timedelta(minutes=15), "12:15Z"), (start - SECOND, "11:45Z")):
            self.record(other, first.after.at(NOW + DAY)).then(self.used(other, f"2026-11-24T{quarter}"))

    def test_service_and_region_are_told_apart(self) -> None:
        past = self.record().after
        self.record(past=past, service="ec2").then(self.used(NOW, "2026-11-24T12:00Z", service="ec2"))
        self.record(past=past, region="us-east-1").then(self.used(NOW, "2026-11-24T12:00Z", region="us-east-1"))

    def test_a_quarter_is_the_same_in_every_time_zone(self) -> None:
        elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=37)))
        assert use_of(K1, "s3", "eu-west-1", elsewhere) == use_of(K1, "s3", "eu-west-1", NOW)
        self.record(elsewhere, self.record().after).then()

    def test_it_is_taken_for_an_inactive_key(self) -> None:
        self.record(past=self.PAST.followed_by([deactivated(K1)])).then(self.used(NOW, "2026-11-24T12:00Z"))

    def test_not_for_one_that_does_not_exist(self) -> None:
        self.record(past=given(ALICE)).then(NO_KEY)
        self.record(past=self.PAST.followed_by([revoked(K1)])).then(NO_KEY)

    def test_a_clock_may_be_five_minutes_ahead(self) -> None:
        late = NOW + timedelta(minutes=5)
        self.record(late).then(self.used(late, "2026-11-24T12:00Z"))
        refusal = InvalidInput("A key cannot have been used at a time that has not come yet.")
        self.record(late + timedelta(microseconds=1)).then(refusal)

    def test_the_use_must_be_that_of_the_key_service_region_and_time(self) -> None:
        other = use_of(K2, "s3", "eu-west-1", NOW)
        wishes = {"use": other, "service_name": "s3", "region": "eu-west-1", "used_at": NOW}
        refusal = InvalidInput(f"{other} is not what this use is counted by.")
        self.PAST.when(record_access_key_use, key=K1, **wishes).then(refusal)

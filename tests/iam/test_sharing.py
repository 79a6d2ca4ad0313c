"""The statement that shares a resource: how it comes into a policy's text and out of it again, and nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import given as for_all
from hypothesis import strategies as some

from iamledger.iam.refusals import InvalidInput, ValidationError
from iamledger.iam.sharing import (
    Share,
    principal_arn,
    share_sid,
    share_statement,
    shares,
    with_share,
    without_share,
)
from iamledger.policy import Kind, PolicyDocument, PolicyError, parse

OWN, OTHER = "123456789012", "234567890123"
BUCKET = "arn:aws:s3:::reports"
ROOT, BOB = f"arn:aws:iam::{OTHER}:root", f"arn:aws:iam::{OTHER}:user/eng/bob"


def read(text: str | None) -> PolicyDocument:
    assert text is not None
    return parse(text, Kind.RESOURCE)


def statement(principal: str = ROOT, *actions: str) -> dict[str, Any]:
    return share_statement(BUCKET, principal, actions or ("s3:GetObject",))


class TestPrincipal:
    def test_an_accounts_number_means_its_root(self) -> None:
        assert principal_arn(OTHER, "aws") == ROOT
        assert principal_arn(OTHER, "aws-cn") == f"arn:aws-cn:iam::{OTHER}:root"

    @pytest.mark.parametrize(
        "arn", [ROOT, BOB, f"arn:aws:iam::{OTHER}:role/ci", f"arn:aws:sts::{OTHER}:assumed-role/ci/run-7"]
    )
    def test_arns_stay_as_they_are(self, arn: str) -> None:
        assert principal_arn(arn, "aws") == arn

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("*", "neither an account nor the ARN"),
            ("AIDAAAAAAAAAAAAAAAAAA", "neither an account nor the ARN"),
            ("", "names no principal"),
            ("12345678901", "names no principal"),
            ("١٢٣٤٥٦٧٨٩٠١٢", "names no principal"),
            (f"arn:aws:iam::{OTHER}:group/all", "name its users"),
            (f"arn:aws:iam::{OTHER}:user/*", "no wildcards"),
            (f"{OTHER}\n", "names no principal"),
            (f"{BOB}\0", "names no principal"),
        ],
    )
    def test_others_are_refused(self, text: str, why: str) -> None:
        with pytest.raises(ValidationError, match=why):
            principal_arn(text, "aws")

    def test_each_has_a_sid_of_letters_and_digits(self) -> None:
        assert share_sid(ROOT) == f"SharedWith{OTHER}"
        sids = [share_sid(arn) for arn in (ROOT, BOB, BOB.upper(), f"{BOB}b", f"arn:aws:iam::{OTHER}:role/bob")]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() and sid.isascii() for sid in sids)


class TestStatement:
    def test_it_is_for_the_resource_and_what_is_in_it(self) -> None:
        assert statement(BOB, "s3:Get*", "s3:PutObject", "s3:Get*") == {
            "Sid": share_sid(BOB),
            "Effect": "Allow",
            "Principal": {"AWS": BOB},
            "Action": ["s3:Get*", "s3:PutObject"],
            "Resource": [BUCKET, f"{BUCKET}/*"],
        }

    def test_it_needs_an_action(self) -> None:
        with pytest.raises(ValidationError, match="at least one"):
            share_statement(BUCKET, ROOT, [])

    @pytest.mark.parametrize("action", ["", "GetObject", "s3:", "s 3:Get", "s*:Get", "s3:Get\n", "s3:é"])
    def test_what_is_no_action_is_refused(self, action: str) -> None:
        with pytest.raises(ValidationError):
            share_statement(BUCKET, ROOT, ["s3:GetObject", action])


class TestText:
    def test_a_first_share_makes_a_policy(self) -> None:
        text = with_share(None, statement())
        assert json.loads(text) == {"Version": "2012-10-17", "Statement": [statement()]}
        assert with_share(text, statement()) == text
        assert without_share(text, ROOT) is None

    def test_sharing_again_puts_other_actions_in_the_same_place(self) -> None:
        text = with_share(with_share(None, statement()), statement(BOB))
        text = with_share(text, statement(ROOT, "s3:PutObject"))
        assert json.loads(text)["Statement"] == [statement(ROOT, "s3:PutObject"), statement(BOB)]
        left = without_share(text, ROOT)
        assert left is not None
        assert json.loads(left)["Statement"] == [statement(BOB)]

    def test_what_is_there_already_is_not_written_anew(self) -> None:
        compact = json.dumps({"Statement": statement()})
        assert with_share(compact, statement()) == compact
        assert without_share(compact, BOB) == compact

    @pytest.mark.parametrize(
        "other",
        [
            {"Effect": "Deny"},
            {"Principal": {"AWS": [ROOT, BOB]}},
            {"Principal": "*"},
            {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        ],
    )
    def test_a_statement_that_only_has_the_sid_is_left_alone(self, other: dict[str, Any]) -> None:
        text = json.dumps({"Statement": [{**statement(), **other}]})
        for change in (lambda: with_share(text, statement()), lambda: without_share(text, ROOT)):
            with pytest.raises(InvalidInput, match="another Sid"):
                change()

    def test_numbers_and_characters_keep_their_meaning(self) -> None:
        by_hand = (
            '{"Id": "gr\\u00f6\\u20ac", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:*",'
            ' "Resource": "arn:aws:s3:::reports/\\ud83d\\ude00é", "Condition": {"NumericEquals": {"s3:max-keys":'
            ' [1.10, 1e400, 123456789012345678901234567890]}, "Bool": {"aws:SecureTransport": [true, "false"]}}}}'
        )
        before, after = read(by_hand), read(with_share(by_hand, statement()))
        assert after.statements[:1] == before.statements
        assert (after.id, after.version) == (before.id, before.version)


class TestShares:
    def test_everybody_an_allow_names_is_told(self) -> None:
        text = json.dumps(
            {
                "Statement": [
                    statement(BOB, "s3:Get*", "s3:List*"),
                    {"Effect": "Deny", "Principal": "*", "Action": "*"},
                    {"Effect": "Allow", "Principal": {"AWS": [OTHER, OWN, "*"]}, "NotAction": "s3:Put*"},
                    {"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "s3:*", "Sid": ""},
                    {
                        "Effect": "Allow",
                        "NotPrincipal": {"AWS": [BOB, ROOT]},
                        "Action": "s3:*",
                        "Condition": {"Bool": {"aws:SecureTransport": "true"}},
                    },
                    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws-cn:iam::{OWN}:root"}, "Action": "s3:*"},
                    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OWN}:user/alice"}, "Action": "s3:*"},
                ]
            }
        )
        assert shares(text, OWN) == [
            Share(BOB, ("s3:Get*", "s3:List*"), share_sid(BOB), False),
            Share(OTHER, ("not s3:Put*",), None, False),
            Share("*", ("not s3:Put*",), None, False),
            Share("Service logs.amazonaws.com", ("s3:*",), None, False),
            Share(f"not {BOB}, {ROOT}", ("s3:*",), None, True),
            Share(f"arn:aws:iam::{OWN}:user/alice", ("s3:*",), None, False),
        ]


PRINCIPALS = [ROOT, BOB, f"arn:aws:iam::{OWN}:user/alice", f"arn:aws:iam::{OTHER}:role/ci"]
CONDITIONS = some.dictionaries(
    some.sampled_from(["NumericLessThan", "StringEquals", "Bool", "DateLessThan"]),
    some.dictionaries(
        some.sampled_from(["aws:CurrentTime", "s3:max-keys", "aws:PrincipalTag/team"]),
        some.sampled_from([[1.5, 2], 10**20, "x", True, ["ünï", '"\\\n'], "2026-01-01T00:00:00Z"]),
        min_size=1,
    ),
    max_size=2,
)
BY_HAND = some.builds(
    lambda effect, principal, condition: {
        "Effect": effect,
        "Principal": principal,
        "Action": "s3:*",
        **({"Condition": condition} if condition else {}),
    },
    some.sampled_from(["Allow", "Deny"]),
    some.sampled_from(["*", {"AWS": PRINCIPALS}, {"Service": "s3.amazonaws.com"}]),
    CONDITIONS,
)


@for_all(
    some.lists(BY_HAND, min_size=1, max_size=3),
    some.lists(some.tuples(some.sampled_from(PRINCIPALS), some.booleans()), max_size=6),
    some.sampled_from([None, 1, 4]),
    some.booleans(),
)
def test_shares_come_and_go_and_the_rest_of_a_policy_means_what_it_did(
    by_hand: list[dict[str, Any]], steps: list[tuple[str, bool]], indent: int | None, versioned: bool
) -> None:
    version = {"Version": "2012-10-17"} if versioned else {}
    policy: dict[str, Any] = {**version, "Statement": by_hand if len(by_hand) > 1 else by_hand[0]}
    text = json.dumps(policy, indent=indent, ensure_ascii=indent is None)
    try:
        before = read(text)
    except PolicyError:
        assume(False)  # not every value is one of every operator
    shared: list[str] = []
    for principal, share in steps:
        left = with_share(text, statement(principal)) if share else without_share(text, principal)
        assert left is not None
        if share == (principal in shared):
            assert left == text
        elif share:
            shared.append(principal)
        else:
            shared.remove(principal)
        text = left
    after = read(text)
    assert after.statements[: len(by_hand)] == before.statements
    assert (after.version, after.id) == (before.version, before.id)
    assert [one.sid for one in after.statements[len(by_hand) :]] == [share_sid(principal) for principal in shared]

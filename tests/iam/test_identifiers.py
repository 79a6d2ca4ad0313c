"""Identifiers in AWS's forms, held against an independent reading of access key ids and against ids of AWS's own."""

from __future__ import annotations

import base64
import random
import re
import string

import pytest
from hypothesis import example
from hypothesis import given as for_all
from hypothesis import strategies as st

from iamledger.iam import identifiers
from iamledger.iam.identifiers import access_key_id, account_of_access_key

ACCOUNTS = st.integers(0, 10**12 - 1).map("{:012}".format)
ENTROPY = st.binary(min_size=identifiers.ID_BYTES, max_size=32)
BASE32 = string.ascii_uppercase + "234567"
ACCOUNT = "123456789012"


def decoded(key_id: str) -> int:
    """The published rule: of the first six bytes after the prefix, mask 0x7fffffffff80, shifted right by seven."""
    first_six = base64.b32decode(key_id[4:])[:6]
    return (int.from_bytes(first_six, "big") & 0x7FFFFFFFFF80) >> 7


@for_all(ACCOUNTS, ENTROPY)
@example("000000000000", bytes(11))
@example("999999999999", b"\xff" * 11)
def test_an_access_key_id_encodes_its_account(account: str, entropy: bytes) -> None:
    key = access_key_id(account, entropy)
    assert account_of_access_key(key) == account
    assert decoded(key) == int(account)


@for_all(ACCOUNTS, ENTROPY)
def test_an_access_key_id_has_aws_form(account: str, entropy: bytes) -> None:
    key = access_key_id(account, entropy)
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", key)
    assert key[4] >= "Q" or key[4] in "234567"  # the bit that tells ids of this form from older ones is set
    assert access_key_id(account, entropy, "ASIA") == "ASIA" + key[4:]


def test_two_ids_worked_out_by_hand() -> None:
    assert access_key_id(ACCOUNT, bytes(11)) == "AKIA" + by_hand(1, int(ACCOUNT), 0)
    assert access_key_id(ACCOUNT, b"\xff" * 11) == "AKIA" + by_hand(1, int(ACCOUNT), 2**39 - 1)


def by_hand(top: int, account: int, rest: int) -> str:
    """Eighty bits, five to a letter."""
    bits = f"{top:01b}{account:040b}{rest:039b}"
    return "".join(BASE32[int(bits[place : place + 5], 2)] for place in range(0, 80, 5))


@pytest.mark.parametrize(
    ("key_id", "account"),
    [
        ("ASIAQNZGKIQY56JQ7WML", "029608264753"),  # published with the rule itself
        ("AKIAIOSFODNN7EXAMPLE", None),  # AWS's documentation; of the old form, which encodes no account
        ("AKIAI44QH8DHBEXAMPLE", None),
        ("AKIAQAAAAAAAAAAAAAAA", "000000000000"),
        ("AKIAAAAAAAAAAAAAAAAA", None),
        ("AKIA7777777777777777", None),  # beyond twelve digits
        ("", None),
        ("AKIA", None),
        ("AKIAQNZGKIQY56JQ7WM", None),
        ("AKIAQNZGKIQY56JQ7WMLA", None),
        ("AKIAQNZGKIQY56JQ7WML\n", None),
        ("akiaqnzgkiqy56jq7wml", None),
        ("AKIAQNZGKIQY56JQ7WM1", None),
        ("AKIAQNZGKIQY56JQ7WM\u0429", None),
        ("AKIA\ud800NZGKIQY56JQ7WML", None),
        ("AKIA================", None),
        ("AKIAQNZGKIQY56======", None),
    ],
)
def test_the_account_of_an_id(key_id: str, account: str | None) -> None:
    assert account_of_access_key(key_id) == account
    if account is not None:
        assert decoded(key_id) == int(account)


@for_all(st.text(alphabet=BASE32 + "=1a\n\0é\ud800", min_size=14, max_size=18).map("AKIA".__add__))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = account_of_access_key(text)
    assert found is None or re.fullmatch(r"[0-9]{12}", found)


def test_39_bits_of_an_access_key_id_are_random_and_each_counts() -> None:
    plain = access_key_id(ACCOUNT, bytes(11))
    flipped = {bit: access_key_id(ACCOUNT, (1 << 87 - bit).to_bytes(11, "big")) for bit in range(88)}
    assert [bit for bit, key in flipped.items() if key != plain] == list(range(1, 40))
    assert len(set(flipped.values())) == 40


def test_85_bits_of_a_unique_id_are_random_and_each_counts() -> None:
    plain = identifiers.unique_id("AIDA", bytes(11))
    flipped = [identifiers.unique_id("AIDA", (1 << 87 - bit).to_bytes(11, "big")) for bit in range(88)]
    assert [bit for bit, id_ in enumerate(flipped) if id_ != plain] == list(range(85))
    assert len(set(flipped)) == 86


@pytest.mark.parametrize(
    ("bits", "make"),
    [
        (39, lambda entropy: access_key_id(ACCOUNT, entropy)),
        (85, lambda entropy: identifiers.unique_id("AIDA", entropy)),
    ],
    ids=["access key", "user"],
)
def test_ids_collide_no_more_often_than_chance(bits: int, make: object) -> None:
    """20,000 draws of 39 bits: the expectation is 0.0004 pairs, so that even one would tell of lost entropy."""
    chance = random.Random(20261124)
    ids = [make(chance.randbytes(11)) for _ in range(20_000)]  # type: ignore[operator]
    assert len(ids) ** 2 / 2 ** (bits + 1) < 0.001
    assert len(set(ids)) == len(ids)
    for place in range(6 + (bits == 39) * 7, 20):  # every letter that is random throughout takes every value
        assert {id_[place] for id_ in ids} == set(BASE32)


@for_all(ENTROPY)
def test_a_user_id_has_aws_form(entropy: bytes) -> None:
    id_ = identifiers.unique_id("AIDA", entropy)
    assert re.fullmatch(r"AIDA[A-Z2-7]{17}", id_)
    assert identifiers.unique_id("AIDA", entropy) == id_
    assert identifiers.unique_id("AGPA", entropy) == "AGPA" + id_[4:]


@for_all(st.binary(min_size=8, max_size=32))
@example(bytes(8))
@example(b"\xff" * 8)
def test_a_new_account_id_is_twelve_digits_without_a_leading_zero(entropy: bytes) -> None:
    assert re.fullmatch(r"[1-9][0-9]{11}", identifiers.account_id(entropy))


def test_new_account_ids_use_the_whole_range() -> None:
    made = [identifiers.account_id(random.Random(seed).randbytes(8)) for seed in range(2000)]
    assert len(set(made)) == len(made)
    assert {id_[0] for id_ in made} == set("123456789")
    assert {id_[-1] for id_ in made} == set("0123456789")


@for_all(st.binary(min_size=identifiers.SECRET_BYTES, max_size=64))
def test_a_secret_is_forty_characters_that_tell_all_its_bytes(entropy: bytes) -> None:
    secret = identifiers.secret_access_key(entropy)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", secret)
    assert base64.b64decode(secret) == entropy[:30]


def test_an_arn_has_path_and_name() -> None:
    assert identifiers.arn(ACCOUNT, "user", "/", "alice") == "arn:aws:iam::123456789012:user/alice"
    assert identifiers.arn(ACCOUNT, "user", "/eng/x/", "al=ice") == "arn:aws:iam::123456789012:user/eng/x/al=ice"

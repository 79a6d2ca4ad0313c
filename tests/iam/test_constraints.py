"""The rules for values, held against the service model that botocore ships; and what is malformed, refused with its code."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from botocore.loaders import Loader  # type: ignore[import-untyped]

from iamledger.iam import constraints, refusals
from iamledger.iam.access_key import AccessKeyCreated, record_access_key_use, revoke_access_key, use_of
from iamledger.iam.account import create_account
from iamledger.iam.constraints import Constraint
from iamledger.iam.refusals import NoSuchEntity, Refusal, ValidationError
from iamledger.iam.user import UserCreated, create_user, delete_user, tag_user, untag_user, update_user
from iamledger.moments import parse_time
from specification import ACCOUNT, NOW, When, given

MODELLED = {
    "userNameType": constraints.USER_NAME,
    "existingUserNameType": constraints.EXISTING_USER_NAME,
    "pathType": constraints.PATH,
    "pathPrefixType": constraints.PATH_PREFIX,
    "accessKeyIdType": constraints.ACCESS_KEY_ID,
    "tagKeyType": constraints.TAG_KEY,
    "tagValueType": constraints.TAG_VALUE,
}
OURS = {
    "ACCOUNT_ID", "ACCOUNT_NAME", "EMAIL", "SERVICE", "REGION", "USE", "REQUEST_ID", "REASON", "TICKET", "NOTE",
}  # fmt: skip


@cache
def shapes() -> dict[str, dict[str, Any]]:
    """The shapes of the service model of IAM."""
    return dict(Loader().load_service_model("iam", "service-2", "2010-05-08")["shapes"])


@pytest.mark.parametrize(("shape", "constraint"), MODELLED.items(), ids=MODELLED)
def test_a_constraint_is_that_of_the_model(shape: str, constraint: Constraint) -> None:
    modelled = shapes()[shape]
    assert (constraint.shortest, constraint.longest) == (modelled["min"], modelled["max"])
    assert constraint.pattern == modelled["pattern"]


def test_every_other_constraint_is_known_to_be_ours() -> None:
    everything = {name for name, value in vars(constraints).items() if isinstance(value, Constraint)}
    modelled = {name for name in everything if getattr(constraints, name) in MODELLED.values()}
    assert everything - modelled == OURS


def test_the_name_of_a_member_is_that_of_the_request() -> None:
    def member(request: str, shape: str) -> set[str]:
        return {name[0].lower() + name[1:] for name, of in shapes()[request]["members"].items() if of["shape"] == shape}

    assert member("CreateUserRequest", "userNameType") == {constraints.USER_NAME.member}
    assert member("CreateUserRequest", "pathType") == {constraints.PATH.member}
    assert member("ListUsersRequest", "pathPrefixType") == {constraints.PATH_PREFIX.member}
    assert member("DeleteAccessKeyRequest", "accessKeyIdType") == {constraints.ACCESS_KEY_ID.member}
    assert member("DeleteAccessKeyRequest", "existingUserNameType") == {constraints.EXISTING_USER_NAME.member}
    assert member("Tag", "tagKeyType") == {constraints.TAG_KEY.member}
    assert member("Tag", "tagValueType") == {constraints.TAG_VALUE.member}


def test_refusals_have_the_codes_and_statuses_of_the_model() -> None:
    modelled = {s["error"]["code"]: s["error"]["httpStatusCode"] for s in shapes().values() if "error" in s}
    ours = {refusal.__name__: refusal.status for refusal in Refusal.__subclasses__()}
    common = {"ValidationError": 400, "IdempotentParameterMismatch": 400}  # of every service, not of IAM's model
    assert ours == {code: common.get(code) or modelled[code] for code in ours}
    assert refusals.NoSuchEntity("x").code == "NoSuchEntity"


def test_a_message_reads_as_the_services_and_shows_the_value_in_ascii() -> None:
    with pytest.raises(ValidationError) as refused:
        constraints.USER_NAME.check("al\u0456ce\n\x1b[2J")
    assert str(refused.value) == (
        r"1 validation error detected: Value 'al\u0456ce\n\x1b[2J' at 'userName' failed to satisfy constraint:"
        r" Member must satisfy regular expression pattern: [\w+=,.@-]+"
    )


def test_a_message_shows_the_beginning_of_a_long_value() -> None:
    with pytest.raises(ValidationError, match=rf"Value '{'x' * 77}\.\.\.' at 'userName'"):
        constraints.USER_NAME.check("x" * 1000)


@pytest.mark.parametrize(
    ("constraint", "value"),
    [
        (constraints.USER_NAME, "a_Z9+=,.@-"),
        (constraints.PATH, "/"),
        (constraints.PATH, "/a/b!~/"),
        (constraints.PATH, "/" + "x" * 510 + "/"),
        (constraints.PATH_PREFIX, "/a\x7f"),
        (constraints.ACCESS_KEY_ID, "AKIAIOSFODNN7EXAMPLE"),
        (constraints.TAG_KEY, "Größe der Straße ½ Ⅷ ٣ 名前_.:/=+-@"),
        (constraints.TAG_VALUE, ""),
        (constraints.TAG_VALUE, "x" * 256),
        (constraints.EMAIL, "o'neil+iam@sub.example.co"),
        (constraints.NOTE, "tab\t, line\n, naïve 😀"),
    ],
)
def test_what_is_well_formed_is_taken_as_it_is(constraint: Constraint, value: str) -> None:
    assert constraint.check(value) == value


# What is malformed. Each is tried wherever such a value comes in.

BAD_CHARACTERS = [
    "alice\n", "\nalice", "alice\r\n", "alice\0", "\0", "al ice", " alice", "alice ", "al\tice", "alice\x7f",
    "alice\x1b[0m", "\ud800", "alice\udfff", "\udcff", "al\u0456ce", "\uff41lice", "alic\u00e9", "alice\u0301",
    "alice\u200b", "\ufeffalice", "alice\u2028", "alice\u202e", "alice\x85", "alice\xa0", "\u0661\u0662",
    "\uff11\uff12", "\U0001d7d8", "\u2460", "\U0001f600",
]  # fmt: skip
NAMES = ["", *BAD_CHARACTERS, "al/ice", "al:ice", "alice;", "$(id)", "a'b", 'a"b', "<b>", "x" * 129, "%61"]
PATHS = [
    "", "a", "a/", "/a", "//\n", "/\n", "/a/\n", "\n/", "/a b/", "/\0/", "/\x7f/", "/\u00e9/", "/\ud800/", "/\uff41/",
    "/\u2215/", "/a/ ", " /a/", "\u2215a/", "/" + "x" * 511 + "/", "/a\t/", "/\x1f/",
]  # fmt: skip
KEY_IDS = [
    "", "AKIA", "A" * 15, "A" * 129, "AKIAIOSFODNN7EXAMPL\n", "AKIAIOSFODNN7EXAMPLE\n", "AKIAIOSFODNN7EXAMPL\u0415",
    "AKIAIOSFODNN7-EXAMPLE", "AKIA IOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE\0", "\u0661" * 20, "\ud800" * 20,
]  # fmt: skip
TAG_PARTS = [
    "a\n", "a\0", "\x1b", "a\tb", "a\x7f", "\x85", "\ud800", "\udfff", "a#b", "a,b", "a*", "a&b", "a'b", "a\u0301",
    "a\u200b", "\ufeff", "\U0001f600", "\u202e", "\ue000", "\uffff", "\ufdd0", "a|b", "a<b>", "\\",
]  # fmt: skip
EMAILS = [
    "", "a@b.c", "alice", "alice@example", "@example.com", "alice@.", "alice@@example.com", "a@b@example.com",
    "al ice@example.com", "alice@example.com\n", "\nalice@example.com", "alice@exa\0mple.com", "alice@example.com\x7f",
    "alice@example.com\x85", "alice@exam\ud800ple.com", "alice@example\xa0.com", "alice@example.com\u2028",
    "alice\u3000@example.com", "alice@example.\u200b", "\u202ealice@example.com", "a" * 53 + "@example.com",
    "alice@example.com\r\nBcc: x",
]  # fmt: skip
TIMES = [
    "", " ", "yesterday", "42", "2026", "2026-11", "2026-13-01", "2026-02-30", "2026-11-24\n", " 2026-11-24",
    "2026-11-24 ", "2026-W48", "2026-W48-2", "20261124", "2026-328", "26-11-24", "2026/11/24", "2026-11-24t15:30",
    "2026-11-24t15", "2026-11-24x15:30", "2026-11-24+15", "2026-11-24T", "2026-11-24T15:30z", "2026-11-24T25:00",
    "2026-11-24T15:60", "2026-11-24T15:30:60", "2026-11-24T15:30:00,5", "2026-11-24T15:30+24:00",
    "2026-11-24T15:30+99:00", "2026-11-24T15:30ZZ", "2026-11-24T15:30:00Z\n", "2026-11-24\n15:30",
    "2026-11-24\x0015:30", "2026-11-24\ud80015:30", "2026-11-24T15:30\0", "\uff12\uff10\uff12\uff16-11-24",
    "2026-11-2\u0664", "2026\u201311\u201324", "0001-01-01T00:00+01:00", "9999-12-31T23:59-01:00", "0000-01-01",
    "10000-01-01", "-001-01-01", "\ud800", "2026-11-24T15:30:00.", "2026-11-24T15:30:00.1234567890", "2" * 5000,
]  # fmt: skip
ACCOUNT_IDS = [
    "", "1" * 11, "1" * 13, "12345678901\n", "123456789012\n", "12345678901x", "\uff11" * 12, "\u0661" * 12,
    "-12345678901", " 12345678901", "\ud800" * 12,
]  # fmt: skip
ACCOUNT_NAMES = ["", " ", "   ", "x" * 51, "acme\n", "ac\0me", "acm\u00e9", "\uff41cme", "\ud800", "a\x7f"]
SERVICES = ["", "S3", "s3\n", "s3\0", "s3/x", "s 3", "s\u0663", "\ud800", "x" * 129]
REGIONS = ["", "EU", "eu-west-1\n", "eu\0", "eu/west", "eu_west", "eu.west", "\uff45u", "\ud800", "x" * 65]
NOTES = ["", "\0", "a\x1b[31m", "\x7f", "\x85", "\ud800", "a\udfff", "\x0b", "x" * 1001]

ALICE = given(UserCreated(user_id="AIDAAAAAAAAAAAAAAAAAA", user_name="alice", path="/"))
KEY = "AKIAAAAAAAAAAAAAAAAA"
WITH_KEY = ALICE.followed_by([AccessKeyCreated(access_key_id=KEY, user_id="AIDAAAAAAAAAAAAAAAAAA")])


def account(**wishes: str) -> When:
    return given().when(
        create_account, **{"account": ACCOUNT, "account_name": "acme", "email": "root@acme.example", **wishes}
    )


def use(service: str = "s3", region: str = "eu-west-1") -> When:
    counted = use_of(KEY, service, region, NOW)
    return WITH_KEY.when(record_access_key_use, key=KEY, use=counted, service_name=service, region=region, used_at=NOW)


CASES: dict[str, tuple[list[str], Callable[[str], When | object]]] = {
    "new user's name": ([*NAMES, "x" * 65], lambda bad: ALICE.when(create_user, name=bad)),
    "user's name": (NAMES, lambda bad: ALICE.when(delete_user, user=bad)),
    "new name": ([*NAMES, "x" * 65], lambda bad: ALICE.when(update_user, user="alice", new_name=bad)),
    "path": (PATHS, lambda bad: ALICE.when(create_user, name="bob", path=bad)),
    "new path": (PATHS, lambda bad: ALICE.when(update_user, user="alice", new_path=bad)),
    "tag's key": (["", *TAG_PARTS, "x" * 129], lambda bad: ALICE.when(tag_user, user="alice", tags=[(bad, "")])),
    "untagged key": (["", *TAG_PARTS, "x" * 129], lambda bad: ALICE.when(untag_user, user="alice", keys=["a", bad])),
    "tag's value": ([*TAG_PARTS, "x" * 257], lambda bad: ALICE.when(create_user, name="b", tags=[("k", bad)])),
    "access key id": (KEY_IDS, lambda bad: WITH_KEY.when(revoke_access_key, key=bad)),
    "note": (NOTES, lambda bad: WITH_KEY.when(revoke_access_key, key=KEY, note=bad)),
    "service": (SERVICES, lambda bad: use(service=bad)),
    "region": (REGIONS, lambda bad: use(region=bad)),
    "account id": (ACCOUNT_IDS, lambda bad: account(account=bad)),
    "account name": (ACCOUNT_NAMES, lambda bad: account(account_name=bad)),
    "e-mail": (EMAILS, lambda bad: account(email=bad)),
    "time": (TIMES, parse_time),
}


@pytest.mark.parametrize(
    ("kind", "bad"),
    [pytest.param(kind, bad, id=f"{kind}: {bad[:30]!a}") for kind, (values, _) in CASES.items() for bad in values],
)
def test_what_is_malformed_is_refused_and_nothing_else_is_raised(kind: str, bad: str) -> None:
    try:
        found = CASES[kind][1](bad)
    except ValidationError as refused:
        message = str(refused)
    else:
        assert isinstance(found, When)
        assert isinstance(found.outcome, ValidationError)
        message = str(found.outcome)
    assert message.isascii()
    assert message.isprintable()


def test_a_use_that_cannot_be_a_tag_is_refused() -> None:
    told = {"service_name": "s3", "region": "eu-west-1", "used_at": NOW}
    for bad in ("", "\0", "\ud800", "a b", "x" * 513):
        done = WITH_KEY.when(record_access_key_use, key=KEY, use=bad, **told)
        assert isinstance(done.outcome, ValidationError)


def test_a_long_name_of_an_existing_user_is_looked_for() -> None:
    ALICE.when(delete_user, user="x" * 128).then(NoSuchEntity(f"The user with name {'x' * 128} cannot be found."))


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-24", "2026-11-24T23:59:59.999999"),
        ("2024-02-29", "2024-02-29T23:59:59.999999"),
        ("2026-11-24T15:30:00Z", "2026-11-24T15:30:00"),
        ("2026-11-24 15:30", "2026-11-24T15:30:00"),
        ("2026-11-24T15", "2026-11-24T15:00:00"),
        ("2026-11-24T15:30:00.25+05:30", "2026-11-24T10:00:00.250000"),
        ("2026-11-24T00:10-0100", "2026-11-24T01:10:00"),
        ("2026-11-24T15:30:00.123456789Z", "2026-11-24T15:30:00.123456"),
        ("9999-12-31", "9999-12-31T23:59:59.999999"),
        ("0999-01-01", "0999-01-01T23:59:59.999999"),
    ],
)
def test_times_are_read_in_utc_and_a_date_means_its_end(text: str, time: str) -> None:
    assert parse_time(text).isoformat() == f"{time}+00:00"


def test_a_date_can_mean_its_beginning() -> None:
    assert parse_time("2026-11-24", end=False).isoformat() == "2026-11-24T00:00:00+00:00"
    assert parse_time("2026-11-24T15:30", end=False) == parse_time("2026-11-24T15:30")

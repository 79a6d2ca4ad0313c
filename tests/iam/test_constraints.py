"""The rules for values, held against the service model that botocore ships; and what is malformed, refused with its code."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from botocore.loaders import Loader  # type: ignore[import-untyped]

from iamledger.iam import constraints, refusals
from iamledger.iam.access_key import AccessKeyCreated, record_access_key_use, revoke_access_key, use_of
from iamledger.iam.account import create_account
from iamledger.iam.attachment import attach_group_policy, attach_user_policy, detach_group_policy, detach_user_policy
from iamledger.iam.constraints import Constraint
from iamledger.iam.group import GroupCreated, create_group, delete_group, update_group
from iamledger.iam.inline_policy import delete_group_policy, delete_user_policy, put_group_policy, put_user_policy
from iamledger.iam.managed_policy import (
    AWS,
    ManagedPolicyImported,
    PolicyCreated,
    create_policy,
    create_policy_version,
    delete_policy,
    delete_policy_version,
    import_managed_policy,
    set_default_policy_version,
    update_managed_policy,
)
from iamledger.iam.membership import add_user_to_group, move_user, remove_user_from_group
from iamledger.iam.permissions_boundary import delete_user_permissions_boundary, put_user_permissions_boundary
from iamledger.iam.refusals import MalformedPolicyDocument, NoSuchEntity, Refusal, ValidationError
from iamledger.iam.user import UserCreated, create_user, delete_user, tag_user, untag_user, update_user
from iamledger.moments import parse_time
from specification import ACCOUNT, NOW, When, given, policy_text

MODELLED = {
    "userNameType": constraints.USER_NAME,
    "existingUserNameType": constraints.EXISTING_USER_NAME,
    "pathType": constraints.PATH,
    "pathPrefixType": constraints.PATH_PREFIX,
    "accessKeyIdType": constraints.ACCESS_KEY_ID,
    "tagKeyType": constraints.TAG_KEY,
    "tagValueType": constraints.TAG_VALUE,
    "groupNameType": constraints.GROUP_NAME,
    "policyNameType": constraints.POLICY_NAME,
    "policyPathType": constraints.POLICY_PATH,
    "policyDocumentType": constraints.POLICY_DOCUMENT,
}
OURS = {
    "ACCOUNT_ID", "ACCOUNT_NAME", "EMAIL", "SERVICE", "REGION", "USE", "REQUEST_ID", "REASON", "TICKET", "NOTE",
    "POLICY_ARN", "VERSION_ID", "POLICY_DESCRIPTION",
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


def test_what_is_stricter_than_the_model_stays_within_it() -> None:
    """Our own rules for ARNs, versions and descriptions take nothing that the service would refuse."""
    arn, version, description = (shapes()[name] for name in ("arnType", "policyVersionIdType", "policyDescriptionType"))
    assert (constraints.POLICY_ARN.shortest, constraints.POLICY_ARN.longest) == (arn["min"], arn["max"])
    assert "pattern" not in arn
    assert version["pattern"].startswith(constraints.VERSION_ID.pattern)
    for taken in ("v1", "v9", "v10", "v1234567890123456789"):
        assert re.fullmatch(version["pattern"], constraints.VERSION_ID.check(taken))
    assert (constraints.POLICY_DESCRIPTION.shortest, constraints.POLICY_DESCRIPTION.longest) == (0, description["max"])


def test_an_arn_holds_a_path_and_a_name_as_the_model_has_them() -> None:
    name, path = shapes()["policyNameType"]["pattern"], shapes()["policyPathType"]["pattern"]
    for policy in ("/x", "/a/b.c,d+e@f=g_h-i/x_+=,.@-Z9", "/a//x", "/a b/x", "/a/x y", "/a!/x", "/", "/a/", "x", "/é"):
        where, found, called = policy.rpartition("/")
        modelled = re.fullmatch(path, where + found, re.ASCII) and re.fullmatch(name, called, re.ASCII)
        try:
            constraints.POLICY_ARN.check(f"arn:aws:iam::123456789012:policy{policy}")
        except ValidationError:
            assert not modelled, policy
        else:
            assert modelled, policy


def test_the_name_of_a_member_is_that_of_the_request() -> None:
    def member(request: str, shape: str) -> set[str]:
        return {name[0].lower() + name[1:] for name, of in shapes()[request]["members"].items() if of["shape"] == shape}

    assert member("CreateUserRequest", "userNameType") == {constraints.USER_NAME.member}
    assert member("CreateUserRequest", "pathType") == {constraints.PATH.member}
    assert member("ListUsersRequest", "pathPrefixType") == {constraints.PATH_PREFIX.member}
    assert member("DeleteAccessKeyRequest", "accessKeyIdType") == {constraints.ACCESS_KEY_ID.member}
    assert member("DeleteAccessKeyRequest", "existingUserNameType") == {constraints.EXISTING_USER_NAME.member}
    assert member("CreateGroupRequest", "groupNameType") == {constraints.GROUP_NAME.member}
    assert member("CreatePolicyRequest", "policyNameType") == {constraints.POLICY_NAME.member}
    assert member("CreatePolicyRequest", "policyPathType") == {constraints.POLICY_PATH.member}
    assert member("CreatePolicyRequest", "policyDescriptionType") == {constraints.POLICY_DESCRIPTION.member}
    assert member("PutGroupPolicyRequest", "policyDocumentType") == {constraints.POLICY_DOCUMENT.member}
    assert member("AttachGroupPolicyRequest", "arnType") == {constraints.POLICY_ARN.member}
    assert member("DeletePolicyVersionRequest", "policyVersionIdType") == {constraints.VERSION_ID.member}
    assert member("Tag", "tagKeyType") == {constraints.TAG_KEY.member}
    assert member("Tag", "tagValueType") == {constraints.TAG_VALUE.member}


def test_refusals_have_the_codes_and_statuses_of_the_model() -> None:
    modelled = {s["error"]["code"]: s["error"]["httpStatusCode"] for s in shapes().values() if "error" in s}
    ours = {refusal.__name__: refusal.status for refusal in Refusal.__subclasses__()}
    common = {  # of every service, not of IAM's model
        **{"ValidationError": 400, "IdempotentParameterMismatch": 400},
        **dict.fromkeys(("AccessDenied", "InvalidClientTokenId", "SignatureDoesNotMatch"), 403),
    }
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
        (constraints.GROUP_NAME, "a_Z9+=,.@-"),
        (constraints.POLICY_NAME, "x" * 128),
        (constraints.POLICY_PATH, "/"),
        (constraints.POLICY_PATH, "/a/B9.,+@=_-/"),
        (constraints.POLICY_ARN, "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        (constraints.POLICY_ARN, "arn:aws:iam::000000000000:policy/a/b/" + "x" * 128),
        (constraints.POLICY_DESCRIPTION, ""),
        (constraints.POLICY_DESCRIPTION, "naïve, tab\t, line\r\n 😀"),
        (constraints.POLICY_DOCUMENT, "\t\r\n {}é\xff"),
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
POLICY_PATHS = [
    "", "a", "a/", "/a//b/", "//", "/a b/", "/\0/", "/\n/", "/a\n", "/\u00e9/", "/\ud800/", "/\uff41/", "/\u0661/", "/a!/",
    "/a:b/", "/~/", "/*/", "/$/", "/%61/", "/\x7f/", "/" + "x" * 511 + "/",
]  # fmt: skip
"""What stands before the name in an ARN."""
OWN, AWS_ARN = "arn:aws:iam::123456789012:policy", f"{AWS}Billing"
POLICY_ARNS = [
    "", "p", "policy/p", "/p", "arn", "arn:aws:iam::aws:policy", f"{OWN}", f"{OWN}/", f"{OWN}p", f"{OWN}/a/", f"{OWN}//p",
    f"{OWN}/a//p", f"{OWN}/p\n", f"\n{OWN}/p", f"{OWN}/p\0", f"{OWN}/p ", f" {OWN}/p", f"{OWN}/p\ud800", f"{OWN}/p\u00e9",
    f"{OWN}/\uff50", f"{OWN}/\u0661", f"{OWN}/a\u0661/p", f"{OWN}/a\udfff/p", f"{OWN}/a\t/p", f"{OWN}/a!/p",
    f"{OWN}/p*", f"{OWN}/p?", f"{OWN}/a:b", f"{OWN}/${{p}}", f"{OWN}/p\x7f", f"{OWN}/p\u202e", f"{OWN}/" + "x" * 129,
    f"{OWN}/" + "x/" * 1100 + "p", "arn:aws:iam::AWS:policy/p", "arn:aws:iam:::policy/p",
    "arn:aws:iam::12345678901:policy/p", "arn:aws:iam::1234567890123:policy/p",
    "arn:aws:iam::\u0661\u0662\u0663456789012:policy/p",
    "arn:aws:iam::\uff11\uff12\uff13456789012:policy/p", "arn:aws:iam::12345678901x:policy/p", "arn:aws:s3::aws:policy/p",
    "arn:aws:iam:eu-west-1:aws:policy/p", "arn:aws-cn:iam::aws:policy/p", "arn:aws:iam::aws:Policy/p",
    "ARN:aws:iam::aws:policy/p", "arn:aws:iam::aws:user/p", "arn:aws:iam::aws:group/p/policy/p",
    "arn:aws:iam::aws:policy\n/p",
]  # fmt: skip
VERSION_IDS = [
    "", "v", "1", "v0", "v01", "V1", "v1\n", "\nv1", " v1", "v1 ", "v1\0", "v-1", "v+1", "v1.0", "v1.", "v1_0", "v\u0661",
    "v\uff11", "v1\u0661", "\uff561", "v\u00b9", "v\ud800", "v1\udfff", "v1e1", "vv1", "v" + "1" * 20, "$LATEST", "default",
]  # fmt: skip
DESCRIPTIONS = [
    "\0",
    "a\x1b[31m",
    "\x7f",
    "\x85",
    "\ud800",
    "a\udfff",
    "\x0b",
    "\x0c",
    "\x9f",
    "x" * 1001,
    "\ud83d\ude00",
]
DOCUMENTS = [
    " ", "\n", "{", "}", "{]", "\"", "'{}'", "{'a': 1}", "{\"a\": }", "{\"a\" 1}", "{,}", "{}x", "{}{}", "x", "\0", "{}\0",
    "\ud800", "{\udfff}", "\ufeff{}", "\u00e9", "\uff5b\uff5d", "{\u00a0}", "{}\u2028", "\x85{}", "{\x1b}", "{}\x7f",
    "\x0b{}", "\x0c{}", "// none\n{}", "<xml/>", "[" * 50, "{\"a\":" * 50, "%7B%7D", "{" + " " * 131071,
]  # fmt: skip
NOTES = ["", "\0", "a\x1b[31m", "\x7f", "\x85", "\ud800", "a\udfff", "\x0b", "x" * 1001]

ALICE = given(UserCreated(user_id="AIDAAAAAAAAAAAAAAAAAA", user_name="alice", path="/"))
KEY = "AKIAAAAAAAAAAAAAAAAA"
STAFF = ALICE.followed_by(
    [
        GroupCreated(group_id="AGPAAAAAAAAAAAAAAAAAA", group_name="staff", path="/"),
        PolicyCreated(
            policy_id="ANPAAAAAAAAAAAAAAAAAA",
            arn=f"{OWN}/p",
            policy_name="p",
            path="/",
            version_id="v1",
            document=policy_text(),
        ),
        ManagedPolicyImported(
            policy_id="ANPABBBBBBBBBBBBBBBBB",
            arn=AWS_ARN,
            policy_name="Billing",
            path="/",
            version_id="v1",
            document=policy_text(),
        ),
    ]
)
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
    "new group's name": (NAMES, lambda bad: STAFF.when(create_group, name=bad)),
    "group's name": (NAMES, lambda bad: STAFF.when(delete_group, group=bad)),
    "group's new name": (NAMES, lambda bad: STAFF.when(update_group, group="staff", new_name=bad)),
    "renamed group": (NAMES, lambda bad: STAFF.when(update_group, group=bad, new_name="all")),
    "group's path": (PATHS, lambda bad: STAFF.when(create_group, name="all", path=bad)),
    "group's new path": (PATHS, lambda bad: STAFF.when(update_group, group="staff", new_path=bad)),
    "member": (NAMES, lambda bad: STAFF.when(add_user_to_group, user=bad, group="staff")),
    "group of a member": (NAMES, lambda bad: STAFF.when(add_user_to_group, user="alice", group=bad)),
    "former member": (NAMES, lambda bad: STAFF.when(remove_user_from_group, user=bad, group="staff")),
    "group of a former member": (NAMES, lambda bad: STAFF.when(remove_user_from_group, user="alice", group=bad)),
    "who moves": (NAMES, lambda bad: STAFF.when(move_user, user=bad, source="staff", target="all")),
    "source": (NAMES, lambda bad: STAFF.when(move_user, user="alice", source=bad, target="staff")),
    "target": (NAMES, lambda bad: STAFF.when(move_user, user="alice", source="staff", target=bad)),
    "new policy's ARN": (POLICY_ARNS, lambda bad: STAFF.when(create_policy, name=bad, document=policy_text())),
    "new policy's path": (
        POLICY_PATHS,
        lambda bad: STAFF.when(create_policy, name=f"{OWN}{bad}q", document=policy_text()),
    ),
    "description": (
        DESCRIPTIONS,
        lambda bad: STAFF.when(create_policy, name=f"{OWN}/q", document=policy_text(), description=bad),
    ),
    "imported ARN": (POLICY_ARNS, lambda bad: STAFF.when(import_managed_policy, name=bad, document=policy_text())),
    "imported path": (
        POLICY_PATHS,
        lambda bad: STAFF.when(import_managed_policy, name=f"{AWS[:-1]}{bad}q", document=policy_text()),
    ),
    "imported description": (
        DESCRIPTIONS,
        lambda bad: STAFF.when(import_managed_policy, name=f"{AWS}q", document=policy_text(), description=bad),
    ),
    "updated ARN": (POLICY_ARNS, lambda bad: STAFF.when(update_managed_policy, policy=bad, document=policy_text())),
    "ARN of a version": (POLICY_ARNS, lambda bad: STAFF.when(create_policy_version, policy=bad, document="{}")),
    "ARN to set": (POLICY_ARNS, lambda bad: STAFF.when(set_default_policy_version, policy=bad, version_id="v1")),
    "ARN to cut": (POLICY_ARNS, lambda bad: STAFF.when(delete_policy_version, policy=bad, version_id="v1")),
    "deleted ARN": (POLICY_ARNS, lambda bad: STAFF.when(delete_policy, policy=bad)),
    "attached ARN": (POLICY_ARNS, lambda bad: STAFF.when(attach_user_policy, user="alice", policy=bad)),
    "ARN of a group": (POLICY_ARNS, lambda bad: STAFF.when(attach_group_policy, group="staff", policy=bad)),
    "detached ARN": (POLICY_ARNS, lambda bad: STAFF.when(detach_user_policy, user="alice", policy=bad)),
    "ARN off a group": (POLICY_ARNS, lambda bad: STAFF.when(detach_group_policy, group="staff", policy=bad)),
    "boundary": (POLICY_ARNS, lambda bad: STAFF.when(put_user_permissions_boundary, user="alice", policy=bad)),
    "attached to": (NAMES, lambda bad: STAFF.when(attach_user_policy, user=bad, policy=f"{OWN}/p")),
    "attached to a group": (NAMES, lambda bad: STAFF.when(attach_group_policy, group=bad, policy=f"{OWN}/p")),
    "detached from": (NAMES, lambda bad: STAFF.when(detach_user_policy, user=bad, policy=f"{OWN}/p")),
    "detached from a group": (NAMES, lambda bad: STAFF.when(detach_group_policy, group=bad, policy=f"{OWN}/p")),
    "bounded": (NAMES, lambda bad: STAFF.when(put_user_permissions_boundary, user=bad, policy=f"{OWN}/p")),
    "unbounded": (NAMES, lambda bad: STAFF.when(delete_user_permissions_boundary, boundary=bad)),
    "version to set": (
        VERSION_IDS,
        lambda bad: STAFF.when(set_default_policy_version, policy=f"{OWN}/p", version_id=bad),
    ),
    "version to cut": (VERSION_IDS, lambda bad: STAFF.when(delete_policy_version, policy=f"{OWN}/p", version_id=bad)),
    "inline name": (
        NAMES,
        lambda bad: STAFF.when(put_user_policy, user="alice", policy_name=bad, document=policy_text()),
    ),
    "inline name of a group": (
        NAMES,
        lambda bad: STAFF.when(put_group_policy, group="staff", policy_name=bad, document=policy_text()),
    ),
    "cut inline name": (NAMES, lambda bad: STAFF.when(delete_user_policy, user="alice", policy_name=bad)),
    "cut inline name of a group": (NAMES, lambda bad: STAFF.when(delete_group_policy, group="staff", policy_name=bad)),
    "user with an inline policy": (
        NAMES,
        lambda bad: STAFF.when(put_user_policy, user=bad, policy_name="own", document=policy_text()),
    ),
    "group with an inline policy": (
        NAMES,
        lambda bad: STAFF.when(put_group_policy, group=bad, policy_name="own", document=policy_text()),
    ),
    "user without an inline policy": (NAMES, lambda bad: STAFF.when(delete_user_policy, user=bad, policy_name="own")),
    "group without an inline policy": (
        NAMES,
        lambda bad: STAFF.when(delete_group_policy, group=bad, policy_name="own"),
    ),
}

WRITES: dict[str, Callable[[str], When]] = {
    "new policy": lambda text: STAFF.when(create_policy, name=f"{OWN}/q", document=text),
    "new version": lambda text: STAFF.when(create_policy_version, policy=f"{OWN}/p", document=text),
    "import": lambda text: STAFF.when(import_managed_policy, name=f"{AWS}q", document=text),
    "new text of AWS's": lambda text: STAFF.when(update_managed_policy, policy=AWS_ARN, document=text),
    "inline": lambda text: STAFF.when(put_user_policy, user="alice", policy_name="own", document=text),
    "inline of a group": lambda text: STAFF.when(put_group_policy, group="staff", policy_name="own", document=text),
}


def raised(attempt: Callable[[str], When | object], bad: str) -> Refusal | When | object:
    """What a malformed value is answered with: a refusal, wherever it is raised; anything else is wrong."""
    try:
        found = attempt(bad)
    except ValidationError as refused:
        return refused
    return found.outcome if isinstance(found, When) else found


@pytest.mark.parametrize("kind", CASES)
def test_what_is_malformed_is_refused_and_nothing_else_is_raised(kind: str) -> None:
    values, attempt = CASES[kind]
    answers = {bad: raised(attempt, bad) for bad in values}
    assert [bad for bad, answer in answers.items() if type(answer) is not ValidationError] == []
    assert [bad for bad, answer in answers.items() if not (str(answer).isascii() and str(answer).isprintable())] == []


@pytest.mark.parametrize("write", WRITES)
def test_what_is_no_document_is_malformed_and_nothing_else_is_raised(write: str) -> None:
    answers = {bad: raised(WRITES[write], bad) for bad in DOCUMENTS}
    assert [bad for bad, answer in answers.items() if type(answer) is not MalformedPolicyDocument] == []


@pytest.mark.parametrize("write", WRITES)
def test_what_is_empty_or_too_long_for_a_document_is_refused(write: str) -> None:
    for bad in ("", " " * 131073, "{" * 131073, "\ud800" * 131073, policy_text().ljust(131073)):
        assert type(raised(WRITES[write], bad)) is ValidationError


@pytest.mark.parametrize("write", WRITES)
def test_a_document_may_be_as_long_as_131072_characters(write: str) -> None:
    assert WRITES[write](policy_text(action="s3:PutObject").ljust(131072)).events


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
        ("2026-11-24T15:30:00Z", "2026-11-24T15:30:00.999999"),
        ("2026-11-24T15:30:00.0Z", "2026-11-24T15:30:00"),
        ("2026-11-24T15:30:59+01:00", "2026-11-24T14:30:59.999999"),
        ("2026-11-24 15:30", "2026-11-24T15:30:00"),
        ("2026-11-24T15", "2026-11-24T15:00:00"),
        ("2026-11-24T15:30:00.25+05:30", "2026-11-24T10:00:00.250000"),
        ("2026-11-24T00:10-0100", "2026-11-24T01:10:00"),
        ("2026-11-24T15:30:00.123456789Z", "2026-11-24T15:30:00.123456"),
        ("9999-12-31", "9999-12-31T23:59:59.999999"),
        ("0999-01-01", "0999-01-01T23:59:59.999999"),
    ],
)
def test_times_are_read_in_utc_and_a_date_or_a_second_means_its_end(text: str, time: str) -> None:
    assert parse_time(text).isoformat() == f"{time}+00:00"


def test_a_date_can_mean_its_beginning() -> None:
    assert parse_time("2026-11-24", end=False).isoformat() == "2026-11-24T00:00:00+00:00"
    assert parse_time("2026-11-24T15:30", end=False) == parse_time("2026-11-24T15:30")

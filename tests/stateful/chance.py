"""Random commands, and what happens while they are under way.

They are drawn from a seed, which mixes better than what hypothesis builds of many small choices; what shrinks is the number
of steps and of commands. A value is valid nine times of ten, and mostly names what is there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from iamledger.iam.access_key import RevocationReason
from stateful.model import State


@dataclass(frozen=True)
class Reference:
    """A thing that can only be named when the command is run: a place among those of a kind."""

    among: str
    place: int


@dataclass(frozen=True)
class Wish:
    """A decision and what it is asked. Where a text has `{account}`, the account's number is put."""

    decision: str
    args: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Step:
    """A command to one account, or several as one, and what happens while it is under way."""

    which: int
    wishes: Sequence[Wish]
    side: int = 0
    named: bool = False
    """With a request id."""
    dry_run: bool = False
    fault: str | None = None
    """The connection drops before the append, or after it."""
    source_address: str | None = None
    interferences: Sequence[tuple[str, Wish, bool]] = ()
    """What others do before it reads again or appends; true: with the same request id."""


def a_document(*actions: str, indent: int | None = None) -> str:
    """A policy that allows these actions; about 85 characters and the actions."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=indent)


NAMES = ["alice", "Alice", "bob", "BOB", "carol", "dave", "e@x.org"]
GROUPS = ["admins", "Admins", "ops", "dev", "alice", "x" * 128]
_ARN = "arn:aws:iam::{account}:policy"
ARNS = [f"{_ARN}/Read", f"{_ARN}/read", f"{_ARN}/eng/READ", f"{_ARN}/Write", f"{_ARN}/eng/db/Write", f"{_ARN}/Admin"]
FIRST_ARNS = [ARNS[0], ARNS[3], ARNS[5]]
AWS_ARNS = [
    "arn:aws:iam::aws:policy/Read",
    "arn:aws:iam::aws:policy/job-function/read",
    "arn:aws:iam::aws:policy/Audit",
]
NO_ARNS = ["", "Read", f"{_ARN}/no blanks", "arn:aws:iam::1:policy/Read", f"{_ARN}/", f"{_ARN}/{'x' * 129}"]
DOCUMENTS = [
    a_document("s3:Get*"),
    a_document("s3:Get*", indent=2),
    a_document("s3:Get*", "s3:List*", "s3:Put*"),
    a_document("ec2:*"),
    a_document(*[f"ec2:Describe{n}" for n in range(4)]),
]
RESOURCES = [
    "arn:aws:s3:::reports",
    "arn:aws:s3:::Reports",
    "arn:aws:s3:::reports/2026 q3",
    "arn:aws:sqs:eu-west-1:{account}:jobs",
    "arn:aws:glue:eu-west-1:{account}:table/a/b",
]
NO_RESOURCES = ["", "reports", "arn:aws:s3:::", "arn:aws:s3:::re*", "arn:aws:s3:::reports/", "arn:aws:S3:::reports"]


def a_resource_policy(*principals: str, indent: int | None = None, **more: Any) -> str:
    """A policy of a resource that allows and denies something to these principals; it has no Sid."""
    about = {"Principal": {"AWS": list(principals)}, "Action": "s3:GetObject", "Resource": "*"}
    statements = [{"Effect": "Allow", **about, **more}, {"Effect": "Deny", **about, "Action": ["s3:*"]}]
    return json.dumps({"Version": "2008-10-17", "Id": "by hand", "Statement": statements}, indent=indent)


_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
RESOURCE_POLICIES = [
    a_resource_policy("*"),
    a_resource_policy("arn:aws:iam::{account}:root", "234567890123", indent=1),
    a_resource_policy("arn:aws:iam::234567890123:user/Bob", Condition=_MFA),
    json.dumps(
        {
            "Statement": {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::{account}:user/alice"},
                "Action": ["s3:Get*"],
            }
        }
    ),
]
VALUES: dict[str, tuple[list[Any], list[Any]]] = {  # valid, invalid
    "new name": ([*NAMES, "x" * 64], ["", "no blanks", "é", "x" * 65, "x" * 128, "x" * 129]),
    "name": ([*NAMES], ["", "x" * 65, "x" * 129]),
    "path": (["/", "/eng/", "/eng/db/", "/sales/"], ["", "eng", "/eng", "//", "/" + "x" * 511 + "/", "/no blanks/"]),
    "tag key": (["team", "Team", "Größe", "cost center", "k" * 128], ["", "aws:x", "AWS:y", "no*star", "k" * 129]),
    "tag value": (["", "red", "blue", "a+b=c", "v" * 256], ["no\nlines", "v" * 257]),
    "grace": (
        [timedelta(0), timedelta(hours=1), timedelta(days=365)],
        [timedelta(seconds=-1), timedelta(days=365, microseconds=1)],
    ),
    "reason": ([*RevocationReason], [*RevocationReason]),
    "note": ([None, "found in a public repository", "ünïcode"], ["", "no\0null", "n" * 1001]),
    "service": (["s3", "ec2"], ["", "S3"]),
    "region": (["eu-central-1"], ["a region"]),
    "account name": (["acme"], ["", " "]),
    "email": (["a@b.example", "root@acme.example"], ["no mail"]),
    "group name": ([*GROUPS], ["", "no blanks", "é", "x" * 129]),
    "new policy": ([*ARNS], [*NO_ARNS, AWS_ARNS[0]]),
    "AWS's policy": ([*AWS_ARNS], [*NO_ARNS, ARNS[0]]),
    "version": (["v1", "v2", "v3", "v4", "v5"], ["", "v0", "1", "V1", "v99"]),
    "document": ([*DOCUMENTS], ["", "no policy", a_document(*[f"s3:Get{n}" for n in range(16)])]),
    "inline name": (["inline", "Inline", "other"], ["", "no blanks", "x" * 129]),
    "description": (["", "for the auditors"], ["d" * 1001]),
    "new resource": ([*RESOURCES], [*NO_RESOURCES, "arn:aws:sqs:eu-west-1:234567890123:jobs"]),
    "resource": ([*RESOURCES[:3]], [*NO_RESOURCES, "arn:aws:s3:::elsewhere"]),
    "resource policy": ([*RESOURCE_POLICIES], ["", "no policy", DOCUMENTS[0], RESOURCE_POLICIES[0] + " " * 900]),
    "principal": (
        ["234567890123", "345678901234", "arn:aws:iam::234567890123:user/Bob", "arn:aws:iam::{account}:user/alice"],
        ["", "*", "bob", "arn:aws:iam::234567890123:group/all", "{account}"],
    ),
    "actions": ([["s3:GetObject"], ["s3:Get*", "s3:PutObject", "s3:Get*"], ["*"]], [[], ["GetObject"], ["s3:"]]),
    "whether": ([True, False], [True, False]),
}
_TO = {"user": "user", "policy": "policy"}
_ON = {"group": "group", "policy": "policy"}
_IN = {"user": "user", "group": "group"}
WISHES: list[tuple[str, dict[str, str], dict[str, str]]] = [  # what is always asked, what is asked now and then
    ("create_user", {"name": "new name"}, {"path": "path", "tags": "tags"}),
    ("create_user", {"name": "new name"}, {"tags": "tags"}),
    ("update_user", {"user": "user"}, {"new_name": "new name", "new_path": "path"}),
    ("update_user", {"user": "user", "new_name": "new name"}, {}),
    ("tag_user", {"user": "user", "tags": "tags"}, {}),
    ("untag_user", {"user": "user", "keys": "tag keys"}, {}),
    ("delete_user", {"user": "user"}, {}),
    ("delete_user", {"user": "user"}, {}),
    ("create_access_key", {"user": "user"}, {}),
    ("create_access_key", {"user": "user"}, {}),
    ("rotate_access_key", {"user": "user", "grace": "grace"}, {}),
    ("deactivate_access_key", {"key": "key"}, {}),
    ("activate_access_key", {"key": "key"}, {}),
    ("revoke_access_key", {"key": "key"}, {}),
    ("revoke_access_key", {"key": "key"}, {"revocation_reason": "reason", "note": "note", "suspected_since": "time"}),
    ("record_access_key_use", {"key": "key", "service_name": "service", "region": "region", "used_at": "time"}, {}),
    ("create_account", {"account_name": "account name", "email": "email"}, {}),
    ("create_group", {"name": "group name"}, {"path": "path"}),
    ("create_group", {"name": "group name"}, {"path": "path"}),
    ("update_group", {"group": "group"}, {"new_name": "group name", "new_path": "path"}),
    ("delete_group", {"group": "group"}, {}),
    ("add_user_to_group", _IN, {}),
    ("add_user_to_group", _IN, {}),
    ("remove_user_from_group", _IN, {}),
    ("move_user", {"user": "user", "source": "group", "target": "group"}, {}),
    ("create_policy", {"name": "new policy", "document": "document"}, {"description": "description"}),
    ("create_policy", {"name": "new policy", "document": "document"}, {}),
    ("create_policy_version", {"policy": "policy", "document": "document"}, {"set_as_default": "whether"}),
    ("create_policy_version", {"policy": "policy", "document": "document"}, {"unless_same": "whether"}),
    ("set_default_policy_version", {"policy": "policy", "version_id": "version"}, {}),
    ("delete_policy_version", {"policy": "policy", "version_id": "version"}, {}),
    ("delete_policy", {"policy": "policy"}, {"with_versions": "whether"}),
    ("replace_policy_document", {"policy": "policy", "document": "document"}, {}),
    ("import_managed_policy", {"name": "AWS's policy", "document": "document"}, {}),
    ("update_managed_policy", {"policy": "AWS's policy", "document": "document"}, {}),
    ("attach_user_policy", _TO, {}),
    ("attach_user_policy", _TO, {}),
    ("detach_user_policy", _TO, {}),
    ("attach_group_policy", _ON, {}),
    ("attach_group_policy", _ON, {}),
    ("detach_group_policy", _ON, {}),
    ("put_user_permissions_boundary", _TO, {}),
    ("delete_user_permissions_boundary", {"boundary": "user"}, {}),
    ("put_user_policy", {"user": "user", "policy_name": "inline name", "document": "document"}, {}),
    ("put_group_policy", {"group": "group", "policy_name": "inline name", "document": "document"}, {}),
    ("delete_user_policy", {"user": "user", "policy_name": "inline name"}, {}),
    ("delete_group_policy", {"group": "group", "policy_name": "inline name"}, {}),
    ("register_resource", {"resource": "new resource"}, {"creator": "user"}),
    ("register_resource", {"resource": "new resource", "creator": "user"}, {}),
    ("transfer_resource", {"resource": "registered", "responsible": "user"}, {}),
    ("put_resource_policy", {"resource": "registered", "document": "resource policy"}, {}),
    ("delete_resource_policy", {"resource": "registered"}, {}),
    ("share_resource", {"resource": "registered", "principal": "principal", "actions": "actions"}, {}),
    ("share_resource", {"resource": "registered", "principal": "principal", "actions": "actions"}, {}),
    ("unshare_resource", {"resource": "registered", "principal": "principal"}, {}),
    ("deregister_resource", {"resource": "registered"}, {}),
    # Commands that undo something, of which the things are mostly a pair: the kinds of a pair get the same place.
    ("remove_user_from_group", {"user": "member", "group": "member's group"}, {}),
    ("move_user", {"user": "member", "source": "member's group", "target": "group"}, {}),
    ("detach_user_policy", {"user": "holder", "policy": "holder's policy"}, {}),
    ("detach_group_policy", {"group": "holding group", "policy": "holding group's policy"}, {}),
    ("delete_user_policy", {"user": "writer", "policy_name": "writer's policy"}, {}),
    ("delete_group_policy", {"group": "written group", "policy_name": "written group's policy"}, {}),
    ("set_default_policy_version", {"policy": "versioned", "version_id": "its version"}, {}),
    ("delete_policy_version", {"policy": "versioned", "version_id": "its version"}, {}),
    ("delete_policy", {"policy": "unused policy"}, {}),
    ("activate_access_key", {"key": "inactive key"}, {}),
]
_THINGS = ("user", "key", "group", "source", "target", "policy", "version_id", "resource")


def a_value(random: Random, kind: str, pair: int = 0) -> Any:
    """A value of a kind, mostly a valid one."""
    place = random.randrange(1000)
    match kind:
        case _ if kind in PAIRED:
            return Reference(kind, pair)
        case "user" | "group":
            among = random.choice([kind, kind, kind, kind.upper(), ""])
            return Reference(among, place) if among else a_value(random, {"user": "name", "group": "group name"}[kind])
        case "policy":
            among = random.choice([*["policy"] * 7, "POLICY", ""])
            return Reference(among, place) if among else a_value(random, random.choice(["new policy", "AWS's policy"]))
        case "registered":
            return Reference("registered", place) if random.random() < 0.9 else a_value(random, "resource")
        case "key":
            wrong = ["revoked key", "unknown key", "foreign key", "malformed key"]
            return Reference("key" if random.random() < 0.8 else random.choice(wrong), place)
        case "tags":
            tags = [(a_value(random, "tag key"), a_value(random, "tag value")) for _ in range(random.randrange(4))]
            unique = {key.lower(): (key, value) for key, value in tags}
            return tags if random.random() < 0.1 else list(unique.values())
        case "tag keys":
            return [a_value(random, "tag key") for _ in range(random.randrange(3))]
        case "time":
            future = random.random() < 0.1
            return datetime(2999 if future else 2020, 2, 27, 23, tzinfo=UTC) + timedelta(minutes=random.randrange(120))
    valid, invalid = VALUES[kind]
    return random.choice(invalid if random.random() < 0.1 else valid)


def a_wish(random: Random, about: Sequence[Wish] = ()) -> Wish:
    """Any command, with any arguments; mostly about the same things as others."""
    decision, always, sometimes = random.choice(WISHES)
    asked = {**always, **{name: kind for name, kind in sometimes.items() if random.random() < 0.5}}
    pair = random.randrange(1000)
    args = {name: a_value(random, kind, pair) for name, kind in asked.items()}
    for other in about:
        args |= {
            name: other.args[name] for name in _THINGS if name in args and name in other.args and random.random() < 0.7
        }
    return Wish(decision, args)


def some_wishes(random: Random) -> list[Wish]:
    """A command, or several to be run as one: a new user or policy with what it needs, or any, that may well be refused."""
    kind = random.random()
    if kind < 0.85:
        return [a_wish(random)]
    if kind < 0.9:
        wishes = [a_wish(random)]
        return wishes + [a_wish(random, wishes) for _ in range(random.randrange(1, 4))]
    new = "user" if kind < 0.96 else "policy"
    args = {"name": random.choice(NAMES)} if new == "user" else {"name": random.choice(ARNS), "document": DOCUMENTS[0]}
    about = [
        (wish, kinds) for wish, kinds, _ in WISHES if new in kinds and wish.startswith(("add", "att", "cre", "put"))
    ]
    wishes = [Wish(f"create_{new}", args)]
    for decision, kinds in random.sample(about, random.randrange(1, 4)):
        asked = {name: a_value(random, kind) for name, kind in kinds.items()}
        wishes.append(Wish(decision, {**asked, new: args["name"]}))
    return wishes


def a_step(seed: int) -> Step:
    """A command, or several as one; now and then a dry one, or one whose connection drops."""
    random = Random(seed)
    return Step(
        which=random.choice([0, 0, 0, 1]),
        wishes=some_wishes(random),
        side=random.choice([0, 1]),
        named=random.random() < 0.5,
        dry_run=random.random() < 0.1,
        fault=random.choice([None] * 8 + ["before", "after"]),
        source_address=random.choice([None, None, "203.0.113.7"]),
    )


def a_disturbed_step(seed: int) -> Step:
    """A command during which others run. Most of them, and so most conflicts, are about the same thing."""
    random = Random(seed)
    step = a_step(seed)
    step = replace(step, named=True, dry_run=len(step.wishes) == 1 and random.random() < 0.05)
    interferences = []
    for _ in range(random.randrange(1, 4)):
        among = random.choice(step.wishes)
        other = among if random.random() < 0.2 else a_wish(random, [among])
        interferences.append((random.choice(["read", "append", "append"]), other, random.random() < 0.1))
    return replace(step, interferences=interferences)


def pairs(state: State) -> dict[str, list[str]]:
    """Things that are there and what belongs to them, side by side."""
    users, groups, policies = (state.get(kind, {}) for kind in ("users", "groups", "policies"))
    members = [(users[u]["name"], groups[g]["name"]) for u, g in state.get("memberships", ())]
    found: dict[tuple[str, str], list[tuple[str, str]]] = {("member", "member's group"): members}
    for whose, kind, things in (("holder", "writer", users), ("holding group", "written group", groups)):
        held = [(things[of]["name"], policies[p]["arn"]) for of, p in state.get("attached", ()) if of in things]
        written = [(things[of]["name"], name) for of, name in state.get("inline", ()) if of in things]
        found[whose, f"{whose}'s policy"], found[kind, f"{kind}'s policy"] = held, written
    versions = [(policies[policy]["arn"], version) for policy, version in state.get("versions", ())]
    found["versioned", "its version"] = versions
    used = {policy for _, policy in state.get("attached", ())}
    arns = [(policy["arn"], "") for id_, policy in policies.items() if id_ not in used]
    found["unused policy", ""] = arns
    inactive = [(key, "") for key, held in state.get("keys", {}).items() if not held["active"]]
    found["inactive key", ""] = inactive
    return {kind: [pair[n] for pair in of] for kinds, of in found.items() for n, kind in enumerate(kinds) if kind}


PAIRED = frozenset(pairs({}))


def resolved(wish: Wish, account_id: str, state: State, other: State) -> dict[str, Any]:
    """The arguments of a command, with names and ids for references; an account is the one that is asked."""
    args = dict(wish.args)
    if wish.decision == "create_account":
        args["account"] = account_id
    users, groups = ([thing["name"] for thing in state[kind].values()] for kind in ("users", "groups"))
    arns = [policy["arn"] for policy in state["policies"].values()]
    known = {
        "user": users or ["nobody"],
        "USER": [name.upper() for name in users] or ["NOBODY"],
        "group": groups or ["no-group"],
        "GROUP": [name.upper() for name in groups] or ["NO-GROUP"],
        "policy": arns or [f"arn:aws:iam::{account_id}:policy/None"],
        "POLICY": [arn.swapcase().replace(":POLICY/", ":policy/").replace("ARN:AWS:IAM", "arn:aws:iam") for arn in arns]
        or ["arn:aws:iam::aws:policy/None"],
        "key": list(state["keys"]) or ["nothing_is_called_so"],
        "revoked key": list(state["revocations"]) or ["nothing_is_called_so"],
        "foreign key": list(other["keys"]) or ["nothing_is_called_so"],
        "unknown key": ["AKIA" + "Z" * 16],
        "registered": list(state["resources"]) or RESOURCES[:1],
        "malformed key": ["short", "much too short!!", ""],
    }
    instead = {"user": "user", "group": "group", "policy": "policy", "key": "key", "source": "group"}
    found = pairs(state)
    for name, value in args.items():
        if isinstance(value, Reference):
            among = found.get(value.among) or known.get(value.among) or known.get(instead.get(name, "")) or ["v1"]
            args[name] = among[value.place % len(among)]
        elif isinstance(value, str):
            args[name] = value.replace("{account}", account_id)
    return args

"""The model's managed policies and their versions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime

from stateful.terms import Command, Fields, Meaning, New, Refused, State, Told, require, take_id

AWS = "arn:aws:iam::aws:policy/"


def with_arn(state: State, arn: str) -> tuple[str, Fields]:
    """The policy that has an ARN, with its id; a command about what is not there is refused."""
    for id_, policy in state["policies"].items():
        if policy["arn"] == arn:
            return id_, policy
    raise Refused("NoSuchEntity")


def versions_of(state: State, policy_id: str) -> dict[str, Fields]:
    """The versions that a policy has, oldest first, by their ids."""
    return {version: held for (policy, version), held in state["versions"].items() if policy == policy_id}


def in_use(state: State, policy_id: str) -> bool:
    """Is a policy attached to anybody, or does it bound anybody?"""
    bounds = any(boundary["policy_id"] == policy_id for boundary in state["boundaries"].values())
    return bounds or any(policy == policy_id for _, policy in state["attached"])


def size(document: str) -> int:
    """Characters, white space not counted."""
    return len(re.sub(r"\s", "", document))


def check_document(document: str) -> None:
    """A text must be a policy of the policy language; here all that are JSON are."""
    require(1 <= len(document) <= 131072)
    try:
        json.loads(document)
    except ValueError:
        raise Refused("MalformedPolicyDocument") from None


def _namesake(state: State, arn: str) -> str | None:
    """The ARN of the policy of the same owner with the same name, whatever its path and case."""
    found = [p["arn"] for p in state["policies"].values() if _owner_and_name(p["arn"]) == _owner_and_name(arn)]
    assert len(found) <= 1, f"{arn} is called as {found}"
    return found[0] if found else None


def _owner_and_name(arn: str) -> tuple[str, str]:
    return arn.split(":")[4], arn.rpartition("/")[2].lower()


# What events mean


def _policy_created(state: State, data: Fields, at: datetime) -> None:
    assert _namesake(state, data["arn"]) is None, "the name was taken"
    assert data["arn"].endswith(f":policy{data['path']}{data['policy_name']}")
    take_id(state, data["policy_id"])
    state["policies"][data["policy_id"]] = {
        "arn": data["arn"],
        "name": data["policy_name"],
        "path": data["path"],
        "description": data["description"],
        "default": data["version_id"],
        "newest": 0,
        "created": at,
        "updated": at,
    }
    _version_created(state, data, at)


def _version_created(state: State, data: Fields, at: datetime) -> None:
    policy = state["policies"][data["policy_id"]]
    policy["newest"] += 1
    policy["updated"] = at
    assert data["version_id"] == f"v{policy['newest']}", "a version's id was used again"
    version = {"document": data["document"], "created": at, "position": state["position"]}
    state["versions"][data["policy_id"], data["version_id"]] = version
    assert len(versions_of(state, data["policy_id"])) <= state["quotas"]["versions_per_policy"], "too many versions"


def _default_set(state: State, data: Fields, at: datetime) -> None:
    policy = state["policies"][data["policy_id"]]
    assert (data["policy_id"], data["version_id"]) in state["versions"], "the version was not there"
    assert policy["default"] != data["version_id"]
    policy.update(default=data["version_id"], updated=at)


def _version_deleted(state: State, data: Fields, _at: datetime) -> None:
    assert state["policies"][data["policy_id"]]["default"] != data["version_id"], "the default was deleted"
    del state["versions"][data["policy_id"], data["version_id"]]


def _policy_deleted(state: State, data: Fields, _at: datetime) -> None:
    assert not in_use(state, data["policy_id"]), "the policy was in use"
    policy = state["policies"].pop(data["policy_id"])
    assert (policy["arn"], policy["default"]) == (data["arn"], data["version_id"])
    del state["versions"][data["policy_id"], data["version_id"]]
    assert versions_of(state, data["policy_id"]) == {}, "the policy had other versions"


EVENTS: Mapping[str, Meaning] = {
    "PolicyCreated": _policy_created,
    "ManagedPolicyImported": _policy_created,
    "PolicyVersionCreated": _version_created,
    "DefaultPolicyVersionSet": _default_set,
    "PolicyVersionDeleted": _version_deleted,
    "PolicyDeleted": _policy_deleted,
}


# What readers see; without who did it


def policy_seen(state: State, id_: str) -> Fields:
    """As `get_policy` tells it."""
    policy = state["policies"][id_]
    return {
        "PolicyName": policy["name"],
        "PolicyId": id_,
        "Arn": policy["arn"],
        "Path": policy["path"],
        "Scope": "AWS" if policy["arn"].startswith(AWS) else "Local",
        "DefaultVersionId": policy["default"],
        "Description": policy["description"],
        "CreateDate": policy["created"],
        "UpdateDate": policy["updated"],
    }


def policies_seen(state: State, scope: str | None = None, prefix: str = "/", attached: bool = False) -> list[Fields]:
    """As `list_policies` tells them."""
    seen = [
        {
            **policy_seen(state, id_),
            "AttachmentCount": sum(policy == id_ for _, policy in state["attached"]),
            "BoundaryUsageCount": sum(held["policy_id"] == id_ for held in state["boundaries"].values()),
        }
        for id_ in state["policies"]
    ]
    wanted = [
        row
        for row in seen
        if scope in (None, row["Scope"])
        and row["Path"].startswith(prefix)
        and (row["AttachmentCount"] > 0 or not attached)
    ]
    return sorted(wanted, key=lambda row: (row["PolicyName"].lower(), row["Arn"]))


def versions_seen(state: State, policy_id: str) -> list[Fields]:
    """As `list_versions` tells them."""
    default = state["policies"][policy_id]["default"]
    return [
        {
            "VersionId": version,
            "IsDefaultVersion": version == default,
            "CreateDate": held["created"],
            "CreatedPosition": held["position"],
        }
        for version, held in reversed(versions_of(state, policy_id).items())
    ]


# What must come of a command


def _create_policy(state: State, _now: datetime, name: str, document: str, description: str | None = None) -> Told:
    require(description is None or len(description) <= 1000)
    require(not name.startswith(AWS), "InvalidInput")
    _check_customers(state, document)
    require(_namesake(state, name) is None, "EntityAlreadyExists")
    own = [policy for policy in state["policies"].values() if not policy["arn"].startswith(AWS)]
    require(len(own) < state["quotas"]["policies_per_account"], "LimitExceeded")
    return [("PolicyCreated", _first_version(name, document, description))]


def _first_version(arn: str, document: str, description: str | None) -> Fields:
    path, _, name = arn.partition(":policy")[2].rpartition("/")
    return {
        "policy_id": New(),
        "arn": arn,
        "policy_name": name,
        "path": f"{path}/",
        "description": description or None,
        "version_id": "v1",
        "document": document,
    }


def _check_customers(state: State, document: str) -> None:
    check_document(document)
    require(size(document) <= state["quotas"]["policy_size"], "LimitExceeded")


def _the_customers(state: State, arn: str) -> tuple[str, Fields]:
    policy_id, held = with_arn(state, arn)
    require(not arn.startswith(AWS), "InvalidInput")
    return policy_id, held


def _create_policy_version(
    state: State,
    _now: datetime,
    policy: str,
    document: str,
    set_as_default: bool = False,
    unless_same: bool = False,
) -> Told:
    policy_id, held = _the_customers(state, policy)
    _check_customers(state, document)
    same = [id_ for id_, version in versions_of(state, policy_id).items() if version["document"] == document]
    if unless_same and same:
        put = [("DefaultPolicyVersionSet", {"policy_id": policy_id, "version_id": same[-1]})]
        return put if set_as_default and held["default"] not in same else []
    require(len(versions_of(state, policy_id)) < state["quotas"]["versions_per_policy"], "LimitExceeded")
    version = {"policy_id": policy_id, "version_id": f"v{held['newest'] + 1}"}
    default = [("DefaultPolicyVersionSet", version)] if set_as_default else []
    return [("PolicyVersionCreated", {**version, "document": document}), *default]


def _set_default_policy_version(state: State, _now: datetime, policy: str, version_id: str) -> Told:
    policy_id, held = _the_customers(state, policy)
    _check_version(state, policy_id, version_id)
    version = {"policy_id": policy_id, "version_id": version_id}
    return [] if version_id == held["default"] else [("DefaultPolicyVersionSet", version)]


def _delete_policy_version(state: State, _now: datetime, policy: str, version_id: str) -> Told:
    policy_id, held = _the_customers(state, policy)
    _check_version(state, policy_id, version_id)
    require(version_id != held["default"], "DeleteConflict")
    return [("PolicyVersionDeleted", {"policy_id": policy_id, "version_id": version_id})]


def _check_version(state: State, policy_id: str, version_id: str) -> None:
    require(re.fullmatch(r"v[1-9][0-9]*", version_id))
    require((policy_id, version_id) in state["versions"], "NoSuchEntity")


def _delete_policy(state: State, _now: datetime, policy: str, with_versions: bool = False) -> Told:
    policy_id, held = _the_customers(state, policy)
    require(not in_use(state, policy_id), "DeleteConflict")
    others = [version for version in versions_of(state, policy_id) if version != held["default"]]
    require(not others or with_versions, "DeleteConflict")
    gone: Told = [("PolicyVersionDeleted", {"policy_id": policy_id, "version_id": version}) for version in others]
    return [*gone, ("PolicyDeleted", {"policy_id": policy_id, "arn": policy, "version_id": held["default"]})]


def _import_managed_policy(
    state: State, _now: datetime, name: str, document: str, description: str | None = None
) -> Told:
    require(name.startswith(AWS), "InvalidInput")
    check_document(document)
    there = _namesake(state, name)
    require(there in (None, name), "EntityAlreadyExists")
    return [] if there else [("ManagedPolicyImported", _first_version(name, document, description))]


def _update_managed_policy(state: State, _now: datetime, policy: str, document: str) -> Told:
    policy_id, held = with_arn(state, policy)
    require(policy.startswith(AWS), "InvalidInput")
    check_document(document)
    return _replaced(state, policy_id, held, document)


def _replace_policy_document(state: State, _now: datetime, policy: str, document: str) -> Told:
    policy_id, held = _the_customers(state, policy)
    _check_customers(state, document)
    return _replaced(state, policy_id, held, document)


def _replaced(state: State, policy_id: str, held: Fields, document: str) -> Told:
    versions = versions_of(state, policy_id)
    if versions[held["default"]]["document"] == document:
        return []
    events: Told = []
    if len(versions) >= state["quotas"]["versions_per_policy"]:
        oldest = next(version for version in versions if version != held["default"])
        events.append(("PolicyVersionDeleted", {"policy_id": policy_id, "version_id": oldest}))
    version = {"policy_id": policy_id, "version_id": f"v{held['newest'] + 1}"}
    return [*events, ("PolicyVersionCreated", {**version, "document": document}), ("DefaultPolicyVersionSet", version)]


def policy_arn(arn: str) -> None:
    """How a managed policy may be called."""
    require(re.fullmatch(r"arn:aws:iam::(aws|[0-9]{12}):policy(/[A-Za-z0-9.,+@=_-]+)*/[A-Za-z0-9_+=,.@-]{1,128}", arn))


_NAME, _POLICY = {"name": policy_arn}, {"policy": policy_arn}
COMMANDS: Mapping[str, Command] = {
    "create_policy": Command(_create_policy, _NAME),
    "create_policy_version": Command(_create_policy_version, _POLICY),
    "set_default_policy_version": Command(_set_default_policy_version, _POLICY),
    "delete_policy_version": Command(_delete_policy_version, _POLICY),
    "delete_policy": Command(_delete_policy, _POLICY),
    "import_managed_policy": Command(_import_managed_policy, _NAME),
    "update_managed_policy": Command(_update_managed_policy, _POLICY),
    "replace_policy_document": Command(_replace_policy_document, _POLICY),
}

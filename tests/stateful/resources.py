"""The model's resources, and their policies with the statements that share them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from stateful.policies import check_document
from stateful.terms import Command, Fields, Meaning, Refused, State, Told, entity_name, named, require

# What events mean


def _registered(state: State, data: Fields, at: datetime) -> None:
    assert data["resource_arn"] not in state["resources"], "the resource was registered"
    by = data["creator_id"]
    assert data["creator_name"] == (None if by is None else state["users"][by]["name"])
    state["resources"][data["resource_arn"]] = {
        "creator": by,
        "responsible": by,
        "at": at,
        "position": state["position"],
    }


def _transferred(state: State, data: Fields, _at: datetime) -> None:
    resource = state["resources"][data["resource_arn"]]
    assert state["users"][data["responsible_id"]]["name"] == data["responsible_name"], "the user was not there"
    assert resource["responsible"] == data["old_responsible_id"] != data["responsible_id"]
    resource["responsible"] = data["responsible_id"]


def _policy_put(state: State, data: Fields, at: datetime) -> None:
    assert data["resource_arn"] in state["resources"], "the resource was not registered"
    put = {"document": data["document"], "at": at, "position": state["position"]}
    assert state["resource policies"].get(data["resource_arn"], {}).get("document") != data["document"]
    assert len(data["document"].encode()) <= state["quotas"]["resource_policy_size"], "the policy is too large"
    state["resource policies"][data["resource_arn"]] = put


def _policy_deleted(state: State, data: Fields, _at: datetime) -> None:
    del state["resource policies"][data["resource_arn"]]


def _deregistered(state: State, data: Fields, _at: datetime) -> None:
    assert data["resource_arn"] not in state["resource policies"], "the policy did not end"
    del state["resources"][data["resource_arn"]]


EVENTS: Mapping[str, Meaning] = {
    "ResourceRegistered": _registered,
    "ResourceTransferred": _transferred,
    "ResourcePolicyPut": _policy_put,
    "ResourcePolicyDeleted": _policy_deleted,
    "ResourceDeregistered": _deregistered,
}


# What readers see; without who did it


def resources_seen(state: State, shared: bool = False, orphaned: bool = False) -> list[Fields]:
    """As `list_resources` tells them."""
    seen = [
        {
            **_resource_seen(state, arn),
            "SharedWith": list(dict.fromkeys(row["Principal"] for row in _shares(state, arn))),
        }
        for arn in sorted(state["resources"])
    ]
    return [row for row in seen if (row["SharedWith"] or not shared) and (row["Orphaned"] or not orphaned)]


def resource_seen(state: State, arn: str) -> Fields:
    """As `whole_resource` tells it."""
    policy = state["resource policies"].get(arn, {})
    return {
        **_resource_seen(state, arn),
        "PolicyPutDate": policy.get("at"),
        "PolicyPutPosition": policy.get("position"),
        "SharedWith": _shares(state, arn),
        "Document": policy.get("document"),
    }


def _resource_seen(state: State, arn: str) -> Fields:
    names = {**state["gone"], **{id_: user["name"] for id_, user in state["users"].items()}, None: None}
    resource = state["resources"][arn]
    return {
        "Arn": arn,
        "CreatorName": names[resource["creator"]],
        "CreatorId": resource["creator"],
        "ResponsibleName": names[resource["responsible"]],
        "ResponsibleId": resource["responsible"],
        "Orphaned": resource["responsible"] not in state["users"],
        "RegisterDate": resource["at"],
        "RegisteredPosition": resource["position"],
    }


def _shares(state: State, arn: str) -> list[Fields]:
    if arn not in state["resource policies"]:
        return []
    own = f"arn:aws:iam::{state['account']['id']}:root"
    return [
        {
            "Principal": principal,
            "Sid": statement.get("Sid"),
            "Actions": ", ".join(_listed(statement["Action"])),
            "Conditional": "Condition" in statement,
        }
        for statement in _statements(json.loads(state["resource policies"][arn]["document"]))
        for principal in _listed(statement["Principal"]["AWS"])
        if statement["Effect"] == "Allow" and principal != own
    ]


def _statements(policy: Fields) -> list[Fields]:
    return _listed(policy["Statement"])


def _listed(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


# What must come of a command


def _register_resource(state: State, _now: datetime, resource: str, creator: str | None = None) -> Told:
    id_, user = named(state["users"], creator) if creator is not None else (None, {"name": None})
    require(resource.split(":")[4] in ("", state["number"] or state["account"]["id"]), "InvalidInput")
    require(resource not in state["resources"], "EntityAlreadyExists")
    return [("ResourceRegistered", {"resource_arn": resource, "creator_id": id_, "creator_name": user["name"]})]


def _transfer_resource(state: State, _now: datetime, resource: str, responsible: str) -> Told:
    id_, user = named(state["users"], responsible)
    old = _there(state, resource)["responsible"]
    told = {"responsible_id": id_, "responsible_name": user["name"], "old_responsible_id": old}
    return [] if id_ == old else [("ResourceTransferred", {"resource_arn": resource, **told})]


def _put_resource_policy(state: State, _now: datetime, resource: str, document: str) -> Told:
    _there(state, resource)
    check_document(document)
    require('"Principal"' in document, "MalformedPolicyDocument")
    return _put(state, resource, document)


def _put(state: State, resource: str, document: str) -> Told:
    require(len(document.encode()) <= state["quotas"]["resource_policy_size"], "LimitExceeded")
    same = state["resource policies"].get(resource, {}).get("document") == document
    return [] if same else [("ResourcePolicyPut", {"resource_arn": resource, "document": document})]


def _delete_resource_policy(state: State, _now: datetime, resource: str) -> Told:
    _there(state, resource)
    require(resource in state["resource policies"], "NoSuchEntity")
    return [("ResourcePolicyDeleted", {"resource_arn": resource})]


def _share_resource(state: State, _now: datetime, resource: str, principal: str, actions: list[str]) -> Told:
    _there(state, resource)
    arn, sid = _principal(principal)
    require(arn != f"arn:aws:iam::{state['account']['id']}:root", "InvalidInput")
    require(actions and all(re.fullmatch(r"\*|[a-z0-9-]+:[A-Za-z*]+", action) for action in actions))
    held = state["resource policies"].get(resource)
    policy = json.loads(held["document"]) if held else {"Version": "2012-10-17", "Statement": []}
    statements = {statement.get("Sid", n): statement for n, statement in enumerate(_statements(policy))}
    statement = {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": arn}, "Action": list(dict.fromkeys(actions))}
    statement["Resource"] = [resource, f"{resource}/*"]
    if held and statements.get(sid) == statement:
        return _put(state, resource, held["document"])
    statements[sid] = statement
    return _put(state, resource, json.dumps({**policy, "Statement": list(statements.values())}, indent=2))


def _unshare_resource(state: State, _now: datetime, resource: str, principal: str) -> Told:
    _there(state, resource)
    _, sid = _principal(principal)
    held = state["resource policies"].get(resource)
    if held is None:
        return []
    policy = json.loads(held["document"])
    kept = [statement for statement in _statements(policy) if statement.get("Sid") != sid]
    if not kept:
        return [("ResourcePolicyDeleted", {"resource_arn": resource})]
    if len(kept) == len(_statements(policy)):
        return []
    left = json.dumps({**policy, "Statement": kept}, indent=2)
    return [("ResourcePolicyPut", {"resource_arn": resource, "document": left})]


def _deregister_resource(state: State, _now: datetime, resource: str) -> Told:
    _there(state, resource)
    told: Told = []
    if resource in state["resource policies"]:
        told.append(("ResourcePolicyDeleted", {"resource_arn": resource}))
    return [*told, ("ResourceDeregistered", {"resource_arn": resource})]


def _there(state: State, arn: str) -> Fields:
    if arn not in state["resources"]:
        raise Refused("NoSuchEntity")
    resource: Fields = state["resources"][arn]
    return resource


def _principal(text: str) -> tuple[str, str]:
    """The ARN of a principal, and the Sid of the statement that shares with it."""
    if re.fullmatch("[0-9]{12}", text):
        return f"arn:aws:iam::{text}:root", f"SharedWith{text}"
    require(re.fullmatch(r"arn:aws:iam::[0-9]{12}:user/[A-Za-z]+", text))
    return text, f"SharedWith{sha256(text.encode()).hexdigest()[:16]}"


def _resource_arn(arn: str) -> None:
    """How a resource may be called."""
    require(re.fullmatch(r"arn:[^:]*:[a-z0-9-]+:[a-z0-9-]*:([0-9]{12})?:[^*?]*[^*?/ ]", arn))


_RESOURCE = {"resource": _resource_arn}
COMMANDS: Mapping[str, Command] = {
    "register_resource": Command(_register_resource, {**_RESOURCE, "creator": entity_name}),
    "transfer_resource": Command(_transfer_resource, {**_RESOURCE, "responsible": entity_name}),
    "put_resource_policy": Command(_put_resource_policy, _RESOURCE),
    "delete_resource_policy": Command(_delete_resource_policy, _RESOURCE),
    "share_resource": Command(_share_resource, _RESOURCE),
    "unshare_resource": Command(_unshare_resource, _RESOURCE),
    "deregister_resource": Command(_deregister_resource, _RESOURCE),
}

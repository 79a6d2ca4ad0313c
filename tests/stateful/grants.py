"""What the model's users and groups are granted: attached policies, inline policies, permissions boundaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from stateful.policies import check_document, policy_arn, size, with_arn
from stateful.terms import Command, Fields, Meaning, State, Told, entity_name, named, require

# What holds for users and for groups is written once, and made for both. A kind is the word for the thing: `user`.


def attached_to(state: State, principal_id: str) -> list[str]:
    """The ids of the policies attached to a user or group."""
    return [policy for principal, policy in state["attached"] if principal == principal_id]


def inline_of(state: State, principal_id: str) -> dict[str, Fields]:
    """The inline policies of a user or group, by name."""
    return {name: held for (principal, name), held in state["inline"].items() if principal == principal_id}


def _size_of(state: State, principal_id: str) -> int:
    return sum(size(held["document"]) for held in inline_of(state, principal_id).values())


# What events mean


def _attached(kind: str) -> Meaning:
    def meaning(state: State, data: Fields, at: datetime) -> None:
        principal, policy = data[f"{kind}_id"], data["policy_id"]
        assert principal in state[f"{kind}s"], f"the {kind} was not there"
        assert state["policies"][policy]["arn"] == data["policy_arn"]
        assert (principal, policy) not in state["attached"], "the policy was attached"
        state["attached"][principal, policy] = {"at": at, "position": state["position"]}
        quota = state["quotas"][f"policies_attached_per_{kind}"]
        assert len(attached_to(state, principal)) <= quota, "too many policies were attached"

    return meaning


def _detached(kind: str) -> Meaning:
    def meaning(state: State, data: Fields, _at: datetime) -> None:
        del state["attached"][data[f"{kind}_id"], data["policy_id"]]

    return meaning


def _put(kind: str) -> Meaning:
    def meaning(state: State, data: Fields, at: datetime) -> None:
        principal = data[f"{kind}_id"]
        assert principal in state[f"{kind}s"], f"the {kind} was not there"
        put = {"document": data["document"], "at": at, "position": state["position"]}
        assert state["inline"].get((principal, data["policy_name"]), {}).get("document") != data["document"]
        state["inline"][principal, data["policy_name"]] = put
        quota = state["quotas"][f"inline_policies_size_per_{kind}"]
        assert _size_of(state, principal) <= quota, "the inline policies are too large"

    return meaning


def _deleted(kind: str) -> Meaning:
    def meaning(state: State, data: Fields, _at: datetime) -> None:
        del state["inline"][data[f"{kind}_id"], data["policy_name"]]

    return meaning


def _boundary_put(state: State, data: Fields, at: datetime) -> None:
    assert data["user_id"] in state["users"], "the user was not there"
    assert data["user_id"] not in state["boundaries"], "the user had a boundary"
    assert state["policies"][data["policy_id"]]["arn"] == data["policy_arn"]
    boundary = {"policy_id": data["policy_id"], "at": at, "position": state["position"]}
    state["boundaries"][data["user_id"]] = boundary


def _boundary_deleted(state: State, data: Fields, _at: datetime) -> None:
    assert state["boundaries"].pop(data["user_id"])["policy_id"] == data["policy_id"]


EVENTS: Mapping[str, Meaning] = {
    "UserPolicyAttached": _attached("user"),
    "UserPolicyDetached": _detached("user"),
    "GroupPolicyAttached": _attached("group"),
    "GroupPolicyDetached": _detached("group"),
    "UserPolicyPut": _put("user"),
    "UserPolicyDeleted": _deleted("user"),
    "GroupPolicyPut": _put("group"),
    "GroupPolicyDeleted": _deleted("group"),
    "UserPermissionsBoundaryPut": _boundary_put,
    "UserPermissionsBoundaryDeleted": _boundary_deleted,
}


# What readers see; without who did it


def attached_seen(state: State, principal_id: str) -> list[Fields]:
    """As `list_attached_policies` tells them."""
    seen = []
    for policy_id in attached_to(state, principal_id):
        policy, held = state["policies"][policy_id], state["attached"][principal_id, policy_id]
        told = {"PolicyName": policy["name"], "PolicyArn": policy["arn"]}
        seen.append({**told, "AttachedDate": held["at"], "AttachedPosition": held["position"]})
    return sorted(seen, key=lambda row: (row["PolicyName"].lower(), row["PolicyArn"]))


def entities_seen(state: State, policy_id: str) -> list[Fields]:
    """As `list_entities_for_policy` tells them."""
    uses = [(of, "PermissionsPolicy", held) for (of, policy), held in state["attached"].items() if policy == policy_id]
    uses += [
        (of, "PermissionsBoundary", held) for of, held in state["boundaries"].items() if held["policy_id"] == policy_id
    ]
    seen = [
        {
            "EntityType": "User" if of in state["users"] else "Group",
            "EntityName": {**state["users"], **state["groups"]}[of]["name"],
            "Usage": usage,
            "Date": held["at"],
            "Position": held["position"],
        }
        for of, usage, held in uses
    ]
    return sorted(seen, key=lambda row: (row["EntityType"], row["EntityName"].lower(), row["Usage"]))


def inline_seen(state: State, principal_id: str) -> list[Fields]:
    """As `list_inline_policies` tells them."""
    return [
        {"PolicyName": name, "PutDate": held["at"], "PutPosition": held["position"]}
        for name, held in sorted(inline_of(state, principal_id).items())
    ]


def boundary_seen(state: State, user_id: str) -> Fields | None:
    """As `boundary_of` tells it."""
    boundary = state["boundaries"].get(user_id)
    if boundary is None:
        return None
    arn = state["policies"][boundary["policy_id"]]["arn"]
    return {"PermissionsBoundaryArn": arn, "PutDate": boundary["at"], "PutPosition": boundary["position"]}


# What must come of a command


def _attach(kind: str) -> Callable[..., Told]:
    def decide(state: State, _now: datetime, policy: str, **principal: str) -> Told:
        id_, _ = named(state[f"{kind}s"], principal[kind])
        policy_id, _ = with_arn(state, policy)
        if (id_, policy_id) in state["attached"]:
            return []
        quota = state["quotas"][f"policies_attached_per_{kind}"]
        require(len(attached_to(state, id_)) < quota, "LimitExceeded")
        fields = {f"{kind}_id": id_, "policy_id": policy_id, "policy_arn": policy}
        return [(f"{kind.title()}PolicyAttached", fields)]

    return decide


def _detach(kind: str) -> Callable[..., Told]:
    def decide(state: State, _now: datetime, policy: str, **principal: str) -> Told:
        id_, _ = named(state[f"{kind}s"], principal[kind])
        policy_id, _ = with_arn(state, policy)
        require((id_, policy_id) in state["attached"], "NoSuchEntity")
        fields = {f"{kind}_id": id_, "policy_id": policy_id, "policy_arn": policy}
        return [(f"{kind.title()}PolicyDetached", fields)]

    return decide


def _put_policy(kind: str) -> Callable[..., Told]:
    def decide(state: State, _now: datetime, policy_name: str, document: str, **principal: str) -> Told:
        id_, _ = named(state[f"{kind}s"], principal[kind])
        entity_name(policy_name)
        check_document(document)
        before = inline_of(state, id_).get(policy_name, {"document": ""})["document"]
        quota = state["quotas"][f"inline_policies_size_per_{kind}"]
        require(_size_of(state, id_) - size(before) + size(document) <= quota, "LimitExceeded")
        fields = {f"{kind}_id": id_, "policy_name": policy_name, "document": document}
        return [] if before == document else [(f"{kind.title()}PolicyPut", fields)]

    return decide


def _delete_policy(kind: str) -> Callable[..., Told]:
    def decide(state: State, _now: datetime, policy_name: str, **principal: str) -> Told:
        id_, _ = named(state[f"{kind}s"], principal[kind])
        entity_name(policy_name)
        require((id_, policy_name) in state["inline"], "NoSuchEntity")
        return [(f"{kind.title()}PolicyDeleted", {f"{kind}_id": id_, "policy_name": policy_name})]

    return decide


def _put_user_permissions_boundary(state: State, now: datetime, user: str, policy: str) -> Told:
    user_id, _ = named(state["users"], user)
    policy_id, _ = with_arn(state, policy)
    if state["boundaries"].get(user_id, {}).get("policy_id") == policy_id:
        return []
    put = {"user_id": user_id, "policy_id": policy_id, "policy_arn": policy}
    return [*_delete_user_permissions_boundary(state, now, user), ("UserPermissionsBoundaryPut", put)]


def _delete_user_permissions_boundary(state: State, _now: datetime, boundary: str) -> Told:
    user_id, _ = named(state["users"], boundary)
    if user_id not in state["boundaries"]:
        return []
    policy_id = state["boundaries"][user_id]["policy_id"]
    fields = {"user_id": user_id, "policy_id": policy_id, "policy_arn": state["policies"][policy_id]["arn"]}
    return [("UserPermissionsBoundaryDeleted", fields)]


_WITH_POLICY = {kind: {kind: entity_name, "policy": policy_arn} for kind in ("user", "group")}
COMMANDS: Mapping[str, Command] = {
    "put_user_permissions_boundary": Command(_put_user_permissions_boundary, _WITH_POLICY["user"]),
    "delete_user_permissions_boundary": Command(_delete_user_permissions_boundary, {"boundary": entity_name}),
    **{f"attach_{kind}_policy": Command(_attach(kind), _WITH_POLICY[kind]) for kind in ("user", "group")},
    **{f"detach_{kind}_policy": Command(_detach(kind), _WITH_POLICY[kind]) for kind in ("user", "group")},
    **{f"put_{kind}_policy": Command(_put_policy(kind), {kind: entity_name}) for kind in ("user", "group")},
    **{f"delete_{kind}_policy": Command(_delete_policy(kind), {kind: entity_name}) for kind in ("user", "group")},
}

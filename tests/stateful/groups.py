"""The model's groups, and who is in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from stateful.terms import (
    Command,
    Fields,
    Meaning,
    New,
    State,
    Told,
    called,
    check_path,
    entity_name,
    named,
    require,
    take_id,
)


def groups_of(state: State, user_id: str) -> list[str]:
    """The ids of the groups that a user is in."""
    return [group for user, group in state["memberships"] if user == user_id]


def members_of(state: State, group_id: str) -> list[str]:
    """The ids of the users in a group."""
    return [user for user, group in state["memberships"] if group == group_id]


# What events mean


def _group_created(state: State, data: Fields, at: datetime) -> None:
    assert called(state["groups"], data["group_name"]) is None, "the name was taken"
    take_id(state, data["group_id"])
    state["groups"][data["group_id"]] = {"name": data["group_name"], "path": data["path"], "created": at}


def _group_renamed(state: State, data: Fields, _at: datetime) -> None:
    assert called(state["groups"], data["group_name"]) in (None, data["group_id"]), "the name was taken"
    assert state["groups"][data["group_id"]]["name"] == data["old_group_name"]
    state["groups"][data["group_id"]]["name"] = data["group_name"]


def _group_path_changed(state: State, data: Fields, _at: datetime) -> None:
    state["groups"][data["group_id"]]["path"] = data["path"]


def _group_deleted(state: State, data: Fields, _at: datetime) -> None:
    assert not _holds(state, data["group_id"]), "the group had something left"
    assert state["groups"].pop(data["group_id"])["name"] == data["group_name"]


def _holds(state: State, group_id: str) -> bool:
    return bool(members_of(state, group_id)) or any(
        of == group_id for name in ("attached", "inline") for of, _ in state[name]
    )


def _user_added(state: State, data: Fields, at: datetime) -> None:
    user_id, group_id = data["user_id"], data["group_id"]
    assert user_id in state["users"], "the user was not there"
    assert group_id in state["groups"], "the group was not there"
    assert (user_id, group_id) not in state["memberships"], "the user was in the group"
    assert len(groups_of(state, user_id)) < state["quotas"]["groups_per_user"], "the user was in enough groups"
    state["memberships"][user_id, group_id] = {"at": at, "position": state["position"]}


def _user_removed(state: State, data: Fields, _at: datetime) -> None:
    del state["memberships"][data["user_id"], data["group_id"]]


EVENTS: Mapping[str, Meaning] = {
    "GroupCreated": _group_created,
    "GroupRenamed": _group_renamed,
    "GroupPathChanged": _group_path_changed,
    "GroupDeleted": _group_deleted,
    "UserAddedToGroup": _user_added,
    "UserRemovedFromGroup": _user_removed,
}


# What readers see; without who did it


def group_seen(state: State, id_: str) -> Fields:
    """As `get_group` tells it."""
    group = state["groups"][id_]
    return {
        "Path": group["path"],
        "GroupName": group["name"],
        "GroupId": id_,
        "Arn": f"arn:aws:iam::{state['account']['id']}:group{group['path']}{group['name']}",
        "CreateDate": group["created"],
    }


def groups_seen(state: State, prefix: str = "/") -> list[Fields]:
    """As `list_groups` tells them."""
    seen = [
        {
            **group_seen(state, id_),
            "Members": len(members_of(state, id_)),
            "AttachedPolicies": sum(of == id_ for of, _ in state["attached"]),
        }
        for id_, group in state["groups"].items()
        if group["path"].startswith(prefix)
    ]
    return sorted(seen, key=lambda row: row["GroupName"].lower())


def groups_of_seen(state: State, user_id: str) -> list[Fields]:
    """As `list_groups_of` tells them."""
    seen = [
        {"GroupName": state["groups"][group]["name"], **_added(state, user_id, group)}
        for group in groups_of(state, user_id)
    ]
    return sorted(seen, key=lambda row: row["GroupName"].lower())


def members_seen(state: State, group_id: str) -> list[Fields]:
    """As `list_members` tells them."""
    seen = [
        {"UserName": state["users"][user]["name"], **_added(state, user, group_id)}
        for user in members_of(state, group_id)
    ]
    return sorted(seen, key=lambda row: row["UserName"].lower())


def _added(state: State, user_id: str, group_id: str) -> Fields:
    added = state["memberships"][user_id, group_id]
    return {"AddedDate": added["at"], "AddedPosition": added["position"]}


# What must come of a command


def _create_group(state: State, _now: datetime, name: str, path: str = "/") -> Told:
    check_path(path)
    require(called(state["groups"], name) is None, "EntityAlreadyExists")
    require(len(state["groups"]) < state["quotas"]["groups_per_account"], "LimitExceeded")
    return [("GroupCreated", {"group_id": New(), "group_name": name, "path": path})]


def _update_group(
    state: State, _now: datetime, group: str, new_name: str | None = None, new_path: str | None = None
) -> Told:
    group_id, held = named(state["groups"], group)
    events: Told = []
    if new_path is not None:
        check_path(new_path)
        if new_path != held["path"]:
            events.append(("GroupPathChanged", {"group_id": group_id, "path": new_path}))
    if new_name is not None and new_name != held["name"]:
        require(called(state["groups"], new_name) in (None, group_id), "EntityAlreadyExists")
        events.append(("GroupRenamed", {"group_id": group_id, "old_group_name": held["name"], "group_name": new_name}))
    return events


def _delete_group(state: State, _now: datetime, group: str) -> Told:
    group_id, held = named(state["groups"], group)
    require(not _holds(state, group_id), "DeleteConflict")
    return [("GroupDeleted", {"group_id": group_id, "group_name": held["name"]})]


def _add_user_to_group(state: State, _now: datetime, user: str, group: str) -> Told:
    user_id, _ = named(state["users"], user)
    group_id, _ = named(state["groups"], group)
    if (user_id, group_id) in state["memberships"]:
        return []
    require(len(groups_of(state, user_id)) < state["quotas"]["groups_per_user"], "LimitExceeded")
    return [("UserAddedToGroup", {"user_id": user_id, "group_id": group_id})]


def _remove_user_from_group(state: State, _now: datetime, user: str, group: str) -> Told:
    user_id, _ = named(state["users"], user)
    group_id, _ = named(state["groups"], group)
    there = (user_id, group_id) in state["memberships"]
    return [("UserRemovedFromGroup", {"user_id": user_id, "group_id": group_id})] if there else []


def _move_user(state: State, _now: datetime, user: str, source: str, target: str) -> Told:
    user_id, _ = named(state["users"], user)
    source_id, _ = named(state["groups"], source)
    target_id, _ = named(state["groups"], target)
    require(source_id != target_id, "InvalidInput")
    require((user_id, source_id) in state["memberships"], "NoSuchEntity")
    events = [("UserRemovedFromGroup", {"user_id": user_id, "group_id": source_id})]
    if (user_id, target_id) not in state["memberships"]:
        events.append(("UserAddedToGroup", {"user_id": user_id, "group_id": target_id}))
    return events


_GROUP = {"group": entity_name}
_BOTH = {"user": entity_name, **_GROUP}
COMMANDS: Mapping[str, Command] = {
    "create_group": Command(_create_group, {"name": entity_name}),
    "update_group": Command(_update_group, {**_GROUP, "new_name": entity_name}),
    "delete_group": Command(_delete_group, _GROUP),
    "add_user_to_group": Command(_add_user_to_group, _BOTH),
    "remove_user_from_group": Command(_remove_user_from_group, _BOTH),
    "move_user": Command(_move_user, {"user": entity_name, "source": entity_name, "target": entity_name}),
}

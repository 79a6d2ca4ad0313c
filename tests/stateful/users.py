"""The model's account and its users."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

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


def holder(state: State, name: str) -> str | None:
    """The id of the user that has a name."""
    return called(state["users"], name)


# What events mean


def _account_created(state: State, data: Fields, at: datetime) -> None:
    state["account"] = {"id": data["account_id"], "name": data["account_name"], "email": data["email"], "created": at}


def _user_created(state: State, data: Fields, at: datetime) -> None:
    assert holder(state, data["user_name"]) is None, "the name was taken"
    take_id(state, data["user_id"])
    tags = [tuple(tag) for tag in data["tags"] or ()]
    state["users"][data["user_id"]] = {"name": data["user_name"], "path": data["path"], "tags": tags, "created": at}


def _user_renamed(state: State, data: Fields, _at: datetime) -> None:
    assert holder(state, data["user_name"]) in (None, data["user_id"]), "the name was taken"
    assert state["users"][data["user_id"]]["name"] == data["old_user_name"]
    state["users"][data["user_id"]]["name"] = data["user_name"]


def _user_path_changed(state: State, data: Fields, _at: datetime) -> None:
    state["users"][data["user_id"]]["path"] = data["path"]


def _user_tags_changed(state: State, data: Fields, _at: datetime) -> None:
    state["users"][data["user_id"]]["tags"] = [tuple(tag) for tag in data["tags"] or ()]


def _user_deleted(state: State, data: Fields, _at: datetime) -> None:
    assert not owns(state, data["user_id"]), "the user had something left"
    assert data["user_id"] not in state["boundaries"], "the user's boundary did not end"
    assert state["users"].pop(data["user_id"])["name"] == data["user_name"]
    state["gone"][data["user_id"]] = data["user_name"]


def owns(state: State, user_id: str) -> bool:
    """Is anything there that stands in the way of the user's deletion?"""
    keys = any(key["user_id"] == user_id for key in state["keys"].values())
    return keys or any(of == user_id for name in ("memberships", "attached", "inline") for of, _ in state[name])


EVENTS: Mapping[str, Meaning] = {
    "AccountCreated": _account_created,
    "UserCreated": _user_created,
    "UserRenamed": _user_renamed,
    "UserPathChanged": _user_path_changed,
    "UserTagged": _user_tags_changed,
    "UserUntagged": _user_tags_changed,
    "UserDeleted": _user_deleted,
}


# What readers see


def users_seen(state: State, prefix: str = "/") -> list[Fields]:
    """As `list_users` tells them."""
    account = state["account"]["id"]
    seen = [
        {
            "Path": user["path"],
            "UserName": user["name"],
            "UserId": id_,
            "Arn": f"arn:aws:iam::{account}:user{user['path']}{user['name']}",
            "CreateDate": user["created"],
            "Tags": [{"Key": key, "Value": value} for key, value in user["tags"]],
        }
        for id_, user in state["users"].items()
        if user["path"].startswith(prefix)
    ]
    return sorted(seen, key=lambda row: str(row["UserName"]).lower())


def account_seen(state: State) -> Fields:
    """As `get_account` tells it."""
    account = state["account"]
    return {
        "AccountId": account["id"],
        "AccountName": account["name"],
        "Email": account["email"],
        "CreateDate": account["created"],
        "Users": len(state["users"]),
        "AccessKeys": len(state["keys"]),
    }


# What must come of a command


def _create_account(state: State, _now: datetime, account: str, account_name: str, email: str) -> Told:
    require(re.fullmatch(r"[ -~]{1,50}", account_name) and account_name.strip())
    require(re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@]+", email) and 6 <= len(email) <= 64)
    require(state["account"] is None, "EntityAlreadyExists")
    return [("AccountCreated", {"account_id": account, "account_name": account_name, "email": email})]


def _create_user(
    state: State, _now: datetime, name: str, path: str = "/", tags: Sequence[tuple[str, str]] = ()
) -> Told:
    require(len(name) <= 64)
    check_path(path)
    _check_tags(tags)
    require(holder(state, name) is None, "EntityAlreadyExists")
    require(len(state["users"]) < state["quotas"]["users_per_account"], "LimitExceeded")
    require(len(tags) <= state["quotas"]["tags_per_resource"], "LimitExceeded")
    return [("UserCreated", {"user_id": New(), "user_name": name, "path": path, "tags": _lists(tags)})]


def _update_user(
    state: State, _now: datetime, user: str, new_name: str | None = None, new_path: str | None = None
) -> Told:
    user_id, held = named(state["users"], user)
    events: Told = []
    if new_path is not None:
        check_path(new_path)
        if new_path != held["path"]:
            events.append(("UserPathChanged", {"user_id": user_id, "path": new_path}))
    if new_name is not None:
        require(len(new_name) <= 64)
        if new_name != held["name"]:
            require(holder(state, new_name) in (None, user_id), "EntityAlreadyExists")
            renamed = {"user_id": user_id, "old_user_name": held["name"], "user_name": new_name}
            events.append(("UserRenamed", renamed))
    return events


def _tag_user(state: State, _now: datetime, user: str, tags: Sequence[tuple[str, str]]) -> Told:
    user_id, held = named(state["users"], user)
    _check_tags(tags)
    given = {key.lower() for key, _ in tags}
    after = [tag for tag in held["tags"] if tag[0].lower() not in given] + list(tags)
    require(len(after) <= state["quotas"]["tags_per_resource"], "LimitExceeded")
    same = sorted(after) == sorted(held["tags"])
    return [] if same else [("UserTagged", {"user_id": user_id, "tags": _lists(after)})]


def _untag_user(state: State, _now: datetime, user: str, keys: Sequence[str]) -> Told:
    user_id, held = named(state["users"], user)
    _check_tag_keys(keys)
    gone = {key.lower() for key in keys}
    after = [tag for tag in held["tags"] if tag[0].lower() not in gone]
    return [] if after == held["tags"] else [("UserUntagged", {"user_id": user_id, "tags": _lists(after)})]


def _delete_user(state: State, _now: datetime, user: str) -> Told:
    user_id, held = named(state["users"], user)
    require(not owns(state, user_id), "DeleteConflict")
    ended: Told = []
    if boundary := state["boundaries"].get(user_id):
        fields = {"policy_id": boundary["policy_id"], "policy_arn": state["policies"][boundary["policy_id"]]["arn"]}
        ended.append(("UserPermissionsBoundaryDeleted", {"user_id": user_id, **fields}))
    return [*ended, ("UserDeleted", {"user_id": user_id, "user_name": held["name"]})]


def _check_tag_keys(keys: Sequence[str]) -> None:
    for key in keys:
        require(0 < len(key) <= 128 and _letters_and_such(key))
    require(len({key.lower() for key in keys}) == len(keys), "InvalidInput")
    require(not any(key.lower().startswith("aws:") for key in keys), "InvalidInput")


def _check_tags(tags: Sequence[tuple[str, str]]) -> None:
    _check_tag_keys([key for key, _ in tags])
    for _, value in tags:
        require(len(value) <= 256 and _letters_and_such(value))


def _letters_and_such(text: str) -> bool:
    return all(c in "_.:/=+-@" or unicodedata.category(c)[0] in "LZN" for c in text)


def _lists(tags: Iterable[tuple[str, str]]) -> list[list[Any]]:
    return [list(tag) for tag in tags]


_USER = {"user": entity_name}
COMMANDS: Mapping[str, Command] = {
    "create_account": Command(_create_account),
    "create_user": Command(_create_user, {"name": entity_name}),
    "update_user": Command(_update_user, {**_USER, "new_name": entity_name}),
    "tag_user": Command(_tag_user, _USER),
    "untag_user": Command(_untag_user, _USER),
    "delete_user": Command(_delete_user, _USER),
}

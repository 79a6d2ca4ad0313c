"""What IAM would say, told with dicts: the model that random histories of decisions are held against.

A method is called like the decision it stands for. It returns the events that it expects, as (name, fields), or raises
`Refused` with the error code; `apply` then takes expected events over. Nothing of `iamledger` is used.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

Expected = list[tuple[str, dict[str, Any]]]
YEAR = timedelta(days=365)


class Refused(Exception):
    """The error code that is expected."""


class Model:
    """One account, and the quotas that hold in it."""

    def __init__(self, users: int, keys: int, tags: int) -> None:
        self.limits = {"users": users, "keys": keys, "tags": tags}
        self.account = False
        self.users: dict[str, dict[str, Any]] = {}  # by id: name, path, tags
        self.keys: dict[str, dict[str, Any]] = {}  # by id, oldest first: owner, active, until, successor
        self.drawn: set[str] = set()
        self.uses: set[tuple[Any, ...]] = set()

    def expect(self, command: str, now: datetime, new: str, arguments: dict[str, Any]) -> Expected | str:
        """The events, or the code of the refusal."""
        try:
            expected: Expected = getattr(self, command)(now=now, new=new, **arguments)
        except Refused as refused:
            return str(refused)
        return expected

    def apply(self, expected: Expected | str) -> None:
        """Let the expected events have happened."""
        for name, data in expected if isinstance(expected, list) else []:
            happened: Callable[[dict[str, Any]], object] = getattr(self, f"_{name}")
            happened(data)

    # What each decision should yield.

    def create_account(self, account: str, account_name: str, email: str, **_: Any) -> Expected:
        _refuse_if("@" not in email, "ValidationError")
        _refuse_if(self.account, "EntityAlreadyExists")
        return [("AccountCreated", {"account_id": account, "account_name": account_name, "email": email})]

    def create_user(self, new: str, name: str, path: str, tags: list[tuple[str, str]], **_: Any) -> Expected:
        _check_name(name)
        _check_path(path)
        _check_keys([key for key, _ in tags])
        _refuse_if(self._holder(name) is not None, "EntityAlreadyExists")
        _refuse_if(len(self.users) >= self.limits["users"], "LimitExceeded")
        _refuse_if(len(tags) > self.limits["tags"], "LimitExceeded")
        return [("UserCreated", {"user_id": new, "user_name": name, "path": path, "tags": tags})]

    def update_user(self, user: str, new_name: str | None, new_path: str | None, **_: Any) -> Expected:
        id_, expected = self._named(user), []
        holder = None if new_name is None else self._holder(new_name)
        if new_path is not None:
            _check_path(new_path)
            if new_path != self.users[id_]["path"]:
                expected.append(("UserPathChanged", {"user_id": id_, "path": new_path}))
        if new_name is not None:
            _check_name(new_name)
        if new_name is not None and new_name != self.users[id_]["name"]:
            _refuse_if(holder not in (None, id_), "EntityAlreadyExists")
            old = self.users[id_]["name"]
            expected.append(("UserRenamed", {"user_id": id_, "old_user_name": old, "user_name": new_name}))
        return expected

    def tag_user(self, user: str, tags: list[tuple[str, str]], **_: Any) -> Expected:
        id_ = self._named(user)
        _check_keys([key for key, _ in tags])
        before = {key.lower(): (key, value) for key, value in self.users[id_]["tags"]}
        after = {**before, **{key.lower(): (key, value) for key, value in tags}}
        _refuse_if(len(after) > self.limits["tags"], "LimitExceeded")
        if after == before:
            return []
        given = {key.lower() for key, _ in tags}
        kept = [tag for key, tag in before.items() if key not in given]
        return [("UserTagged", {"user_id": id_, "tags": kept + tags})]

    def untag_user(self, user: str, keys: list[str], **_: Any) -> Expected:
        id_ = self._named(user)
        _check_keys(keys)
        gone = {key.lower() for key in keys}
        after = [(key, value) for key, value in self.users[id_]["tags"] if key.lower() not in gone]
        return [] if after == self.users[id_]["tags"] else [("UserUntagged", {"user_id": id_, "tags": after})]

    def delete_user(self, user: str, **_: Any) -> Expected:
        id_ = self._named(user)
        _refuse_if(bool(self._keys_of(id_)), "DeleteConflict")
        return [("UserDeleted", {"user_id": id_, "user_name": self.users[id_]["name"]})]

    def create_access_key(self, new: str, user: str, **_: Any) -> Expected:
        id_ = self._named(user)
        _refuse_if(len(self._keys_of(id_)) >= self.limits["keys"], "LimitExceeded")
        _refuse_if(new in self.drawn, "EntityAlreadyExists")
        return [("AccessKeyCreated", {"access_key_id": new, "user_id": id_})]

    def deactivate_access_key(self, key: str, **_: Any) -> Expected:
        return self._change("AccessKeyDeactivated", key) if self._existing(key)["active"] else []

    def activate_access_key(self, now: datetime, key: str, **_: Any) -> Expected:
        found = self._existing(key)
        _refuse_if(found["until"] is not None and now >= found["until"], "InvalidInput")
        return [] if found["active"] else self._change("AccessKeyActivated", key)

    def rotate_access_key(self, now: datetime, new: str, user: str, grace: timedelta, **_: Any) -> Expected:
        id_ = self._named(user)
        _refuse_if(grace < timedelta(0) or grace > YEAR, "InvalidInput")
        held = self._keys_of(id_)
        _refuse_if(not held, "NoSuchEntity")
        created = self.create_access_key(new, user)
        old = ([key for key in held if self.keys[key]["until"] is None] or held)[0]
        ended = self.keys[old]["until"] is not None and now >= self.keys[old]["until"]
        _refuse_if(ended or not self.keys[old]["active"], "InvalidInput")
        rotated = {"access_key_id": old, "user_id": id_, "superseded_by": new, "usable_until": now + grace}
        return [*created, ("AccessKeyRotated", rotated)]

    def revoke_access_key(self, now: datetime, key: str, **told: Any) -> Expected:
        self._existing(key)
        _refuse_if(told["suspected_since"] is not None and told["suspected_since"] > now, "InvalidInput")
        told = {field: told[field] for field in ("revocation_reason", "note", "suspected_since")}
        return [(name, {**data, **told}) for name, data in self._change("AccessKeyRevoked", key)]

    def record_access_key_use(self, now: datetime, key: str, used_at: datetime, **told: Any) -> Expected:
        owner = self._existing(key)["owner"]
        _refuse_if(used_at - now > timedelta(minutes=5), "InvalidInput")
        told = {field: told[field] for field in ("service_name", "region", "use")}
        used = {"access_key_id": key, "user_id": owner, "used_at": used_at, **told}
        return [] if _counted(used) in self.uses else [("AccessKeyUsed", used)]

    # What each event changes.

    def _AccountCreated(self, _: dict[str, Any]) -> None:  # noqa: N802
        self.account = True

    def _UserCreated(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.users[data["user_id"]] = {"name": data["user_name"], "path": data["path"], "tags": data["tags"]}

    def _UserRenamed(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.users[data["user_id"]]["name"] = data["user_name"]

    def _UserPathChanged(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.users[data["user_id"]]["path"] = data["path"]

    def _UserTagged(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.users[data["user_id"]]["tags"] = data["tags"]

    _UserUntagged = _UserTagged

    def _UserDeleted(self, data: dict[str, Any]) -> None:  # noqa: N802
        del self.users[data["user_id"]]

    def _AccessKeyCreated(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.drawn.add(data["access_key_id"])
        self.keys[data["access_key_id"]] = {"owner": data["user_id"], "active": True, "until": None}

    def _AccessKeyDeactivated(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.keys[data["access_key_id"]]["active"] = False

    def _AccessKeyActivated(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.keys[data["access_key_id"]]["active"] = True

    def _AccessKeyRotated(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.keys[data["access_key_id"]]["until"] = data["usable_until"]

    def _AccessKeyRevoked(self, data: dict[str, Any]) -> None:  # noqa: N802
        del self.keys[data["access_key_id"]]

    def _AccessKeyUsed(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.uses.add(_counted(data))

    # What is asked of the dicts.

    def _holder(self, name: str) -> str | None:
        return next((id_ for id_, user in self.users.items() if user["name"].lower() == name.lower()), None)

    def _named(self, name: str) -> str:
        holder = self._holder(name)
        if holder is None:
            raise Refused("NoSuchEntity")
        return holder

    def _keys_of(self, user: str) -> list[str]:
        return [id_ for id_, key in self.keys.items() if key["owner"] == user]

    def _existing(self, key: str) -> dict[str, Any]:
        _refuse_if(key not in self.keys, "NoSuchEntity")
        return self.keys[key]

    def _change(self, name: str, key: str) -> Expected:
        return [(name, {"access_key_id": key, "user_id": self.keys[key]["owner"]})]


def _counted(used: dict[str, Any]) -> tuple[Any, ...]:
    quarter = int(used["used_at"].timestamp()) // 900
    return used["access_key_id"], used["service_name"], used["region"], quarter


def _check_name(name: str) -> None:
    _refuse_if(len(name) > 64, "ValidationError")


def _check_path(path: str) -> None:
    _refuse_if(not (path.startswith("/") and path.endswith("/")), "ValidationError")


def _check_keys(keys: list[str]) -> None:
    _refuse_if(len({key.lower() for key in keys}) < len(keys), "InvalidInput")
    _refuse_if(any(key.lower().startswith("aws:") for key in keys), "InvalidInput")


def _refuse_if(wrong: bool, code: str) -> None:
    if wrong:
        raise Refused(code)

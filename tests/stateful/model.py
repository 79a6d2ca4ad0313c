"""What iamledger should do, in plain dicts: the stateful test's oracle; the concurrency and crash tests fold with it.

Nothing here knows the `iam` package, the engine or the store. `apply` says what an event means and asserts that it was
legal where it stands; `Model` keeps an account's events and what was true after each of them; `Model.expect` says what must
come of a command.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

State = dict[str, Any]
Fields = dict[str, Any]
Args = Mapping[str, Any]

USERS, KEYS, TAGS = 4, 2, 3
"""The quotas that the model knows: users of an account, keys and tags of a user."""


class _New:
    """A value that only the ledger can know: a new id, or the end of a grace."""

    def __init__(self, grace: timedelta | None = None, at_most: datetime | None = None) -> None:
        self.grace = grace
        self.at_most = at_most  # an end that was recorded before, which is never put off


ID = _New()


# What events mean


def nothing() -> State:
    """The state before the first event."""
    return {"account": None, "users": {}, "keys": {}, "uses": {}, "noted": set(), "revocations": {}, "ids": set()}


def apply(state: State, type_: str, data: Fields, recorded_at: datetime) -> None:
    """Change the state by one event. An assertion fails if the event should never have been recorded here."""
    assert (state["account"] is None) == (type_ == "AccountCreated"), "a ledger begins with its account"
    _EVENTS[type_](state, data, recorded_at)


def fold(events: Iterable[tuple[str, Fields, datetime]]) -> list[State]:
    """What was true before the first event and after each of them, by position."""
    states = [nothing()]
    for type_, data, recorded_at in events:
        states.append(deepcopy(states[-1]))
        apply(states[-1], type_, data, recorded_at)
    return states


def folded(events: Iterable[tuple[str, Fields, datetime]]) -> State:
    """What is true after the last event."""
    state = nothing()
    for type_, data, recorded_at in events:
        apply(state, type_, data, recorded_at)
    return state


def holder(state: State, name: str) -> str | None:
    """The id of the user that has a name."""
    found = [id_ for id_, user in state["users"].items() if user["name"].lower() == name.lower()]
    assert len(found) <= 1, f"{name} is held by {found}"
    return found[0] if found else None


def keys_of(state: State, user_id: str) -> dict[str, Fields]:
    """The keys that a user holds, oldest first."""
    return {id_: key for id_, key in state["keys"].items() if key["user_id"] == user_id}


def _account_created(state: State, data: Fields, at: datetime) -> None:
    state["account"] = {"id": data["account_id"], "name": data["account_name"], "email": data["email"], "created": at}


def _user_created(state: State, data: Fields, at: datetime) -> None:
    assert holder(state, data["user_name"]) is None, "the name was taken"
    assert data["user_id"] not in state["ids"], "the id was used before"
    state["ids"].add(data["user_id"])
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
    assert not keys_of(state, data["user_id"]), "the user held keys"
    assert state["users"].pop(data["user_id"])["name"] == data["user_name"]


def _key_created(state: State, data: Fields, at: datetime) -> None:
    assert data["user_id"] in state["users"], "the user was not there"
    assert data["access_key_id"] not in state["ids"], "the id was used before"
    assert len(keys_of(state, data["user_id"])) < KEYS, "the user held two keys"
    state["ids"].add(data["access_key_id"])
    state["keys"][data["access_key_id"]] = {
        "user_id": data["user_id"],
        "active": True,
        "created": at,
        "superseded_by": None,
        "usable_until": None,
    }


def _key(state: State, data: Fields) -> Fields:
    key: Fields = state["keys"][data["access_key_id"]]
    assert key["user_id"] == data["user_id"]
    return key


def _key_deactivated(state: State, data: Fields, _at: datetime) -> None:
    assert _key(state, data)["active"]
    _key(state, data)["active"] = False


def _key_activated(state: State, data: Fields, _at: datetime) -> None:
    assert not _key(state, data)["active"]
    _key(state, data)["active"] = True


def _key_rotated(state: State, data: Fields, _at: datetime) -> None:
    assert _key(state, data)["active"]
    assert data["superseded_by"] != data["access_key_id"]
    assert state["keys"][data["superseded_by"]]["user_id"] == data["user_id"], "the new key is somebody else's"
    _key(state, data).update(superseded_by=data["superseded_by"], usable_until=_time(data["usable_until"]))


def _key_revoked(state: State, data: Fields, at: datetime) -> None:
    _key(state, data)
    del state["keys"][data["access_key_id"]]
    state["revocations"][data["access_key_id"]] = {
        "user_id": data["user_id"],
        "reason": data["revocation_reason"],
        "note": data["note"],
        "suspected_since": _time(data["suspected_since"]),
        "revoked": at,
    }


def _key_used(state: State, data: Fields, _at: datetime) -> None:
    _key(state, data)
    assert data["use"] not in state["noted"], "the use was noted before"
    state["noted"].add(data["use"])
    used_at = _time(data["used_at"])
    state["uses"][data["access_key_id"]] = {"service": data["service_name"], "region": data["region"], "at": used_at}


_EVENTS = {
    "AccountCreated": _account_created,
    "UserCreated": _user_created,
    "UserRenamed": _user_renamed,
    "UserPathChanged": _user_path_changed,
    "UserTagged": _user_tags_changed,
    "UserUntagged": _user_tags_changed,
    "UserDeleted": _user_deleted,
    "AccessKeyCreated": _key_created,
    "AccessKeyDeactivated": _key_deactivated,
    "AccessKeyActivated": _key_activated,
    "AccessKeyRotated": _key_rotated,
    "AccessKeyRevoked": _key_revoked,
    "AccessKeyUsed": _key_used,
}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


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


def keys_seen(state: State, time: datetime, user_name: str | None = None) -> list[Fields]:
    """As `list_access_keys` tells them, at a time."""
    seen = []
    for id_, key in state["keys"].items():
        name = state["users"][key["user_id"]]["name"]
        if user_name is not None and name.lower() != user_name.lower():
            continue
        due = key["usable_until"] is not None and key["usable_until"] <= time
        use = state["uses"].get(id_, {"at": None, "service": None, "region": None})
        seen.append(
            {
                "UserName": name,
                "AccessKeyId": id_,
                "Status": "Expired" if due else "Active" if key["active"] else "Inactive",
                "CreateDate": key["created"],
                "AgeDays": (time - key["created"]).days,
                "LastUsedDate": use["at"],
                "ServiceName": use["service"],
                "Region": use["region"],
                "SupersededBy": key["superseded_by"],
                "UsableUntil": key["usable_until"],
                "Due": due,
            }
        )
    return sorted(seen, key=lambda row: (row["UserName"].lower(), row["CreateDate"], row["AccessKeyId"]))


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


def revocations_seen(state: State) -> list[Fields]:
    """As `list_revocations` tells them, without who did it and why."""
    seen = [
        {
            "RevokedDate": revoked["revoked"],
            "AccessKeyId": id_,
            "UserName": state["users"].get(revoked["user_id"], {"name": revoked["user_id"]})["name"],
            "RevocationReason": revoked["reason"],
            "SuspectedSince": revoked["suspected_since"],
            "Note": revoked["note"],
        }
        for id_, revoked in state["revocations"].items()
    ]
    return sorted(seen, key=lambda row: row["RevokedDate"], reverse=True)


# What must come of a command


class Refused(Exception):
    """The command is refused with this code."""

    @property
    def code(self) -> str:
        """IAM's error code."""
        return str(self.args[0])


@dataclass(frozen=True)
class Expected:
    """What must come of a command: a refusal's code, or events; or the events of the first time, if it is a repeat."""

    code: str | None = None
    events: Sequence[tuple[str, Fields]] = ()
    first: int | None = None  # only of a repeat

    def fits(self, events: Sequence[tuple[str, Fields]], now: datetime) -> bool:
        """Are these the events, except for what only the ledger can know?"""
        return self.code is None and _fit(self.events, events, now)


def _fit(expected: Any, found: Any, now: datetime) -> bool:
    match expected:
        case _New():
            if expected.grace is None:
                return isinstance(found, str)
            end = datetime.fromisoformat(found)
            if expected.at_most is not None and end >= expected.at_most:
                return end == expected.at_most <= now + expected.grace
            begun = end - expected.grace  # the moment at which the ledger was read
            return now - timedelta(minutes=5) < begun <= now
        case dict():
            return expected.keys() == found.keys() and all(_fit(v, found[k], now) for k, v in expected.items())
        case list() | tuple():
            return len(expected) == len(found) and all(_fit(e, f, now) for e, f in zip(expected, found, strict=True))
    return bool(expected == found)


@dataclass
class Recorded:
    """An event as the model keeps it."""

    type: str
    data: Fields
    recorded_at: datetime
    source_address: str | None


@dataclass
class Model:
    """One account: its events, what was true after each, and the requests that were recorded."""

    account_id: str
    events: list[Recorded] = field(default_factory=list)
    states: list[State] = field(default_factory=lambda: [nothing()])
    requests: dict[str, tuple[str, dict[str, Any], int, int]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Those that were shown and whose keys have not been revoked."""

    @property
    def head(self) -> int:
        """The last position."""
        return len(self.events)

    @property
    def state(self) -> State:
        """What is true after the last event."""
        return self.states[-1]

    def expect(self, command: str, args: Args, request_id: str | None = None) -> Expected:
        """What must come of a command now."""
        try:
            _check_references(command, args)
            if request_id in self.requests:
                return self._repeated(command, args, *self.requests[request_id])
            now = self.events[-1].recorded_at if self.events else datetime.min.replace(tzinfo=UTC)
            events = _COMMANDS[command](self.state, now, **args)
            if self.state["account"] is None and command != "create_account":
                raise Refused("NoSuchEntity")
        except Refused as refused:
            return Expected(code=refused.code)
        return Expected(events=events)

    def _repeated(self, command: str, args: Args, earlier: str, earlier_args: Args, first: int, last: int) -> Expected:
        if (command, dict(args)) != (earlier, dict(earlier_args)):
            raise Refused("IdempotentParameterMismatch")
        return Expected(events=[(event.type, event.data) for event in self.events[first - 1 : last]], first=first)

    def record(self, recorded: Recorded) -> None:
        """Take one event in, at the next position."""
        self.events.append(recorded)
        self.states.append(deepcopy(self.state))
        apply(self.state, recorded.type, recorded.data, recorded.recorded_at)
        if recorded.type == "AccessKeyRevoked":
            del self.secrets[recorded.data["access_key_id"]]

    def erase(self, position: int) -> bool:
        """Forget the personal values of one event; False if it has none. History is told anew without them."""
        event = self.events[position - 1]
        personal = [name for name in ("email", "tags") if event.data.get(name)]
        if not personal and not event.source_address:
            return False
        event.data = {**event.data, **dict.fromkeys(personal)}
        event.source_address = None
        self.states = fold((event.type, event.data, event.recorded_at) for event in self.events)
        return True

    def position_at(self, time: datetime) -> int:
        """The last position recorded at or before a time."""
        return sum(event.recorded_at <= time for event in self.events)


_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]+")


def _check_references(command: str, args: Args) -> None:
    for name, value in args.items():
        _require(not (isinstance(value, str) and "\0" in value))
        if name in ("user", "name", "new_name") and value is not None:
            _require(_NAME.fullmatch(value) and len(value) <= 128)
        if name == "key":
            _require(re.fullmatch(r"[A-Za-z0-9_]{16,128}", value))
    if command == "record_access_key_use":  # the name that a use is counted by is made of these
        _require(re.fullmatch(r"[a-z0-9.-]{1,128}", args["service_name"]))
        _require(re.fullmatch(r"[a-z0-9-]{1,64}", args["region"]))


def _require(condition: object, code: str = "ValidationError") -> None:
    if not condition:
        raise Refused(code)


def _check_new_name(name: str) -> None:
    _require(len(name) <= 64)


def _check_path(path: str) -> None:
    _require(re.fullmatch(r"/|/[!-~]+/", path) and len(path) <= 512)


def _letters_and_such(text: str) -> bool:
    return all(c in "_.:/=+-@" or unicodedata.category(c)[0] in "LZN" for c in text)


def _check_tag_keys(keys: Sequence[str]) -> None:
    for key in keys:
        _require(0 < len(key) <= 128 and _letters_and_such(key))
    _require(len({key.lower() for key in keys}) == len(keys), "InvalidInput")
    _require(not any(key.lower().startswith("aws:") for key in keys), "InvalidInput")


def _check_tags(tags: Sequence[tuple[str, str]]) -> None:
    _check_tag_keys([key for key, _ in tags])
    for _, value in tags:
        _require(len(value) <= 256 and _letters_and_such(value))


def _the_user(state: State, name: str) -> tuple[str, Fields]:
    user_id = holder(state, name)
    if user_id is None:
        raise Refused("NoSuchEntity")
    return user_id, state["users"][user_id]


def _the_key(state: State, id_: str) -> Fields:
    if id_ not in state["keys"]:
        raise Refused("NoSuchEntity")
    key: Fields = state["keys"][id_]
    return key


def _create_account(state: State, _now: datetime, account: str, account_name: str, email: str) -> list[Any]:
    _require(re.fullmatch(r"[ -~]{1,50}", account_name) and account_name.strip())
    _require(re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@]+", email) and 6 <= len(email) <= 64)
    _require(state["account"] is None, "EntityAlreadyExists")
    return [("AccountCreated", {"account_id": account, "account_name": account_name, "email": email})]


def _create_user(
    state: State, _now: datetime, name: str, path: str = "/", tags: Sequence[tuple[str, str]] = ()
) -> list[Any]:
    _check_new_name(name)
    _check_path(path)
    _check_tags(tags)
    _require(holder(state, name) is None, "EntityAlreadyExists")
    _require(len(state["users"]) < USERS, "LimitExceeded")
    _require(len(tags) <= TAGS, "LimitExceeded")
    return [("UserCreated", {"user_id": ID, "user_name": name, "path": path, "tags": _lists(tags)})]


def _update_user(
    state: State, _now: datetime, user: str, new_name: str | None = None, new_path: str | None = None
) -> list[Any]:
    user_id, held = _the_user(state, user)
    events: list[Any] = []
    if new_path is not None:
        _check_path(new_path)
        if new_path != held["path"]:
            events.append(("UserPathChanged", {"user_id": user_id, "path": new_path}))
    if new_name is not None:
        _check_new_name(new_name)
        if new_name != held["name"]:
            _require(holder(state, new_name) in (None, user_id), "EntityAlreadyExists")
            renamed = {"user_id": user_id, "old_user_name": held["name"], "user_name": new_name}
            events.append(("UserRenamed", renamed))
    return events


def _tag_user(state: State, _now: datetime, user: str, tags: Sequence[tuple[str, str]]) -> list[Any]:
    user_id, held = _the_user(state, user)
    _check_tags(tags)
    given = {key.lower() for key, _ in tags}
    after = [tag for tag in held["tags"] if tag[0].lower() not in given] + list(tags)
    _require(len(after) <= TAGS, "LimitExceeded")
    same = sorted(after) == sorted(held["tags"])
    return [] if same else [("UserTagged", {"user_id": user_id, "tags": _lists(after)})]


def _untag_user(state: State, _now: datetime, user: str, keys: Sequence[str]) -> list[Any]:
    user_id, held = _the_user(state, user)
    _check_tag_keys(keys)
    gone = {key.lower() for key in keys}
    after = [tag for tag in held["tags"] if tag[0].lower() not in gone]
    return [] if after == held["tags"] else [("UserUntagged", {"user_id": user_id, "tags": _lists(after)})]


def _delete_user(state: State, _now: datetime, user: str) -> list[Any]:
    user_id, held = _the_user(state, user)
    _require(not keys_of(state, user_id), "DeleteConflict")
    return [("UserDeleted", {"user_id": user_id, "user_name": held["name"]})]


def _create_access_key(state: State, _now: datetime, user: str) -> list[Any]:
    user_id, _ = _the_user(state, user)
    _require(len(keys_of(state, user_id)) < KEYS, "LimitExceeded")
    return [("AccessKeyCreated", {"access_key_id": ID, "user_id": user_id})]


def _deactivate_access_key(state: State, _now: datetime, key: str) -> list[Any]:
    held = _the_key(state, key)
    fields = {"access_key_id": key, "user_id": held["user_id"]}
    return [("AccessKeyDeactivated", fields)] if held["active"] else []


def _activate_access_key(state: State, now: datetime, key: str) -> list[Any]:
    held = _the_key(state, key)
    _require(held["usable_until"] is None or held["usable_until"] > now, "InvalidInput")
    fields = {"access_key_id": key, "user_id": held["user_id"]}
    return [] if held["active"] else [("AccessKeyActivated", fields)]


def _rotate_access_key(state: State, now: datetime, user: str, grace: timedelta) -> list[Any]:
    user_id, _ = _the_user(state, user)
    _require(timedelta(0) <= grace <= timedelta(days=365), "InvalidInput")
    keys = keys_of(state, user_id)
    _require(keys, "NoSuchEntity")
    _require(len(keys) < KEYS, "LimitExceeded")
    ((old_id, old),) = keys.items()
    _require(old["usable_until"] is None or old["usable_until"] > now, "InvalidInput")
    _require(old["active"], "InvalidInput")
    until = _New(grace, at_most=old["usable_until"])
    return [
        ("AccessKeyCreated", {"access_key_id": ID, "user_id": user_id}),
        (
            "AccessKeyRotated",
            {"access_key_id": old_id, "user_id": user_id, "superseded_by": ID, "usable_until": until},
        ),
    ]


def _revoke_access_key(
    state: State,
    now: datetime,
    key: str,
    revocation_reason: str = "unspecified",
    note: str | None = None,
    suspected_since: datetime | None = None,
) -> list[Any]:
    held = _the_key(state, key)
    _require(note is None or 1 <= len(note) <= 1000)
    _require(suspected_since is None or suspected_since <= now, "InvalidInput")
    fields = {
        "access_key_id": key,
        "user_id": held["user_id"],
        "revocation_reason": revocation_reason,
        "note": note,
        "suspected_since": _told(suspected_since),
    }
    return [("AccessKeyRevoked", fields)]


def _record_access_key_use(
    state: State, now: datetime, key: str, service_name: str, region: str, used_at: datetime
) -> list[Any]:
    held = _the_key(state, key)
    _require(used_at <= now + timedelta(minutes=5), "InvalidInput")
    quarter = used_at - timedelta(minutes=used_at.minute % 15)
    use = f"{key}/{service_name}/{region}/{quarter:%Y-%m-%dT%H:%MZ}"
    fields = {
        "access_key_id": key,
        "user_id": held["user_id"],
        "service_name": service_name,
        "region": region,
        "used_at": _told(used_at),
        "use": use,
    }
    return [] if use in state["noted"] else [("AccessKeyUsed", fields)]


def _lists(tags: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [list(tag) for tag in tags]


def _told(time: datetime | None) -> str | None:
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_COMMANDS: dict[str, Callable[..., list[Any]]] = {
    "create_account": _create_account,
    "create_user": _create_user,
    "update_user": _update_user,
    "tag_user": _tag_user,
    "untag_user": _untag_user,
    "delete_user": _delete_user,
    "create_access_key": _create_access_key,
    "deactivate_access_key": _deactivate_access_key,
    "activate_access_key": _activate_access_key,
    "rotate_access_key": _rotate_access_key,
    "revoke_access_key": _revoke_access_key,
    "record_access_key_use": _record_access_key_use,
}

"""The model's access keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from stateful.terms import (
    Command,
    End,
    Fields,
    Meaning,
    New,
    Refused,
    State,
    Told,
    entity_name,
    named,
    require,
    take_id,
    time_of,
    told_time,
)


def keys_of(state: State, user_id: str) -> dict[str, Fields]:
    """The keys that a user holds, oldest first."""
    return {id_: key for id_, key in state["keys"].items() if key["user_id"] == user_id}


# What events mean


def _key_created(state: State, data: Fields, at: datetime) -> None:
    assert data["user_id"] in state["users"], "the user was not there"
    assert len(keys_of(state, data["user_id"])) < state["quotas"]["access_keys_per_user"], "the user held two keys"
    take_id(state, data["access_key_id"])
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
    _key(state, data).update(superseded_by=data["superseded_by"], usable_until=time_of(data["usable_until"]))


def _key_revoked(state: State, data: Fields, at: datetime) -> None:
    _key(state, data)
    del state["keys"][data["access_key_id"]]
    state["revocations"][data["access_key_id"]] = {
        "user_id": data["user_id"],
        "reason": data["revocation_reason"],
        "note": data["note"],
        "suspected_since": time_of(data["suspected_since"]),
        "revoked": at,
    }


def _key_used(state: State, data: Fields, _at: datetime) -> None:
    _key(state, data)
    assert data["use"] not in state["noted"], "the use was noted before"
    state["noted"].add(data["use"])
    used_at = time_of(data["used_at"])
    state["uses"][data["access_key_id"]] = {"service": data["service_name"], "region": data["region"], "at": used_at}


EVENTS: Mapping[str, Meaning] = {
    "AccessKeyCreated": _key_created,
    "AccessKeyDeactivated": _key_deactivated,
    "AccessKeyActivated": _key_activated,
    "AccessKeyRotated": _key_rotated,
    "AccessKeyRevoked": _key_revoked,
    "AccessKeyUsed": _key_used,
}


# What readers see


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


def revocations_seen(state: State) -> list[Fields]:
    """As `list_revocations` tells them, without who did it and why."""
    seen = [
        {
            "RevokedDate": revoked["revoked"],
            "AccessKeyId": id_,
            "UserName": _last_name(state, revoked["user_id"]),
            "UserId": revoked["user_id"],
            "RevocationReason": revoked["reason"],
            "SuspectedSince": revoked["suspected_since"],
            "Note": revoked["note"],
        }
        for id_, revoked in state["revocations"].items()
    ]
    return sorted(seen, key=lambda row: row["RevokedDate"], reverse=True)


def _last_name(state: State, user_id: str) -> str:
    """Of a user, also of one who is gone."""
    return str(state["users"][user_id]["name"] if user_id in state["users"] else state["gone"][user_id])


# What must come of a command


def _the_key(state: State, id_: str) -> Fields:
    if id_ not in state["keys"]:
        raise Refused("NoSuchEntity")
    key: Fields = state["keys"][id_]
    return key


def _create_access_key(state: State, _now: datetime, user: str) -> Told:
    user_id, _ = named(state["users"], user)
    require(len(keys_of(state, user_id)) < state["quotas"]["access_keys_per_user"], "LimitExceeded")
    return [("AccessKeyCreated", {"access_key_id": New(), "user_id": user_id})]


def _deactivate_access_key(state: State, _now: datetime, key: str) -> Told:
    held = _the_key(state, key)
    fields = {"access_key_id": key, "user_id": held["user_id"]}
    return [("AccessKeyDeactivated", fields)] if held["active"] else []


def _activate_access_key(state: State, now: datetime, key: str) -> Told:
    held = _the_key(state, key)
    require(held["usable_until"] is None or held["usable_until"] > now, "InvalidInput")
    fields = {"access_key_id": key, "user_id": held["user_id"]}
    return [] if held["active"] else [("AccessKeyActivated", fields)]


def _rotate_access_key(state: State, now: datetime, user: str, grace: timedelta) -> Told:
    user_id, _ = named(state["users"], user)
    require(timedelta(0) <= grace <= timedelta(days=365), "InvalidInput")
    keys = keys_of(state, user_id)
    require(keys, "NoSuchEntity")
    require(len(keys) < state["quotas"]["access_keys_per_user"], "LimitExceeded")
    ((old_id, old),) = keys.items()
    require(old["usable_until"] is None or old["usable_until"] > now, "InvalidInput")
    require(old["active"], "InvalidInput")
    new, until = New(), End(grace, old["usable_until"], now)
    return [
        ("AccessKeyCreated", {"access_key_id": new, "user_id": user_id}),
        (
            "AccessKeyRotated",
            {"access_key_id": old_id, "user_id": user_id, "superseded_by": new, "usable_until": until},
        ),
    ]


def _revoke_access_key(
    state: State,
    now: datetime,
    key: str,
    revocation_reason: str = "unspecified",
    note: str | None = None,
    suspected_since: datetime | None = None,
) -> Told:
    held = _the_key(state, key)
    require(note is None or 1 <= len(note) <= 1000)
    require(suspected_since is None or suspected_since <= now, "InvalidInput")
    fields = {
        "access_key_id": key,
        "user_id": held["user_id"],
        "revocation_reason": revocation_reason,
        "note": note,
        "suspected_since": told_time(suspected_since),
    }
    return [("AccessKeyRevoked", fields)]


def _record_access_key_use(
    state: State, now: datetime, key: str, service_name: str, region: str, used_at: datetime
) -> Told:
    held = _the_key(state, key)
    require(used_at <= now + timedelta(minutes=5), "InvalidInput")
    quarter = used_at - timedelta(minutes=used_at.minute % 15)
    use = f"{key}/{service_name}/{region}/{quarter:%Y-%m-%dT%H:%MZ}"
    fields = {
        "access_key_id": key,
        "user_id": held["user_id"],
        "service_name": service_name,
        "region": region,
        "used_at": told_time(used_at),
        "use": use,
    }
    return [] if use in state["noted"] else [("AccessKeyUsed", fields)]


def _key_id(id_: str) -> None:
    require(re.fullmatch(r"[A-Za-z0-9_]{16,128}", id_))


def _service(name: str) -> None:
    require(re.fullmatch(r"[a-z0-9.-]{1,128}", name))


def _region(name: str) -> None:
    require(re.fullmatch(r"[a-z0-9-]{1,64}", name))


_USER, _KEY = {"user": entity_name}, {"key": _key_id}
_USE = {**_KEY, "service_name": _service, "region": _region}  # the name that a use is counted by is made of these
COMMANDS: Mapping[str, Command] = {
    "create_access_key": Command(_create_access_key, _USER),
    "deactivate_access_key": Command(_deactivate_access_key, _KEY),
    "activate_access_key": Command(_activate_access_key, _KEY),
    "rotate_access_key": Command(_rotate_access_key, _USER),
    "revoke_access_key": Command(_revoke_access_key, _KEY),
    "record_access_key_use": Command(_record_access_key_use, _USE),
}

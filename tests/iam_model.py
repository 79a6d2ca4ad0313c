"""What IAM would say, told with dicts: the model that random histories of decisions are held against.

A method is called like the decision it stands for. It returns the events that it expects, as (name, fields), or raises
`Refused` with the error code; `apply` then takes expected events over. Nothing of `iamledger` is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

Expected = list[tuple[str, dict[str, Any]]]
YEAR = timedelta(days=365)
AWS = "arn:aws:iam::aws:policy/"
OWN = "123456789012"
"""The account whose history it is."""


class Refused(Exception):
    """The error code that is expected."""


class Model:
    """One account, and the quotas that hold in it."""

    def __init__(self, **limits: int) -> None:
        self.limits = limits
        self.account = False
        self.users: dict[str, dict[str, Any]] = {}  # by id: name, path, tags
        self.keys: dict[str, dict[str, Any]] = {}  # by id, oldest first: owner, active, until, successor
        self.drawn: set[str] = set()
        self.uses: set[tuple[Any, ...]] = set()
        self.groups: dict[str, dict[str, Any]] = {}  # by id: name, path
        self.policies: dict[str, dict[str, Any]] = {}  # by id: arn, versions (texts by number), default, ever
        self.members: set[tuple[str, str]] = set()  # user, group
        self.attached: set[tuple[str, str]] = set()  # user or group, policy
        self.inline: dict[tuple[str, str], str] = {}  # texts by user or group, and name
        self.bounds: dict[str, str] = {}  # policies by user
        self.resources: dict[str, dict[str, Any]] = {}  # by ARN: responsible, text

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
        in_the_way = [self._keys_of(id_), self._attached_to(id_), self._inline_of(id_), self._groups_of(id_)]
        _refuse_if(any(in_the_way), "DeleteConflict")
        deleted = ("UserDeleted", {"user_id": id_, "user_name": self.users[id_]["name"]})
        return [*self._unbounded(id_), deleted]

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

    def create_group(self, new: str, name: str, path: str, **_: Any) -> Expected:
        _check_name(name, 128)
        _check_path(path)
        _refuse_if(_called(self.groups, name) is not None, "EntityAlreadyExists")
        _refuse_if(len(self.groups) >= self.limits["groups"], "LimitExceeded")
        return [("GroupCreated", {"group_id": new, "group_name": name, "path": path})]

    def update_group(self, group: str, new_name: str | None, new_path: str | None, **_: Any) -> Expected:
        if new_name is not None:
            _check_name(new_name, 128)
        id_, expected = self._group(group), []
        if new_path is not None:
            _check_path(new_path)
            if new_path != self.groups[id_]["path"]:
                expected.append(("GroupPathChanged", {"group_id": id_, "path": new_path}))
        old = self.groups[id_]["name"]
        if new_name is not None and new_name != old:
            _refuse_if(_called(self.groups, new_name) not in (None, id_), "EntityAlreadyExists")
            expected.append(("GroupRenamed", {"group_id": id_, "old_group_name": old, "group_name": new_name}))
        return expected

    def delete_group(self, group: str, **_: Any) -> Expected:
        id_ = self._group(group)
        members = [user for user, its in self.members if its == id_]
        _refuse_if(bool(members or self._attached_to(id_) or self._inline_of(id_)), "DeleteConflict")
        return [("GroupDeleted", {"group_id": id_, "group_name": self.groups[id_]["name"]})]

    def add_user_to_group(self, user: str, group: str, **_: Any) -> Expected:
        member = self._named(user), self._group(group)
        if member in self.members:
            return []
        _refuse_if(len(self._groups_of(member[0])) >= self.limits["groups_of_user"], "LimitExceeded")
        return [("UserAddedToGroup", {"user_id": member[0], "group_id": member[1]})]

    def remove_user_from_group(self, user: str, group: str, **_: Any) -> Expected:
        member = self._named(user), self._group(group)
        left = [("UserRemovedFromGroup", {"user_id": member[0], "group_id": member[1]})]
        return left if member in self.members else []

    def move_user(self, user: str, source: str, target: str, **_: Any) -> Expected:
        id_, old, new = self._named(user), self._group(source), self._group(target)
        _refuse_if(old == new, "InvalidInput")
        _refuse_if((id_, old) not in self.members, "NoSuchEntity")
        joined = [("UserAddedToGroup", {"user_id": id_, "group_id": new})]
        left = ("UserRemovedFromGroup", {"user_id": id_, "group_id": old})
        return [left, *([] if (id_, new) in self.members else joined)]

    def create_policy(self, new: str, name: str, document: str, description: str | None, **_: Any) -> Expected:
        _refuse_if(name.startswith(AWS), "InvalidInput")
        self._check_text(document)
        _refuse_if(self._unique(name) is not None, "EntityAlreadyExists")
        own = [policy for policy in self.policies.values() if not policy["arn"].startswith(AWS)]
        _refuse_if(len(own) >= self.limits["policies"], "LimitExceeded")
        return [("PolicyCreated", _policy(new, name, document, description))]

    def import_managed_policy(self, new: str, name: str, document: str, description: str | None, **_: Any) -> Expected:
        _refuse_if(not name.startswith(AWS), "InvalidInput")
        _check_json(document)
        here = self._unique(name)
        if here is not None:
            _refuse_if(self.policies[here]["arn"] != name, "EntityAlreadyExists")
            return []
        return [("ManagedPolicyImported", _policy(new, name, document, description))]

    def create_policy_version(
        self, policy: str, document: str, set_as_default: bool, unless_same: bool, **_: Any
    ) -> Expected:
        id_, found = self._changeable(policy)
        self._check_text(document)
        same = [number for number, text in found["versions"].items() if text == document]
        if unless_same and same:
            put = [("DefaultPolicyVersionSet", {"policy_id": id_, "version_id": f"v{max(same)}"})]
            return put if set_as_default and found["default"] not in same else []
        _refuse_if(len(found["versions"]) >= self.limits["versions"], "LimitExceeded")
        return _newest(id_, found, document)[: 2 if set_as_default else 1]

    def update_managed_policy(self, policy: str, document: str, **_: Any) -> Expected:
        id_, found = self._policy(policy)
        _refuse_if(not found["arn"].startswith(AWS), "InvalidInput")
        _check_json(document)
        return self._replaced(id_, found, document)

    def replace_policy_document(self, policy: str, document: str, **_: Any) -> Expected:
        id_, found = self._changeable(policy)
        self._check_text(document)
        return self._replaced(id_, found, document)

    def _replaced(self, id_: str, found: dict[str, Any], document: str) -> Expected:
        if found["versions"][found["default"]] == document:
            return []
        oldest = min(
            number for number in found["versions"] if number != found["default"] or len(found["versions"]) == 1
        )
        full = len(found["versions"]) >= self.limits["versions"]
        room = [("PolicyVersionDeleted", {"policy_id": id_, "version_id": f"v{oldest}"})]
        return [*(room if full else []), *_newest(id_, found, document)]

    def set_default_policy_version(self, policy: str, version_id: str, **_: Any) -> Expected:
        id_, found = self._changeable(policy)
        _refuse_if(int(version_id[1:]) not in found["versions"], "NoSuchEntity")
        put = [("DefaultPolicyVersionSet", {"policy_id": id_, "version_id": version_id})]
        return [] if version_id == f"v{found['default']}" else put

    def delete_policy_version(self, policy: str, version_id: str, **_: Any) -> Expected:
        id_, found = self._changeable(policy)
        _refuse_if(int(version_id[1:]) not in found["versions"], "NoSuchEntity")
        _refuse_if(version_id == f"v{found['default']}", "DeleteConflict")
        return [("PolicyVersionDeleted", {"policy_id": id_, "version_id": version_id})]

    def delete_policy(self, policy: str, with_versions: bool, **_: Any) -> Expected:
        id_, found = self._changeable(policy)
        used = id_ in self.bounds.values() or any(policy == id_ for _, policy in self.attached)
        others = [number for number in found["versions"] if number != found["default"]]
        _refuse_if(used or (others != [] and not with_versions), "DeleteConflict")
        gone = [("PolicyVersionDeleted", {"policy_id": id_, "version_id": f"v{number}"}) for number in others]
        return [*gone, ("PolicyDeleted", {"policy_id": id_, "arn": found["arn"], "version_id": f"v{found['default']}"})]

    def attach_user_policy(self, user: str, policy: str, **_: Any) -> Expected:
        return self._attach("user", self._named(user), policy)

    def attach_group_policy(self, group: str, policy: str, **_: Any) -> Expected:
        return self._attach("group", self._group(group), policy)

    def detach_user_policy(self, user: str, policy: str, **_: Any) -> Expected:
        return self._detach("user", self._named(user), policy)

    def detach_group_policy(self, group: str, policy: str, **_: Any) -> Expected:
        return self._detach("group", self._group(group), policy)

    def put_user_policy(self, user: str, policy_name: str, document: str, **_: Any) -> Expected:
        return self._put("user", self._named(user), policy_name, document)

    def put_group_policy(self, group: str, policy_name: str, document: str, **_: Any) -> Expected:
        return self._put("group", self._group(group), policy_name, document)

    def delete_user_policy(self, user: str, policy_name: str, **_: Any) -> Expected:
        return self._cut("user", self._named(user), policy_name)

    def delete_group_policy(self, group: str, policy_name: str, **_: Any) -> Expected:
        return self._cut("group", self._group(group), policy_name)

    def put_user_permissions_boundary(self, user: str, policy: str, **_: Any) -> Expected:
        id_, (policy_id, found) = self._named(user), self._policy(policy)
        if self.bounds.get(id_) == policy_id:
            return []
        bound = {"user_id": id_, "policy_id": policy_id, "policy_arn": found["arn"]}
        return [*self._unbounded(id_), ("UserPermissionsBoundaryPut", bound)]

    def delete_user_permissions_boundary(self, boundary: str, **_: Any) -> Expected:
        return self._unbounded(self._named(boundary))

    def register_resource(self, resource: str, creator: str | None, **_: Any) -> Expected:
        by = None if creator is None else self._named(creator)
        _refuse_if(resource.split(":")[4] not in ("", OWN), "InvalidInput")
        _refuse_if(resource in self.resources, "EntityAlreadyExists")
        name = None if by is None else self.users[by]["name"]
        return [("ResourceRegistered", {"resource_arn": resource, "creator_id": by, "creator_name": name})]

    def transfer_resource(self, resource: str, responsible: str, **_: Any) -> Expected:
        new = self._named(responsible)
        old = self._resource(resource)["responsible"]
        told = {"responsible_id": new, "responsible_name": self.users[new]["name"], "old_responsible_id": old}
        return [] if new == old else [("ResourceTransferred", {"resource_arn": resource, **told})]

    def put_resource_policy(self, resource: str, document: str, **_: Any) -> Expected:
        self._resource(resource)
        return self._resource_text(resource, document)

    def delete_resource_policy(self, resource: str, **_: Any) -> Expected:
        _refuse_if(self._resource(resource)["text"] is None, "NoSuchEntity")
        return [("ResourcePolicyDeleted", {"resource_arn": resource})]

    def share_resource(self, resource: str, principal: str, actions: list[str], **_: Any) -> Expected:
        text = self._resource(resource)["text"]
        whom = self._principal(principal)
        _refuse_if(whom.endswith(f":{OWN}:root"), "InvalidInput")
        _refuse_if(not actions, "ValidationError")
        mine = {
            "Sid": _sid(whom),
            "Effect": "Allow",
            "Principal": {"AWS": whom},
            "Action": [action for n, action in enumerate(actions) if action not in actions[:n]],
            "Resource": [resource, resource + "/*"],
        }
        policy = json.loads(text or '{"Version": "2012-10-17", "Statement": []}')
        statements = _statements(policy)
        if text is not None and mine in statements:
            return self._resource_text(resource, text)
        before = [statement for statement in statements if statement.get("Sid") == mine["Sid"]]
        policy["Statement"] = [mine if one in before else one for one in statements] + ([] if before else [mine])
        return self._resource_text(resource, json.dumps(policy, indent=2))

    def unshare_resource(self, resource: str, principal: str, **_: Any) -> Expected:
        text, whom = self._resource(resource)["text"], self._principal(principal)
        if text is None:
            return []
        policy = json.loads(text)
        kept = [one for one in _statements(policy) if one.get("Sid") != _sid(whom)]
        if not kept:
            return [("ResourcePolicyDeleted", {"resource_arn": resource})]
        if len(kept) == len(_statements(policy)):
            return []
        left = json.dumps({**policy, "Statement": kept}, indent=2)
        return [("ResourcePolicyPut", {"resource_arn": resource, "document": left})]

    def deregister_resource(self, resource: str, **_: Any) -> Expected:
        text = self._resource(resource)["text"]
        gone = [] if text is None else [("ResourcePolicyDeleted", {"resource_arn": resource})]
        return [*gone, ("ResourceDeregistered", {"resource_arn": resource})]

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

    def _GroupCreated(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.groups[data["group_id"]] = {"name": data["group_name"], "path": data["path"]}

    def _GroupRenamed(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.groups[data["group_id"]]["name"] = data["group_name"]

    def _GroupPathChanged(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.groups[data["group_id"]]["path"] = data["path"]

    def _GroupDeleted(self, data: dict[str, Any]) -> None:  # noqa: N802
        del self.groups[data["group_id"]]

    def _UserAddedToGroup(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.members.add((data["user_id"], data["group_id"]))

    def _UserRemovedFromGroup(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.members.remove((data["user_id"], data["group_id"]))

    def _PolicyCreated(self, data: dict[str, Any]) -> None:  # noqa: N802
        first = {1: data["document"]}
        self.policies[data["policy_id"]] = {"arn": data["arn"], "versions": first, "default": 1, "ever": 1}

    _ManagedPolicyImported = _PolicyCreated

    def _PolicyVersionCreated(self, data: dict[str, Any]) -> None:  # noqa: N802
        found = self.policies[data["policy_id"]]
        found["ever"] += 1
        found["versions"][found["ever"]] = data["document"]

    def _DefaultPolicyVersionSet(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.policies[data["policy_id"]]["default"] = int(data["version_id"][1:])

    def _PolicyVersionDeleted(self, data: dict[str, Any]) -> None:  # noqa: N802
        del self.policies[data["policy_id"]]["versions"][int(data["version_id"][1:])]

    def _PolicyDeleted(self, data: dict[str, Any]) -> None:  # noqa: N802
        del self.policies[data["policy_id"]]

    def _UserPolicyAttached(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.attached.add((_whose(data), data["policy_id"]))

    _GroupPolicyAttached = _UserPolicyAttached

    def _UserPolicyDetached(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.attached.remove((_whose(data), data["policy_id"]))

    _GroupPolicyDetached = _UserPolicyDetached

    def _UserPolicyPut(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.inline[_whose(data), data["policy_name"]] = data["document"]

    _GroupPolicyPut = _UserPolicyPut

    def _UserPolicyDeleted(self, data: dict[str, Any]) -> None:  # noqa: N802
        del self.inline[_whose(data), data["policy_name"]]

    _GroupPolicyDeleted = _UserPolicyDeleted

    def _UserPermissionsBoundaryPut(self, data: dict[str, Any]) -> None:  # noqa: N802
        assert data["user_id"] not in self.bounds
        self.bounds[data["user_id"]] = data["policy_id"]

    def _UserPermissionsBoundaryDeleted(self, data: dict[str, Any]) -> None:  # noqa: N802
        del self.bounds[data["user_id"]]

    def _ResourceRegistered(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.resources[data["resource_arn"]] = {"responsible": data["creator_id"], "text": None}

    def _ResourceTransferred(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.resources[data["resource_arn"]]["responsible"] = data["responsible_id"]

    def _ResourcePolicyPut(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.resources[data["resource_arn"]]["text"] = data["document"]

    def _ResourcePolicyDeleted(self, data: dict[str, Any]) -> None:  # noqa: N802
        self.resources[data["resource_arn"]]["text"] = None

    def _ResourceDeregistered(self, data: dict[str, Any]) -> None:  # noqa: N802
        del self.resources[data["resource_arn"]]

    # What is asked of the dicts.

    def _resource(self, arn: str) -> dict[str, Any]:
        _refuse_if(arn not in self.resources, "NoSuchEntity")
        return self.resources[arn]

    def _resource_text(self, arn: str, document: str) -> Expected:
        _check_json(document)
        _refuse_if(len(document) > self.limits["resource_text"], "LimitExceeded")
        put = ("ResourcePolicyPut", {"resource_arn": arn, "document": document})
        return [] if document == self.resources[arn]["text"] else [put]

    def _principal(self, text: str) -> str:
        _refuse_if(text == "*", "ValidationError")
        return text if text.startswith("arn:") else f"arn:aws:iam::{text}:root"

    def _holder(self, name: str) -> str | None:
        return _called(self.users, name)

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

    def _group(self, name: str) -> str:
        holder = _called(self.groups, name)
        if holder is None:
            raise Refused("NoSuchEntity")
        return holder

    def _groups_of(self, user: str) -> list[str]:
        return [group for member, group in self.members if member == user]

    def _attached_to(self, whose: str) -> list[str]:
        return [policy for owner, policy in self.attached if owner == whose]

    def _inline_of(self, whose: str) -> dict[str, str]:
        return {name: text for (owner, name), text in self.inline.items() if owner == whose}

    def _policy(self, arn: str) -> tuple[str, dict[str, Any]]:
        for id_, policy in self.policies.items():
            if policy["arn"] == arn:
                return id_, policy
        raise Refused("NoSuchEntity")

    def _changeable(self, arn: str) -> tuple[str, dict[str, Any]]:
        id_, policy = self._policy(arn)
        _refuse_if(arn.startswith(AWS), "InvalidInput")
        return id_, policy

    def _unique(self, arn: str) -> str | None:
        """The policy that has the name, whatever its path and case."""

        def name(arn: str) -> tuple[str, str]:
            return arn.split(":")[4], arn.split("/")[-1].lower()

        return next((id_ for id_, policy in self.policies.items() if name(policy["arn"]) == name(arn)), None)

    def _check_text(self, document: str) -> None:
        _check_json(document)
        _refuse_if(_size(document) > self.limits["text"], "LimitExceeded")

    def _attach(self, kind: str, whose: str, arn: str) -> Expected:
        policy, _ = self._policy(arn)
        if (whose, policy) in self.attached:
            return []
        _refuse_if(len(self._attached_to(whose)) >= self.limits[f"attached_to_{kind}"], "LimitExceeded")
        return [(f"{kind.title()}PolicyAttached", {f"{kind}_id": whose, "policy_id": policy, "policy_arn": arn})]

    def _detach(self, kind: str, whose: str, arn: str) -> Expected:
        policy, _ = self._policy(arn)
        _refuse_if((whose, policy) not in self.attached, "NoSuchEntity")
        return [(f"{kind.title()}PolicyDetached", {f"{kind}_id": whose, "policy_id": policy, "policy_arn": arn})]

    def _put(self, kind: str, whose: str, name: str, document: str) -> Expected:
        _check_json(document)
        texts = {**self._inline_of(whose), name: document}
        _refuse_if(sum(map(_size, texts.values())) > self.limits[f"inline_of_{kind}"], "LimitExceeded")
        put = {f"{kind}_id": whose, "policy_name": name, "document": document}
        return [] if self.inline.get((whose, name)) == document else [(f"{kind.title()}PolicyPut", put)]

    def _cut(self, kind: str, whose: str, name: str) -> Expected:
        _refuse_if((whose, name) not in self.inline, "NoSuchEntity")
        return [(f"{kind.title()}PolicyDeleted", {f"{kind}_id": whose, "policy_name": name})]

    def _unbounded(self, user: str) -> Expected:
        policy = self.bounds.get(user)
        if policy is None:
            return []
        bound = {"user_id": user, "policy_id": policy, "policy_arn": self.policies[policy]["arn"]}
        return [("UserPermissionsBoundaryDeleted", bound)]


def _statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    return policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]


def _sid(whom: str) -> str:
    """The Sid of the statement that shares with a principal. What was put by hand has none, here."""
    return "SharedWith" + (whom.split(":")[4] if whom.endswith(":root") else sha256(whom.encode()).hexdigest()[:16])


def _called(things: dict[str, dict[str, Any]], name: str) -> str | None:
    return next((id_ for id_, thing in things.items() if thing["name"].lower() == name.lower()), None)


def _whose(data: dict[str, Any]) -> str:
    return str(data.get("user_id") or data["group_id"])


def _policy(new: str, arn: str, document: str, description: str | None) -> dict[str, Any]:
    *path, name = arn.split(":policy/")[1].split("/")
    told = {"policy_name": name, "path": "/".join(["", *path, ""]), "description": description or None}
    return {"policy_id": new, "arn": arn, **told, "version_id": "v1", "document": document}


def _newest(policy: str, found: dict[str, Any], document: str) -> Expected:
    """Another version, which then becomes the default."""
    version = {"policy_id": policy, "version_id": f"v{found['ever'] + 1}"}
    return [("PolicyVersionCreated", {**version, "document": document}), ("DefaultPolicyVersionSet", version)]


def _size(document: str) -> int:
    return len("".join(document.split()))


def _check_json(document: str) -> None:
    _refuse_if(document.count("{") != document.count("}"), "MalformedPolicyDocument")


def _counted(used: dict[str, Any]) -> tuple[Any, ...]:
    quarter = int(used["used_at"].timestamp()) // 900
    return used["access_key_id"], used["service_name"], used["region"], quarter


def _check_name(name: str, longest: int = 64) -> None:
    _refuse_if(len(name) > longest, "ValidationError")


def _check_path(path: str) -> None:
    _refuse_if(not (path.startswith("/") and path.endswith("/")), "ValidationError")


def _check_keys(keys: list[str]) -> None:
    _refuse_if(len({key.lower() for key in keys}) < len(keys), "InvalidInput")
    _refuse_if(any(key.lower().startswith("aws:") for key in keys), "InvalidInput")


def _refuse_if(wrong: bool, code: str) -> None:
    if wrong:
        raise Refused(code)

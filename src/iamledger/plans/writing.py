"""Writes accounts as a declarative file, which `reading` reads back as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from iamledger.plans.declared import Account, Document, Group, Policy, User

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Writer(_Dumper):  # type: ignore[misc]
    """Texts of several lines stand as blocks, as far as YAML can keep them so."""


def _represent_text(writer: Any, text: str) -> Any:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Writer.add_representer(str, _represent_text)


def write_account(account: Account) -> str:
    """One account, below `accounts:`."""
    content = _without_nothing(
        {
            "name": account.name,
            "email": account.email,
            "policies": {policy.name: _policy(policy) for policy in account.policies.values()},
            "groups": {group.name: _group(group) for group in account.groups.values()},
            "users": {user.name: _user(user) for user in account.users.values()},
        }
    )
    return yaml.dump(
        {"accounts": {account.key: content}}, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120
    )


def _policy(policy: Policy) -> dict[str, Any]:
    path = None if policy.path == "/" else policy.path
    return _without_nothing({"path": path, "description": policy.description, "document": policy.document.text})


def _group(group: Group) -> dict[str, Any]:
    return {"path": group.path, "policies": list(group.policies or ()), "inline": _texts(group.inline)}


def _user(user: User) -> dict[str, Any]:
    return {
        "path": user.path,
        "tags": dict(user.tags or ()),
        "groups": list(user.groups or ()),
        "policies": list(user.policies or ()),
        "inline": _texts(user.inline),
        "boundary": user.boundary or None,
    }


def _texts(documents: Mapping[str, Document] | None) -> dict[str, str]:
    return {name: document.text for name, document in (documents or {}).items()}


def _without_nothing(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}

"""Writes accounts as a declarative file, which `reading` reads back as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from iamledger.plans.declared import Account, Document, Group, Policy, User

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


_STEERING = re.compile(r"[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Invisible characters that change how what is around them is shown, and that YAML would write as they are."""


class _Writer(_Dumper):  # type: ignore[misc]
    """Texts of several lines stand as blocks, as far as YAML can keep them so."""


def _represent_text(writer: Any, text: str) -> Any:
    style = '"' if _STEERING.search(text) else "|" if "\n" in text else None
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _represent_text)


def write_account(account: Account) -> str:
    """One account, below `accounts:`. Its own policies are referred to by name, so that the file fits another account."""
    content = _without_nothing(
        {
            "name": account.name,
            "email": account.email,
            "policies": {policy.name: _policy(policy) for policy in account.policies.values()},
            "groups": {group.name: _group(group, account.key) for group in account.groups.values()},
            "users": {user.name: _user(user, account.key) for user in account.users.values()},
        }
    )
    text: str = yaml.dump(
        {"accounts": {account.key: content}}, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120
    )
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04X}", text)  # they stand between double quotes


def _policy(policy: Policy) -> dict[str, Any]:
    path = None if policy.path == "/" else policy.path
    return _without_nothing({"path": path, "description": policy.description, "document": policy.document.text})


def _group(group: Group, account_id: str) -> dict[str, Any]:
    return {
        "path": group.path,
        "policies": [_called(policy, account_id) for policy in group.policies or ()],
        "inline": _texts(group.inline),
    }


def _user(user: User, account_id: str) -> dict[str, Any]:
    return {
        "path": user.path,
        "tags": dict(user.tags or ()),
        "groups": list(user.groups or ()),
        "policies": [_called(policy, account_id) for policy in user.policies or ()],
        "inline": _texts(user.inline),
        "boundary": _called(user.boundary, account_id) if user.boundary else None,
    }


def _called(policy: str, account_id: str) -> str:
    own = policy.startswith(f"arn:aws:iam::{account_id}:")
    return policy.rpartition("/")[2] if own else policy


def _texts(documents: Mapping[str, Document] | None) -> dict[str, str]:
    return {name: document.text for name, document in (documents or {}).items()}


def _without_nothing(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}

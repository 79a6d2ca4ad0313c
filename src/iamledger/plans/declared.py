"""What a file says of accounts. What it does not mention (None) is left as it is; what it mentions is meant exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Tags = Sequence[tuple[str, str]]
NO_BOUNDARY = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A policy document: a text, which is meant to the letter, or written in YAML, which is meant as to its content."""

    text: str
    content: Any = None

    def is_text(self, present: str) -> bool:
        """Does a text that is there say what this one says?"""
        if self.content is None or present == self.text:
            return present == self.text
        try:
            return _in_order(json.loads(present)) == _in_order(self.content)
        except ValueError:
            return False


def _in_order(content: Any) -> str:
    """JSON without its layout. Python's own comparison takes true for 1."""
    return json.dumps(content, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """A customer managed policy and the text that is to be in force."""

    name: str
    document: Document
    path: str = "/"
    description: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A group. `policies` are names or ARNs of managed policies."""

    name: str
    path: str | None = None
    policies: Sequence[str] | None = None
    inline: Mapping[str, Document] | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class User:
    """A user. `boundary` is the name or ARN of a managed policy, or NO_BOUNDARY."""

    name: str
    path: str | None = None
    tags: Tags | None = None
    groups: Sequence[str] | None = None
    policies: Sequence[str] | None = None
    inline: Mapping[str, Document] | None = None
    boundary: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `key` is its number, or its name if it has none yet; names of what it holds are in lower case."""

    key: str
    name: str | None = None
    email: str | None = None
    policies: Mapping[str, Policy] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    line: int = 0

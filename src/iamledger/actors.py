"""Who acts. It is recorded with every event."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from typing import Any

from iamledger.iam.refusals import AccessDenied
from iamledger.store.connection import Connection


@dataclass(frozen=True, slots=True)
class LocalOperator:
    """Whoever runs a command on a machine that can reach the database: operating system user and database user."""

    os_user: str
    database_user: str

    def told(self) -> dict[str, Any]:
        """The form in which an event's context names the actor."""
        return {"type": "LocalOperator", "os_user": self.os_user, "database_user": self.database_user}

    def identity(self) -> dict[str, Any]:
        """What makes two requests those of the same actor."""
        return self.told()


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, or the account's root, that was authenticated, or that a local operator speaks for.

    The root's unique id is the account's number.
    """

    arn: str
    unique_id: str
    access_key_id: str | None = None
    """The key that it was authenticated by."""
    operator: LocalOperator | None = None
    """Who speaks for it; then nobody was authenticated."""

    @property
    def is_root(self) -> bool:
        """Is it the account's root, who may do all?"""
        return self.arn.endswith(":root")

    @property
    def account_id(self) -> str:
        """The account that it is of."""
        return self.arn.split(":")[4]

    def check_account(self, account_id: str) -> None:
        """Raise AccessDenied for another account than its own."""
        if self.account_id != account_id:
            raise AccessDenied(f"{self.arn} is not of account {account_id}, and can do nothing there.")

    def told(self) -> dict[str, Any]:
        """The form in which an event's context names the actor."""
        told: dict[str, Any] = {"type": "Principal", "arn": self.arn, "unique_id": self.unique_id}
        told["authenticated"] = self.operator is None
        if self.access_key_id is not None:
            told["access_key_id"] = self.access_key_id
        if self.operator is not None:
            told["operator"] = self.operator.told()
        return told

    def identity(self) -> dict[str, Any]:
        """What makes two requests those of the same actor, also after it was renamed or its key was rotated."""
        return {"type": "Principal", "unique_id": self.unique_id}


Actor = LocalOperator | Principal


def local_operator(connection: Connection) -> LocalOperator:
    """The operator of this process, by its user id, since the environment could say anything. Sudo tells who called it."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER")
    if behind and behind != name and os.geteuid() == 0:
        name = f"{name} (sudo by {behind})"
    return LocalOperator(name, connection.info.user)


def shown(actor: dict[str, Any] | None) -> str:
    """An actor of an event's context, for people."""
    if not actor:
        return "-"
    if actor.get("type") == "LocalOperator":
        return str(actor.get("os_user"))
    return str(actor.get("arn") or actor.get("type"))


def told_at_length(actor: dict[str, Any] | None) -> str:
    """An actor of an event's context, with all that is known of it."""
    if not actor:
        return "-"
    if actor.get("type") == "LocalOperator":
        return f"{actor.get('os_user')} (local operator, database user {actor.get('database_user')})"
    if actor.get("authenticated"):
        return f"{shown(actor)} (access key {actor.get('access_key_id')})"
    return f"{shown(actor)} (not authenticated; by {told_at_length(actor.get('operator'))})"

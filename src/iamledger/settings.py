"""Settings, from the environment. Without any, iamledger runs on an embedded PostgreSQL in the user's data folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path

from iamledger.iam.quotas import Quotas
from iamledger.store.embedded import default_home


class SettingsError(Exception):
    """A setting is malformed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the ledger is, and how to speak to it."""

    home: Path
    """IAMLEDGER_HOME: the embedded server, the master key, the default account."""
    database_url: str | None
    """IAMLEDGER_DATABASE_URL: a PostgreSQL server to use instead of the embedded one."""
    owner_url: str | None
    """IAMLEDGER_OWNER_URL: how `db migrate` connects to it, as the owner of the tables."""
    account: str | None
    """IAMLEDGER_ACCOUNT: the account to use, before the default one."""
    access_key_id: str | None = None
    """IAMLEDGER_ACCESS_KEY_ID: whose key it is is the caller of every command."""
    secret_access_key: str | None = field(default=None, repr=False)
    """IAMLEDGER_SECRET_ACCESS_KEY: goes with it."""
    services: tuple[Path, ...] = ()
    """IAMLEDGER_SERVICES: folders that describe a team's own services, separated by colons."""

    @property
    def default_account_file(self) -> Path:
        """Where `account use` keeps its choice."""
        return self.home / "default-account"

    @property
    def service_folders(self) -> tuple[Path, ...]:
        """Where a team's own services are described: `services` in the home, if there is one, and those of the setting."""
        own = self.home / "services"
        return (own, *self.services) if own.is_dir() else self.services

    @property
    def master_key_file(self) -> Path:
        """The embedded default's master key."""
        return self.home / "master.key"


def settings() -> Settings:
    """Read the environment. Raises SettingsError."""
    get = os.environ.get
    key_id, secret = get("IAMLEDGER_ACCESS_KEY_ID"), get("IAMLEDGER_SECRET_ACCESS_KEY")
    if (key_id is None) != (secret is None) or "" in (key_id, secret):  # what failed to be set is not the operator
        raise SettingsError(
            "IAMLEDGER_ACCESS_KEY_ID and IAMLEDGER_SECRET_ACCESS_KEY go together: set both, or unset both."
        )
    return Settings(
        default_home(),
        get("IAMLEDGER_DATABASE_URL"),
        get("IAMLEDGER_OWNER_URL"),
        get("IAMLEDGER_ACCOUNT") or None,
        key_id,
        secret,
        tuple(Path(folder) for folder in get("IAMLEDGER_SERVICES", "").split(os.pathsep) if folder),
    )


def quotas() -> Quotas:
    """IAM's quotas, where the environment does not say otherwise: IAMLEDGER_QUOTA_USERS_PER_ACCOUNT and so on."""
    given = {}
    for quota in fields(Quotas):
        variable = f"IAMLEDGER_QUOTA_{quota.name.upper()}"
        text = os.environ.get(variable)
        if text is not None:
            if not text.isdecimal():
                raise SettingsError(f"{variable} must be a whole number, not {text!r}.")
            given[quota.name] = int(text)
    return Quotas(**given)

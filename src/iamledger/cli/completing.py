"""Shell completion of names: users, groups, policies, keys, resources of the account that the command is about.

Nothing is started or changed for it, and whatever goes wrong there is nothing to complete.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def _names(projection: str, column: str) -> Callable[[Any, str], list[str]]:
    def complete(ctx: Any, incomplete: str) -> list[str]:
        try:
            return _found(projection, column, ctx.params.get("account"), incomplete)
        except Exception:
            return []

    return complete


def _found(projection: str, column: str, account: str | None, incomplete: str) -> list[str]:
    from iamledger.accounts import chosen_account
    from iamledger.engine.view import open_view
    from iamledger.opening import embedded, open_database
    from iamledger.read_models import all_projections
    from iamledger.settings import settings

    configured = settings()
    if configured.access_key_id is not None:  # whose caller may not be permitted to list
        return []
    if configured.database_url is None and not embedded(configured).status().running:
        return []
    os.environ.setdefault("PGCONNECT_TIMEOUT", "2")
    database = open_database(configured)
    try:
        account_id = chosen_account(database.connection, configured, account)
        with open_view(database.connection, account_id, [all_projections()[projection]], stale=True) as view:
            rows = view.rows(
                f"SELECT {column} AS name FROM {{{projection}}} WHERE starts_with({column}, %(begun)s)"
                f' ORDER BY lower({column}) COLLATE "C" LIMIT 200',
                begun=incomplete,
            )
        return [row["name"] for row in rows]
    finally:
        database.close()


def _services(incomplete: str) -> list[str]:
    try:
        from iamledger.services import open_catalogue
        from iamledger.settings import settings

        return [name for name in open_catalogue(settings()).prefixes() if name.startswith(incomplete.lower())]
    except Exception:
        return []


SERVICE = _services
USER = _names("users", "user_name")
GROUP = _names("groups", "group_name")
POLICY = _names("managed_policies", "policy_name")
RESOURCE = _names("resources", "resource_arn")
ACCESS_KEY = _names("access_keys", "access_key_id")

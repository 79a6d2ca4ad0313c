"""IAM's credential report: its columns, in its order, its words and its form of times.

Passwords, MFA devices and signing certificates are not in the ledger yet, nor are credentials of the account's root: their
columns say N/A, where IAM would say false of a user who has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

SLOTS = 2
"""Keys of a user in IAM's report. Where the quota allows more, there are columns for them too."""
READS = ("accounts", "users", "access_keys", "access_key_uses")
_KEY = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
COLUMNS = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    *(f"access_key_{slot}_{part}" for slot in (1, 2) for part in _KEY),
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
)


def credential_report(view: View) -> list[Row]:
    """The account's root first, then the users by name. All values are texts.

    A superseded key whose grace has ended is not active: nobody can use it any more.
    """
    (most,) = view.rows(
        "SELECT coalesce(max(n), 0) AS n FROM (SELECT count(*) AS n FROM {access_keys} GROUP BY user_id) AS k"
    )
    slots = range(1, max(SLOTS, most["n"]) + 1)
    keys = ", ".join(map(_key, slots))
    joins = " ".join(f"LEFT JOIN keys k{n} ON k{n}.user_id = o.user_id AND k{n}.slot = {n}" for n in slots)
    return view.rows(
        f"""
        WITH keys AS (
            SELECT k.user_id, row_number() OVER (PARTITION BY k.user_id ORDER BY k.create_date, k.access_key_id) AS slot,
                   (k.status = 'Active' AND coalesce(k.usable_until > %(time)s, true))::text AS active,
                   {_time("k.create_date")} AS last_rotated, {_time("l.used_at")} AS last_used_date,
                   l.region AS last_used_region, l.service_name AS last_used_service
              FROM {{access_keys}} k LEFT JOIN {{access_key_uses}} l USING (access_key_id)
        ), owners AS (
            SELECT NULL AS user_id, '<root_account>' AS name, 'arn:aws:iam::' || a.account || ':root' AS arn,
                   a.create_date, 'not_supported' AS password
              FROM {{accounts}} a
             UNION ALL
            SELECT u.user_id, u.user_name, 'arn:aws:iam::' || u.account_id || ':user' || u.path || u.user_name,
                   u.create_date, NULL
              FROM {{users}} u
        )
        SELECT o.name AS "user", o.arn AS "arn", {_time("o.create_date")} AS "user_creation_time",
               coalesce(o.password, 'N/A') AS "password_enabled", 'N/A' AS "password_last_used",
               coalesce(o.password, 'N/A') AS "password_last_changed",
               coalesce(o.password, 'N/A') AS "password_next_rotation", 'N/A' AS "mfa_active",
               {keys},
               'N/A' AS "cert_1_active", 'N/A' AS "cert_1_last_rotated",
               'N/A' AS "cert_2_active", 'N/A' AS "cert_2_last_rotated"
          FROM owners o
          {joins}
         ORDER BY o.user_id IS NOT NULL, lower(o.name) COLLATE "C"
        """
    )


def _time(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')"""


def _key(slot: int) -> str:
    """The columns of a user's first or second key."""
    return ", ".join(
        f"""coalesce(k{slot}.{part}, '{"false" if part == "active" else "N/A"}') AS "access_key_{slot}_{part}\""""
        for part in _KEY
    )

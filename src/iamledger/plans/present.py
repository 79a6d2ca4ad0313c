"""What an account holds at the moment of a view, in the form in which a file says it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from iamledger.engine.view import View
from iamledger.plans.declared import NO_BOUNDARY, Account, Document, Group, Policy, User

PROJECTIONS = (
    "accounts", "users", "groups", "memberships", "managed_policies", "policy_versions", "attached_policies",
    "inline_policies", "permissions_boundaries",
)  # fmt: skip


def present_account(view: View) -> Account:
    """All of an account: groups and users with lists and maps that are complete, policies with the text in force."""
    (account,) = view.rows("SELECT account_name, email FROM {accounts} a") or [{}]
    attached = _lists(view, 'SELECT a.principal_id AS of, p.arn AS name FROM {attached_policies} a'
                            ' JOIN {managed_policies} p USING (policy_id)')  # fmt: skip
    groups_of = _lists(view, 'SELECT m.user_id AS of, g.group_name AS name FROM {memberships} m'
                             ' JOIN {groups} g USING (group_id)')  # fmt: skip
    inline: dict[str, dict[str, Document]] = defaultdict(dict)
    for row in view.rows(
        'SELECT principal_id, policy_name, document FROM {inline_policies} ORDER BY policy_name COLLATE "C"'
    ):
        inline[row["principal_id"]][row["policy_name"]] = Document(row["document"])
    return Account(
        view.account_id,
        account.get("account_name"),
        account.get("email"),
        {policy.name.lower(): policy for policy in _policies(view)},
        {
            row["group_name"].lower(): Group(
                row["group_name"], row["path"], attached[row["group_id"]], inline[row["group_id"]]
            )
            for row in view.rows('SELECT * FROM {groups} ORDER BY lower(group_name) COLLATE "C"')
        },
        {
            row["user_name"].lower(): User(
                row["user_name"],
                row["path"],
                [(key, value) for key, value in row["tags"] or ()],
                groups_of[row["user_id"]],
                attached[row["user_id"]],
                inline[row["user_id"]],
                row["arn"] or NO_BOUNDARY,
            )
            for row in view.rows(
                "SELECT u.*, p.arn FROM {users} u LEFT JOIN {permissions_boundaries} b USING (user_id)"
                ' LEFT JOIN {managed_policies} p USING (policy_id) ORDER BY lower(u.user_name) COLLATE "C"'
            )
        },
    )


def managed_by_aws(view: View) -> dict[str, str]:
    """The ARNs of policies that AWS manages, by name in lower case."""
    rows = view.rows("SELECT policy_name, arn FROM {managed_policies} WHERE scope = 'AWS' ORDER BY arn DESC")
    return {row["policy_name"].lower(): row["arn"] for row in rows}


def _policies(view: View) -> list[Policy]:
    rows = view.rows(
        """
        SELECT p.policy_name, p.path, p.description, v.document
          FROM {managed_policies} p
          JOIN {policy_versions} v ON v.policy_id = p.policy_id AND v.version_id = p.default_version_id
         WHERE p.scope = 'Local' ORDER BY lower(p.policy_name) COLLATE "C"
        """
    )
    return [Policy(r["policy_name"], Document(r["document"]), r["path"], r["description"]) for r in rows]


def _lists(view: View, sql: str) -> dict[str, Any]:
    """Names in order, by whose they are."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in view.rows(f'SELECT of, name FROM ({sql}) AS x ORDER BY lower(name) COLLATE "C"'):
        found[row["of"]].append(row["name"])
    return found

"""Everything that says what users may do: users, their groups, the policies of both with their texts, and the boundaries.

Each read model is read once, as one set, of one user or of all; they are put together by who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

READS = (
    "users",
    "groups",
    "memberships",
    "managed_policies",
    "policy_versions",
    "attached_policies",
    "inline_policies",
    "permissions_boundaries",
)


class GrantRows(NamedTuple):
    """The rows. Those of one user only, and of its groups, if that was asked for.

    `users`: user_id, user_name, arn, tags, create_date. `groups`: group_id, group_name, arn. `memberships`: user_id,
    group_id and how. `managed`: policy_id, policy_name, arn, scope, version_id, document. `attached`: principal_id,
    policy_id and how. `inline`: principal_id, principal_type, policy_name, document and how. `boundaries`: user_id,
    policy_id and how. How it came is position, at, by, reason, ticket; boundaries have no reason and ticket.
    `by` is JSON as a text: thousands of rows have the same, which need not be read again and again.
    """

    users: list[Row]
    groups: list[Row]
    memberships: list[Row]
    managed: list[Row]
    attached: list[Row]
    inline: list[Row]
    boundaries: list[Row]


def grant_rows(view: View, user_id: str | None = None) -> GrantRows:
    """The rows of all users and groups, or of one user."""
    memberships = view.rows(
        """
        SELECT m.user_id, m.group_id, m.added_position AS position, m.added_at AS at, m.added_by::text AS by,
               m.reason, m.ticket
          FROM {memberships} m WHERE %(user)s::text IS NULL OR m.user_id = %(user)s
        """,
        user=user_id,
    )
    principals = None if user_id is None else [user_id, *(m["group_id"] for m in memberships)]
    attached = view.rows(
        """
        SELECT a.principal_id, a.policy_id, a.attached_position AS position, a.attached_at AS at, a.attached_by::text AS by,
               a.reason, a.ticket
          FROM {attached_policies} a WHERE %(principals)s::text[] IS NULL OR a.principal_id = ANY(%(principals)s)
        """,
        principals=principals,
    )
    inline = view.rows(
        """
        SELECT i.principal_id, i.principal_type, i.policy_name, i.document, i.put_position AS position, i.put_at AS at,
               i.put_by::text AS by, i.reason, i.ticket
          FROM {inline_policies} i WHERE %(principals)s::text[] IS NULL OR i.principal_id = ANY(%(principals)s)
        """,
        principals=principals,
    )
    boundaries = view.rows(
        """
        SELECT b.user_id, b.policy_id, b.put_position AS position, b.put_at AS at, b.put_by::text AS by
          FROM {permissions_boundaries} b WHERE %(user)s::text IS NULL OR b.user_id = %(user)s
        """,
        user=user_id,
    )
    policies = None if user_id is None else [row["policy_id"] for row in (*attached, *boundaries)]
    return GrantRows(
        _users(view, user_id),
        _groups(view, principals),
        memberships,
        _managed(view, policies),
        attached,
        inline,
        boundaries,
    )


def _users(view: View, user_id: str | None) -> list[Row]:
    return view.rows(
        """
        SELECT u.user_id, u.user_name, 'arn:aws:iam::' || u.account_id || ':user' || u.path || u.user_name AS arn, u.tags,
               u.create_date
          FROM {users} u WHERE %(user)s::text IS NULL OR u.user_id = %(user)s
        """,
        user=user_id,
    )


def _groups(view: View, principals: list[str] | None) -> list[Row]:
    return view.rows(
        """
        SELECT g.group_id, g.group_name, 'arn:aws:iam::' || g.account_id || ':group' || g.path || g.group_name AS arn
          FROM {groups} g WHERE %(principals)s::text[] IS NULL OR g.group_id = ANY(%(principals)s)
        """,
        principals=principals,
    )


def _managed(view: View, policies: list[str] | None) -> list[Row]:
    """Managed policies with the text in force."""
    return view.rows(
        """
        SELECT p.policy_id, p.policy_name, p.arn, p.scope, p.default_version_id AS version_id, v.document
          FROM {managed_policies} p
          LEFT JOIN {policy_versions} v ON v.policy_id = p.policy_id AND v.version_id = p.default_version_id
         WHERE %(policies)s::text[] IS NULL OR p.policy_id = ANY(%(policies)s)
        """,
        policies=policies,
    )

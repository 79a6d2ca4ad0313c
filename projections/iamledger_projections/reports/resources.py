"""An account's resources, with their users' names, and with whom each is shared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from iamledger.iam.refusals import NoSuchEntity
from iamledger.iam.sharing import shares
from iamledger_projections.resource_policies import policies_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iamledger.engine.view import Row, View

READS = ("resources", "resource_policies", "users", "principal_names")
COLUMNS = ("Arn", "CreatorName", "ResponsibleName", "Orphaned", "SharedWith", "RegisterDate")


def list_resources(
    view: View,
    creator_ids: Sequence[str] | None = None,
    responsible_ids: Sequence[str] | None = None,
    *,
    shared: bool = False,
    orphaned: bool = False,
) -> list[Row]:
    """Resources, ordered by ARN; only those of some creators, of some users who are responsible for them; only the shared.

    Users, also those that are gone, have the last name that they had until the view's moment. Orphaned is what nobody who is
    still there is responsible for.
    """
    rows = _resources(view, None, creator_ids, responsible_ids)
    documents = {row["resource_arn"]: row["document"] for row in policies_of(view)}
    for row in rows:
        found = shares(documents[row["Arn"]], view.account_id) if row["Arn"] in documents else ()
        row["SharedWith"] = list(dict.fromkeys(share.principal for share in found))
    return [row for row in rows if (row["SharedWith"] or not shared) and (row["Orphaned"] or not orphaned)]


def whole_resource(view: View, arn: str) -> Row:
    """A resource with its policy, and with whom that shares it. Raises NoSuchEntity."""
    rows = _resources(view, arn)
    if not rows:
        raise NoSuchEntity(f"Resource {arn} is not registered in this account.")
    policy: dict[str, Any] = next(iter(policies_of(view, [arn])), {})
    document = policy.get("document")
    return {
        **rows[0],
        "PolicyPutDate": policy.get("at"),
        "PolicyPutBy": policy.get("by"),
        "PolicyPutPosition": policy.get("position"),
        "SharedWith": [
            {
                "Principal": share.principal,
                "Sid": share.sid,
                "Actions": ", ".join(share.actions),
                "Conditional": share.conditional,
            }
            for share in (shares(document, view.account_id) if document else ())
        ],
        "Document": document,
    }


def shares_with(view: View, account_id: str) -> list[Row]:
    """What the view's account shares with another account or its principals by name, ordered by ARN. `*` names nobody."""
    return [
        {
            "Arn": row["resource_arn"],
            "Account": view.account_id,
            "Principal": share.principal,
            "Actions": ", ".join(share.actions),
            "Conditional": share.conditional,
            "PolicyPutDate": row["at"],
        }
        for row in sorted(policies_of(view), key=lambda row: str(row["resource_arn"]))
        for share in shares(row["document"], view.account_id)
        if re.fullmatch(rf"{account_id}|arn:[^:]+:(iam|sts)::{account_id}:.+", share.principal)
    ]


def _resources(
    view: View,
    arn: str | None,
    creator_ids: Sequence[str] | None = None,
    responsible_ids: Sequence[str] | None = None,
) -> list[Row]:
    rows = view.rows(
        """
        SELECT r.resource_arn AS "Arn", NULL AS "CreatorName", r.creator_id AS "CreatorId", NULL AS "ResponsibleName",
               r.responsible_id AS "ResponsibleId", NULL AS "Orphaned", r.registered_at AS "RegisterDate",
               r.registered_by AS "RegisteredBy", r.registered_position AS "RegisteredPosition"
          FROM {resources} r
         WHERE (%(arn)s::text IS NULL OR r.resource_arn = %(arn)s)
           AND (%(creators)s::text[] IS NULL OR r.creator_id = ANY(%(creators)s))
           AND (%(responsible)s::text[] IS NULL OR r.responsible_id = ANY(%(responsible)s))
         ORDER BY r.resource_arn COLLATE "C"
        """,
        arn=arn,
        creators=None if creator_ids is None else list(creator_ids),
        responsible=None if responsible_ids is None else list(responsible_ids),
    )
    ids = list({row[column] for row in rows for column in ("CreatorId", "ResponsibleId")} - {None})
    named = view.rows("SELECT n.id, n.name FROM {principal_names} n WHERE n.id = ANY(%(ids)s)", ids=ids)
    names = {row["id"]: row["name"] for row in named}
    there = {
        row["user_id"] for row in view.rows("SELECT u.user_id FROM {users} u WHERE u.user_id = ANY(%(ids)s)", ids=ids)
    }
    for row in rows:
        row["CreatorName"] = names.get(row["CreatorId"], row["CreatorId"])
        row["ResponsibleName"] = names.get(row["ResponsibleId"], row["ResponsibleId"])
        row["Orphaned"] = row["ResponsibleId"] not in there
    return rows

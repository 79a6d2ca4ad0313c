"""Inline policies of users and groups, with their texts as they were submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import POSITION, RECORDED_AT, FromContext, Projection, close_row, put_row
from iamledger.iam.refusals import NoSuchEntity

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

_PRINCIPALS = {"User": "user_id", "Group": "group_id"}

projection = Projection(
    name="inline_policies",
    description="Inline policies of users and groups",
    key=["principal_id", "policy_name"],
    columns={
        "principal_type": "text",
        "document": "text",
        "put_at": "timestamptz",
        "put_by": "jsonb",
        "put_position": "bigint",
        "reason": "text",
        "ticket": "text",
    },
    rules=[
        put_row(
            f"{type_}PolicyPut",
            key={"principal_id": id_},
            set={
                "principal_type": type_,
                "put_at": RECORDED_AT,
                "put_by": FromContext("actor"),
                "put_position": POSITION,
                "reason": FromContext("reason"),
                "ticket": FromContext("ticket"),
            },
        )
        for type_, id_ in _PRINCIPALS.items()
    ]
    + [close_row(f"{type_}PolicyDeleted", key={"principal_id": id_}) for type_, id_ in _PRINCIPALS.items()],
)


def list_inline_policies(view: View, principal_id: str) -> list[Row]:
    """The inline policies of a user or group, ordered by name."""
    return view.rows(
        """
        SELECT i.policy_name AS "PolicyName", i.put_at AS "PutDate", i.put_by AS "PutBy", i.put_position AS "PutPosition"
          FROM {inline_policies} i WHERE i.principal_id = %(id)s ORDER BY i.policy_name COLLATE "C"
        """,
        id=principal_id,
    )


def get_inline_policy(view: View, principal_id: str, policy_name: str) -> Row:
    """An inline policy of a user or group, with its text. Raises NoSuchEntity."""
    rows = view.rows(
        """
        SELECT i.policy_name AS "PolicyName", i.put_at AS "PutDate", i.put_by AS "PutBy", i.put_position AS "PutPosition",
               i.document AS "Document"
          FROM {inline_policies} i WHERE i.principal_id = %(id)s AND i.policy_name = %(name)s
        """,
        id=principal_id,
        name=policy_name,
    )
    if not rows:
        raise NoSuchEntity(f"The policy with name {policy_name} cannot be found.")
    return rows[0]

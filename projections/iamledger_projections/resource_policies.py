"""Policies of resources, with their texts as they were written, and who wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import POSITION, RECORDED_AT, FromContext, Projection, close_row, put_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iamledger.engine.view import Row, View

projection = Projection(
    name="resource_policies",
    description="Policies of resources",
    key=["resource_arn"],
    columns={
        "document": "text",
        "put_at": "timestamptz",
        "put_by": "jsonb",
        "put_position": "bigint",
        "reason": "text",
        "ticket": "text",
    },
    rules=[
        put_row(
            "ResourcePolicyPut",
            set={
                "put_at": RECORDED_AT,
                "put_by": FromContext("actor"),
                "put_position": POSITION,
                "reason": FromContext("reason"),
                "ticket": FromContext("ticket"),
            },
        ),
        close_row("ResourcePolicyDeleted"),
    ],
)


def policies_of(view: View, arns: Sequence[str] | None = None) -> list[Row]:
    """The policies of these resources, or of all, of the longest ARN first: resource_arn, document and how.

    How it came is position, at, by, reason, ticket.
    """
    return view.rows(
        """
        SELECT p.resource_arn, p.document, p.put_position AS position, p.put_at AS at, p.put_by AS by, p.reason, p.ticket
          FROM {resource_policies} p WHERE %(arns)s::text[] IS NULL OR p.resource_arn = ANY(%(arns)s)
         ORDER BY length(p.resource_arn) DESC, p.resource_arn COLLATE "C"
        """,
        arns=None if arns is None else list(arns),
    )

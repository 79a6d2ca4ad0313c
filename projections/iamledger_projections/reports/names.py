"""The names that reports call users, groups and policies by, also those that are gone.

Reports put them in here and not by a join: where the database has no statistics yet, a join of large sets can take minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iamledger.engine.view import View


def last_names(view: View) -> dict[str, str]:
    """By unique id, the last name that each user, group and policy had until the view's moment."""
    return {row["id"]: row["name"] for row in view.rows("SELECT n.id, n.name FROM {principal_names} n")}

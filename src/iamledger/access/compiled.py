"""What users may do at a position of an account's ledger, compiled when first asked for, and kept.

It is kept by account and position, never for a time: at a position, nothing ever changes. The moment at which the position
was recorded belongs to the key as well, which tells ledgers of different databases apart.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from iamledger.access.grants import Grants, read_grants
from iamledger.access.kept import Kept
from iamledger.policy import CompiledPolicies, PolicySet, compile_policies

if TYPE_CHECKING:
    from iamledger.engine.view import View

MOST_GRANTS = 200_000
"""So many users, policies, grants and memberships are kept in all; those of the largest account are about a quarter."""


class Access:
    """The grants of an account, or of one user, at a position, and the policies of each user, compiled."""

    def __init__(self, grants: Grants) -> None:
        self.grants = grants
        self._compiled: dict[tuple[frozenset[str], str | None], CompiledPolicies] = {}

    def policies_of(self, user_id: str) -> CompiledPolicies:
        """A user's policies and boundary, compiled; once for all users who have the same. Raises UnreadablePolicy."""
        grants = self.grants
        labels = frozenset(holding.policy.label for holding in grants.holdings(user_id))
        boundary = grants.boundaries.get(user_id)
        key = labels, boundary[0].label if boundary else None
        if key not in self._compiled:
            self._compiled[key] = compile_policies(grants.policy_set(user_id))
        return self._compiled[key]

    @property
    def size(self) -> int:
        """How much there is to keep."""
        grants = self.grants
        granted = sum(map(len, grants.granted.values())) + sum(map(len, grants.groups_of.values()))
        return 1 + len(grants.users) + len(grants.policies) + granted


NOTHING = compile_policies(PolicySet())
"""The policies of who has none: the root's."""

_kept: Kept[tuple[str, int, datetime, str | None], Access] = Kept(MOST_GRANTS)


def access_of(view: View, user_id: str | None = None) -> Access:
    """The access of all users, or of one of them, as of the view, which must have the projections `grants.READS`."""
    moment = (view.account_id, view.position, view.recorded_at)
    whole = _kept.find((*moment, None))
    if whole is not None:
        return whole
    return _kept.get((*moment, user_id), lambda: Access(read_grants(view, user_id)), lambda made: made.size)


def forget() -> None:
    """Keep nothing of what was compiled so far, to measure what it costs."""
    _kept.clear()

"""What can go wrong with projections."""

from __future__ import annotations


class ProjectionError(Exception):
    """Something is wrong with a projection."""


class NoSuchProjection(ProjectionError):
    """There is no projection of this name."""


class BrokenRule(ProjectionError):
    """An event does not fit the rules of a projection: it opens a row that is open, or touches one that is not.

    `position` is the event's, or 0 where whoever raises this sees no more than a value.
    """

    def __init__(self, reason: str, position: int = 0) -> None:
        super().__init__(reason)
        self.position = position


class ProjectionFailed(ProjectionError):
    """A projection stopped before an event that it could not apply."""


class ProjectionAhead(ProjectionError):
    """A projection is recorded to have come beyond the head of a ledger: its rows cannot be trusted; rebuild it."""


class ProjectionOutdated(ProjectionError):
    """A projection was built by other rules than those of this version; rebuild it."""


class InvalidQuery(ProjectionError):
    """A query that reads projections cannot be understood."""


class RebuildUnderWay(ProjectionError):
    """Somebody else is rebuilding the projection."""

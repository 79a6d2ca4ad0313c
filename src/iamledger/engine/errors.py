"""What can go wrong with projections."""

from __future__ import annotations


class ProjectionError(Exception):
    """Something is wrong with a projection."""


class NoSuchProjection(ProjectionError):
    """There is no projection of this name."""


class ProjectionFailed(ProjectionError):
    """A projection stopped before an event that it could not apply."""


class ProjectionOutdated(ProjectionError):
    """A projection was built by other rules than those of this version; rebuild it."""


class RebuildUnderWay(ProjectionError):
    """Somebody else is rebuilding the projection."""

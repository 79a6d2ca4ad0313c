"""The exit statuses of commands. Nothing is imported for them."""

from __future__ import annotations

REFUSED, DENIED, CONFLICT, UNREACHABLE = 1, 3, 4, 5
"""Errors have these exit statuses, except for DENIED: that is an answer, and says that what was asked for is not so, or that
something was found.
"""

"""Refusals: the errors of IAM, with its codes and HTTP statuses (service model of API version 2010-05-08)."""

from __future__ import annotations

from typing import Any, ClassVar, Self


class Refusal(Exception):
    """A decision that refuses. The class's name is IAM's error code."""

    status: ClassVar[int] = 400
    command: int | None = None
    """Which of several commands was refused, from 0."""
    advice: str | None = None
    """What to do instead, for people, where the message is the service's own and does not say it."""

    @property
    def code(self) -> str:
        """IAM's error code, such as `NoSuchEntity`."""
        return type(self).__name__

    def of(self, what: str) -> Self:
        """The same refusal, told of a thing among many."""
        refusal = type(self)(f"{what}: {self}")
        refusal.advice = self.advice
        return refusal


class ValidationError(Refusal):
    """A value breaks a length, range, pattern or enumeration of IAM's model."""


class InvalidInput(Refusal):
    """A value is well-formed but makes no sense here."""


class NoSuchEntity(Refusal):
    """What was named does not exist."""

    status = 404


class EntityAlreadyExists(Refusal):
    """The name is taken."""

    status = 409


class DeleteConflict(Refusal):
    """Something else must be removed first."""

    status = 409


class LimitExceeded(Refusal):
    """A quota is used up."""

    status = 409


class AccessDenied(Refusal):
    """The caller lacks a permission. Nothing was done, but for the attempt on record."""

    status = 403
    attempt: Any = None
    """The event that records it; None if nothing is to be recorded."""


class InvalidClientTokenId(Refusal):
    """The access key is not one of this account, or not usable."""

    status = 403


class SignatureDoesNotMatch(Refusal):
    """The secret access key is not that of the access key."""

    status = 403


class IdempotentParameterMismatch(Refusal):
    """The request id was used before, for something else."""


class MalformedPolicyDocument(Refusal):
    """A policy document breaks the policy language's grammar. The message has a line for each problem, with its place."""

"""IAM's rules for values: lengths and patterns of the service model (API version 2010-05-08).

`tests/iam/test_constraints.py` holds them against the model that botocore ships.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from iamledger.iam.refusals import InvalidInput, ValidationError


@dataclass(frozen=True, slots=True)
class Constraint:
    """A member of the service model, the length of its value, and the pattern that the whole value matches.

    `words` tells people what is allowed; the service's own message, which has the pattern alone, stays as it is.
    """

    member: str
    shortest: int
    longest: int
    pattern: str | None = None
    words: str | None = None

    def check(self, value: str) -> str:
        """Return the value, or raise ValidationError in the service's own words."""
        self.check_length(value)
        if self.pattern is not None and not self._fits(value):
            raise self._broken(value, f"Member must satisfy regular expression pattern: {self.pattern}", self.words)
        return value

    def check_length(self, value: str) -> None:
        """Raise ValidationError in the service's own words if the value is too short or too long."""
        length = f"Write {self.shortest} to {self.longest} characters."
        if len(value) < self.shortest:
            rule = f"Member must have length greater than or equal to {self.shortest}"
            raise self._broken(value, rule, length if self.shortest == 1 else self.words or length)
        if len(value) > self.longest:
            raise self._broken(value, f"Member must have length less than or equal to {self.longest}", length)

    def _fits(self, value: str) -> bool:
        return re.fullmatch(str(self.pattern), value, re.ASCII) is not None

    def _broken(self, value: str, rule: str, advice: str | None) -> ValidationError:
        shown = ascii(value if len(value) <= 80 else value[:77] + "...")
        refusal = ValidationError(
            f"1 validation error detected: Value {shown} at '{self.member}' failed to satisfy constraint: {rule}"
        )
        refusal.advice = advice
        return refusal


class TagConstraint(Constraint):
    """A part of a tag, whose pattern has classes of Unicode, which Python's `re` does not know."""

    __slots__ = ()

    def _fits(self, value: str) -> bool:
        return all(c in "_.:/=+-@" or unicodedata.category(c)[0] in "LZN" for c in value)


_NAME = "Allowed are a to z, A to Z, digits and _+=,.@-, without spaces."
USER_NAME = Constraint("userName", 1, 64, r"[\w+=,.@-]+", _NAME)
EXISTING_USER_NAME = Constraint("userName", 1, 128, r"[\w+=,.@-]+", _NAME)
GROUP_NAME = Constraint("groupName", 1, 128, r"[\w+=,.@-]+", _NAME)
POLICY_NAME = Constraint("policyName", 1, 128, r"[\w+=,.@-]+", _NAME)
POLICY_PATH = Constraint(
    "path",
    1,
    512,
    r"((/[A-Za-z0-9\.,\+@=_-]+)*)/",
    "A path begins and ends with /, and has a to z, A to Z, digits and .,+@=_- between.",
)
POLICY_DOCUMENT = Constraint(
    "policyDocument",
    1,
    131072,
    r"[\u0009\u000A\u000D\u0020-\u00FF]+",
    "Allowed are tabs, line ends, and the characters of Latin-1.",
)
PATH = Constraint(
    "path",
    1,
    512,
    r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)",
    "A path is / alone, or begins and ends with / and has ASCII characters between, without spaces: /engineering/.",
)
PATH_PREFIX = Constraint(
    "pathPrefix",
    1,
    512,
    r"\u002F[\u0021-\u007F]*",
    "It begins with /, and goes on with ASCII characters, without spaces.",
)
ACCESS_KEY_ID = Constraint(
    "accessKeyId", 16, 128, r"[\w]+", "It is 16 or more letters, digits and _, such as AKIAIOSFODNN7EXAMPLE."
)
_TAG = "Allowed are letters, digits, spaces and _.:/=+-@."
TAG_KEY = TagConstraint("key", 1, 128, r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", _TAG)
TAG_VALUE = TagConstraint("value", 0, 256, r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", _TAG)
# Not of the service model: what the account service and this product add.
ACCOUNT_ID = Constraint("accountId", 12, 12, r"\d{12}", "It is twelve digits.")
ACCOUNT_NAME = Constraint(
    "accountName", 1, 50, r"[ -~]*[!-~][ -~]*", "Allowed are ASCII characters and spaces, but not spaces alone."
)
_MAIL = r"(?u:[^\s@\x00-\x1f\x7f-\x9f\u200b-\u206f\ud800-\udfff]+)"  # nothing invisible, no lone surrogates
EMAIL = Constraint("email", 6, 64, rf"{_MAIL}@{_MAIL}\.{_MAIL}", "An address is like root@acme.example.")
SERVICE = Constraint("serviceName", 1, 128, r"[a-z0-9.-]+", "Allowed are small letters, digits, dots and hyphens: s3.")
REGION = Constraint("region", 1, 64, r"[a-z0-9-]+", "Allowed are small letters, digits and hyphens: eu-central-1.")
_NO_SPACES = "Allowed are ASCII characters, without spaces."
USE = Constraint("use", 1, 512, r"[!-~]+", _NO_SPACES)
REQUEST_ID = Constraint("requestId", 1, 128, r"[!-~]+", _NO_SPACES)
_TEXT = r"[\t\n\r -~\xa0-\ud7ff\ue000-\U0010ffff]*"  # no control characters, no lone surrogates
_NO_CONTROLS = "Allowed are all characters but control characters."
REASON = Constraint("reason", 1, 1000, _TEXT, _NO_CONTROLS)
TICKET = Constraint("ticket", 1, 200, _TEXT, _NO_CONTROLS)
NOTE = Constraint("note", 1, 1000, _TEXT, _NO_CONTROLS)
# Of the service model, which gives them no lengths or no pattern: arnType, policyVersionIdType, policyDescriptionType.
POLICY_ARN = Constraint(
    "policyArn",
    20,
    2048,
    r"arn:aws:iam::(aws|\d{12}):policy(/[A-Za-z0-9.,+@=_-]+)*/[\w+=,.@-]{1,128}",
    "It is like arn:aws:iam::123456789012:policy/operations/deployers.",
)
VERSION_ID = Constraint("versionId", 2, 20, r"v[1-9][0-9]*", "A version is a v and a number: v2.")
POLICY_DESCRIPTION = Constraint("description", 0, 1000, _TEXT, _NO_CONTROLS)

Tags = Sequence[tuple[str, str]]
"""Pairs of key and value; no two keys are equal without regard to case."""


def check_tags(tags: Tags) -> list[tuple[str, str]]:
    """Return the tags of one request, or raise ValidationError or InvalidInput."""
    check_tag_keys([key for key, _ in tags])
    for _, value in tags:
        TAG_VALUE.check(value)
    return list(tags)


def check_tag_keys(keys: Iterable[str]) -> list[str]:
    """Return the tag keys of one request, or raise ValidationError or InvalidInput."""
    checked = [TAG_KEY.check(key) for key in keys]
    if len({key.lower() for key in checked}) < len(checked):
        raise InvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith("aws:") for key in checked):
        raise InvalidInput("Tag keys that start with aws: are reserved for the system.")
    return checked

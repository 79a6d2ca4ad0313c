"""ARNs of resources: `arn:partition:service:region:account:resource`, each of one thing, compared with case.

The general form is that of "Identify AWS resources with ARNs" of the IAM User Guide; the longest is the service model's
arnType. Some services leave the region or the account empty, as S3 does. Here a wildcard, which would name many things, and
what a policy would take for a variable are refused, and so are characters beyond ASCII.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from iamledger.iam.refusals import ValidationError

LONGEST = 2048
_FORM = "arn:partition:service:region:account:resource"


class ResourceArn(NamedTuple):
    """The parts of an ARN after `arn`. `account` is empty where the service names none."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def read_resource_arn(text: str) -> ResourceArn:
    """The parts of an ARN. Raises ValidationError for what cannot be the ARN of one resource."""
    shown = ascii(text if len(text) <= 80 else text[:77] + "...")
    if len(text) > LONGEST:
        raise ValidationError(f"{shown} has {len(text)} characters; an ARN has at most {LONGEST}.")
    if not re.fullmatch("[ -~]*", text):
        raise ValidationError(f"{shown} has a character that is none of printable ASCII.")
    parts = text.split(":", 5)
    if parts[0] != "arn" or len(parts) < 6:
        raise ValidationError(f"{shown} is no ARN. Write {_FORM}, such as arn:aws:s3:::reports.")
    arn = ResourceArn(*parts[1:])
    for part, pattern in (("service", "[a-z0-9][a-z0-9.-]*"), ("region", "[a-z0-9-]*"), ("account", "([0-9]{12})?")):
        if not re.fullmatch(pattern, getattr(arn, part)):
            raise ValidationError(f"{getattr(arn, part)!a} is no {part}, in {shown}. Write {_FORM}.")
    if not arn.resource or arn.resource != arn.resource.strip(" ") or arn.resource.endswith("/"):
        raise ValidationError(f"{shown} names no resource after the fifth colon, or ends with a blank or a slash.")
    if "*" in arn.resource or "?" in arn.resource or "${" in arn.resource:
        raise ValidationError(f"{shown} has a wildcard or a variable. Write the ARN of one resource.")
    return arn


def governing_arns(arn: str) -> list[str]:
    """The ARNs whose policies may govern a request for a resource: its own, and its parents' by `/`, longest first.

    An object in a bucket (`arn:aws:s3:::reports/2026/q3.csv`) is governed by the bucket (`arn:aws:s3:::reports`). What no
    resource can be registered by is left out, so that a long ARN with many slashes makes few.
    """
    if arn.count(":") < 5:
        return []
    whole = str(re.match(f"[ -~]{{0,{LONGEST}}}", arn)[0])  # type: ignore[index]  # it can match nothing
    begun = len(":".join(arn.split(":", 5)[:5])) + 1
    ends = [place for place in range(begun + 1, len(whole) + 1) if arn[place : place + 1] in ("/", "")]
    return [arn[:end] for end in reversed(ends)]

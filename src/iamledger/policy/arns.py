"""ARNs in policies: `arn:partition:service:region:account:resource`.

- A pattern has six parts. It may end before the sixth with a `*`, which then crosses the colons, as in `arn:aws:iam::*`.
  `*` alone is every resource.
- The partition is one that AWS has, or a pattern that matches one.
- The service of a resource is spelled out: IAM says of others "Resource vendor must be fully qualified and cannot contain
  regexes". The values of conditions are not bound to that.
- Policy variables stand after the fifth colon, in documents of version 2012-10-17.
- Region and account are not looked at: services differ.
- `execute-api:/stage/METHOD/path`, which API Gateway takes in its resource policies, is no ARN: API Gateway makes one of it
  when it stores the policy, of its own account and interface, which a policy by itself does not tell.

Sources: "IAM JSON policy elements: Resource" and "Identify AWS resources with ARNs" of the IAM User Guide.
"""

from __future__ import annotations

import re

from iamledger.policy.patterns import Pattern, read_pattern
from iamledger.policy.problems import Malformed
from iamledger.policy.words import did_you_mean, listed, quote

PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc")
_PARTS = ("arn", "partition", "service", "region", "account", "resource")


def read_resource(text: str, *, variables: bool) -> Pattern:
    """A pattern of Resource or NotResource. Raises Malformed."""
    if variables and "${" in ":".join(text.split(":", 5)[:5]):
        raise Malformed(f"{quote(text)} has a policy variable before the fifth colon", "write * there")
    check_arn(text, wildcard_service=False)
    return read_pattern(text, variables=variables)


def check_arn(text: str, *, wildcard_service: bool) -> None:
    """Raise Malformed if a text is neither `*` nor a pattern of ARNs."""
    if text == "*":
        return
    parts = text.split(":", 5)
    if text.startswith("execute-api:/"):
        message = f"{quote(text)} is short for an ARN, which only API Gateway understands"
        raise Malformed(message, f"write arn:aws:execute-api:REGION:ACCOUNT:API-ID{text.partition(':')[2]}")
    if parts[0] != "arn" or len(parts) < 2:
        raise Malformed(f"{quote(text)} is neither an ARN nor *", "write arn:partition:service:region:account:resource")
    _check_partition(parts[1], text)
    if len(parts) < 6 and not (len(parts) > 2 and text.endswith("*")):
        raise Malformed(
            f"{quote(text)} has {len(parts)} of the six parts of an ARN", f"add {listed(_PARTS[len(parts) :], 'and')}"
        )
    service = r"[A-Za-z0-9*?.-]+" if wildcard_service else r"[A-Za-z0-9.-]+"
    if not re.fullmatch(service, parts[2]):
        raise Malformed(f"{quote(parts[2])} in {quote(text)} is no service", "spell out one service")
    if parts[5:] == [""]:
        raise Malformed(f"{quote(text)} names no resource after the fifth colon", "write * for every resource")


def _check_partition(partition: str, arn: str) -> None:
    glob = re.sub(r"\*+", "*", partition)
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in glob)
    if len(glob) > 32 or not any(re.fullmatch(expression, known) for known in PARTITIONS):
        advice = did_you_mean(partition, PARTITIONS) or f"write {listed(PARTITIONS)}"
        raise Malformed(f"{quote(partition)} in {quote(arn)} is no partition", advice)

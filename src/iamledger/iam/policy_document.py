"""What every policy document must be before it is written: of the policy language, and not too large.

The policy language is imported when a document is looked at, which most commands never do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.iam import constraints
from iamledger.iam.refusals import MalformedPolicyDocument

if TYPE_CHECKING:
    from iamledger.policy import Kind


def checked_size(document: str) -> int:
    """The size of an identity policy's text: its characters, white space not counted, as IAM's quotas count.

    Raises ValidationError for its length, MalformedPolicyDocument for its characters and its grammar.
    """
    from iamledger.policy import Kind

    _check(document, Kind.IDENTITY)
    return size(document)


def checked_resource_size(document: str) -> int:
    """The size of a resource's policy in bytes of UTF-8, white space included, as S3's quota counts.

    Raises as `checked_size` does.
    """
    from iamledger.policy import Kind

    _check(document, Kind.RESOURCE)
    return len(document.encode())


def size(document: str) -> int:
    """Characters of a text, white space not counted."""
    from iamledger.policy import size as counted

    return counted(document)


def _check(document: str, kind: Kind) -> None:
    from iamledger.policy import PolicyError, parse

    constraints.POLICY_DOCUMENT.check_length(document)
    try:
        parse(document, kind)
    except PolicyError as error:
        raise MalformedPolicyDocument(str(error)) from None

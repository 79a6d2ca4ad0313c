"""What every policy document must be before it is written: of the policy language, and not too large.

The policy language is imported when a document is looked at, which most commands never do.
"""

from __future__ import annotations

from iamledger.iam import constraints
from iamledger.iam.refusals import MalformedPolicyDocument


def checked_size(document: str) -> int:
    """The size of an identity policy's text: its characters, white space not counted, as IAM's quotas count.

    Raises ValidationError for its length, MalformedPolicyDocument for its characters and its grammar.
    """
    from iamledger.policy import PolicyError, parse

    constraints.POLICY_DOCUMENT.check_length(document)
    try:
        parse(document)
    except PolicyError as error:
        raise MalformedPolicyDocument(str(error)) from None
    return size(document)


def size(document: str) -> int:
    """Characters of a text, white space not counted."""
    from iamledger.policy import size as counted

    return counted(document)

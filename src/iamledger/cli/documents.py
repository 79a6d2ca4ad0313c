"""Policy documents: from a file, or from standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

LARGEST = 1 << 20
"""Bytes that are read of a document; what is longer is no policy (IAM takes 131,072 characters)."""

Document = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="The policy document, JSON; - for standard input.", allow_dash=True, dir_okay=False
    ),
]


def document_text(file: Path) -> str:
    """The text of a policy document, just as it was submitted. Raises MalformedPolicyDocument if it is no text."""
    from iamledger.iam.refusals import MalformedPolicyDocument

    with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
        content = stream.read(LARGEST)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedPolicyDocument(
            f"{file}: byte {error.start + 1} is no UTF-8. Save the document as UTF-8."
        ) from None

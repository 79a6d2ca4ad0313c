"""The vectors of the grammar hold. They are written for any implementation: see the README beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iamledger.policy import Kind, PolicyError, parse

FOLDER = Path(__file__).parents[1] / "vectors" / "policy" / "grammar"
VECTORS = [
    pytest.param(vector, id=f"{file.stem}: {vector['name']}".encode("unicode_escape").decode())
    for file in sorted(FOLDER.glob("*.json"))
    for vector in json.loads(file.read_text("utf-8"))
]


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vector_holds(vector: dict[str, Any]) -> None:
    assert _problems(vector["document"], Kind(vector["kind"])) == vector["problems"]


def test_there_are_hundreds() -> None:
    assert len(VECTORS) > 700


def _problems(document: str, kind: Kind) -> list[dict[str, Any]]:
    try:
        parse(document, kind)
    except PolicyError as refused:
        return [{"line": p.line, "column": p.column, "path": p.path} for p in refused.problems]
    return []

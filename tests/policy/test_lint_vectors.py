"""The vectors of what is found in policies hold. They are written for any implementation: see the README beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iamledger.policy import Kind
from iamledger.policy.lint import CODES, lint
from iamledger.services import Catalogue

FOLDER = Path(__file__).parents[1] / "vectors" / "policy" / "lint"
FILES = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json"))}
VECTORS = [pytest.param(vector, id=f"{stem}: {vector['name']}") for stem, of in FILES.items() for vector in of]
CATALOGUE = Catalogue()


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vector_holds(vector: dict[str, Any]) -> None:
    findings = lint(vector["document"], Kind(vector["kind"]), services=CATALOGUE)
    assert [
        {"severity": f.severity.value, "code": f.code, "line": f.line, "column": f.column, "path": f.path}
        for f in findings
    ] == vector["findings"]


def test_the_place_is_where_the_path_leads() -> None:
    """The places in the vectors are not taken from what is tested alone: the text there is what the path names."""
    seen = 0
    for vector in (vector for of in FILES.values() for vector in of):
        for finding in vector["findings"]:
            last = finding["path"].rpartition(".")[2]
            if finding["code"] == "grammar" or not last:
                continue
            line = vector["document"].split("\n")[finding["line"] - 1][finding["column"] - 1 :]
            value = _at(json.loads(vector["document"]), finding["path"])
            key = last if "[" not in last else None
            assert line.startswith(json.dumps(value).split("\n")[0][:1]) or (key and line.startswith(f'"{key}"'))
            seen += 1
    assert seen > 300


def test_every_code_has_its_vectors_and_there_are_hundreds() -> None:
    told = {finding["code"] for of in FILES.values() for vector in of for finding in vector["findings"]}
    assert told == set(CODES) - {"large-for-inline"}  # which depends on an account's quotas
    assert len(VECTORS) > 200
    assert sum(not vector["findings"] for of in FILES.values() for vector in of) > 80


def _at(document: Any, path: str) -> Any:
    value = document
    for step in path.replace("[", ".[").split("."):
        if step.startswith("["):
            value = value[int(step[1:-1])]
        elif step in value:
            value = value[step]
        else:  # a key with dots in it
            return next(iter(value.values()))
    return value

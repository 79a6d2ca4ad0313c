"""The vectors of the rules hold, for decisions, explanations and the naive evaluator. See the README beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policy import cases, naive_evaluator

FOLDER = Path(__file__).parents[1] / "vectors" / "policy" / "rules"
FILES = sorted(FOLDER.glob("*.json"))
VECTORS = {file.stem: json.loads(file.read_text("utf-8")) for file in FILES}
PARAMETERS = [
    pytest.param(vector, id=f"{stem}: {vector['name']}".encode("unicode_escape").decode())
    for stem, vectors in VECTORS.items()
    for vector in vectors
]


@pytest.mark.parametrize("vector", PARAMETERS)
def test_the_vector_holds(vector: dict[str, Any]) -> None:
    wanted = (vector["outcome"], vector["layer"])
    compiled, request = cases.compiled(vector), cases.request(vector)
    for decision in (compiled.decide(request), compiled.explain(request).decision):
        assert (decision.outcome.value, decision.layer.value) == wanted
    assert naive_evaluator.decide(vector) == wanted


def test_no_rule_lacks_vectors() -> None:
    assert [int(stem[:2]) for stem in VECTORS] == list(range(1, 45))
    for stem, vectors in VECTORS.items():
        assert len(vectors) >= 8, stem
        assert len({vector["outcome"] for vector in vectors}) > 1, stem
        assert len({vector["name"] for vector in vectors}) == len(vectors), stem

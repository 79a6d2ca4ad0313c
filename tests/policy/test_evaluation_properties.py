"""Decisions, explanations and the naive evaluator agree on random policies and requests."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamledger.policy import Layer, Outcome, Policy, Reach
from policy import cases, naive_evaluator, random_cases

SEEDS = st.integers(0, 2**64)


def check(seed: int, requests: int) -> Counter[tuple[str, str]]:
    """What was decided, after it was held against the naive evaluator."""
    random = Random(seed)
    decided: Counter[tuple[str, str]] = Counter()
    policies = random_cases.policies(random)
    compiled = cases.compiled({"policies": policies})
    for _ in range(requests):
        case = random_cases.request(random) | {"policies": policies}
        request = cases.request(case)
        decision, explanation = compiled.decide(request), compiled.explain(request)
        told = (decision.outcome.value, decision.layer.value)
        assert told == naive_evaluator.decide(case), json.dumps(case)
        assert explanation.decision is decision, json.dumps(case)
        lacking = [layer for layer, _ in explanation.lacking]
        if decision.outcome is Outcome.IMPLICIT_DENY:
            assert lacking[0] is decision.layer
            assert not any(source.effect == "Deny" for source in explanation.matched)
        else:
            assert not lacking
        if decision.outcome is Outcome.EXPLICIT_DENY:
            first = next(source for source in explanation.matched if source.effect == "Deny")
            assert first.layer is decision.layer
        assert len(set(explanation.matched)) == len(explanation.matched)
        assert not {miss.source for miss in explanation.would_have_matched} & set(explanation.matched)
        decided[told] += 1
    return decided


@given(seed=SEEDS)
@settings(max_examples=250, deadline=None)
def test_the_evaluators_agree(seed: int) -> None:
    check(seed, 12)


@pytest.mark.slow
def test_the_evaluators_agree_on_hundreds_of_thousands() -> None:
    decided: Counter[tuple[str, str]] = Counter()
    for seed in range(10_000):
        decided += check(seed, 20)
    assert sum(decided.values()) == 200_000
    assert decided.keys() == {
        *(("allowed", layer) for layer in ("identity-based policy", "resource-based policy")),
        *(("explicitDeny", layer.value) for layer in Layer),
        *(("implicitDeny", layer.value) for layer in Layer if layer is not Layer.RESOURCE_CONTROL),
    }


@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_who_can_finds_whoever_is_allowed(seed: int) -> None:
    random = Random(seed)
    documents: list[dict[str, Any]] = [random_cases.document(random) for _ in range(20)]
    policies = [cases.policy_set({"identity": [document]}).identity[0] for document in documents]
    reach = Reach(Policy(str(n), policy.document) for n, policy in enumerate(policies))
    for _ in range(5):
        case = random_cases.request(random) | {"caller": {"arn": "arn:aws:iam::111122223333:user/alice"}}
        case.pop("resource_account", None)
        request = cases.request(case)
        found = {source.label for source in reach.allows(request.action, request.resource)}
        denied = {source.label for source in reach.denies(request.action, request.resource)}
        for n, document in enumerate(documents):
            outcome, _ = naive_evaluator.decide(case | {"policies": {"identity": [document]}})
            assert outcome != "allowed" or str(n) in found, json.dumps([case, document])
            assert outcome != "explicitDeny" or str(n) in denied, json.dumps([case, document])

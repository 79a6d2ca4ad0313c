"""Simulations: which statements they cite, and where those begin and end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from access.made import ACCOUNT
from iamledger.access.grants import Grants, Group, HeldPolicy
from iamledger.access.questions import Question
from iamledger.access.simulation import Inputs, Simulated, Simulation, held, simulate_custom
from iamledger.policy import Caller, Policy, Request, parse

ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}
REQUEST = Request(Caller.of(f"arn:aws:iam::{ACCOUNT}:user/alice"), "s3:GetObject", "arn:aws:s3:::b/k", ACCOUNT, {})


def cited(text: str, statement: dict[str, Any]) -> str:
    """What stands at the position of a matched statement; lines end with LF."""
    starts = [0, *(at + 1 for at, character in enumerate(text) if character == "\n")]
    begin, end = (
        starts[place["Line"] - 1] + place["Column"] - 1
        for place in (statement["StartPosition"], statement["EndPosition"])
    )
    return text[begin:end]


@pytest.mark.parametrize("first", [0, 1])
def test_inline_policies_of_groups_with_the_same_id_are_each_cited(first: int) -> None:
    grants = Grants(ACCOUNT, 1)
    texts = [json.dumps({"Statement": [ALLOW]}), "\n\n" + json.dumps({"Statement": [ALLOW, ALLOW]}, indent=2)]
    policies = []
    for group, name, text in zip(("x_y", "x"), ("z", "y_z"), texts, strict=True):
        grants.groups[group] = Group(group, group, f"arn:aws:iam::{ACCOUNT}:group/{group}")
        policies.append(HeldPolicy(f"inline policy {name} of group {group}", name, "Inline", text, owner=group))
    if first:
        policies.reverse()
    told = Simulation([*held(grants, policies)]).result(REQUEST)["MatchedStatements"]
    assert [one["SourcePolicyId"] for one in told] == ["group_x_y_z"] * 3
    assert [one["StartPosition"]["Line"] for one in told] == [5, 10, 1], "those of one policy stand together"
    for one, text in zip(told, (texts[1], texts[1], texts[0]), strict=True):
        assert json.loads(cited(text, one)) == ALLOW


@pytest.mark.parametrize("digits", [1, 5000])
@pytest.mark.parametrize("indent", [None, 0, 3])
def test_a_statement_ends_with_its_brace(digits: int, indent: int | None) -> None:
    resource = 'arn:aws:s3:::b/}]"\\*'
    statement = {**ALLOW, "Resource": resource, "Condition": {"NumericLessThanIfExists": {"a:n": ["N", "1"]}}}
    text = json.dumps({"Statement": [statement], "Version": "2012-10-17"}, indent=indent).replace('"N"', "9" * digits)
    asked = Question("s3:GetObject", resource.replace("*", "k"))
    (result,) = simulate_custom(Inputs([Simulated(Policy("it", parse(text)))]), [asked])
    (told,) = result["MatchedStatements"]
    assert (told["SourcePolicyId"], told["SourcePolicyType"]) == ("it", "none")
    assert json.loads(cited(text, told), parse_int=str)["Resource"] == resource

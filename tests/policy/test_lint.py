"""What holds for the linting of every policy document: places, soundness, quotas, and that nothing takes long."""

from __future__ import annotations

import json
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamledger.iam.aws_managed import AWS_MANAGED, AwsManagedPolicy
from iamledger.iam.quotas import Quotas
from iamledger.policy import LONGEST, Kind, PolicyError, parse
from iamledger.policy.condition_tests import conditions_test
from iamledger.policy.entries import pattern_test
from iamledger.policy.lint import Finding, Severity, lint
from iamledger.policy.lint.findings import MOST
from iamledger.policy.patterns import read_pattern
from iamledger.services import Catalogue
from policy.documents import documents

CATALOGUE = Catalogue()
GRAMMAR = [
    (vector["document"], Kind(vector["kind"]))
    for file in sorted((Path(__file__).parents[1] / "vectors" / "policy" / "grammar").glob("*.json"))
    for vector in json.loads(file.read_text("utf-8"))
]


def found(document: Any, kind: Kind = Kind.IDENTITY, quotas: Quotas | None = None) -> tuple[Finding, ...]:
    """The findings of a document, given as an object or as a text."""
    text = document if isinstance(document, str) else json.dumps(document)
    return lint(text, kind, services=CATALOGUE, quotas=quotas)


def codes(document: Any, **more: Any) -> list[str]:
    """Their codes."""
    return [finding.code for finding in found(document, **more)]


def allow(action: Any = "s3:GetObject", resource: Any = "arn:aws:s3:::reports/*", **more: Any) -> dict[str, Any]:
    """A document that allows something."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": statement}


# What the product itself brings


@pytest.mark.parametrize("policy", AWS_MANAGED, ids=lambda policy: policy.arn.rpartition("/")[2])
def test_the_policies_that_accounts_come_with_have_no_errors(policy: AwsManagedPolicy) -> None:
    severities = {finding.severity for finding in found(policy.document, quotas=Quotas())}
    assert Severity.ERROR not in severities


# Every text


def check(text: str, kind: Kind) -> None:
    """Findings of the grammar and no others, or others and none of the grammar; in order, each at a place of the text."""
    findings = found(text, kind)
    try:
        parse(text, kind)
    except PolicyError as refused:
        assert [(f.code, f.message) for f in findings] == [("grammar", p.message) for p in refused.problems]
        return
    assert "grammar" not in {finding.code for finding in findings}
    places = [(finding.line, finding.column) for finding in findings]
    assert places == sorted(places)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert all(lines[line - 1][column - 1] in '{["' or column > 1 for line, column in places)


def test_what_the_grammar_accepts_is_linted() -> None:
    for text, kind in GRAMMAR:
        check(text, kind)
    assert len(GRAMMAR) > 700


@settings(deadline=2000)
@given(documents())
def test_every_document_is_linted(document: tuple[str, Kind]) -> None:
    check(*document)


@given(st.text(max_size=60))
def test_every_text_is_linted(text: str) -> None:
    check(text, Kind.IDENTITY)


# What is said is so


VALUES = {
    "String": (["a", "b", "a*", "*", "2.0", "True"], ["a", "b", "ab", "a*", "True"]),
    "Numeric": (["1", "2", "2.0", "3"], ["1", "1.5", "2", "2.0", "3"]),
    "Date": (["2026", "2026-01-01T00:00:00Z", "2027"], ["2025", "2026", "2026-06-01", "2027"]),
    "Bool": (["true", "false"], ["true", "false"]),
    "IpAddress": (["10.0.0.0/8", "10.1.0.0/16", "::/0"], ["10.1.2.3", "10.2.2.3", "::1", "11.0.0.1"]),
}
COMPARISONS = {
    "String": ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"],
    "Numeric": [f"Numeric{c}" for c in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan")],
    "Date": [f"Date{c}" for c in ("Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")],
    "Bool": ["Bool"],
    "IpAddress": ["IpAddress", "NotIpAddress"],
}


@st.composite
def contradicting(draw: st.DrawFn) -> dict[str, Any]:
    """A Condition with one key, whose values are mostly of one type."""
    usual = draw(st.sampled_from(sorted(VALUES)))
    condition: dict[str, Any] = {}
    for _ in range(draw(st.integers(2, 3))):
        type_ = draw(st.sampled_from([*[usual] * 5, *sorted(VALUES)]))
        operator = draw(st.sampled_from(["", "", "", "ForAllValues:", "ForAnyValue:"]))
        operator += draw(st.sampled_from(COMPARISONS[type_])) + draw(st.sampled_from(["", "", "IfExists"]))
        key = draw(st.sampled_from(["aws:k", "aws:K"]))
        condition.setdefault(operator, {})[key] = draw(
            st.lists(st.sampled_from(VALUES[type_][0]), min_size=1, max_size=2)
        )
    if draw(st.booleans()):
        condition["Null"] = {"aws:k": draw(st.sampled_from(["true", "false"]))}
    return condition


@settings(max_examples=400)
@given(contradicting())
def test_what_never_matches_matches_no_request(condition: dict[str, Any]) -> None:
    document = allow(Condition=condition)
    if "never-matches" not in codes(document):
        return
    (statement,) = parse(json.dumps(document)).statements
    holds = conditions_test(statement.conditions)
    assert holds is not None
    single = [value for _, values in VALUES.values() for value in values]
    several = [[], *([value] for value in single), *map(list, product(single, single))]
    requests = [{}, *({"aws:k": value} for value in [*single, *several])]
    assert not any(holds(facts) for facts in requests)


def test_contradictions_are_found_among_such_conditions() -> None:
    """Otherwise the property above would hold of nothing."""
    conditions = [
        {"StringEquals": {"aws:k": "a"}, "StringLike": {"aws:K": "b*"}},
        {"NumericLessThan": {"aws:k": "1"}, "NumericGreaterThan": {"aws:k": "1"}},
        {"Bool": {"aws:k": "true", "aws:K": "false"}},
        {"IpAddress": {"aws:k": "10.1.0.0/16"}, "NotIpAddress": {"aws:k": "10.0.0.0/8"}},
        {"ForAnyValue:DateEquals": {"aws:k": "2026"}, "Null": {"aws:k": "true"}},
    ]
    assert all("never-matches" in codes(allow(Condition=condition)) for condition in conditions)


NAMES = st.text("ab*?", min_size=1, max_size=5)


@settings(max_examples=400)
@given(NAMES, NAMES, st.lists(st.text("ab", max_size=6), max_size=20))
def test_what_is_among_others_matches_nothing_that_they_do_not(one: str, other: str, texts: list[str]) -> None:
    document = allow([f"s3:{one}", f"s3:{other}"], "*")
    redundant = [finding.path for finding in found(document) if finding.code == "redundant-value"]
    tests = [pattern_test(read_pattern(name, variables=False)) or (lambda _: True) for name in (one, other)]
    for path in redundant:
        narrow = int(path[-2])
        assert all(tests[1 - narrow](text) for text in texts if _matches((one, other)[narrow], text))


def _matches(pattern: str, text: str) -> bool:
    """Whether a pattern matches a text, as simply as can be."""
    if not pattern or not text:
        return not text and not pattern.strip("*")
    if pattern[0] == "*":
        return _matches(pattern[1:], text) or _matches(pattern, text[1:])
    return pattern[0] in ("?", text[0]) and _matches(pattern[1:], text[1:])


# Sizes


def sized(characters: int) -> str:
    """A policy with so many characters, white space aside."""
    text = json.dumps(allow(resource="arn:aws:s3:::reports/"), separators=(",", ":"))
    return text.replace("reports/", "reports/" + "x" * (characters - len(text)))


@pytest.mark.parametrize(
    ("characters", "told"),
    [(2048, []), (2049, ["large-for-inline"]), (6144, ["large-for-inline"]), (6145, ["too-large"])],
)
def test_sizes_are_held_against_the_quotas_of_the_account(characters: int, told: list[str]) -> None:
    assert codes(sized(characters), quotas=Quotas()) == told
    assert codes(sized(characters)) == []
    assert codes(sized(characters).replace(",", ",\n        "), quotas=Quotas()) == told


def test_quotas_may_be_raised() -> None:
    assert codes(sized(9000), quotas=Quotas(policy_size=9000, inline_policies_size_per_user=10_000)) == [
        "large-for-inline"
    ]


# Nothing takes long. Limits are of processor time, and several times what is measured

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["".join(letters) for letters in product(LETTERS, repeat=3)]
LIMIT_SECONDS = 8


def _ec2_actions() -> list[str]:
    service = CATALOGUE.service("ec2")
    assert service is not None
    return sorted({name[at : at + 4] for name in service.actions for at in range(len(name) - 3)})


HOSTILE: dict[str, Any] = {
    "wildcards that match": lambda: allow([f"ec2:*{piece}*" for piece in _ec2_actions()], "*"),
    "wildcards that match nothing": lambda: allow([f"ec2:*{word}?*" for word in WORDS[:7000]], "*"),
    "resources": lambda: allow("ec2:*", [f"arn:aws:ec2:*:*:*?*{word}*" for word in WORDS[:4500]]),
    "a resource of many wildcards": lambda: allow("ec2:*", "arn:aws:ec2:*:*:" + "?*a" * 40_000),
    "all services and many resources": lambda: allow(
        [f"{prefix}:*" for prefix in CATALOGUE.prefixes()], [f"arn:aws:ec2:*:*:instance/i-{w}*" for w in WORDS[:3200]]
    ),
    "unknown services": lambda: allow([f"{word}{word}:x" for word in WORDS[:8000]], "*"),
    "unknown actions": lambda: allow([f"ec2:{word}{word}" for word in WORDS[:8000]], "*"),
    "statements": lambda: {
        "Version": "2012-10-17",
        "Statement": [allow("s3:Get*", f"arn:aws:s3:::{word}*")["Statement"] for word in WORDS[:1700]],
    },
    "wide statements": lambda: {
        "Version": "2012-10-17",
        "Statement": [
            allow([f"s3:*{letter}*" for letter in LETTERS], f"arn:aws:s3:::*{word}*")["Statement"]
            for word in WORDS[:350]
        ],
    },
    "keys": lambda: allow(Condition={"StringEquals": {f"aws:PrincipalTag/{word}": "x" for word in WORDS[:4000]}}),
    "one key in many cases": lambda: allow(
        Condition={"StringEquals": {"aws:principal" + _cased("account", n): "x" for n in range(128)}}
    ),
    "values": lambda: allow(
        Condition={
            operator: {"aws:username": [f"{word}*a" if "Like" in operator else word for word in WORDS[:200]]}
            for operator in COMPARISONS["String"]
        }
    ),
    "stars": lambda: allow("s3:" + "*" * 100_000, "*"),
}


def _cased(word: str, number: int) -> str:
    return "".join(letter.upper() if number >> place & 1 else letter for place, letter in enumerate(word))


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_documents_are_linted_in_seconds(make: Any) -> None:
    text = json.dumps(make(), separators=(",", ":"))
    assert len(text) <= LONGEST
    began = time.process_time()
    findings = found(text, quotas=Quotas())
    assert time.process_time() - began < LIMIT_SECONDS
    assert "grammar" not in {finding.code for finding in findings}
    assert len(findings) <= MOST + 1


def test_what_was_not_looked_at_is_an_error() -> None:
    findings = found(allow([f"s3:GetObject{n}*" for n in range(MOST + 5)]))
    assert (findings[-1].code, findings[-1].severity) == ("too-many-findings", Severity.ERROR)

"""Random policy documents that are valid, as hypothesis strategies."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from iamledger.policy import Kind
from iamledger.policy.operators import COMPARISONS, Family

_NAMES = st.text("abcXYZ019", min_size=1, max_size=6)
_TEXTS = st.text("aZ0 *?$/:.\u00e9\u20ac", max_size=8)
_VARIABLES = st.sampled_from(["${aws:username}", "${aws:PrincipalTag/team, 'none'}", "${*}", "${$}", "a${saml:sub}b"])


def _one_or_more(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=3)


ACTIONS = st.one_of(
    st.just("*"), st.builds("{}:{}".format, st.from_regex("[a-z0-9-]+", fullmatch=True), st.text("aZ9*?", min_size=1))
)
RESOURCES = st.one_of(
    st.just("*"),
    st.builds(
        "arn:{}:{}:{}:{}:{}{}".format,
        st.sampled_from(["aws", "aws-cn", "aws-us-gov", "*", "aws*"]),
        st.sampled_from(["s3", "iam", "execute-api"]),
        st.sampled_from(["", "eu-west-1", "*"]),
        st.sampled_from(["", "123456789012", "*"]),
        st.text("ab/*?:", min_size=1, max_size=8),
        st.just("") | _VARIABLES,
    ),
)
OPERANDS: dict[Family, st.SearchStrategy[Any]] = {
    Family.STRING: _TEXTS | st.integers() | st.booleans() | _VARIABLES,
    Family.NUMERIC: st.integers() | st.decimals(-9, 9, places=3).map(str) | st.floats(-1e9, 1e9),
    Family.DATE: st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.integers(10_000, 2**40),
    Family.BOOL: st.sampled_from([True, False, "true", "FALSE"]) | _VARIABLES,
    Family.BINARY: st.sampled_from(["", "QUJD", "QQ=="]),
    Family.IP_ADDRESS: st.ip_addresses(network="10.0.0.0/8").map(str) | st.ip_addresses(v=6).map(lambda a: f"{a}/64"),
    Family.ARN: st.sampled_from(["*", "arn:aws:sns:*:*:topic", "arn:aws:iam::*"])
    | _VARIABLES.filter(lambda v: ":" in v),
    Family.NULL: st.booleans(),
}
KEYS = st.builds("{}:{}".format, st.sampled_from(["aws", "s3", "accounts.google.com"]), _NAMES)


@st.composite
def _conditions(draw: st.DrawFn) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    for comparison in draw(st.lists(st.sampled_from(sorted(COMPARISONS)), unique=True, max_size=3)):
        quantifier = draw(st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]))
        suffix = draw(st.sampled_from(["", "IfExists"])) if comparison != "Null" else ""
        values = _one_or_more(OPERANDS[COMPARISONS[comparison]])
        conditions[quantifier + comparison + suffix] = draw(st.dictionaries(KEYS, values, max_size=2))
    return conditions


PRINCIPALS = st.just("*") | st.fixed_dictionaries(
    {"AWS": _one_or_more(st.sampled_from(["*", "123456789012", "arn:aws:iam::123456789012:role/a/b"]))},
    optional={"Service": st.just("ec2.amazonaws.com"), "Federated": st.just(["accounts.google.com"])},
)


@st.composite
def _statements(draw: st.DrawFn, kind: Kind, index: int) -> dict[str, Any]:
    action = st.just("sts:AssumeRole") if kind is Kind.TRUST else ACTIONS
    negation = st.sampled_from(["", "Not"])
    everything: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Deny"]))}
    if kind not in (Kind.IDENTITY, Kind.SERVICE_CONTROL):
        everything[draw(negation) + "Principal"] = draw(PRINCIPALS)
    everything[draw(negation) + "Action"] = draw(_one_or_more(action))
    if kind is not Kind.TRUST:
        everything[draw(negation) + "Resource"] = draw(_one_or_more(RESOURCES))
    if draw(st.booleans()):
        everything["Sid"] = f"S{index}"
    if draw(st.booleans()):
        everything["Condition"] = draw(_conditions())
    return dict(draw(st.permutations(list(everything.items()))))


KINDS = st.sampled_from([kind for kind in Kind if kind is not Kind.RESOURCE_CONTROL])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, Kind]:
    """A text that is a valid document of a kind, laid out in some way."""
    kind = draw(KINDS)
    statements = [draw(_statements(kind, index)) for index in range(draw(st.integers(1, 3)))]
    document = {"Version": "2012-10-17", "Statement": statements if len(statements) > 1 else statements[0]}
    return json.dumps(document, indent=draw(st.none() | st.integers(0, 2))), kind

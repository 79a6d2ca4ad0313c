"""What is understood of a document: patterns, operands, principals and sizes."""

from __future__ import annotations

from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network

import pytest

from iamledger.policy import (
    Family,
    Kind,
    Operator,
    Pattern,
    Place,
    Principal,
    Quantifier,
    Variable,
    Wildcard,
    parse,
    size,
)
from iamledger.policy.operands import Operand, binary, moment, network, number, read_operand, truth
from iamledger.policy.operators import COMPARISONS, read_operator
from iamledger.policy.patterns import read_pattern

ANY, ONE = Wildcard.ANY, Wildcard.ONE


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("abc", ("abc",)),
        ("*", (ANY,)),
        ("***", (ANY,)),
        ("a*b?c", ("a", ANY, "b", ONE, "c")),
        ("*?*?", (ONE, ONE, ANY)),
        ("${aws:username}", (Variable("aws:username"),)),
        ("a/${aws:x, 'd*'}/*", ("a/", Variable("aws:x", "d*"), "/", ANY)),
        ("${aws:x, ''}", (Variable("aws:x", ""),)),
        ("a${*}${?}${$}b", ("a*?$b",)),
        ("*${*}*", (ANY, "*", ANY)),
        ("${aws:x}${aws:y}", (Variable("aws:x"), Variable("aws:y"))),
        ("$a$", ("$a$",)),
        ("*${aws:x}*", (ANY, Variable("aws:x"), ANY)),
    ],
)
def test_patterns_are_taken_apart(text: str, parts: tuple[object, ...]) -> None:
    assert read_pattern(text, variables=True) == Pattern(text, parts)  # type: ignore[arg-type]


def test_without_variables_and_wildcards_a_text_is_itself() -> None:
    assert read_pattern("${aws:x}*", variables=False).parts == ("${aws:x}", ANY)
    assert read_pattern("a*?", variables=True, wildcards=False).parts == ("a*?",)
    assert read_pattern("${", variables=False, wildcards=False).literal == "${"


def test_a_pattern_knows_what_its_matches_begin_with() -> None:
    assert read_pattern("arn:aws:s3:::b/${aws:x}", variables=True).prefix == "arn:aws:s3:::b/"
    assert read_pattern("*a", variables=True).prefix == ""
    assert read_pattern("", variables=True).literal == ""
    assert read_pattern("a*", variables=True).literal is None
    assert read_pattern("a${*}", variables=True).literal == "a*"


def test_a_document_is_understood() -> None:
    document = parse(
        """{"Version": "2012-10-17", "Id": "x",
        "Statement": [{
          "Sid": "s", "Effect": "Deny", "Principal": {"Service": "s3.amazonaws.com", "AWS": ["*", "123456789012"]},
          "NotAction": ["S3:Get*", "*"], "Resource": "arn:aws:s3:::b/*",
          "Condition": {"ForAnyValue:StringLikeIfExists": {"aws:A": ["x*", 1.50, true]}, "Null": {"aws:B": false}}}]}""",
        Kind.RESOURCE,
    )
    (statement,) = document.statements
    assert (document.version, document.id, statement.sid, statement.effect) == ("2012-10-17", "x", "s", "Deny")
    assert statement.place == Place(2, 23)
    assert statement.principal == (
        *(Principal("AWS", "*"), Principal("AWS", "123456789012")),
        Principal("Service", "s3.amazonaws.com"),
    )
    assert statement.action == statement.not_resource == statement.not_principal == ()
    assert statement.not_action == (Pattern("S3:Get*", ("s3:get", ANY)), Pattern("*", (ANY,)))
    assert statement.resource == (Pattern("arn:aws:s3:::b/*", ("arn:aws:s3:::b/", ANY)),)
    like, null = statement.conditions
    assert like.operator == Operator("StringLike", Quantifier.ANY, if_exists=True)
    assert (like.key, like.values, like.place) == ("aws:A", ("x*", "1.50", "true"), Place(5, 60))
    assert like.operands == (Pattern("x*", ("x", ANY)), Pattern("1.50", ("1.50",)), Pattern("true", ("true",)))
    assert (null.key, null.values, null.operands) == ("aws:B", ("false",), (False,))


def test_everybody_is_one_principal_however_written() -> None:
    template = '{"Statement":{"Effect":"Allow","Principal":%s,"Action":"*"}}'
    assert parse(template % '"*"', Kind.RESOURCE) == parse(template % '{"AWS":"*"}', Kind.RESOURCE)


def test_a_document_without_a_version_is_of_the_older_one() -> None:
    text = '{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"}}'
    document = parse(text)
    assert document.version == "2008-10-17"
    assert document.statements[0].resource[0].literal == "arn:aws:s3:::${aws:username}"


@pytest.mark.parametrize(
    ("operator", "text", "operand"),
    [
        ("StringEquals", "a*", Pattern("a*", ("a*",))),
        ("StringNotLike", "a*", Pattern("a*", ("a", ANY))),
        ("ArnEquals", "arn:aws:iam::*", Pattern("arn:aws:iam::*", ("arn:aws:iam::", ANY))),
        ("NumericEquals", "1e3", Decimal(1000)),
        ("DateEquals", "1970-01-02", Decimal(86400)),
        ("Bool", "TRUE", True),
        ("Bool", "${aws:x}", Pattern("${aws:x}", (Variable("aws:x"),))),
        ("BinaryEquals", "QUJD", b"ABC"),
        ("NotIpAddress", "10.1.2.3/8", IPv4Network("10.0.0.0/8")),
        ("IpAddress", "2001:DB8::1", IPv6Network("2001:db8::1/128")),
        ("Null", "false", False),
    ],
)
def test_operands_have_the_operators_type(operator: str, text: str, operand: Operand) -> None:
    assert read_operand(read_operator(operator), text, variables=True) == operand


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970", "0"),
        ("1970-02", "2678400"),
        ("1970-01-01T00:00Z", "0"),
        ("1970-01-01T01:00+01:00", "0"),
        ("1969-12-31T19:00:00.25-05:00", "0.25"),
        ("1970-01-01T05:30:01+05:30", "1"),
        ("2024-02-29T00:00:00Z", "1709164800"),
        ("1709164800", "1709164800"),
        ("-1", "-1"),
        ("0.5", "0.5"),
        ("0001-01-01", "-62135596800"),
    ],
)
def test_dates_are_seconds_since_1970(text: str, seconds: str) -> None:
    assert moment(text) == Decimal(seconds)


def test_what_is_of_no_type_is_none() -> None:
    assert number("5abc") is moment("soon") is network("localhost") is binary("?") is truth("1") is None
    assert number("0.1") == Decimal("0.1")


def test_operators_know_what_they_are() -> None:
    for name, family in COMPARISONS.items():
        operator = read_operator(name)
        assert (str(operator), operator.family, operator.negated) == (name, family, "Not" in name)
    assert {name for name in COMPARISONS if read_operator(name).wildcards} == {
        *("StringLike", "StringNotLike", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
    }
    assert str(read_operator("ForAllValues:BoolIfExists")) == "ForAllValues:BoolIfExists"
    assert read_operator("ForAllValues:Null").family is Family.NULL


def test_size_counts_what_is_no_white_space() -> None:
    assert size(' {"a b":\t"\r\n\u00e9"} ') == 10
    assert size("\u00a0") == 1

"""Problems read well: they name the thing, the rule and the way out."""

from __future__ import annotations

import pytest

from iamledger.policy import Kind, PolicyError, Problem, parse


def statement(**changed: str) -> str:
    elements = {"Effect": '"Allow"', "Action": '"s3:GetObject"', "Resource": '"*"'} | changed
    body = ",".join(f'"{name}":{value}' for name, value in elements.items() if value)
    return f'{{"Version":"2012-10-17","Statement":{{{body}}}}}'


def said(text: str, kind: Kind = Kind.IDENTITY) -> str:
    with pytest.raises(PolicyError) as refused:
        parse(text, kind)
    return str(refused.value)


def test_a_document_of_several_mistakes_is_told_line_by_line() -> None:
    text = """{
  "version": "2012-10-17",
  "Statement": [
    {"Sid": "Read it", "Effect": "allow", "Action": "s 3:Get", "Resource": "bucket"},
    {"Effect": "Deny", "NotAction": "iam:*", "Resource": "*",
     "Condition": {"StringEqals": {"aws:username": "alice"}}}
  ]
}"""
    assert said(text).splitlines() == [
        'line 2, column 3: version: a policy document has no element "version"; write Version: upper and lower case matter',
        'line 4, column 13: Statement[0].Sid: "Read it" is no Sid of an identity policy; write letters and digits only',
        'line 4, column 34: Statement[0].Effect: "allow" is no effect; write Allow: upper and lower case matter',
        'line 4, column 53: Statement[0].Action: "s 3" in "s 3:Get" is no vendor; it has letters, digits and hyphens only',
        'line 4, column 76: Statement[0].Resource: "bucket" is neither an ARN nor *; '
        "write arn:partition:service:region:account:resource",
        'line 6, column 20: Statement[1].Condition.StringEqals: "StringEqals" is no condition operator; '
        "did you mean StringEquals?",
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"Effect": ""}, "the statement has no Effect; write Allow or Deny"),
        ({"Action": ""}, "the statement has no Action or NotAction"),
        ({"NotAction": '"*"'}, "the statement has both Action and NotAction; keep one of them"),
        ({"Principal": '"*"'}, "an identity policy has no Principal; remove it"),
        ({"Action": '"*:Get"'}, '"*" in "*:Get" is no vendor; spell the vendor out, or write * alone for every action'),
        ({"Action": "[]"}, "an empty array says nothing; write at least one string, or remove it"),
        ({"Action": "5"}, "expected a string and found the number 5"),
        (
            {"Resource": '"arn:aws:s3"'},
            '"arn:aws:s3" has 3 of the six parts of an ARN; add region, account and resource',
        ),
        (
            {"Resource": '"arn:aws-chn:s3:::b"'},
            '"aws-chn" in "arn:aws-chn:s3:::b" is no partition; did you mean aws-cn?',
        ),
        (
            {"Resource": '"arn:aws:iam::${aws:x}:user/a"'},
            '"arn:aws:iam::${aws:x}:user/a" has a policy variable before the fifth colon; write * there',
        ),
        (
            {"Resource": "\"arn:aws:s3:::${aws:x,'y'}\""},
            "the policy variable \"${aws:x,'y'}\" has a malformed default; write ${key, 'default'}",
        ),
        (
            {"Condition": '{"NumericLessThan":{"aws:x":"abc"}}'},
            '"abc" can never match: NumericLessThan takes a number',
        ),
        (
            {"Condition": '{"IpAddress":{"aws:x":"${aws:y}"}}'},
            '"${aws:y}" can never match: IpAddress takes an address or a CIDR block such as 203.0.113.0/24; '
            "policy variables work in String and Arn operators",
        ),
        (
            {"Condition": '{"NullIfExists":{"aws:x":true}}'},
            '"NullIfExists" is no condition operator; Null has no IfExists form, it asks that very question',
        ),
        ({"Condition": '{"Null":{"x":true}}'}, '"x" is no condition key; write vendor:name, such as aws:SourceIp'),
    ],
)
def test_an_identity_policy_is_refused_with_advice(changed: dict[str, str], expected: str) -> None:
    _, _, message = said(statement(**changed)).partition(": ")
    assert message.partition(": ")[2] == expected


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (
            '"123456789012"',
            'the string "123456789012" is no principal; write * or an object such as {"AWS": "123456789012"}',
        ),
        (
            '{"AWS":"arn:aws:iam::123456789012:group/devs"}',
            '"arn:aws:iam::123456789012:group/devs" names no principal of the type AWS; '
            "a group cannot be a principal: name its users",
        ),
        (
            '{"AWS":"arn:aws:iam::123456789012:user/*"}',
            '"arn:aws:iam::123456789012:user/*" names no principal of the type AWS; '
            "an ARN takes no wildcards here: write * alone, with a condition on aws:PrincipalArn",
        ),
        ('{"Services":"ec2.amazonaws.com"}', 'a principal has no element "Services"; did you mean Service?'),
    ],
)
def test_a_resource_policy_is_refused_with_advice(principal: str, expected: str) -> None:
    assert said(statement(Principal=principal), Kind.RESOURCE).endswith(": " + expected)


def test_a_forbidden_character_is_named() -> None:
    assert said('{"Id":"\u20ac"}').splitlines()[1] == (
        "line 1, column 8: the character U+20AC EURO SIGN is not allowed; in a string write \\u20ac"
    )
    assert "in a string write \\ud83d\\ude00" in said('{"Id":"\U0001f600"}')
    assert 'use the straight quote "' in said("{\u201cId\u201d:1}")


def test_long_values_and_keys_are_shortened() -> None:
    text = statement(Resource=f'"{"x" * 5000}"', Condition=f'{{"{"y" * 5000}":{{}}}}')
    assert len(said(text)) < 600


def test_many_problems_end_with_their_number() -> None:
    lines = said(statement(Action="[" + '"x",' * 30 + '"*"]')).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 10 more problems"


def test_a_problem_has_parts_for_programs() -> None:
    with pytest.raises(PolicyError) as refused:
        parse('{"Statement": []}')
    assert refused.value.problems == (
        Problem(1, 15, "Statement", "a policy document needs at least one statement", None),
    )

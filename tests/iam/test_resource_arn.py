"""Which ARNs a resource can have, and which resources may govern a request for one."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as some

from iamledger.iam.refusals import ValidationError
from iamledger.iam.resource_arn import LONGEST, ResourceArn, governing_arns, read_resource_arn

BUCKET = "arn:aws:s3:::reports"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (BUCKET, ResourceArn("aws", "s3", "", "", "reports")),
        (
            "arn:aws-cn:sqs:cn-north-1:123456789012:Jobs",
            ResourceArn("aws-cn", "sqs", "cn-north-1", "123456789012", "Jobs"),
        ),
        (
            "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:disk is full",
            ResourceArn("aws", "cloudwatch", "eu-west-1", "123456789012", "alarm:disk is full"),
        ),
        ("arn:aws:apigateway:eu-west-1::/restapis/a", ResourceArn("aws", "apigateway", "eu-west-1", "", "/restapis/a")),
        ("arn:aws:s3-object-lambda:::x$y", ResourceArn("aws", "s3-object-lambda", "", "", "x$y")),
        ("arn:aws:own.example:::thing", ResourceArn("aws", "own.example", "", "", "thing")),
    ],
)
def test_an_arn_is_taken_apart(text: str, parts: ResourceArn) -> None:
    assert read_resource_arn(text) == parts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no ARN"),
        ("reports", "is no ARN"),
        ("arn:aws:s3", "is no ARN"),
        ("arn:aws:s3::reports", "is no ARN"),
        ("ARN:aws:s3:::reports", "is no ARN"),
        (" arn:aws:s3:::reports", "is no ARN"),
        ("arn:aws:S3:::reports", "'S3' is no service"),
        ("arn:aws::::reports", "'' is no service"),
        ("arn:aws:s*:::reports", "'s\\*' is no service"),
        ("arn:aws:s3:EU::reports", "'EU' is no region"),
        ("arn:aws:s3::12345678901:reports", "'12345678901' is no account"),
        ("arn:aws:s3::aws:reports", "'aws' is no account"),
        ("arn:aws:s3::*:reports", "'\\*' is no account"),
        ("arn:aws:s3:::", "names no resource"),
        ("arn:aws:s3:::/", "names no resource"),
        ("arn:aws:s3::: reports", "names no resource"),
        ("arn:aws:s3:::reports ", "names no resource"),
        ("arn:aws:s3:::reports/", "names no resource"),
        ("arn:aws:s3:::re*", "wildcard"),
        ("arn:aws:s3:::report?", "wildcard"),
        ("arn:aws:s3:::home/${aws:username}", "variable"),
        ("arn:aws:s3:::größe", "printable ASCII"),
        ("arn:aws:s3:::a\0b", "printable ASCII"),
        ("arn:aws:s3:::a\nb", "printable ASCII"),
        ("arn:aws:s3:::a\n", "printable ASCII"),
        ("arn:aws:s3:::\ud800", "printable ASCII"),
        ("arn:aws:s3::١٢٣٤٥٦٧٨٩٠١٢:a", "printable ASCII"),
        ("arn:aws:s3:::" + "x" * 2036, "2049 characters"),
    ],
)
def test_what_is_not_the_arn_of_one_resource_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why) as refused:
        read_resource_arn(text)
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


def test_the_longest_is_that_of_the_service_model() -> None:
    assert read_resource_arn("arn:aws:s3:::" + "x" * (LONGEST - 13)).service == "s3"


@pytest.mark.parametrize(
    ("arn", "governing"),
    [
        (BUCKET, [BUCKET]),
        (f"{BUCKET}/2026/q3.csv", [f"{BUCKET}/2026/q3.csv", f"{BUCKET}/2026", BUCKET]),
        (f"{BUCKET}//x", [f"{BUCKET}//x", f"{BUCKET}/", BUCKET]),
        (f"{BUCKET}/", [f"{BUCKET}/", BUCKET]),
        (
            "arn:aws:apigateway:eu-west-1::/a/b",
            ["arn:aws:apigateway:eu-west-1::/a/b", "arn:aws:apigateway:eu-west-1::/a"],
        ),
        (
            "arn:aws:sqs:eu-west-1:123456789012:a:b/c",
            [f"arn:aws:sqs:eu-west-1:123456789012:a:b{c}" for c in ("/c", "")],
        ),
        (f"{BUCKET}/größe/x", [BUCKET]),
        (f"{BUCKET}/a\0b", [BUCKET]),
        (f"{BUCKET}/a\n", [BUCKET]),
        ("*", []),
        ("", []),
        ("a/b/c", []),
        ("arn:aws:s3:::", []),
    ],
)
def test_a_request_is_governed_by_the_resource_and_its_parents(arn: str, governing: list[str]) -> None:
    assert governing_arns(arn) == governing


def test_what_is_longer_than_any_registered_arn_is_governed_by_its_parents_only() -> None:
    longest = "arn:aws:s3:::" + "x" * (LONGEST - 13)
    assert governing_arns(longest) == [longest]
    assert governing_arns(f"{longest}x") == []
    assert governing_arns(f"{longest}/y") == [longest]


def test_a_hostile_arn_makes_few_and_takes_no_time() -> None:
    begun = perf_counter()
    found = governing_arns("arn:aws:s3:::" + "/" * 1_000_000)
    assert len(found) < LONGEST
    assert perf_counter() - begun < 0.5


@for_all(some.text(alphabet="ab/: *é", max_size=30))
def test_what_governs_is_what_can_be_registered_and_is_the_same_or_a_parent(rest: str) -> None:
    arn = f"arn:aws:s3:::{rest}"
    found = governing_arns(arn)
    assert all(one == arn or arn.startswith(f"{one}/") for one in found)
    assert [len(one) for one in found] == sorted({len(one) for one in found}, reverse=True)
    for end in range(14, len(arn) + 1):
        parent = arn[:end]
        if (parent == arn or arn[end] == "/") and _can_be_registered(parent):
            assert parent in found


def _can_be_registered(arn: str) -> bool:
    try:
        read_resource_arn(arn)
    except ValidationError:
        return False
    return True

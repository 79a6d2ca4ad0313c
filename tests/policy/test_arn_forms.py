"""Patterns of resources against the forms of ARNs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iamledger.policy.lint.arn_forms import ArnForms
from iamledger.policy.patterns import read_pattern
from iamledger.services import Catalogue

S3 = [
    ("bucket", "arn:${Partition}:s3:::${BucketName}"),
    ("object", "arn:${Partition}:s3:::${BucketName}/${ObjectName}"),
    ("job", "arn:${Partition}:s3:${Region}:${Account}:job/${JobId}"),
]


def fitting(pattern: str, forms: list[tuple[str, str]] = S3) -> set[str]:
    """The types that a pattern fits."""
    return set(ArnForms(forms).fitting(read_pattern(pattern, variables=True)))


@pytest.mark.parametrize(
    ("pattern", "types"),
    [
        ("*", {"bucket", "object", "job"}),
        ("arn:aws:s3:::b", {"bucket"}),
        ("arn:aws:s3:::b/o", {"object"}),
        ("arn:aws:s3:::b/", set()),
        ("arn:aws:s3:::b/${aws:username}", {"object"}),
        ("arn:aws:s3:::b*", {"bucket", "object"}),
        ("arn:aws:s3:::b?o", {"bucket", "object"}),
        ("arn:aws:s3:::${aws:username}", {"bucket", "object"}),
        ("arn:aws:s3:*", {"bucket", "object", "job"}),
        ("arn:aws:s3:*:*:job/1", {"bucket", "object", "job"} - {"bucket"}),
        ("arn:aws:s3:eu-west-1:1:job/1", {"job"}),
        ("arn:aws:s3:eu-west-1::job/1", {"job"}),
        ("arn:aws:s3::1:b", set()),
        ("arn:aws:s3::1:job/1", set()),
        ("arn:aws:s3:::job/1", {"object"}),
        ("arn:*:s3:::b", {"bucket"}),
        ("arn:aw?:s3:::b", {"bucket"}),
        ("arn:aws:sqs:::b", set()),
        ("arn:aws:S3:::b", set()),
        ("arn:aws:s3:::" + "b" * 5000, {"bucket", "object", "job"}),
    ],
)
def test_a_pattern_fits(pattern: str, types: set[str]) -> None:
    assert fitting(pattern) == types


def test_a_star_in_a_form_is_anything() -> None:
    anything = [("any", "arn:${Partition}:${Service}:*:*:${Resource}")]
    assert fitting("arn:aws:s3:::b", anything) == {"any"}
    assert fitting("arn:aws:sqs:eu-west-1:1:q", anything) == {"any"}
    assert fitting("arn:aws:sqs:eu-west-1:1:*", anything) == {"any"}


def test_a_form_without_six_parts_fits_nothing() -> None:
    assert fitting("arn:aws:s3:::b", [("broken", "arn:${Partition}:s3")]) == set()


def sample(form: str) -> str:
    """An ARN of a form."""
    return re.sub(r"\$\{(\w+)\}|\*", lambda found: "aws" if found[1] == "Partition" else "x1", form)


def test_every_form_of_the_catalogue_fits_its_own_arns() -> None:
    catalogue = Catalogue()
    unfit, seen = [], 0
    for prefix in catalogue.prefixes():
        service = catalogue.service(prefix)
        assert service is not None
        forms = [(name, arn) for name, type_ in service.resource_types.items() for arn in type_.arns]
        together = ArnForms(forms)
        for name, form in forms:
            seen += 1
            if name not in together.fitting(read_pattern(sample(form), variables=False)):
                unfit.append((prefix, form))
    assert unfit == []
    assert seen > 2000


@given(st.data())
def test_a_pattern_of_an_arn_fits_the_arns_form(data: st.DataObject) -> None:
    """So no resource is found fault with that some ARN of the right type would match."""
    type_, form = data.draw(st.sampled_from(S3))
    names = st.text("ab1", min_size=1, max_size=4)
    arn = re.sub(r"\$\{(\w+)\}", lambda found: "aws" if found[1] == "Partition" else data.draw(names), form)
    *head, resource = arn.split(":", 5)
    parts = [*head[:3], *(data.draw(st.sampled_from([part, "*", f"{part}*"])) for part in head[3:]), resource]
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(parts[5])))
        until = data.draw(st.integers(at, len(parts[5])))
        parts[5] = parts[5][:at] + "*" + parts[5][until:]
    if parts[5]:
        assert type_ in fitting(":".join(parts))

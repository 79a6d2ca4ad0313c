"""What an explanation tells, and who can."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from iamledger.policy import (
    ANONYMOUS,
    Caller,
    CompiledPolicies,
    Explanation,
    Kind,
    Layer,
    Operator,
    Policy,
    PolicySet,
    Reach,
    Request,
    compile_policies,
    parse,
)
from policy import cases

ALICE = Caller.of("arn:aws:iam::111122223333:user/alice", context={"AWS:Username": "alice"})
BUCKET = "arn:aws:s3:::bucket/"


def policy(label: str, *statements: dict[str, Any], kind: Kind = Kind.IDENTITY) -> Policy:
    return Policy(label, parse(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=1), kind))


def allow(action: str = "s3:GetObject", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str = "s3:GetObject", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def explained(policies: PolicySet, request: Request | None = None) -> Explanation:
    return compile_policies(policies).explain(request or Request(ALICE, "s3:GetObject", BUCKET + "key"))


def test_every_statement_that_matches_is_told_with_its_place() -> None:
    readers = policy("ReadOnly, of the group readers", allow("ec2:*"), allow(Sid="Get"), deny("s3:Put*"))
    own = policy("own", allow("s3:*", BUCKET + "*"))
    told = explained(PolicySet(identity=(readers, own)))
    assert str(told.decision) == "allowed: identity-based policy"
    assert {(s.label, s.sid, s.index, s.effect, s.layer) for s in told.matched} == {
        ("ReadOnly, of the group readers", "Get", 1, "Allow", Layer.IDENTITY),
        ("own", None, 0, "Allow", Layer.IDENTITY),
    }
    by_label = {source.label: source for source in told.matched}
    place = by_label["ReadOnly, of the group readers"].place
    assert (place.line, place.column) == (9, 3)
    assert str(by_label["own"]) == "Allow (statement 1, line 4) of own, identity-based policy"
    assert told.lacking == told.would_have_matched == ()


def test_denies_of_all_layers_are_told() -> None:
    policies = PolicySet(
        identity=(policy("own", allow(), deny()),),
        boundary=policy("boundary", deny("s3:*")),
        resource=policy("bucket", deny(Principal="*"), kind=Kind.RESOURCE),
    )
    told = explained(policies)
    assert str(told.decision) == "explicitDeny: resource-based policy"
    assert [(s.label, s.effect) for s in told.matched] == [
        *(("bucket", "Deny"), ("own", "Deny"), ("own", "Allow"), ("boundary", "Deny")),
    ]


def test_a_statement_that_matches_by_two_patterns_is_told_once() -> None:
    twice = {**allow(), "Action": ["s3:Get*", "s3:*"], "Resource": ["*", BUCKET + "*", BUCKET + "key"]}
    assert len(explained(PolicySet(identity=(policy("own", twice),))).matched) == 1
    assert len(explained(PolicySet(identity=(policy("own", *[twice] * 9),))).matched) == 9


def test_what_would_have_been_needed() -> None:
    tag = {"StringEquals": {"aws:PrincipalTag/team": "blue"}, "Bool": {"aws:SecureTransport": "true"}}
    own = policy(
        "own",
        allow("s3:Get*", "arn:aws:s3:::other/*", Sid="Elsewhere"),
        allow("s3:*", BUCKET + "*", Sid="Blue", Condition=tag),
        allow("s3:PutObject", Sid="NotTheAction"),
        allow("s3:GetObject", BUCKET + "${aws:username}/*", Sid="Home", Condition=tag),
        deny(Sid="ADeny", Condition=tag),
    )
    request = Request(ALICE, "s3:GetObject", BUCKET + "key", None, {"aws:SecureTransport": True})
    told = explained(PolicySet(identity=(own,)), request)
    assert told.lacking == ((Layer.IDENTITY, None),)
    assert [
        (miss.source.sid, miss.resource, [condition.key for condition in miss.conditions])
        for miss in told.would_have_matched
    ] == [
        ("Blue", False, ["aws:PrincipalTag/team"]),
        ("Elsewhere", True, []),
        ("Home", True, ["aws:PrincipalTag/team"]),
    ]
    assert str(told.would_have_matched[2]).endswith(
        "but for the resource, the condition StringEquals of aws:PrincipalTag/team"
    )


def test_what_would_have_denied() -> None:
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    own = policy(
        "own",
        allow("s3:*"),
        deny(Sid="Plain", Condition=plain),
        deny(Sid="Tagged", resource=BUCKET + "${aws:RequestTag/x}"),
        deny("s3:Put*", Sid="NotTheAction", Condition=plain),
        deny(Sid="Elsewhere", resource="arn:aws:s3:::other/*", Condition=plain),
    )
    boundary = policy("boundary", allow("*"), deny("*", Sid="Bound", Condition={"Null": {"aws:MFA": "false"}}))
    bob = {"AWS": "arn:aws:iam::111122223333:user/bob"}
    bucket = policy(
        "bucket",
        deny(Sid="Bob", Principal=bob, Condition=plain),
        deny(Sid="Everybody", Principal="*", Condition=plain),
        kind=Kind.RESOURCE,
    )
    policies = PolicySet(identity=(own,), boundary=boundary, session=(own,), resource=bucket)
    told = explained(policies)
    assert told.decision
    assert [
        (miss.source.layer, miss.source.sid, miss.resource, [condition.key for condition in miss.conditions])
        for miss in told.would_have_denied
    ] == [
        (Layer.RESOURCE, "Everybody", False, ["aws:SecureTransport"]),
        (Layer.IDENTITY, "Plain", False, ["aws:SecureTransport"]),
        (Layer.BOUNDARY, "Bound", False, ["aws:MFA"]),
        (Layer.SESSION, "Plain", False, ["aws:SecureTransport"]),
        (Layer.IDENTITY, "Tagged", True, []),
        (Layer.SESSION, "Tagged", True, []),
    ]
    over_plain = Request(ALICE, "s3:GetObject", BUCKET + "key", None, {"aws:SecureTransport": False})
    denied = explained(policies, over_plain)
    assert not denied.decision
    assert denied.would_have_denied == ()


def test_every_lacking_layer_and_level_is_told() -> None:
    nothing = policy("nothing", allow("ec2:StartInstances"))
    control = policy("all", allow("*"), kind=Kind.SERVICE_CONTROL)
    policies = PolicySet((), nothing, (nothing,), None, ((control,), (), (control,)))
    told = explained(policies, Request(ALICE, "s3:GetObject", "*", "444455556666"))
    assert told.lacking == (
        (Layer.SERVICE_CONTROL, 1),
        *((layer, None) for layer in (Layer.RESOURCE, Layer.IDENTITY, Layer.BOUNDARY, Layer.SESSION)),
    )
    assert told.decision.layer is Layer.SERVICE_CONTROL


def test_a_resource_policy_that_names_another_is_a_near_miss() -> None:
    bob = {"AWS": "arn:aws:iam::111122223333:user/bob"}
    bucket = policy("bucket", allow(Principal=bob), kind=Kind.RESOURCE)
    (miss,) = explained(PolicySet(resource=bucket)).would_have_matched
    assert (miss.source.label, miss.caller, miss.resource) == ("bucket", True, False)
    anonymous = explained(PolicySet(resource=bucket), Request(ANONYMOUS, "s3:GetObject", BUCKET))
    assert anonymous.lacking == ((Layer.RESOURCE, None),)
    assert str(anonymous.would_have_matched[0]).endswith("but for the principal")


def test_the_caller_brings_facts_of_its_own() -> None:
    home = PolicySet(identity=(policy("own", allow("s3:*", "arn:aws:s3:::home/${aws:username}/*")),))
    compiled = compile_policies(home)
    assert compiled.decide(Request(ALICE, "s3:GetObject", "arn:aws:s3:::home/alice/x"))
    request = Request(ALICE, "s3:GetObject", "arn:aws:s3:::home/alice/x", None, {"aws:UserName": "bob"})
    assert not compiled.decide(request)


def test_a_principals_side_is_compiled_once_for_many_resources() -> None:
    everybody = policy("open", allow(Principal="*"), kind=Kind.RESOURCE)
    trust = policy("trust", {"Effect": "Allow", "Action": "sts:*", "Principal": "*"}, kind=Kind.TRUST)
    compiled = compile_policies(PolicySet(identity=(policy("own", allow("sts:*")),), resource=trust))
    request = Request(ALICE, "s3:GetObject", BUCKET)
    beside: CompiledPolicies = compiled.beside(everybody)
    assert not compiled.decide(request)
    assert beside.decide(request)
    assert beside.identity is compiled.identity
    assert compiled.trust
    assert not beside.trust
    denied = policy("denied", deny(Principal="*"), kind=Kind.RESOURCE_CONTROL)
    assert beside.beside(everybody, ((denied,),)).decide(request).layer is Layer.RESOURCE_CONTROL


def test_a_document_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="own is an identity policy, and cannot be a resource-based policy"):
        PolicySet(resource=policy("own", allow()))


def test_an_unknown_operator_matches_nothing() -> None:
    parsed = policy("own", allow(Condition={"StringNotEquals": {"aws:a": "x"}}))
    (statement,) = parsed.document.statements
    (condition,) = statement.conditions
    unknown = replace(statement, conditions=(replace(condition, operator=Operator("StringNotSounds")),))
    request = Request(ALICE, "s3:GetObject", BUCKET)
    for statements, allowed in (((statement,), True), ((unknown,), False), ((unknown, statement), True)):
        document = replace(parsed.document, statements=statements)
        assert bool(compile_policies(PolicySet(identity=(Policy("own", document),))).decide(request)) is allowed


def test_who_can_looks_at_few_of_many() -> None:
    policies = [
        policy(f"user-{n}", allow("s3:Get*", f"arn:aws:s3:::bucket-{n}/*", Condition={"Bool": {"aws:x": "true"}}))
        for n in range(200)
    ]
    policies += [policy("admin", allow("*")), policy("home", allow("s3:*", "arn:aws:s3:::bucket-7/${aws:username}"))]
    policies += [policy("guard", deny("s3:*", "arn:aws:s3:::bucket-7*"))]
    reach = Reach(policies)
    found = {source.label for source in reach.allows("s3:getobject", "arn:aws:s3:::bucket-7/x")}
    assert found == {"user-7", "admin", "home"}
    assert [source.label for source in reach.denies("s3:GetObject", "arn:aws:s3:::bucket-7/x")] == ["guard"]
    assert {source.label for source in reach.allows("s3:PutObject", "arn:aws:s3:::bucket-7")} == {"admin"}


LOADS = {
    "resources": lambda n: allow("s3:GetObject", f"arn:aws:s3:::bucket-{n}/*"),
    "actions": lambda n: allow(f"s3:Get{n}", "*"),
    "words": lambda n: allow("s3:GetObject", f"arn:aws:s3:::*/team-{n}/*"),
    "beginnings of actions": lambda n: allow(f"s3:Get{n}x*", "*"),
}
ASKED = [
    ("s3:GetObject", "arn:aws:s3:::bucket-17/x"),
    ("s3:Get17", "*"),
    ("s3:GetObject", "arn:aws:s3:::b/team-17/x"),
    ("s3:Get17xy", "*"),
]


@pytest.mark.parametrize(("make", "asked"), list(zip(LOADS.values(), ASKED, strict=True)), ids=LOADS)
def test_more_statements_are_not_looked_at(make: Any, asked: tuple[str, str]) -> None:
    """Counted, not timed: every test of an entry that is made for a request."""
    documents = [{"Statement": [make(n + 100 * part) for n in range(100)]} for part in range(10)]
    compiled = cases.compiled({"policies": {"identity": documents}})
    assert compiled.identity is not None
    assert compiled.identity.allow is not None
    held = compiled.identity.allow.candidates(asked[0].lower(), asked[1])
    assert len(held) == 1
    assert compiled.decide(Request(ALICE, *asked))

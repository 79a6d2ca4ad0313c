"""Who can: the same as asking each user in turn, also of random accounts, and whoever more context would allow."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.made import ACCOUNT, NOW, grants
from iamledger.access.compiled import Access
from iamledger.access.grants import Grants, HeldPolicy, How, UnreadablePolicy
from iamledger.access.matching import would_deny
from iamledger.access.questions import Question
from iamledger.access.statements import GRANT, is_of_caller
from iamledger.access.texts import about
from iamledger.access.who_can import ALLOWED, CONDITIONAL, who_can
from iamledger.policy import Kind, Outcome, Policy, Reach, parse
from iamledger.principals import known_of_requests
from policy import naive_evaluator, random_cases

SEEDS = st.integers(0, 2**32)


def question(random: Random) -> Question:
    asked = random_cases.request(random)
    context = {f"{key[:4].lower()}{key[4:]}": value for key, value in asked["context"].items()}
    policy = None
    if random.random() < 0.4:
        kind = random.choice(["resource", "resource", "trust"])
        document = json.dumps(random_cases.document(random, kind))
        policy = Policy("of the resource", parse(document, Kind(kind)))
    account = random.choice([ACCOUNT, ACCOUNT, random_cases.OTHER])
    return Question(asked["action"], asked["resource"], context, account, policy)


def allowed_one_by_one(access: Access, asked: Question) -> set[str]:
    """Asks every user in turn."""
    found = set()
    for user_id in access.grants.users:
        policies = access.policies_of(user_id)
        if asked.resource_policy:
            policies = policies.beside(asked.resource_policy)
        if policies.decide(asked.request(access.grants.caller(user_id), ACCOUNT, NOW)):
            found.add(user_id)
    return found


def found(access: Access, asked: Question, status: str = ALLOWED) -> set[str]:
    return {who.user.id for who in who_can(access, asked, NOW) if who.user and who.access == status}


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_who_can_is_whoever_is_allowed_when_asked_in_turn(seed: int) -> None:
    random = Random(seed)
    access = Access(grants(random))
    for _ in range(6):
        asked = question(random)
        assert found(access, asked) == allowed_one_by_one(access, asked)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_who_can_is_whom_the_naive_evaluator_allows(seed: int) -> None:
    random = Random(seed)
    access = Access(grants(random))
    for _ in range(4):
        asked = replace(question(random), resource_policy=None)
        assert found(access, asked) == {id_ for id_ in access.grants.users if _naive(access.grants, id_, asked)}


def _naive(of: Grants, user_id: str, asked: Question) -> bool:
    user = of.users[user_id]
    policies: dict[str, Any] = {
        "identity": [json.loads(held.policy.text or "") for held in of.holdings(user_id)],
        **({"boundary": json.loads(of.boundaries[user_id][0].text or "")} if user_id in of.boundaries else {}),
    }
    case = {
        "caller": {"arn": user.arn, "unique_id": user.id},
        "action": asked.action,
        "resource": asked.resource,
        "resource_account": asked.resource_account,
        "context": {
            **of.caller(user_id).facts,
            **known_of_requests(NOW, asked.resource_account or ACCOUNT),
            **asked.context,
        },
        "policies": policies,
    }
    return naive_evaluator.decide(case)[0] == "allowed"


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_whom_more_context_would_allow_is_told(seed: int) -> None:
    """And nobody is conditional for whom nothing was missing."""
    random = Random(seed)
    access = Access(grants(random))
    for _ in range(4):
        asked = question(random)
        told = found(access, asked) | found(access, asked, CONDITIONAL)
        given = {key.lower() for key, value in asked.context.items() if value != []}
        for _ in range(6):
            other = random_cases.context(random)
            more = {key.lower(): value for key, value in other.items() if key.lower() not in given}
            assert allowed_one_by_one(access, replace(asked, context={**more, **asked.context})) <= told
        full = {f"aws:{name}": "x" for name in ("u", "b", "arn", "l", "m", "none", *random_cases.SCALARS)}
        whole = replace(
            asked, context={**full, **asked.context, **{k: "x" for k, v in asked.context.items() if v == []}}
        )
        assert found(access, whole, CONDITIONAL) == set()


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_whom_more_context_would_deny_is_told(seed: int) -> None:
    """Who can and an explanation tell it of the same users, and of whom they do not, no key makes a Deny match."""
    random = Random(seed)
    access = Access(grants(random))
    for _ in range(4):
        asked = question(random)
        unless = {
            who.user.id: who.hangs_on for who in who_can(access, asked, NOW) if who.user and who.access == ALLOWED
        }
        for user_id in unless:
            policies = access.policies_of(user_id)
            if asked.resource_policy:
                policies = policies.beside(asked.resource_policy)
            caller = access.grants.caller(user_id)
            explanation = policies.explain(asked.request(caller, ACCOUNT, NOW))
            denies = list(would_deny(explanation))
            assert {f"unless {' and '.join(denying.hangs_on)}" for _, denying in denies} == set(unless[user_id])
            given = {key.lower() for key, value in asked.context.items() if value != []}
            for _ in range(0 if denies else 6):
                other = random_cases.context(random)
                more = {
                    k.lower(): v for k, v in other.items() if k.lower() not in given and not is_of_caller(k.lower())
                }
                whole = {**more, **{key: value for key, value in asked.context.items() if value != []}}
                decision = policies.decide(replace(asked, context=whole).request(caller, ACCOUNT, NOW))
                assert decision.outcome is not Outcome.EXPLICIT_DENY


def test_a_deny_that_hangs_on_what_was_not_given_is_told() -> None:
    made = grants(Random(1), users=1, groups=0, policies=0)
    (user,) = made.users.values()
    made.boundaries.clear()
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*", "Condition": {"Bool": {"aws:TLS": "false"}}}
    others = [
        {**deny, "Condition": {"Bool": {"aws:TLS": "false"}, "StringEquals": {"aws:PrincipalTag/none": "x"}}},
        {**deny, "Resource": "arn:aws:s3:::${aws:username}-/${aws:RequestTag/b}"},
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": [allow, deny, *others]})
    made.granted[user.id] = [(HeldPolicy("p v1", "p", "Customer managed", text), How(7, NOW, {}, None, None))]
    of_resource = json.dumps({"Statement": {**deny, "Principal": "*"}})
    asked = Question("s3:DeleteObject", "arn:aws:s3:::b/k")
    root, alice = who_can(Access(made), asked, NOW)
    assert (root.hangs_on, alice.access, alice.hangs_on) == ((), ALLOWED, ("unless Bool aws:TLS false",))
    (row,) = alice.rows(ACCOUNT)
    assert row["If"] == ["unless Bool aws:TLS false"]
    root, _ = who_can(Access(made), replace(asked, resource_policy=Policy("r", parse(of_resource, Kind.RESOURCE))), NOW)
    assert (root.access, root.hangs_on) == (ALLOWED, ("unless Bool aws:TLS false",))
    _, alice = who_can(Access(made), replace(asked, context={"aws:tls": "true"}), NOW)
    assert alice.hangs_on == ()
    assert len(who_can(Access(made), replace(asked, context={"aws:tls": "false"}), NOW)) == 1


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_text_that_is_passed_over_could_not_match(seed: int) -> None:
    random = Random(seed)
    text = json.dumps(random_cases.document(random), indent=random.choice([None, 2]))
    asked = random_cases.request(random)
    reach = Reach([Policy("it", parse(text))])
    reached = reach.allows(asked["action"], asked["resource"]) or reach.denies(asked["action"], asked["resource"])
    if reached:
        assert about(asked["action"], asked["resource"])(text)


def test_most_texts_are_passed_over() -> None:
    could_be = about("s3:GetObject", "arn:aws:s3:::reports/q3.csv")

    def text(action: Any, resource: Any) -> str:
        return json.dumps({"Statement": {"Effect": "Allow", "Action": action, "Resource": resource}})

    for action in ("*", "*:*", ["sqs:*", "*"]):
        assert could_be(text(action, "*")), action
    for action in ("S3:getobject", "s3:G*", "s3:?etObject"):
        assert could_be(text(action, "*")), action
        assert not could_be(text(action, "arn:aws:s3:::reports-old/*")), action
    for resource in (
        "arn:aws:s3:::reports/*",
        "arn:aws:s3:::${aws:username}/*",
        "arn:a*:s3:::*",
        ["arn:aws:s3:::x", "*"],
    ):
        assert could_be(text("s3:GetObject", resource)), resource
        assert not could_be(text(["s3:PutObject", "s3:GetObjectAcl", "sqs:*"], resource)), resource
    lattice = about("vpc-lattice:AssociateViaAWSService-EventsAndStates", "*")
    for action in ("vpc-lattice:AssociateViaAWSService-*", "VPC-Lattice:associateviaawsservice-eventsandstates"):
        assert lattice(text(action, "*")), action
    assert could_be(text("s3:Get*", "arn:aws:sqs:::x").replace("arn", "\\u0061rn")), "escapes are not read"


def test_conditions_that_stand_in_the_way_are_told() -> None:
    made = grants(Random(1), users=0, groups=0, policies=0)
    inner = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "StringEquals": {"aws:PrincipalTag/team": "data"}}
    allow = {
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::${aws:RequestTag/b, 'x'}/*",
        "Condition": inner,
    }
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"BoolIfExists": {"aws:MFA": "false"}}}
    text = json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]})
    policy = HeldPolicy("p v1", "p", "Customer managed", text)
    source = grants(Random(2), users=2)
    for user, team in zip(source.users.values(), ("data", "ops"), strict=True):
        made.users[user.id] = replace(user, tags={"team": team})
        made.granted[user.id].append((policy, next(iter(source.granted.values()))[0][1]))
    asked = Question("s3:GetObject", "arn:aws:s3:::b/k")
    _, conditional = who_can(Access(made), asked, NOW)
    assert (conditional.access, conditional.user and conditional.user.tags) == (CONDITIONAL, {"team": "data"})
    (row,) = conditional.rows(ACCOUNT)
    assert row["If"] == [
        "IpAddress aws:SourceIp 203.0.113.0/24",
        "a value of aws:RequestTag/b",
        "not (BoolIfExists aws:MFA false)",
    ]
    given = {"aws:SourceIp": "203.0.113.9", "aws:RequestTag/b": "b", "aws:MFA": "true"}
    assert len(found(Access(made), replace(asked, context=given))) == 1


def test_the_root_is_told_and_denied_by_the_resource() -> None:
    empty = Access(grants(Random(1), users=0))
    (root,) = who_can(empty, Question("s3:GetObject", "arn:aws:s3:::b/k"), NOW)
    (row,) = root.rows(ACCOUNT)
    told = {"UserName": "root", "Arn": f"arn:aws:iam::{ACCOUNT}:root", "Access": ALLOWED, "Conditions": [], "If": []}
    assert {name: value for name, value in row.items() if value is not None} == told
    deny = '{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}'
    policy = Policy("deny", parse(deny, Kind.RESOURCE))
    assert who_can(empty, Question("s3:GetObject", "arn:aws:s3:::b/k", resource_policy=policy), NOW) == []


def test_who_put_the_policy_of_the_resource_is_told() -> None:
    made = grants(Random(5), users=2, groups=0, policies=0)
    made.granted.clear()
    conditional = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    allow = {"Effect": "Allow", "Principal": {"AWS": [user.arn for user in made.users.values()]}, "Action": "s3:*"}
    root = {**allow, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    put = How(7, NOW, {"type": "LocalOperator", "os_user": "tester"}, "shared", "T-1")
    for statement, count in ((allow, 3), ({**allow, "Condition": conditional}, 3), (root, 1)):
        text = json.dumps({"Statement": {**statement, "Resource": "*"}})
        policy = Policy("of the resource", parse(text, Kind.RESOURCE))
        asked = Question("s3:GetObject", "arn:aws:s3:::b/k", resource_policy=policy, put=put)
        rows = [row for who in who_can(Access(made), asked, NOW) for row in who.rows(ACCOUNT)]
        assert len(rows) == count
        told = [tuple(row[name] for name in GRANT) for row in rows if row["Layer"]]
        assert told, "somebody has it by the policy of the resource"
        assert set(map(repr, told)) == {repr((7, NOW, put.by, "shared", "T-1"))}


def test_a_policy_that_cannot_be_read_is_no_answer() -> None:
    made = grants(Random(3))
    lost = HeldPolicy("lost", "lost", "Managed", None)
    made.granted[next(iter(made.users))].append((lost, next(iter(made.granted.values()))[0][1]))
    with pytest.raises(UnreadablePolicy, match="lost has no version in force"):
        who_can(Access(made), Question("s3:GetObject", "arn:aws:s3:::b/k"), NOW)

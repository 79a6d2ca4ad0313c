"""Answers from a real ledger: at every position what a naive evaluator says, with the positions of the very grants."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from conftest import ACCOUNT, OPERATOR, Urls, new_ledger
from iamledger.access import compiled
from iamledger.access.answers import Answer, can, decide
from iamledger.access.compiled import access_of
from iamledger.access.grants import READS
from iamledger.access.questions import Question, named_principal
from iamledger.access.who_can import ALLOWED, who_can
from iamledger.engine.view import open_view
from iamledger.iam import attachment, group, inline_policy, managed_policy, membership, permissions_boundary, user
from iamledger.iam.refusals import NoSuchEntity, Refusal, ValidationError
from iamledger.ledger import Circumstances, Ledger
from iamledger.policy import Layer, Outcome
from iamledger.store import Connection, Database
from iamledger_projections import projections
from policy import naive_evaluator, random_cases

USERS, GROUPS, POLICIES = ("alice", "bob", "carol"), ("g1", "g2"), ("p1", "p2", "p3")


@dataclass
class State:
    """What is in force, told with dicts: documents by policy, and the position of each grant."""

    documents: dict[str, Any] = field(default_factory=dict)
    """Of managed policies by name, of inline ones by owner and name."""
    granted: dict[tuple[str, Any], int] = field(default_factory=dict)
    """By owner and policy."""
    members: dict[tuple[str, str], int] = field(default_factory=dict)
    bounds: dict[str, tuple[str, int]] = field(default_factory=dict)

    def ways(self, name: str) -> Iterator[tuple[Any, int, str | None, int | None]]:
        """Every policy that a user has: which, granted where, through which group, joined where."""
        owners = [(name, None), *((g, joined) for (u, g), joined in self.members.items() if u == name)]
        for owner, joined in owners:
            for (holder, policy), position in self.granted.items():
                if holder == owner:
                    yield policy, position, owner if joined else None, joined


@dataclass
class History:
    """A ledger, and its state after each position from the first grant on."""

    connection: Connection
    ledger: Ledger
    states: dict[int, State]

    def view(self, position: int | None = None) -> Any:
        named = [projections()[name] for name in READS]
        return open_view(self.connection, ACCOUNT, named, position=position)


def random_history(ledger: Ledger, connection: Connection, seed: int, steps: int) -> History:
    """Grants that come and go."""
    random, state, states = Random(seed), State(), {}

    def do(decision: Callable[..., Any], **arguments: Any) -> int | None:
        ledger.circumstances = Circumstances(OPERATOR, reason=f"step {len(states)}")
        try:
            return ledger.execute(decision, **arguments).last
        except Refusal:
            return None

    def text() -> tuple[Any, str]:
        document = random_cases.document(random)
        return document, json.dumps(document)

    for name in USERS:
        do(user.create_user, name=name, tags=[("team", name)])
    for name in GROUPS:
        do(group.create_group, name=name)
    for name in POLICIES:
        state.documents[name], document = text()
        do(managed_policy.create_policy, name=arn(name), document=document)
    while len(states) < steps:
        name, group_, policy = random.choice(USERS), random.choice(GROUPS), random.choice(POLICIES)
        owner = random.choice((*USERS, *GROUPS))
        whom = {"user" if owner in USERS else "group": owner}
        step = random.randrange(9)
        if step in (0, 1):
            attach = attachment.attach_user_policy if owner in USERS else attachment.attach_group_policy
            if at := do(attach, **whom, policy=arn(policy)):
                state.granted[owner, policy] = at
        elif step == 2:
            detach = attachment.detach_user_policy if owner in USERS else attachment.detach_group_policy
            if at := do(detach, **whom, policy=arn(policy)):
                del state.granted[owner, policy]
        elif step == 3:
            document, written = text()
            put = inline_policy.put_user_policy if owner in USERS else inline_policy.put_group_policy
            if at := do(put, **whom, policy_name="own", document=written):
                state.documents[owner, "own"], state.granted[owner, (owner, "own")] = document, at
        elif step == 4:
            delete = inline_policy.delete_user_policy if owner in USERS else inline_policy.delete_group_policy
            if at := do(delete, **whom, policy_name="own"):
                del state.granted[owner, (owner, "own")]
        elif step == 5:
            if at := do(membership.add_user_to_group, user=name, group=group_):
                state.members[name, group_] = at
        elif step == 6:
            if at := do(membership.remove_user_from_group, user=name, group=group_):
                del state.members[name, group_]
        elif step == 7:
            put_boundary = permissions_boundary.put_user_permissions_boundary
            if at := do(put_boundary, user=name, policy=arn(policy)):
                state.bounds[name] = policy, at
        else:
            document, written = text()
            version = managed_policy.create_policy_version
            at = do(version, policy=arn(policy), document=written, set_as_default=True)
            if at:
                state.documents[policy] = document
        if at:
            states[at] = deepcopy(state)
    return History(connection, ledger, states)


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


@pytest.fixture(scope="module")
def history(new_database: Callable[[], Urls]) -> Iterator[History]:
    from iamledger.iam.account import create_account

    database = Database(new_database().application)
    ledger = new_ledger(database)
    ledger.execute(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")
    yield random_history(ledger, database.connection, 20261124, 60)
    database.close()


def a_question(random: Random) -> Question:
    asked = random_cases.request(random)
    asked["context"] = {key.lower(): value for key, value in asked["context"].items()}
    return Question(asked["action"], asked["resource"], asked["context"], resource_account=ACCOUNT)


def naive(state: State, name: str, asked: Question, answer: Answer) -> tuple[str, str]:
    request = answer.explanation.request
    policies: dict[str, Any] = {"identity": [state.documents[policy] for policy, *_ in state.ways(name)]}
    if name in state.bounds:
        policies["boundary"] = state.documents[state.bounds[name][0]]
    return naive_evaluator.decide(
        {
            "caller": {"arn": f"arn:aws:iam::{ACCOUNT}:user/{name}"},
            "action": asked.action,
            "resource": asked.resource,
            "context": {**request.caller.facts, **request.context},
            "policies": policies,
        }
    )


def test_every_position_has_the_answers_of_a_naive_evaluator(history: History) -> None:
    random = Random(1)
    decided = set()
    for position, state in history.states.items():
        questions = [a_question(random) for _ in range(4)]
        with history.view(position) as view:
            for asked in questions:
                allowed = set()
                for name in USERS:
                    principal = named_principal(view, name)
                    answer = can(view, principal, asked)
                    decision = answer.explanation.decision
                    assert (decision.outcome.value, decision.layer.value) == naive(state, name, asked, answer)
                    assert decide(view, principal, asked) == decision
                    check_rows(answer, state, name)
                    decided.add(answer.words)
                    allowed |= {name} if answer.allowed else set()
                told = [who for who in who_can(access_of(view), asked, view.time) if who.access == ALLOWED]
                assert {who.user.name for who in told if who.user} == allowed
    assert len(decided) == 3


def check_rows(answer: Answer, state: State, name: str) -> None:
    """Every row tells a way that the user has, and no way to a statement that is told is left out."""
    ways = {
        (policy if isinstance(policy, str) else policy[1], position, group, joined)
        for policy, position, group, joined in state.ways(name)
    }
    rows = [row for row in (*answer.matched(), *answer.near_misses()) if row["Layer"] == Layer.IDENTITY.value]
    told = {(row["PolicyName"], row["GrantedPosition"], row["GroupName"], row["AddedToGroupPosition"]) for row in rows}
    assert told <= ways
    managed = {policy for policy, *_ in told if policy != "own"}
    assert {way for way in ways if way[0] in managed} <= told
    for row in answer.matched():
        if row["Layer"] == Layer.BOUNDARY.value:
            assert (row["PolicyName"], row["GrantedPosition"]) == state.bounds[name]
        assert row["GrantedBy"] == OPERATOR.told()


def test_what_was_compiled_is_kept_by_position(history: History) -> None:
    positions = list(history.states)[-4:]
    found = []
    for position in (*positions, *positions):
        with history.view(position) as view:
            found.append(access_of(view))
            assert found[-1].grants.position == position
    assert found[:4] == found[4:]
    assert len({id(access) for access in found}) == 4
    first = found[0].policies_of(next(iter(found[0].grants.users)))
    assert found[0].policies_of(next(iter(found[0].grants.users))) is first


def test_the_present_changes_with_the_ledger(history: History) -> None:
    """A grant is seen at once, and a revocation too: nothing is kept for a time."""
    asked = Question("s3:GetObject", "arn:aws:s3:::reports/q3.csv")
    everything = '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
    history.ledger.execute(user.create_user, name="zoe")
    said = []
    for decision, more in (
        (inline_policy.put_user_policy, {"policy_name": "all", "document": everything}),
        (inline_policy.delete_user_policy, {"policy_name": "all"}),
    ):
        history.ledger.execute(decision, user="zoe", **more)
        with history.view() as view:
            answer = can(view, named_principal(view, "zoe"), asked)
            said.append(answer.allowed)
    assert said == [True, False]


def test_two_ledgers_at_the_same_position_are_told_apart(new_database: Callable[[], Urls]) -> None:
    from iamledger.iam.account import create_account

    said = []
    for effect in ("Allow", "Deny"):
        database = Database(new_database().application)
        ledger = new_ledger(database)
        ledger.execute(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")
        ledger.execute(user.create_user, name="alice")
        text = json.dumps({"Statement": {"Effect": effect, "Action": "*", "Resource": "*"}})
        ledger.execute(inline_policy.put_user_policy, user="alice", policy_name="own", document=text)
        with open_view(database.connection, ACCOUNT, [projections()[name] for name in READS]) as view:
            everybody = who_can(access_of(view), Question("s3:GetObject", "*"), view.time)
            said.append((view.position, len(everybody)))
        database.close()
    assert said[0][0] == said[1][0]
    assert [count for _, count in said] == [2, 1]


def test_principals_by_every_name(history: History) -> None:
    with history.view() as view:
        by_name = named_principal(view, "ALICE")
        assert (by_name.name, by_name.arn) == ("alice", f"arn:aws:iam::{ACCOUNT}:user/alice")
        assert named_principal(view, by_name.user_id or "") == named_principal(view, by_name.arn) == by_name
        root = named_principal(view, "root")
        assert root.is_root
        assert named_principal(view, f"arn:aws:iam::{ACCOUNT}:root") == root
        assert named_principal(view, "group/g1", groups=True).group_id
        assert named_principal(view, f"arn:aws:iam::{ACCOUNT}:group/g1", groups=True).name == "g1"
        for unknown in ("nobody", f"arn:aws:iam::{ACCOUNT}:user/other/alice", "arn:aws:iam::999999999999:user/alice"):
            with pytest.raises(NoSuchEntity):
                named_principal(view, unknown)
        for wrong in ("group/g1", f"arn:aws:iam::{ACCOUNT}:group/g1", "arn:aws:s3:::b", "", "a b", "\x00"):
            with pytest.raises(ValidationError):
                named_principal(view, wrong)


def test_the_time_of_a_view_decides(history: History) -> None:
    """A policy that ended yesterday: today it is over, and as of a position before, it was not."""
    conditions = {
        "DateLessThan": {"aws:CurrentTime": "2100-01-01T00:00:00Z"},
        "NumericGreaterThan": {"aws:EpochTime": 0},
    }
    text = json.dumps(
        {"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": conditions}},
    )
    history.ledger.execute(inline_policy.put_group_policy, group="g1", policy_name="until", document=text)
    history.ledger.execute(user.create_user, name="yan")
    history.ledger.execute(membership.add_user_to_group, user="yan", group="g1")
    asked = Question("ec2:RunInstances", "*")
    with history.view() as view:
        yan = named_principal(view, "yan")
        context = can(view, yan, asked).explanation.request.context
        later = Question(asked.action, asked.resource, {"aws:currenttime": "2100-06-01"})
        assert context["aws:CurrentTime"] == _text(view.time)
        missed = {row["PolicyName"]: row["ButFor"] for row in can(view, yan, later).near_misses()}
        assert missed["until"] == ["DateLessThan aws:CurrentTime 2100-01-01T00:00:00Z"]
    with history.view(view.position) as same:
        request = can(same, yan, asked).explanation.request
        assert request.context["aws:CurrentTime"] == _text(same.recorded_at)
        assert request.context["aws:EpochTime"] == str(int(same.recorded_at.timestamp()))


def test_an_answer_tells_of_the_denies_that_hang_on_what_was_not_given(history: History) -> None:
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    deny = {"Sid": "OverTls", "Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}
    statements = [
        allow,
        {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {**deny, "Sid": "Tagged", "Resource": "arn:aws:s3:::site/${aws:RequestTag/b}"},
        {**deny, "Sid": "NotTagged", "Condition": {"StringEquals": {"aws:PrincipalTag/none": "x"}}},
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    history.ledger.execute(user.create_user, name="xia")
    history.ledger.execute(inline_policy.put_user_policy, user="xia", policy_name="own", document=text)
    with history.view() as view:
        xia = named_principal(view, "xia")

        def asked(**context: str) -> Answer:
            given = {f"aws:{name}": value for name, value in context.items()}
            return can(view, xia, Question("s3:DeleteObject", "arn:aws:s3:::site/x", given))

        answer = asked()
        assert answer.allowed
        assert [(row["Effect"], row["Sid"], row["If"]) for row in answer.would_deny()] == [
            ("Deny", "OverTls", ["Bool aws:SecureTransport false (not given)"]),
            ("Deny", "Tagged", ["a value of aws:RequestTag/b (not given)"]),
        ]
        assert answer.missing_keys() == ["aws:RequestTag/b", "aws:SecureTransport"]
        answer = asked(SecureTransport="true")
        assert answer.missing_keys() == ["aws:RequestTag/b"]
        answer = asked(SecureTransport="false")
        assert (answer.words, answer.would_deny()) == ("DENIED (explicit)", [])


def _text(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def test_the_resource_of_another_account(history: History) -> None:
    with history.view() as view:
        root = named_principal(view, "root")
        answer = can(view, root, Question("sqs:SendMessage", "arn:aws:sqs:eu-west-1:999999999999:queue"))
        assert answer.words == "DENIED (implicit)"
        assert answer.reasons == ["The resource is of account 999999999999, and no policy of the resource allows it."]
        here = can(view, root, Question("sqs:SendMessage", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:queue"))
        assert here.reasons == ["The account's root may do everything in its account."]


def test_a_decision_explains_nothing(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("an explanation was made")

    monkeypatch.setattr("iamledger.policy.compiled.Explanation", never)
    with history.view() as view:
        asked = named_principal(view, "alice"), Question("s3:GetObject", "*")
        assert decide(view, *asked).outcome in Outcome
        with pytest.raises(AssertionError, match="an explanation was made"):
            can(view, *asked)


def test_what_is_kept_has_a_size() -> None:
    kept: compiled.Kept[str, str] = compiled.Kept(10)
    made = []

    def make(name: str) -> Callable[[], str]:
        return lambda: made.append(name) or name  # type: ignore[func-returns-value]

    for name in ("aaaa", "bbbb", "aaaa", "cccc", "bbbb", "x" * 20):
        kept.get(name, make(name), len)
    assert made == ["aaaa", "bbbb", "cccc", "bbbb", "x" * 20]
    assert len(kept) == 1
    assert kept.find("aaaa") is None

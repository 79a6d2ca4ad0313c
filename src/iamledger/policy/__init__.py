"""IAM's policy language, as a library of its own: pure, and without a thing from the rest of iamledger.

    from iamledger.policy import Kind, PolicyError, parse

    try:
        document = parse(text, Kind.TRUST)
    except PolicyError as refused:
        for problem in refused.problems:
            print(problem.line, problem.column, problem.path, problem.message, problem.advice)

Policies are compiled once, and then decide any number of requests:

    from iamledger.policy import Caller, Policy, PolicySet, Request, compile_policies

    compiled = compile_policies(PolicySet(identity=(Policy("of the group readers", document),)))
    alice = Caller.of("arn:aws:iam::123456789012:user/alice", context={"aws:username": "alice"})
    request = Request(alice, "s3:GetObject", "arn:aws:s3:::reports/2026.csv")
    if not compiled.decide(request):
        print(compiled.explain(request).would_have_matched)

What the reading and the decisions keep to stands in the docstrings of the modules, with its sources; the rules that they
name by number are those of the vectors in `tests/vectors/policy/rules`. "(?)" marks a choice where IAM's guide is silent.
"""

from iamledger.policy.callers import ANONYMOUS, Caller, Grant
from iamledger.policy.characters import LONGEST, size
from iamledger.policy.compiled import CompiledPolicies, compile_policies
from iamledger.policy.document import Condition, PolicyDocument, Principal, Statement
from iamledger.policy.explanations import Explanation
from iamledger.policy.grammar import parse
from iamledger.policy.kinds import Kind
from iamledger.policy.near_misses import NearMiss
from iamledger.policy.operators import Family, Operator, Quantifier
from iamledger.policy.patterns import Pattern, Variable, Wildcard
from iamledger.policy.policy_sets import PolicySet
from iamledger.policy.problems import Place, PolicyError, Problem
from iamledger.policy.reach import Reach
from iamledger.policy.requests import Decision, Layer, Outcome, Request
from iamledger.policy.sources import Policy, Source

__all__ = [
    "ANONYMOUS",
    "LONGEST",
    "Caller",
    "CompiledPolicies",
    "Condition",
    "Decision",
    "Explanation",
    "Family",
    "Grant",
    "Kind",
    "Layer",
    "NearMiss",
    "Operator",
    "Outcome",
    "Pattern",
    "Place",
    "Policy",
    "PolicyDocument",
    "PolicyError",
    "PolicySet",
    "Principal",
    "Problem",
    "Quantifier",
    "Reach",
    "Request",
    "Source",
    "Statement",
    "Variable",
    "Wildcard",
    "compile_policies",
    "parse",
    "size",
]

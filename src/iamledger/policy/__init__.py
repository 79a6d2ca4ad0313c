"""IAM's policy language, as a library of its own: pure, and without a thing from the rest of iamledger.

    from iamledger.policy import Kind, PolicyError, parse

    try:
        document = parse(text, Kind.TRUST)
    except PolicyError as refused:
        for problem in refused.problems:
            print(problem.line, problem.column, problem.path, problem.message, problem.advice)

What the reading keeps to stands in the docstrings of the modules, with its sources.
"""

from iamledger.policy.characters import LONGEST, size
from iamledger.policy.document import Condition, PolicyDocument, Principal, Statement
from iamledger.policy.grammar import parse
from iamledger.policy.kinds import Kind
from iamledger.policy.operators import Family, Operator, Quantifier
from iamledger.policy.patterns import Pattern, Variable, Wildcard
from iamledger.policy.problems import Place, PolicyError, Problem

__all__ = [
    "LONGEST",
    "Condition",
    "Family",
    "Kind",
    "Operator",
    "Pattern",
    "Place",
    "PolicyDocument",
    "PolicyError",
    "Principal",
    "Problem",
    "Quantifier",
    "Statement",
    "Variable",
    "Wildcard",
    "parse",
    "size",
]

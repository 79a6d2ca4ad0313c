"""Comparing what policies allow, not how they are written: what differs, what is new, and a request that shows it.

    from iamledger.policy.comparing import Budget, novelties

    for novelty in novelties(new_document, old_document, Budget()):
        print(novelty.proven, novelty.action, novelty.resource, novelty.witness)

Patterns are automata (`automata.py`), and what several of them have in common, or leave out, is found by following all of
them at once (`exploring.py`): so a request is found that tells two policies apart, or it is shown that there is none.
Conditions are compared by what they ask (`implications.py`), and tried out in contexts made for them (`contexts.py`).

- `differences.py`: what a caller may do under one set of policies and not under another, beside policies of resources,
  of which each counts in its own area (`areas.py`).
- `novelties.py`: whether a document grants anything that another one does not, to whomever and in whatever context.

Work is bounded (`Budget`), and what was not compared for that is told, never left out.
"""

from iamledger.policy.comparing.areas import NOWHERE, Areas, Governed, both, clipped
from iamledger.policy.comparing.automata import Glob, action_glob, resource_glob
from iamledger.policy.comparing.contexts import satisfying, told_conditions, violating
from iamledger.policy.comparing.differences import Compared, Difference, differences, includes
from iamledger.policy.comparing.exploring import Budget, Exhausted, covers, meets
from iamledger.policy.comparing.instances import instance
from iamledger.policy.comparing.meanings import Actions
from iamledger.policy.comparing.naming import Cause
from iamledger.policy.comparing.novelties import Novelty, novelties
from iamledger.policy.comparing.sides import counts
from iamledger.policy.comparing.telling import ToldActions

__all__ = [
    "NOWHERE",
    "Actions",
    "Areas",
    "Budget",
    "Cause",
    "Compared",
    "Difference",
    "Exhausted",
    "Glob",
    "Governed",
    "Novelty",
    "ToldActions",
    "action_glob",
    "both",
    "clipped",
    "counts",
    "covers",
    "differences",
    "includes",
    "instance",
    "meets",
    "novelties",
    "resource_glob",
    "satisfying",
    "told_conditions",
    "violating",
]

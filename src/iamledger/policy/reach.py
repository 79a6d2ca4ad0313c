"""Who can: of many policies, the statements that could be about an action and a resource, without asking each policy.

It goes from the index outward: nothing is looked at that could not match. Conditions are taken to hold, and variables to
have any value, so that what is found is what may matter; who wants to be sure decides the request of each caller that the
labels lead to. Denies are found as well as Allows.
"""

from __future__ import annotations

from collections.abc import Iterable

from iamledger.policy.callers import ANONYMOUS
from iamledger.policy.index import Index
from iamledger.policy.requests import Layer, Request
from iamledger.policy.sources import Policy, Source, sources


class Reach:
    """Many policies by what they are about. A label may belong to many policies, and a policy to many principals.

    `layer` is what the policies are; of resource policies, each source tells the principals that it names.
    """

    def __init__(self, policies: Iterable[Policy], layer: Layer = Layer.IDENTITY) -> None:
        every = [source for policy in policies for source in sources(policy, layer)]
        self._allow = Index((source for source in every if source.effect == "Allow"), possible=True)
        self._deny = Index((source for source in every if source.effect == "Deny"), possible=True)

    def allows(self, action: str, resource: str) -> list[Source]:
        """The Allows that could match, each once, in no particular order."""
        return self._allow.all(action.lower(), resource, Request(ANONYMOUS, action, resource), [])

    def denies(self, action: str, resource: str) -> list[Source]:
        """The Denies that could match, each once, in no particular order."""
        return self._deny.all(action.lower(), resource, Request(ANONYMOUS, action, resource), [])

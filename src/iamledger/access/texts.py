"""Which policies can be left unread: a look at their texts tells that they are not about an action and a resource.

A text is looked at for strings that could be patterns of the action, and of the resource. What is passed over here can never
match; what is not may still not be about them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_EVERY_ACTION = re.compile(r'"Action"\s*:\s*(?:\[[^\]]*)?"\*')
_RESOURCES = re.compile(r'"(arn:[^"*?$]*)')


def about(action: str, resource: str) -> Callable[[str], bool]:
    """Whether a policy's text, which the policy language accepts, could be about an action and a resource."""
    vendor, _, name = action.lower().partition(":")
    of_vendor = re.compile(f'"{re.escape(vendor)}:([a-z0-9-]*)([*?"])', re.IGNORECASE)

    def names_action(text: str) -> bool:
        return (
            any(
                beginning.lower() == name if end == '"' else name.startswith(beginning.lower())
                for beginning, end in of_vendor.findall(text)
            )
            or '"NotAction"' in text
            or _EVERY_ACTION.search(text) is not None
        )

    def names_resource(text: str) -> bool:
        return (
            '"*"' in text
            or '"NotResource"' in text
            or any(resource.startswith(beginning) for beginning in _RESOURCES.findall(text))
        )

    return lambda text: "\\" in text or (names_action(text) and names_resource(text))

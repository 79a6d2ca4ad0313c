"""Notes on actions that there are not: an answer about a mistyped one is true, and not what was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from iamledger.cli.output import note

if TYPE_CHECKING:
    from iamledger.services import Catalogue
    from iamledger.settings import Settings


def note_unknown(settings: Settings, actions: Iterable[str]) -> None:
    """Tell of each action that no service has. Of a service, its own file alone is read.

    A catalogue that cannot be read is told of, and the answer stands: decisions do not depend on it.
    """
    from iamledger.iam.refusals import InvalidInput
    from iamledger.services import open_catalogue

    try:
        catalogue = open_catalogue(settings)
        for action in dict.fromkeys(actions):
            if catalogue.action(action) is None:
                note(_unknown(catalogue, action))
    except InvalidInput as error:
        note(f"Whether there are such actions was not looked at: {error}")


def _unknown(catalogue: Catalogue, action: str) -> str:
    from iamledger.policy.lint.known import Known  # a correct action does not need it
    from iamledger.policy.words import clip

    prefix, _, name = action.partition(":")
    known, service = Known(catalogue), catalogue.service(prefix)
    if service is None:
        meant = known.guess_service(prefix)
        told = f"no service {clip(prefix)} is known: "
        return told + (f"{meant} Or " if meant else "") + "describe it with a file, see docs/services.md"
    names = {folded: f"{service.prefix}:{one.name}" for folded, one in service.actions.items()}
    meant = known.guess(name, names)
    return f"{service.prefix} has no action {clip(name)}" + (f"; {meant}" if meant else "")

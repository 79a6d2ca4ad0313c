"""The read side: one file per read model, with a `projection` and the queries that read it. `reports` reads several."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iamledger.engine.declaration import Projection


@cache
def projections() -> dict[str, Projection]:
    """Every projection of this package, by name, in the order of the names."""
    modules = [
        import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__) if not module.ispkg
    ]
    return {module.projection.name: module.projection for module in modules}

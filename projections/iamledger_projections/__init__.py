"""The read side: one file per read model. Each holds a `projection` and the queries that read it."""

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
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return {module.projection.name: module.projection for module in modules}

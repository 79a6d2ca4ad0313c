"""All projections: those that come with the product, and those of the user's own on the configured path."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from iamledger.engine.declaration import InvalidProjection, Projection
from iamledger_projections import projections

PATH_VARIABLE = "IAMLEDGER_PROJECTIONS"


@cache
def all_projections() -> dict[str, Projection]:
    """By name. Every file `*.py` in the folders of IAMLEDGER_PROJECTIONS (separated by colons) holds a `projection`.

    Raises `InvalidProjection`, naming the file.
    """
    found = dict(projections())
    for folder in filter(None, os.environ.get(PATH_VARIABLE, "").split(os.pathsep)):
        if not Path(folder).is_dir():
            raise InvalidProjection(f"{PATH_VARIABLE}: there is no folder {folder}")
        for file in sorted(Path(folder).glob("*.py")):
            projection = _load(file)
            if projection.name in found:
                raise InvalidProjection(f"{file}: there is another projection called {projection.name}")
            found[projection.name] = projection
    return found


def _load(file: Path) -> Projection:
    spec = spec_from_file_location(f"iamledger_user_projections.{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InvalidProjection(f"{file}: {type(error).__name__}: {error}") from error
    projection = getattr(module, "projection", None)
    if not isinstance(projection, Projection):
        raise InvalidProjection(f"{file} must define `projection`, a Projection")
    return projection

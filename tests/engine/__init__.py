"""A package, so that its conftest is `engine.conftest`, not a second `conftest`."""

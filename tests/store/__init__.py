"""A package, so that its conftest is `store.conftest`, not a second `conftest`."""

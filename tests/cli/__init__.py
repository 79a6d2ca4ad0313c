"""A package, so that its conftest is `cli.conftest`, not a second `conftest`."""

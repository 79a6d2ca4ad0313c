"""YAML files that a person writes: read strictly, with the line and column of everything that is wrong."""

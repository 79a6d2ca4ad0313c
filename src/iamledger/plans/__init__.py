"""Accounts as declarative files: read them, compare them with what is there, make the commands that are missing."""

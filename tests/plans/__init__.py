"""Tests of accounts as declarative files."""

"""iamledger: an event-sourced identity ledger."""

__version__ = "0.1.0"

"""Who can do what, and why: the policy engine put to the grants of a ledger, at any moment of it."""

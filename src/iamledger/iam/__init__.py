"""What can happen: IAM's nouns, their events and the decisions about them. No I/O, no clock, no randomness.

One file per noun, always in the order: events, state and `evolve`, decisions.
"""

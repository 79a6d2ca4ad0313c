"""Questions that need several read models."""

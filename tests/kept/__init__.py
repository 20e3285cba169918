"""Saved models of released versions, which must load for ever and give the same numbers."""

"""Peers that are not on PyPI, written from their published equations as their users run them."""

"""YAML that anyone may have written: no code in it, and no more than its text has room for."""

from __future__ import annotations

from itertools import chain
from typing import Any

import yaml

MOST_TEXT, MOST = 2**20, 100_000
"""Characters of a file, and values once its aliases are unfolded: a few lines can mean 10^9."""
MOST_DIGITS = 40


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds, in plain Python values.

    Raises:
        yaml.YAMLError: if it is none, is nested too deeply, or holds too much.
    """
    if len(text) > MOST_TEXT:
        raise yaml.YAMLError(f"more than {MOST_TEXT:,} characters are no settings")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MOST:
            raise yaml.YAMLError(f"its aliases unfold to more than {MOST:,} values")
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, float]) -> float:
    """Return how many values a node unfolds to; without end for one that holds itself.

    Raises:
        yaml.YAMLError: for a whole number that Python would not print again.
    """
    if node.tag.endswith(":int") and len(node.value) > MOST_DIGITS:
        raise yaml.YAMLError(f"a whole number has more than {MOST_DIGITS} digits")
    if id(node) not in known:
        known[id(node)] = float("inf")
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            parts = chain.from_iterable(parts)
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]

"""A YAML reader for untrusted files: it runs no code and limits size, nesting and aliases."""

from __future__ import annotations

from itertools import chain
from typing import Any

import yaml

MOST_TEXT, MOST = 2**20, 100_000
"""Limits on the characters of a file and on its values once aliases are unfolded.

A few lines of nested aliases can unfold to 10^9 values.
"""
MOST_DIGITS = 40


def read_yaml(text: str) -> Any:
    """Return the plain Python values of a YAML text.

    Raises:
        yaml.YAMLError: If the text is not valid YAML, is nested too deeply, or is too large.
    """
    if len(text) > MOST_TEXT:
        raise yaml.YAMLError(f"it has more than {MOST_TEXT:,} characters, too many for settings")
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
    """Return how many values a node unfolds to; infinity for a node that contains itself.

    Raises:
        yaml.YAMLError: If a whole number has so many digits that Python might refuse to print it.
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

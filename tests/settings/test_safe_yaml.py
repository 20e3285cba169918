"""YAML of others: a few lines that unfold without end are refused, and the rest is read."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from zoo.settings.safe_yaml import MOST_TEXT, read_yaml

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def bomb(line: str) -> str:
    """Return nine levels, each nine times the one before it."""
    levels = ["a: &a {k: [x, x, x, x, x, x, x, x, x]}"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        levels.append(f"{name}: &{name} {line.format(', '.join([f'*{before}'] * 9))}")
    return "\n".join(levels)


@given(PLAIN)
def test_what_yaml_writes_comes_back(value: object) -> None:
    assert read_yaml(yaml.safe_dump(value)) == value


def test_aliases_are_read() -> None:
    assert read_yaml("a: &x [1, 2]\nb: *x\nc: {<<: {d: 3}}") == {
        "a": [1, 2], "b": [1, 2], "c": {"d": 3},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (bomb("[{}]"), "unfold to more than"),
        (bomb("{{<<: [{}]}}"), "unfold to more than"),
        ("a: &a [*a, *a]", "unfold to more than"),
        ("[" * 5000, "nested too deeply"),
        ("x" * (MOST_TEXT + 1), "too many for settings"),
        ("a: 0x" + "F" * 5000, "more than 40 digits"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
    ids=["lists", "merged", "a loop", "deep", "long", "digits", "code"],
)
def test_what_would_not_end_is_refused_at_once(text: str, cause: str) -> None:
    begun = time.monotonic()
    with pytest.raises(yaml.YAMLError, match=cause):
        read_yaml(text)
    assert time.monotonic() - begun < 5

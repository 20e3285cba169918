"""The examples in docstrings give what they say they give."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.conftest import REPOSITORY

WITH_DATA = {"zoo.lightning.data", "zoo.sklearn.estimators", "zoo.training.call"}
"""Modules whose examples train on data of the reader's own."""


def _with_examples() -> list[str]:
    files = [path for path in (REPOSITORY / "zoo").rglob("*.py") if ">>> " in path.read_text()]
    names = {".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in files}
    return sorted(name.removesuffix(".__init__") for name in names)


def test_there_are_examples() -> None:
    assert set(_with_examples()) > WITH_DATA


@pytest.mark.parametrize("name", sorted({*_with_examples()} - WITH_DATA))
def test_an_example_gives_what_it_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)  # examples read zoo/examples
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed

"""The collector of cycles waits while modules are imported, and not longer."""

from __future__ import annotations

import gc
import sys
import types

import pytest

from zoo.command import collector
from zoo.command.collector import patient_collector

MANY = 5 * collector.PATIENCE


def test_it_waits_while_modules_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    before, kept = gc.get_threshold(), []
    with patient_collector():
        for at in range(100):
            monkeypatch.setitem(sys.modules, f"made_up_{at}", types.ModuleType("made_up"))
            kept += [[] for _ in range(MANY // 100)]
            assert gc.get_threshold()[0] == collector.PATIENCE
    assert gc.get_threshold() == before


def test_it_works_as_always_once_none_is() -> None:
    before = gc.get_threshold()
    with patient_collector():
        kept = [[] for _ in range(MANY)]
        assert gc.get_threshold() == before and len(kept) == MANY
        assert not any(call.__module__ == collector.__name__ for call in gc.callbacks)


def test_it_works_as_always_after_an_error() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError), patient_collector():
        raise ValueError
    assert gc.get_threshold() == before

"""The layout of the code keeps the numbers that make it easy to enter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import house
from zoo.__main__ import VERBS


def test_a_file_directly_in_zoo_is_a_verb() -> None:
    assert house.strangers() == []
    assert {f"zoo.{verb}" for verb in VERBS} <= house.modules().keys()


def test_no_two_rooms_import_each_other() -> None:
    assert house.circles() == []


def test_a_training_is_read_in_one_sitting() -> None:
    reach = house.reachable("zoo.train")
    assert len(reach) < 137
    # It was 649 before the packages, 461 after; since then features got names, files of models
    # hashes, language models came that read structure, or states from tables, batches are made of
    # paths, a run can begin with another one's weights, which may lie on a hub, it chooses
    # thresholds, counts and sizes are said by one function each, and layers may be compiled.
    assert sum(module.functions for module in reach) < 690


def test_few_files_import_dgl() -> None:
    assert len(house.users("dgl")) <= 3


def test_a_circle_is_seen_also_where_an_import_is_lazy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("one", "def f():\n    from zoo.two import b\n"),
                       ("two", "import zoo.one.a\n")):  # fmt: skip
        folder = tmp_path / "zoo" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / ("a.py" if name == "one" else "b.py")).write_text(text)
    (tmp_path / "zoo" / "__init__.py").write_text("")
    (tmp_path / "hpo").mkdir()
    monkeypatch.setattr(house, "ROOT", tmp_path)
    house.modules.cache_clear()
    try:
        assert house.circles() == [("one", "two")]
    finally:
        house.modules.cache_clear()

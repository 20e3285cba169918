"""The script that makes docs/parts.md: tables of what every part tells, from results/parts.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.scripts import script
from tests.training import runs

PAGE = REPOSITORY / "docs/parts.md"


def test_the_page_has_the_tables_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = script("parts", monkeypatch)
    facts = json.loads((REPOSITORY / "results/parts.json").read_text())
    assert parts.renewed(PAGE.read_text(), facts) == PAGE.read_text()
    assert all(one["inputs"] and facts["command"] for one in facts["targets"])
    sets = {f"features {name}" for name in parts.SETS}
    for one in facts["targets"]:
        assert {name for name in one["parts"] if name.startswith("features ")} == sets


def test_every_part_is_scored_beside_letters_and_random_weights(
    plm_folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = runs.quick_data(tmp_path / "ppbs", runs.BINDING)
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    monkeypatch.setattr("zoo.probing.linear.PENALTIES", (1.0, 0.1))
    page.write_text("Before.\n<!-- from benchmarks/parts.py -->\nold\n<!-- end -->\nAfter.\n")
    monkeypatch.setattr(sys, "argv", [
        "parts", str(data), "--seq", plm_folders["esm"], "--bootstrap", "10", "--store",
        str(tmp_path / "store"), "--results", str(results), "--page", str(page),
    ])  # fmt: skip
    script("parts", monkeypatch).main()
    facts = json.loads(results.read_text())
    binding, secondary = facts["targets"]
    assert (binding["target"], secondary["target"]) == ("binding_site", "secondary_structure")
    assert {
        "one-hot", "window", "esm, best layer", "esm, last layer", "esm random, best layer",
        "mpnn, best layer", "mpnn, log-odds", "mpnn random, log-odds", "features surface",
    } <= binding["parts"].keys()  # fmt: skip
    for one in facts["targets"]:
        assert one["parts"].keys() == binding["parts"].keys()
        for name, gain in one["above random weights"].items():
            random = name.replace(",", " random,")
            for metric, difference in gain.items():
                pair = [one["parts"][x][metric]["value"] for x in (name, random)]
                assert difference["value"] == pytest.approx(pair[0] - pair[1])
    own = secondary["parts"]["features secondary_structure"]["accuracy"]["value"]
    assert own == 1.0  # the target itself
    text = page.read_text()
    assert text.startswith("Before.") and text.endswith("After.\n") and "| one-hot |" in text

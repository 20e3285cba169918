"""The README: short, with everything that a reader looks for first, and an example that runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import zoo
from zoo.fusion import FUSIONS
from zoo.pretrained import task_models
from zoo.tasks import TASKS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_it_has_at_most_120_lines():
    assert len(README.splitlines()) <= 120


def test_it_has_at_most_three_pictures_that_are_described():
    found = re.findall(r"!\[(.*?)\]\((.*?)\)", README)
    assert 1 <= len(found) <= 3
    for told, path in found:
        assert len(told.split()) > 5 and (ROOT / path).is_file()


@pytest.mark.parametrize("section", ["Start", "Build", "Predict", "Train", "Search"])
def test_each_first_step_has_its_command(section):
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    assert re.search(r"```bash\n(make|python -m zoo\.)", text.replace("git clone", "make"))


@pytest.mark.filterwarnings("ignore::zoo.errors.RandomWeightsWarning")
def test_the_python_example_gives_the_shapes_that_it_names(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    code = code.replace("zoo/examples", str(ROOT / "zoo/examples"))
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    assert names["features"].shape == (70, 420) and names["logits"].shape == (70, 1)


@pytest.mark.parametrize(
    "name",
    [*zoo.list_backbones("sequence"), *zoo.list_backbones("structure"), *FUSIONS, *TASKS,
     *task_models()],
)  # fmt: skip
def test_every_name_is_in_the_readme(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", zoo.list_backbones("structure"))
def test_every_graph_network_is_in_the_changelog(name):
    assert f"`{name}`" in (ROOT / "CHANGELOG.md").read_text()

"""What the documents promise: names, commands and code that run."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest

import zoo
from tests.verbs import call
from zoo.__main__ import VERBS
from zoo.fusion import FUSIONS
from zoo.tasks import TASKS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line.startswith("python -m zoo.")
]


@pytest.mark.filterwarnings("ignore::zoo.errors.RandomWeightsWarning")
def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    code = code.replace("zoo/examples", str(ROOT / "zoo/examples"))
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    assert names["features"].shape == (70, 420)
    assert "(2, 1) torch.Size([4, 140, 140])" in capsys.readouterr().out


@pytest.mark.parametrize("name", [*zoo.list_backbones("sequence"), *FUSIONS, *TASKS])
def test_every_name_is_in_the_readme(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", zoo.list_backbones("structure"))
def test_every_graph_network_is_in_the_changelog(name):
    assert f"`{name}`" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_has_valid_options(capsys, command):
    verb, *arguments = shlex.split(command.removeprefix("python -m zoo."))
    assert verb in VERBS
    help_text = call(capsys, verb, "--help").out
    for option in (word for word in arguments if word.startswith("--")):
        assert option in help_text


DOCS = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
SEARCHES = re.findall(r"^(?:srun )?python -m hpo\.(\w+) (.*)$", DOCS.replace("\\\n", " "), re.M)


@pytest.mark.parametrize("verb, words", SEARCHES)
def test_every_search_of_the_documents_has_valid_options(verb: str, words: str) -> None:
    module = importlib.import_module(f"hpo.{verb}")
    call = getattr(module, {"run": "search"}.get(verb, verb))
    names = {name.rstrip("_").replace("_", "-") for name in inspect.signature(call).parameters}
    for option in (word for word in words.split("#")[0].split() if word.startswith("--")):
        assert option[2:] in names


def test_the_readmes_commands_were_found():
    assert len(COMMANDS) > 5 and len(SEARCHES) > 2

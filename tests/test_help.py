"""What the help of a verb names exists: verbs, options, config keys, configs, parts, files."""

from __future__ import annotations

import re
import shlex

import pytest

import zoo
from tests.conftest import REPOSITORY
from tests.verbs import call
from zoo.__main__ import VERBS
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.fusion import FUSIONS
from zoo.pretrained import task_models
from zoo.settings.checking import flat
from zoo.settings.config import config_names, load_config
from zoo.tasks import TASKS

SECTIONS = ("sequence", "structure", "graph", "fusion", "head", "train")
REGISTRIES = {
    "--seq": {*zoo.list_backbones("sequence"), "none"},
    "--struct": {*STRUCTURE_BACKBONES, "none"},
    "--fusion": {*FUSIONS},
    "--task": {*TASKS},
    "--model": {*task_models()},
}
LISTED = {
    "Task of the head": REGISTRIES["--task"],
    "Graph network": REGISTRIES["--struct"],
    "Fusion": REGISTRIES["--fusion"],
}
OPTION = re.compile(r"^  (?:-\w, )?(--[a-z][\w-]*)(?: / (--[a-z][\w-]*))?", re.MULTILINE)


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    return {}


@pytest.fixture
def helps(known: dict[str, str], capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The help of each verb."""
    for verb in VERBS:
        known.setdefault(verb, call(capsys, verb, "--help").out)
    return known


def named(helps: dict[str, str], pattern: str) -> set[str]:
    """Return what the helps name, with their lines joined."""
    return {name for text in helps.values() for name in re.findall(pattern, " ".join(text.split()))}


def test_a_verb_that_is_named_exists(helps: dict[str, str]) -> None:
    found = named(helps, r"-m zoo\.(\w+)") | named(helps, r"`?\bzoo ([a-z]\w+)\b")
    assert len(found) > 15 and found <= {*VERBS}


def test_an_option_that_is_named_exists(helps: dict[str, str]) -> None:
    valid = {one for text in helps.values() for pair in OPTION.findall(text) for one in pair}
    found = named(helps, r"(--[a-z][\w-]*)")
    assert len(found) > 80 and found <= valid


def test_a_config_key_that_is_named_exists(helps: dict[str, str]) -> None:
    valid = flat(load_config("ppbs_plm_mini_gat_local").to_dict())
    found = named(helps, rf"\b((?:{'|'.join(SECTIONS)})\.[a-z_]+(?:\.[a-z_]+)*)")
    assert "graph.k" in found
    assert all(any(f"{key}.".startswith(f"{one}.") for key in valid) for one in found)


def test_a_list_of_names_is_that_of_the_registry(helps: dict[str, str]) -> None:
    for text in (" ".join(one.split()) for one in helps.values()):
        for start, valid in LISTED.items():
            for names in re.findall(rf"<str> {start}: ([\w, ]+)\.", text):
                assert {*names.replace(" or ", " ").replace(",", " ").split()} == valid


def test_the_names_in_an_example_exist(helps: dict[str, str]) -> None:
    for text in helps.values():
        (example,) = re.findall(r"Example: (.*?)\n *\n", text, re.DOTALL)
        words = shlex.split(example)
        for option, value in zip(words, words[1:], strict=False):
            if option in REGISTRIES and "/" not in value and not value.isupper():
                assert value in REGISTRIES[option], example
        configs = [word for word in words if re.fullmatch(rf"({'|'.join(TASKS)})_\w+_\w+", word)]
        assert {*configs} <= {*config_names()}, example


def test_a_file_that_is_named_is_one_that_the_code_writes(helps: dict[str, str]) -> None:
    code = "".join(
        path.read_text()
        for package in ("zoo", "hpo")
        for path in (REPOSITORY / package).rglob("*.py")
    )
    quoted = {*re.findall(r'"([\w.]+)"', code)}
    described = {name: re.sub(r"Example: .*?\n *\n", "", text, flags=re.DOTALL)
                 for name, text in helps.items()}  # fmt: skip
    found = named(described, r"\b([a-z_]+\.(?:csv|jsonl?|yaml|png|html|npz|log|md))\b")
    assert len(found) > 8 and found <= quoted

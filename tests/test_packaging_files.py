"""Dockerfile, environment.yml and CITATION.cff: they name what there is, as setup.py does."""

from __future__ import annotations

import re
import runpy
from typing import Any

import pytest
import setuptools
import yaml

from tests.conftest import REPOSITORY
from zoo import __version__
from zoo.__main__ import VERBS

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
KNOWN = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}


@pytest.fixture(scope="module")
def setup() -> dict[str, Any]:
    """What setup.py tells."""
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        patch.setattr(setuptools, "setup", found.update)
        runpy.run_path("setup.py")
    return found


def lines(instruction: str) -> list[list[str]]:
    return [line.split()[1:] for line in DOCKERFILE.splitlines() if line.startswith(instruction)]


def test_every_instruction_is_one_and_copies_what_there_is() -> None:
    written = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    assert {line.split()[0] for line in written} == KNOWN
    copied = [name for words in lines("COPY") for name in words[:-1]]
    assert copied and all((REPOSITORY / name).exists() for name in copied)


def test_the_image_has_all_packages_of_the_library(setup: dict[str, Any]) -> None:
    copied = {name for words in lines("COPY") for name in words}
    assert {name.partition(".")[0] for name in setup["packages"]} <= copied


def test_the_verbs_and_extras_exist(setup: dict[str, Any]) -> None:
    environment = (REPOSITORY / "environment.yml").read_text()
    for text in (DOCKERFILE, environment):
        for extra in re.findall(r"\.\[(\w+)\]", text):
            assert extra in setup["extras_require"]
    assert set(re.findall(r"zoo (doctor|predict)\b", DOCKERFILE)) <= VERBS.keys()


def test_all_name_the_python_that_has_everything(setup: dict[str, Any]) -> None:
    (python,) = [one for one in environment() if str(one).startswith("python")]
    assert python == "python=3.11" and setup["python_requires"] == ">=3.11"
    assert lines("FROM") == [["python:3.11-slim"]]


def environment() -> list[Any]:
    found = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    return list(found["dependencies"])


def test_the_citation_has_the_version(setup: dict[str, Any]) -> None:
    found = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert found["version"] == setup["version"] == __version__
    assert (found["license"], found["title"]) == (setup["license"], setup["name"])

"""The documents: their links, commands and code hold, and the site has all that is registered."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import zoo
from tests.conftest import REPOSITORY
from tests.verbs import call
from zoo.__main__ import VERBS
from zoo.fusion import FUSIONS
from zoo.tasks import TASKS
from zoo.tasks.samples import LAYOUTS

DOCS = REPOSITORY / "docs"
WRITTEN = [*sorted(DOCS.glob("*.md")), *REPOSITORY.glob("*.md"), REPOSITORY / "notebooks/README.md"]


@pytest.fixture(scope="module")
def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_pages", DOCS / "_pages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_pages"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_whatever_is_registered_has_a_page(made: ModuleType) -> None:
    pages = made.pages()
    for name in zoo.list_backbones("structure"):
        assert f"--struct {name} " in pages[f"backbones/{name}.md"].text
    for name in TASKS:
        needs = [layout for layout in map(LAYOUTS.__getitem__, LAYOUTS) if layout.task == name]
        assert pages[f"tasks/{name}.md"].text.count("Needs ") == len(needs)
    for name in FUSIONS:
        assert f"## {name}\n" in pages["fusions.md"].text
    for verb in VERBS:
        assert f"## zoo {verb}\n" in pages["verbs.md"].text
    for name in zoo.list_backbones("sequence"):
        assert f"`{name}`" in pages["backbones/language_models.md"].text


def test_every_argument_of_a_graph_network_is_told_of(made: ModuleType) -> None:
    for name in zoo.list_backbones("structure"):
        rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", made.network(name), re.M)
        assert rows and all(about.strip() for _, about in rows), name


def test_the_readme_has_the_table_of_the_registries() -> None:
    readme = runpy.run_path(str(DOCS / "_readme.py"))
    text = (REPOSITORY / "README.md").read_text()
    assert readme["renewed"](text) == text  # else: python docs/_readme.py


def texts(made: ModuleType) -> dict[str, str]:
    return {path.name: path.read_text() for path in WRITTEN} | {
        path: page.text for path, page in made.pages().items()
    }


def test_every_command_has_valid_options(
    made: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, str] = {}
    for where, text in texts(made).items():
        blocks = re.findall(r"```bash\n(.*?)```", text, re.S)
        for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
            found = re.match(r"(?:srun )?python -m zoo\.(\w+) (.*)", line.split(" #")[0])
            if not found:
                continue
            verb, rest = found[1], re.sub(r"2>.*|&&.*", "", found[2])
            if verb not in seen:
                assert verb in VERBS, (where, verb)
                seen[verb] = call(capsys, verb, "--help").out
            for word in shlex.split(rest):
                assert not word.startswith("--") or word in seen[verb], (where, verb, word)
    assert len(seen) > 10


def test_links_between_documents_lead_somewhere() -> None:
    for path in WRITTEN:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
            assert "://" in link or (path.parent / link).exists(), (path.name, link)


CODE = [
    (path.name, code)
    for path in sorted(DOCS.glob("*.md"))
    for code in re.findall(r"```python\n(.*?)```", path.read_text(), re.S)
]


@pytest.mark.parametrize("code", [c for _, c in CODE], ids=[name for name, _ in CODE])
def test_python_blocks_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(code.replace("zoo/examples", str(REPOSITORY / "zoo/examples")), {})


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the docs extra is not installed: make docs")
    pytest.importorskip("mkdocstrings_handlers.python", reason="the docs extra: make docs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", tmp_path / "site"],
        cwd=REPOSITORY, capture_output=True, text=True,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr[-3000:]
    assert "arXiv:2203.06125" in (tmp_path / "site/backbones/gearnet.html").read_text()

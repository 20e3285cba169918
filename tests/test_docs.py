"""The documents: links, commands, paths and code hold, and the site has all that is registered."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import zoo
from tests.conftest import REPOSITORY
from tests.verbs import call
from zoo.__main__ import VERBS
from zoo.data.layouts import LAYOUTS
from zoo.fusion import FUSIONS
from zoo.settings.config import config_names
from zoo.tasks import TASKS
from zoo.training.engine import quiet

DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
WRITTEN = [*PAGES, *sorted(REPOSITORY.glob("*.md")), REPOSITORY / "notebooks/README.md"]
PROSE = [path for path in WRITTEN if path.name != "CHANGELOG.md"]
WIDTH = 120
COMMAND = re.compile(
    r"^(?:ZOO_PLUGINS=\w+ )?(?:srun .*|torchrun .*)?(?:python )?-m (zoo|hpo)\.(\w+)(.*)"
)


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.fixture(scope="module")
def made() -> Iterator[ModuleType]:
    sys.path.insert(0, str(DOCS))
    yield importlib.import_module("_pages")
    sys.path.remove(str(DOCS))


def texts(made: ModuleType) -> dict[str, str]:
    return {relative(path): path.read_text() for path in PROSE} | {
        path: page.text for path, page in made.pages().items()
    }


def commands(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the package, the verb and the words of each command of ours in a document."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.S)).replace("\\\n", " ")
    for line in blocks.splitlines():
        if found := COMMAND.match(re.sub(r" #.*|2>.*|&&.*", "", line)):
            yield found[1], found[2], shlex.split(found[3])


def test_whatever_is_registered_has_a_page(made: ModuleType) -> None:
    pages = made.pages()
    for name in zoo.list_backbones("structure"):
        assert f"--struct {name} " in pages[f"reference/backbones/{name}.md"].text
    for name in TASKS:
        needs = [layout for layout in map(LAYOUTS.__getitem__, LAYOUTS) if layout.task == name]
        assert pages[f"reference/tasks/{name}.md"].text.count("Needs ") == len(needs)
    for name in FUSIONS:
        assert f"## {name}\n" in pages["reference/fusions.md"].text
    for verb in VERBS:
        assert f"## zoo {verb}\n" in pages["reference/commands.md"].text
    for name in zoo.list_backbones("sequence"):
        assert f"`{name}`" in pages["reference/backbones/language_models.md"].text


def test_every_argument_of_a_graph_network_is_described(made: ModuleType) -> None:
    for name in zoo.list_backbones("structure"):
        rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", made.network(name), re.M)
        assert rows and all(about.strip() for _, about in rows), name


def test_the_readme_has_the_table_of_the_registries() -> None:
    readme = runpy.run_path(str(DOCS / "_readme.py"))
    text = (REPOSITORY / "README.md").read_text()
    assert readme["renewed"](text) == text  # else: python docs/_readme.py


def test_every_page_begins_with_who_needs_it(made: ModuleType) -> None:
    for path, text in texts(made).items():
        if path.startswith(("docs/", "tutorials/", "reference/")):
            title, _, opening, *_ = text.splitlines()
            assert title.startswith("# ") and opening.startswith(made.WHO), path


@pytest.mark.parametrize("path", PROSE, ids=relative)
def test_lines_of_prose_are_short(path: Path) -> None:
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.S).splitlines()
    assert not [line for line in prose if len(line) > WIDTH and not line.startswith("|")]


def test_every_command_has_valid_options(
    made: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    helps: dict[str, str] = {}
    for where, text in texts(made).items():
        for package, verb, words in commands(text):
            if package == "zoo" and verb not in helps:
                assert verb in VERBS, (where, verb)
                helps[verb] = call(capsys, verb, "--help").out
            valid = helps[verb] if package == "zoo" else _options(verb)
            for word in words:
                assert not word.startswith("--") or word in valid, (where, verb, word)
    assert len(helps) > 10


def _options(module: str) -> str:
    """Return the options of a program of the search, from its function's signature."""
    found = importlib.import_module(f"hpo.{module}")
    names = inspect.signature(getattr(found, module)).parameters
    return " ".join("--" + name.rstrip("_").replace("_", "-") for name in names)


def test_only_configs_that_are_shipped_are_named(made: ModuleType) -> None:
    named = re.compile(rf"\b(?:{'|'.join(TASKS)})_(?:esm2|plm)_\w+")
    for where, text in texts(made).items():
        assert {*named.findall(text)} <= {*config_names()}, where


def test_links_between_documents_lead_somewhere() -> None:
    for path in WRITTEN:
        for link, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text()):
            if "://" in link or link.startswith("reference/") or "/reference/" in link:
                continue  # of other sites, and generated pages, which the site's build checks
            target = path.parent / link if link else path
            assert target.exists(), (path.name, link)
            assert not anchor or anchor in _anchors(target), (path.name, link, anchor)


def _anchors(path: Path) -> set[str]:
    """Return what a document's headings are called in a link."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PROSE, ids=relative)
def test_every_file_that_is_named_exists(path: Path) -> None:
    folders = r"(?:zoo|hpo|docs|tests|benchmarks|results|notebooks|zoo_configs)"
    for name in re.findall(rf"[`\s]({folders}/[\w./*-]*\w)", path.read_text()):
        assert list(REPOSITORY.glob(name)), name


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that draws all pictures."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("_pictures")


def test_every_picture_has_its_script_and_is_small(pictures: ModuleType) -> None:
    there = {path.name: path.stat().st_size for path in (DOCS / "figures").iterdir()}
    assert set(there) == set(pictures.DRAWN.values())
    assert all(size < 200_000 for size in there.values()), there
    text = "".join(path.read_text() for path in PROSE)
    assert all(f"figures/{name})" in text for name in there)


def test_without_a_browser_pictures_of_pages_stay_and_that_is_told(
    pictures: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(pictures, "CHROMIUM", None)
    monkeypatch.setattr(pictures, "FIGURES", tmp_path)
    pictures.main(["site", "predict_growth"])
    assert [path.name for path in tmp_path.iterdir()] == ["predict_growth_esm2_150m_global.png"]
    told = capsys.readouterr().out
    assert "site.png stays as it is" in told and "no chromium or google-chrome" in told
    with pytest.raises(SystemExit, match="no picture 'sites'. Valid: idea, terminal, site"):
        pictures.main(["sites"])


def test_the_table_of_shipped_models_has_the_numbers_of_their_scores() -> None:
    text = (DOCS / "measurements/results.md").read_text()
    rows = re.findall(r"^\| \[`(\w+)`\]\(.*?\| .*? (\S+ \(.*?\)) \| (.*?) \| (.*?) \|", text, re.M)
    shipped = (REPOSITORY / "zoo/pretrained").glob("*/metrics.json")
    assert {row[0] for row in rows} == {path.parent.name for path in shipped}
    for name, score, baseline, difference in rows:
        found = json.loads((REPOSITORY / f"zoo/pretrained/{name}/metrics.json").read_text())
        (target,) = found["targets"].values()
        (own,) = (part for part in target["parts"] if (part["model"], part["subset"]) == WHOLE)
        values = {_told(own["values"][key], ""): key for key in target["differences"]}
        told = target["differences"][values[score]]
        assert (told["baseline"].replace("_", " "), _told(told, "+")) == (baseline, difference)


WHOLE = ("model", "all")


def _told(found: dict[str, float], sign: str) -> str:
    return "{0:{3}.3f} ({1:{3}.3f}, {2:{3}.3f})".format(
        found["value"], found["low"], found["high"], sign
    )


def test_the_picture_of_the_architecture_has_every_room(pictures: ModuleType) -> None:
    drawn = {name for row in pictures.ROOMS for name, _ in row}
    rooms = {path.parent.name for path in (REPOSITORY / "zoo").glob("*/__init__.py")}
    assert drawn == rooms | {"verbs", "hpo"}
    assert all(f"`{room}/`" in (DOCS / "architecture.md").read_text() for room in rooms)


CODE = [
    (relative(path), code)
    for path in PAGES
    if path.name != "residues.md"  # run as a whole below
    for code in re.findall(r"```python\n(.*?)```", path.read_text(), re.S)
]


@pytest.mark.slow
def test_the_worked_example_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    worked = runpy.run_path(str(DOCS / "_worked.py"))
    text = worked["PAGE"].read_text()
    assert worked["renewed"](text) == text  # else: python docs/_worked.py


@pytest.mark.filterwarnings("ignore::zoo.errors.RandomWeightsWarning")
@pytest.mark.parametrize("code", [c for _, c in CODE], ids=[name for name, _ in CODE])
def test_python_blocks_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with quiet():  # as in a session, where Lightning's warnings are no errors
        exec(code.replace("zoo/examples", str(REPOSITORY / "zoo/examples")), {})


@pytest.mark.filterwarnings("ignore::zoo.errors.RandomWeightsWarning")
def test_the_example_of_building_gives_the_shapes_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    (code,) = (code for path, code in CODE if path == "docs/howto/build.md")
    exec(code.replace("zoo/examples", str(REPOSITORY / "zoo/examples")), names)
    assert names["features"].shape == (70, 420) and names["logits"].shape == (70, 1)
    assert "(2, 1) torch.Size([4, 140, 140])" in capsys.readouterr().out

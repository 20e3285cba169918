"""The page and the answer of `zoo predict`: what the table says, and nothing from a network."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import browser, shelf
from tests.test_predict import run_folder
from tests.verbs import call
from zoo.command import say
from zoo.models.thresholds import write_thresholds
from zoo.prediction.answers import answer, columns, highest
from zoo.proteins.files.scores import write_scored
from zoo.reporting import predicted
from zoo.tasks import Target

Capture = pytest.CaptureFixture[str]
HOSTILE = "<script>alert(1)<!--</title>&amp;'\""
VOID = {"meta", "br", "img", "input", "link", "hr"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run for residues with a threshold, and one for proteins."""
    root = tmp_path_factory.mktemp("runs")
    plm = shelf.save_plm("esm", root / "plm")
    found = {kind: run_folder(root / kind, kind, plm) for kind in ("binary", "regression")}
    write_thresholds(found["binary"], {"site": {"threshold": 0.5}})
    return found


@pytest.fixture
def structures(tmp_path: Path) -> Path:
    """Three structures, one of which has a hostile name."""
    folder = tmp_path / "in"
    folder.mkdir()
    for seed, (name, length) in enumerate({"a": 24, "b": 11, HOSTILE.replace("/", ""): 9}.items()):
        write_scored(folder / f"{name}.pdb", shelf.ordinary(length, seed), np.zeros(length))
    return folder


def shown(out: Path) -> dict[str, Any]:
    text = (out / "index.html").read_text()
    (found,) = re.findall(r'<script type="application/json" id="proteins">(.*?)</script>', text)
    return json.loads(found)


class Elements(HTMLParser):
    """Checks that elements are nested, and keeps their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_says_what_the_table_says(
    capsys: Capture, tmp_path: Path, runs: dict[str, Path], structures: Path
) -> None:
    out = tmp_path / "o"
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", out, "--page")
    assert done.code == 0 and f"to look at: {out / 'index.html'}" in done.out
    with open(out / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = shown(out)
    assert found["cells"] == ["residues", "site: yes", "site: highest"]
    assert found["scales"]["site"]["threshold"] == 0.5
    for one in found["proteins"]:
        mine = [row for row in rows if row["id"] == one["name"]]
        scores = [float(row["site"]) for row in mine]
        assert one["values"]["site"] == scores
        assert one["cells"] == [
            len(mine), sum(row["site_call"] == "yes" for row in mine), max(scores)
        ]  # fmt: skip
        ((chain, letters, numbers, states),) = one["chains"]
        assert {chain} == {row["chain"] for row in mine}
        assert letters == "".join(row["letter"] for row in mine) and len(states) == len(letters)
        assert numbers.split(",") == [row["number"] for row in mine]
        assert len(one["xyz"]) == 6 * len(mine)
    assert {one["name"] for one in found["proteins"]} == {row["id"] for row in rows}


def test_the_page_is_whole_and_needs_no_network(
    capsys: Capture, tmp_path: Path, runs: dict[str, Path], structures: Path
) -> None:
    out = tmp_path / f"o{HOSTILE.replace('/', '')}"
    call(capsys, "predict", structures, "--model", runs["binary"], "--out", out, "--page")
    page, text = Elements(), (out / "index.html").read_text()
    page.feed(text)
    assert page.open == []
    policy = next(each for tag, each in page.seen if tag == "meta" and "http-equiv" in each)
    assert str(policy["content"]).startswith("default-src 'none';")
    assert not [each for _, each in page.seen if {"src", "href"} & each.keys()]
    assert [tag for tag, _ in page.seen].count("script") == 3  # those of ours; no name opens one
    assert text.count(HOSTILE.replace("/", "")) == 0


@pytest.mark.parametrize(
    ("given", "told"), [([], "Each chain of a complex"), (["--as", "complex"], "All chains of a")]
)
def test_it_says_how_the_chains_of_a_complex_were_taken(
    tmp_path: Path, capsys: Capture, given: list[str], told: str
) -> None:
    pair, out = tmp_path / "pair.pdb", tmp_path / "o"
    write_scored(pair, (made := shelf.two_chains()), np.zeros(len(made)))
    words = ("--model", "ppbs", "--out", out, "--page", *given)
    assert call(capsys, "predict", "zoo/examples/1a8o.cif.gz", *words).code == 0
    assert told not in (out / "index.html").read_text()
    assert call(capsys, "predict", pair, *words).code == 0
    assert told in (out / "index.html").read_text()
    other = call(capsys, "predict", pair, *words[:5], *([] if given else ["--as", "complex"]))
    assert other.code == 2 and "with another --as" in other.err


def test_coordinates_are_those_of_the_file_but_for_a_turn(
    capsys: Capture, tmp_path: Path, runs: dict[str, Path], structures: Path
) -> None:
    out, protein = tmp_path / "o", shelf.ordinary(24, 0)
    call(capsys, "predict", structures / "a.pdb", "--model", runs["binary"], "--out", out,
         "--page")  # fmt: skip
    (one,) = shown(out)["proteins"]
    points = np.array(one["xyz"], float).reshape(-1, 3) / 10
    expected = protein.chains[0].coords[:, (1, 3)].reshape(-1, 3).astype(float)

    def distances(x: Any) -> Any:
        return np.linalg.norm(x[:, None] - x[None], axis=-1)

    np.testing.assert_allclose(distances(points), distances(expected), atol=0.2)
    sides = [np.linalg.det(x[[2, 9, 17]] - x[30]) for x in (points, expected)]
    assert np.sign(sides[0]) == np.sign(sides[1])  # no mirror image


def test_by_default_there_is_a_page_on_a_terminal_alone(
    capsys: Capture, tmp_path: Path, runs: dict[str, Path], structures: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    given = ("predict", structures / "b.pdb", "--model", runs["binary"], "--out", tmp_path / "o")
    assert call(capsys, *given).code == 0
    assert not (tmp_path / "o" / "index.html").exists()
    assert json.loads(call(capsys, *given, "--json").out)["page"] is None
    monkeypatch.setattr(say.console, "_force_terminal", True)
    call(capsys, *given, "--no-page")
    assert not (tmp_path / "o" / "index.html").exists()
    found = json.loads(call(capsys, *given, "--json").out)
    assert Path(found["page"]) == tmp_path / "o" / "index.html"
    assert Path(found["page"]).exists()


def test_a_page_that_would_be_too_large_says_what_is_left_out(
    capsys: Capture, tmp_path: Path, runs: dict[str, Path], structures: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out, room = tmp_path / "o", predicted.viewer.fixed_size()
    monkeypatch.setattr(predicted, "MOST", room + 1200)
    monkeypatch.setattr(predicted, "ROWS", 60)
    call(capsys, "predict", structures, "--model", runs["binary"], "--out", out, "--page")
    found, text = shown(out)["proteins"], (out / "index.html").read_text()
    assert ["chains" in one for one in found] == [True, False]
    assert "3 proteins predicted = 1 drawn + 2 left out, 1 of them not even in the table" in text
    assert len(text) < predicted.MOST + 10_000


@pytest.mark.parametrize("change", ["gone", "changed", "another chain"])
def test_without_its_file_a_sequence_is_shown_alone(
    capsys: Capture, tmp_path: Path, runs: dict[str, Path], structures: Path, change: str
) -> None:
    out, file = tmp_path / "o", structures / "a.pdb"
    call(capsys, "predict", file, "--model", runs["binary"], "--out", out)
    if change == "gone":
        file.unlink()
    else:
        write_scored(file, shelf.ordinary(30, 7), np.zeros(30))
    call(capsys, "predict", structures / "b.pdb", "--model", runs["binary"], "--out", out,
         "--page")  # fmt: skip
    first, second = shown(out)["proteins"]
    assert first["xyz"] is None and "is not shown" in first["note"]
    assert second["xyz"] and not second["note"]


def test_a_value_of_a_whole_protein_is_in_the_table(
    capsys: Capture, tmp_path: Path, runs: dict[str, Path], structures: Path
) -> None:
    out = tmp_path / "o"
    done = call(capsys, "predict", structures, "--model", runs["regression"], "--out", out,
                "--page")  # fmt: skip
    with open(out / "predictions.csv", newline="") as file:
        rows = {row["id"]: float(row["gdt"]) for row in csv.DictReader(file)}
    found = shown(out)
    assert found["scales"] == {} and found["cells"] == ["residues", "gdt"]
    assert {one["name"]: one["cells"][1] for one in found["proteins"]} == rows
    assert all(f"{value:.3g}" in done.out for value in rows.values())


def test_it_ends_with_the_highest_residues(
    capsys: Capture, tmp_path: Path, runs: dict[str, Path], structures: Path
) -> None:
    out = tmp_path / "o"
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", out)
    with open(out / "predictions.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["id"] == "a"]
    best = max(rows, key=lambda row: float(row["site"]))
    (line,) = [line for line in done.out.splitlines() if line.startswith("a ")]
    place = f"{best['chain']}:{best['number']} {best['letter']} {float(best['site']):.2f}"
    assert place in line and line.index(place) == line.index(f"{best['chain']}:")
    assert 'site is "yes" for a residue with a probability of at least 0.5' in done.out


RESULT = {
    "chains": [["A", "MKT", ["", "2", "3B"]], ["", "GG", ["", ""]]],
    "mean": {"site": [None, 0.2, 0.7, 0.1, 0.9], "label": [[0.1, 0.9]] * 5}, "std": {},
}  # fmt: skip


def test_residues_are_named_as_in_the_file_or_by_position() -> None:
    site = Target("site", "binary", "residue")
    assert [one.place for one in highest(RESULT, site, 3)] == ["2 G", "A:3B T", "A:2 K"]
    other = Target("label", "multiclass", "residue", 2)
    assert columns([other, site], {"site": 0.5}) == ["residues", "site: yes", "site: highest"]
    assert answer("p", RESULT, [other, site], {"site": 0.5}) == [5, 2, 0.9]


def test_without_any_score_there_is_no_highest() -> None:
    site = Target("site", "binary", "residue")
    nothing = {**RESULT, "mean": {"site": [None] * 5}}
    assert highest(nothing, site) == [] and answer("p", nothing, [site]) == [5, None]


DO = """
const seen = {}, get = (id) => document.getElementById(id);
const marked = () => document.querySelector(".lit");
const press = (key) => get("strip").dispatchEvent(new KeyboardEvent("keydown", {key}));
const rows = () => Array.from(get("rows").children).map((row) => row.firstChild.textContent);
seen.rows = rows();
document.querySelectorAll("#head button")[1].click();
seen.sorted = rows();
press("ArrowRight"); press("ArrowDown");
seen.walked = marked().dataset.at;
seen.told = get("told").textContent;
document.querySelector("#highest button").click();
seen.best = marked().ariaLabel;
Array.from(get("rows").children).at(-1).querySelector("button").click();
seen.title = get("title").textContent;
document.documentElement.dataset.seen = JSON.stringify(seen);
"""


@browser.needed
def test_a_browser_sorts_walks_and_selects(
    capsys: Capture, tmp_path: Path, runs: dict[str, Path], structures: Path
) -> None:
    out = tmp_path / "o"
    call(capsys, "predict", structures, "--model", runs["binary"], "--out", out, "--page")
    dom = browser.after((out / "index.html").read_text(), DO, tmp_path)
    (start,) = [each for tag, each in parsed(dom).seen if tag == "html"]
    seen = json.loads(str(start["data-seen"]))
    assert seen["rows"] == [one["name"] for one in shown(out)["proteins"]]
    sizes = {one["name"]: one["cells"][0] for one in shown(out)["proteins"]}
    assert [sizes[name] for name in seen["sorted"]] == [24, 11, 9]
    first = shown(out)["proteins"][0]
    assert seen["walked"] == str(min(10, sizes[first["name"]] - 1))
    scores = first["values"]["site"]
    best = int(np.argmax(scores))
    (chain, letters, numbers, _), *_ = first["chains"]
    assert seen["best"].startswith(f"{chain}:{numbers.split(',')[best]} {letters[best]}, ")
    assert "site " in seen["told"] and seen["title"] == seen["sorted"][-1]


def parsed(text: str) -> Elements:
    found = Elements()
    found.feed(text)
    return found

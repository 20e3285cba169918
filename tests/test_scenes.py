"""Scripts for PyMOL, ChimeraX and Mol*: the page's colours on the residues of the file."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import shelf
from tests.test_predict import run_folder
from tests.verbs import call
from zoo.explanation.colours import SCORES
from zoo.models.thresholds import write_thresholds
from zoo.proteins.files.scores import write_scored
from zoo.reporting.scales import UNKNOWN, Scale, of_column, of_values
from zoo.reporting.scenes import by_colour, chimerax, molstar, pymol, write_scenes

Capture = pytest.CaptureFixture[str]
SCALE = Scale(0.0, 1.0, SCORES)
RESULT: dict[str, Any] = {
    "chains": [["A", "MKTV", ["", "-3", "52A", "53"]], ["_", "GG", ["1", "2"]]],
    "mean": {"site": [None, 0.25, 1.0, None, 0.25, 0.0]},
    "std": {},
}


def channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def test_the_ends_and_the_middle_of_a_scale_are_its_colours() -> None:
    assert [SCALE.colour(x) for x in (-1.0, 0.0, 0.5, 1.0, 2.0)] == [
        SCORES[0], SCORES[0], SCORES[1], SCORES[2], SCORES[2]
    ]  # fmt: skip
    assert SCALE.colour(None) == SCALE.colour(float("nan")) == UNKNOWN
    assert Scale(2.0, 2.0, SCORES).colour(2.0) == SCORES[0]


def test_colours_of_a_rare_class_end_below_one() -> None:
    assert (of_values("binary", [], 0.1).high, of_values("binary", [], 0.1).threshold) == (
        pytest.approx(0.3), 0.1
    )  # fmt: skip
    assert of_values("binary", [], 0.5).high == of_values("multiclass", []).high == 1.0
    assert (of_values("regression", [3.0, None, -1.0]).low, of_values("regression", []).high) == (
        -1.0, 1.0
    )  # fmt: skip


def test_contributions_are_even_about_zero_and_gates_from_zero_to_one() -> None:
    assert (of_column("by_sequence", [-0.5, 2.0]).low, of_column("gate_1_2", [0.4]).high) == (-2, 1)


def test_residues_without_a_score_or_a_number_have_no_colour() -> None:
    found = by_colour(RESULT, "site", SCALE)
    assert {colour: list(map(tuple, places)) for colour, places in found.items()} == {
        SCALE.colour(0.25): [("A", -3, ""), ("", 1, "")],
        SCORES[2]: [("A", 52, "A")],
        SCORES[0]: [("", 2, "")],
    }


def test_pymol_is_told_each_residue() -> None:
    text = pymol("a.pdb", by_colour(RESULT, "site", SCALE))
    assert compile(text.split("python\n", 1)[1].replace("python end\n", ""), "a.pml", "exec")
    assert "chain 'A' and resi \\\\-3\"" in text and "chain '' and resi 1\"" in text
    assert f'cmd.color("0x{SCORES[2][1:]}"' in text and "resi 52A" in text


def test_chimerax_colours_by_the_attribute_or_by_the_b_factors() -> None:
    text = chimerax("a b.cif", "a b.defattr", "my site", SCALE)
    assert 'open "a b.cif"\nopen "a b.defattr"\n' in text
    assert f"r:zoo_my_site target c palette {':'.join(SCORES)} range 0,1 " in text
    assert "a:bfactor target c" in (again := chimerax("a.cif", None, "site", SCALE))
    assert "range 0,100 " in again and "defattr" not in again


def test_molstar_holds_the_structure(tmp_path: Path) -> None:
    structure = tmp_path / "a.pdb"
    structure.write_bytes(b"ATOM  \xc3\xa4\n")
    state = json.loads(molstar(structure, by_colour(RESULT, "site", SCALE)))
    download = state["root"]["children"][0]
    kind, _, data = download["params"]["url"].partition(",")
    assert kind == "data:text/plain;base64"
    assert base64.b64decode(data) == structure.read_bytes()
    parse = download["children"][0]
    assert parse["params"] == {"format": "pdb"}
    polymer = parse["children"][0]["children"][0]["children"][0]
    first, *others = [node["params"] for node in polymer["children"]]
    assert first == {"color": UNKNOWN}
    assert {"auth_asym_id": "A", "auth_seq_id": 52, "pdbx_PDB_ins_code": "A"} in [
        one for node in others for one in node["selector"]
    ]


@pytest.mark.parametrize("name", ["x; quit", 'x"; quit', "x', quit()", "x\\", "x y,z"])
def test_no_file_name_is_a_command(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.pdb").touch()
    write_scenes(tmp_path, [(name, RESULT)], "site", SCALE)
    lines = (tmp_path / f"{name}.pml").read_text().splitlines()
    (load,) = [line for line in lines if "cmd.load" in line]
    literal = re.search(r'folder, ("(?:[^"\\]|\\.)*")\), "prediction"\)$', load)
    assert literal and json.loads(literal[1]) == f"{name}.pdb"
    first = (tmp_path / f"{name}.cxc").read_text().splitlines()[0]
    assert re.fullmatch(r'open "(?:[^"\\]|\\.)*"', first)


def test_a_name_with_a_line_break_gets_no_script(tmp_path: Path) -> None:
    (tmp_path / "x\nquit.pdb").touch()
    assert write_scenes(tmp_path, [("x\nquit", RESULT), ("gone", RESULT)], "site", SCALE) == []


@pytest.mark.parametrize("option", ["--structures", "--bfactors"])
def test_they_lie_beside_each_structure(
    capsys: Capture, tmp_path: Path, plm_folders: dict[str, str], option: str
) -> None:
    run = run_folder(tmp_path / "run", "binary", plm_folders["esm"])
    write_thresholds(run, {"site": {"threshold": 0.2}})
    write_scored(tmp_path / "a.pdb", shelf.ordinary(20, 1), np.zeros(20))
    out = tmp_path / "o"
    done = call(capsys, "predict", tmp_path / "a.pdb", "--model", run, "--out", out, option)
    assert done.code == 0, done.err
    found = {path.suffix for path in (out / "structures").iterdir()}
    assert found == {".pdb", ".pml", ".cxc", ".mvsj"} | (
        {".defattr"} if option == "--structures" else set()
    )
    (_, line) = (out / "journal.jsonl").read_text().splitlines()
    scores = json.loads(line)["result"]["mean"]["site"]
    text = (out / "structures" / "a.pml").read_text()
    scale = of_values("binary", [], 0.2)
    lines = re.findall(r'"0x(\w+)", .* resi ([\d+]+)"', text)
    painted = {number: f"#{colour}" for colour, many in lines for number in many.split("+")}
    assert len(painted) == 20
    for number, value in enumerate(scores, 1):
        np.testing.assert_allclose(
            channels(painted[str(number)]), channels(scale.colour(value)), atol=3
        )

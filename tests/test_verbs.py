"""What all verbs share: quick help, exit codes, lists that follow the registries."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.verbs import call
from zoo.__main__ import VERBS
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.plm import names
from zoo.fusion import FUSIONS
from zoo.pretrained import source
from zoo.proteins.build_graph import FeatureWidths, GraphSpec
from zoo.tasks import TASKS

ROOT = Path(__file__).parents[1]


def quickest(*arguments: str, runs: int = 3) -> float:
    """Return the least wall time: the others measure the machine's load."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("verb", list(VERBS))
def test_help_takes_less_than_half_a_second(verb):
    assert quickest("-m", f"zoo.{verb}", "--help") < 0.5


def test_importing_zoo_takes_less_than_half_a_second():
    assert quickest("-c", "import zoo") < 0.5


def test_list_names_all_that_is_registered(capsys):
    found = json.loads(call(capsys, "list", "--json").out)
    for kind, registry in {
        "structure": STRUCTURE_BACKBONES, "fusion": FUSIONS, "task": TASKS
    }.items():  # fmt: skip
        assert [row["name"] for row in found[kind]] == list(registry)
        assert all(row["about"] for row in found[kind])
    for kind, classes in (("structure", STRUCTURE_BACKBONES), ("fusion", FUSIONS)):
        for row in found[kind]:  # read off the source, as importing takes seconds
            assert row["about"] == (classes[row["name"]].__doc__ or "").strip().splitlines()[0]
    (table,) = (row for row in found["task"] if row["name"] == "table")
    assert (table["level"], table["outputs"]) == ("residue or protein", "any")


def test_list_tells_the_size_licence_and_check_of_every_graph_network(capsys):
    found = {
        row["name"]: row for row in json.loads(call(capsys, "list", "--json").out)["structure"]
    }
    for name in STRUCTURE_BACKBONES:
        made = STRUCTURE_BACKBONES[name](FeatureWidths.of(GraphSpec()))
        size = sum(p.numel() for p in made.parameters())
        row = found[name]
        assert (row["layers"], row["width"], row["parameters"]) == (
            made.num_layers,
            made.width,
            size,
        )
        assert row["paper"] in " ".join(sys.modules[type(made).__module__].__doc__.split())
        assert row["licence"] == source(name).get("licence", "Apache-2.0")
        for path in re.findall(r"tests/[\w/]+\.py", row["checked"]):
            assert re.search(rf"def test_.*{name}|{name.upper()}", (ROOT / path).read_text())
        assert (row["weights"] is None) == (made.pretrained is None)
        if row["weights"]:
            assert re.fullmatch("[0-9a-f]{64}", row["weights"]["sha256"])


def test_list_tells_commit_licence_and_check_of_every_language_model(capsys):
    rows = json.loads(call(capsys, "list", "--json").out)["sequence"]
    assert [row["name"] for row in rows] == names()
    for row in rows:
        assert row["commit"] is None or re.fullmatch("[0-9a-f]{40}", row["commit"])
        assert re.fullmatch(r"[A-Z][\w.-]+|unknown: see the model's page", row["licence"])
        known = not row["licence"].startswith("unknown")
        assert row["commercial use"] is ("-NC-" not in row["licence"] if known else None)
        assert "by this project" in row["checked"] or "never with these weights" in row["checked"]


@pytest.mark.parametrize("columns", [60, 80, 110, 120])
def test_list_breaks_no_name(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    done = call(capsys, "list", "*_*")
    lines = done.out.splitlines()
    found = [line for line in lines if line.startswith("esm2_35m ")]
    rows = [line for line in lines if re.match(r"\w+_\w+ ", line)]
    assert found and max(map(len, rows)) <= columns
    assert (columns < 80) == ("facebook/esm2_t12_35M_UR50D" not in found[0])
    assert ("Not shown for want of columns" in done.out) == (columns < 110)
    assert "No commercial use: ankh_base, ankh_large" in done.out


def test_a_pipe_gets_whole_rows(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = call(capsys, "list", "[eg]*").out.splitlines()
    for name in ("gvp", "egnn"):
        (line,) = [line for line in lines if line.startswith(name)]
        assert STRUCTURE_BACKBONES.about(name) in line and "Apache-2.0" in line


def test_list_tells_the_size_of_a_plug_ins_network(capsys, monkeypatch):
    mine = type("Mine", (STRUCTURE_BACKBONES["gat"],), {"__doc__": "One of mine."})
    monkeypatch.setitem(STRUCTURE_BACKBONES._entries, "mine", mine)
    (row,) = json.loads(call(capsys, "list", "mine", "--json").out)["structure"]
    assert (row["about"], row["layers"], row["parameters"]) == ("One of mine.", 4, 253_568)


def test_list_tells_what_every_trained_model_is_worth(capsys, monkeypatch):
    for row in json.loads(call(capsys, "list", "--json").out)["model"]:
        assert row["task"] in TASKS and row["score"]["low"] < row["score"]["value"]
        assert row["best baseline"] and row["difference"]["low"] < row["difference"]["high"]
        assert 0 < row["MB"] < 5
    for columns, told in ((60, False), (120, True)):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = call(capsys, "list", "ppbs_serial").out.splitlines()
        (line,) = [line for line in lines if line.startswith("ppbs_serial")]
        assert re.search(r" \d\.\d{3} \(.*\) .*[+-]\d\.\d{3} \([^(]*\)", line), line
        assert ("average_precision" in line) == told


def test_list_takes_a_wildcard(capsys):
    out = call(capsys, "list", "ppbs_*_local").out
    assert "ppbs_esm2_8m_gvp_local" in out
    assert "global" not in out


def test_list_of_nothing_is_an_error(capsys):
    assert call(capsys, "list", "nothing*").code == 2


def test_doctor_says_which_engine_runs(capsys):
    done = call(capsys, "doctor", "--json")
    found = {finding["what"]: finding for finding in json.loads(done.out)}
    assert done.code == 0
    assert found["torch"]["state"] == "ok"
    assert all(finding["fix"] for finding in found.values() if finding["state"] != "ok")


def test_doctor_prints_a_table(capsys):
    assert "transformers" in call(capsys, "doctor").out


def test_download_without_network_says_what_to_do(capsys):
    done = call(capsys, "download", "esm2_8m")
    assert done.code == 3
    assert "machine with internet" in done.err


def test_download_of_two_models_into_one_folder_is_an_error(capsys, tmp_path):
    assert call(capsys, "download", "esm2_8m", "esm2_35m", "--out", tmp_path).code == 2


def test_an_unknown_verb_names_the_nearest(capsys):
    done = call(capsys, "biuld")
    assert done.code == 2
    assert "Did you mean 'build'" in done.err


@pytest.mark.parametrize("verb", ["baseline", "compare", "evaluate"])
def test_a_negative_seed_is_told(capsys, verb):
    done = call(capsys, verb, "none", "--seed", "-1")
    assert done.code == 2 and "--seed" in done.err


def test_verbs_are_listed(capsys):
    out = call(capsys, "--help").out
    assert all(verb in out for verb in VERBS)


def test_output_survives_head():
    command = f"{sys.executable} -m zoo.list | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr


MISSING = {
    "train": ("ppbs_esm2_8m_gvp_local", "--data", "none", "--out", "out"),
    "search": ("ppbs_esm2_8m_gvp_local", "--data", "none"),
    "ablate": ("ppbs_esm2_8m_gvp_local", "--data", "none", "--out", "out"),
    "prepare": ("ppbs", "--data", "none", "--out", "out"),
    "predict": ("none.pdb", "--model", "ppbs", "--out", "out"),
    "embed": ("none.pdb", "--model", "esm2_8m", "--out", "out.h5"),
    "explain": ("none.pdb", "--model", "ppbs", "--out", "out"),
    "evaluate": ("ppbs", "--data", "none", "--out", "out"),
    "baseline": ("none",),
    "probe": ("--data", "none", "--seq", "plm_mini", "--out", "out"),
    "compare": ("none", "neither"),
    "split": ("none.csv",),
    "inspect": ("none.pdb",),
}


@pytest.mark.parametrize("verb", MISSING)
def test_what_is_not_there_is_told_before_anything_heavy_is_imported(tmp_path, verb):
    code = (
        "import sys; from zoo.__main__ import main\n"
        f"sys.argv = ['zoo', {verb!r}, *{MISSING[verb]!r}]\n"
        "try: main()\n"
        "except SystemExit as leave: print(leave.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          cwd=tmp_path)  # fmt: skip
    assert done.stdout.split()[-2:] == ["4", "False"], done.stderr
    assert "none" in done.stderr
    assert not list(tmp_path.glob("out*/*"))

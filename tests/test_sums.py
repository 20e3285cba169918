"""Every verb that reads many things ends with "N in = A done + B left out", and it is right."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests import shelf
from tests.metrics.samples import predictions
from tests.test_predict import run_folder, saved
from tests.test_store import hurt, some_states
from tests.training import runs
from tests.verbs import Result, call
from zoo.__main__ import VERBS
from zoo.command.sums import Sum, grouped, show_sum, sum_of
from zoo.errors import alike
from zoo.metrics.predictions import NAME, write_predictions
from zoo.prediction.inputs import Outcome
from zoo.pretrain import sum_of as of_corpus
from zoo.pretraining.corpus import distinct
from zoo.proteins.files.scores import write_scored

LINE = re.compile(r"^([\d,]+) (.+) in = ([\d,]+) done \+ ([\d,]+) left out$", re.M)
OTHERS = {
    "list": "reads nothing", "doctor": "reads nothing", "build": "reads one config",
    "download": "ends at the first model that cannot be had", "explain": "reads one protein",
    "train": "nothing is left out after `prepare`, whose sum it prints for a benchmark's folder",
    "baseline": "nothing is left out after `prepare`", "report": "shows one scored run",
    "search": "its report lists each trial with its state",
    "ablate": "prints how many cells of the table are missing",
    "push": "sends one run, file by file", "app": "answers one structure at a time",
}  # fmt: skip
"""Verbs without a sum, each with the reason."""


class Counted(NamedTuple):
    """What a verb was given, counted here, and what it printed."""

    given: int
    left_out: int
    done: Result
    json: Result | None = None


def inputs(folder: Path) -> tuple[Path, int, int]:
    """Write records and names of which some cannot be used; return how many, and how many not."""
    folder.mkdir()
    (folder / "some.fasta").write_text(
        ">a\nMKTAYIAK\n>b\nMK1\n>c\nACDEFGHIK\n>a\nMKTAYIAK\n>a\nMK\n"
    )
    (folder / "odd.pdb").write_text("nothing\n")
    write_scored(folder / "good.pdb", shelf.ordinary(9, 0), np.zeros(9))
    return folder, 7, 4


def predict(capsys: Any, root: Path, plm: str) -> Counted:
    folder, given, left = inputs(root / "in")
    (folder / "good.pdb").unlink()  # the model reads sequences
    model = saved(root / "m", "binary", plm, struct="none")
    command = ("predict", folder, "--model", model, "--out")
    return Counted(given - 1, left, call(capsys, *command, root / "o"),
                   call(capsys, *command, root / "p", "--json"))  # fmt: skip


def embed(capsys: Any, root: Path, plm: str) -> Counted:
    folder, given, left = inputs(root / "in")
    model = saved(root / "m", "binary", plm, struct="none")
    command = ("embed", folder, "--model", model, "--out")
    return Counted(given, left, call(capsys, *command, root / "o.h5"),
                   call(capsys, *command, root / "p.h5", "--json"))  # fmt: skip


def inspect(capsys: Any, root: Path, _: str) -> Counted:
    folder, given, left = inputs(root / "in")
    # Names may occur twice here: nothing is written under them.
    return Counted(given, left - 2, call(capsys, "inspect", *sorted(folder.iterdir())))


def table(root: Path) -> tuple[Path, int, int]:
    """Write rows of chains, sequences and files of which some are not there."""
    root.mkdir(exist_ok=True)
    write_scored(root / "x.pdb", shelf.ordinary(9, 0), np.zeros(9))
    rows = [("a", "x.pdb", "", "A"), ("b", "x.pdb", "", "Q"), ("c", "no.pdb", "", ""),
            ("d", "", "MKT1", ""), ("e", "", "MKTAYIAKQR", ""), ("f", "", "", "")]  # fmt: skip
    text = "".join(f"{','.join(row)},{at / 10}\n" for at, row in enumerate(rows))
    (root / "labels.csv").write_text(f"id,structure,sequence,chain,y\n{text}")
    return root / "labels.csv", 6, 4


def prepare(capsys: Any, root: Path, _: str) -> Counted:
    path, given, left = table(root / "in")
    command = ("prepare", "table", "--data", path, "--out")
    return Counted(given, left, call(capsys, *command, root / "o"),
                   call(capsys, *command, root / "p", "--json"))  # fmt: skip


def split(capsys: Any, root: Path, _: str) -> Counted:
    path, given, left = table(root / "in")
    command = ("split", path, "--by", "cluster")
    return Counted(given, left, call(capsys, *command), call(capsys, *command, "--json"))


def evaluate(capsys: Any, root: Path, plm: str) -> Counted:
    path = root / "labels.csv"
    cells = ["MKTAYIAKQR,0101100101", "ACDEFGHIK,010110010", "MKTAYIAKQRMK,010110010101"]
    rows = "".join(f"p{at},{cell}\n" for at, cell in enumerate(cells))
    path.write_text(f"id,sequence,site\n{rows}")
    call(capsys, "prepare", "table", "--data", path, "--out", root / "data")
    run = run_folder(root / "run", "binary", plm, struct="none")
    (run / "splits.json").write_text('{"train": [], "validation": [], "test": []}')
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"inputs": "others"}))
    command = ("evaluate", run, "--data", root / "data", "--bootstrap", 5, "--out")
    return Counted(3, 0, call(capsys, *command, root / "o"),
                   call(capsys, *command, root / "p", "--json"))  # fmt: skip


def compare(capsys: Any, root: Path, _: str) -> Counted:
    one = predictions("regression")
    both = [one, one.take(np.arange(len(one)) != np.flatnonzero(one.split == "test")[0])]
    for name, each in zip("ab", both, strict=True):
        write_predictions(root / name / NAME, [each])
    given = sum(int((each.split == "test").sum()) for each in both)
    return Counted(given, 1, call(capsys, "compare", root / "a", root / "b", "--intersect",
                                  "--bootstrap", 5))  # fmt: skip


def store(capsys: Any, root: Path, _: str) -> Counted:
    folder = some_states(root / "store")
    files = len(list(folder.rglob("*.safetensors")))
    hurt(next(folder.glob("graphs/*")))
    command = ("store", "verify", "--root", folder)
    return Counted(files, 1, call(capsys, *command), call(capsys, *command, "--json"))


def pretrain(capsys: Any, root: Path, _: str) -> Counted:
    good = ["MKTAYIAKQR" * 4, "ACDEFGHIKL" * 4]
    records = [(str(at), text) for at, text in enumerate([*good, good[0], "MKT", "M?" * 30])]
    found, counts = distinct(records)
    parts = {part: {"sequences": 1} for part in ("train", "validation")}
    assert len(found) == 2
    total = of_corpus("sequences", {"counts": counts, **parts})  # the verb itself needs MMseqs2
    show_sum(total)
    return Counted(5, 3, Result(0, capsys.readouterr().out, ""))


def probe(capsys: Any, root: Path, plm: str) -> Counted:
    found = runs.samples(runs.BINDING)
    blank = {"binding_site": np.full(len(found[0].protein), np.nan, np.float32)}
    found[0] = dataclasses.replace(found[0], targets=blank)
    data = runs.prepare(root / "data", [runs.BINDING], found)
    tests = sum(one.split == "test" for one in found)
    command = ("probe", "--data", data, "--features", "density", "--bootstrap", 5, "--out")
    return Counted(len(found), tests + 1, call(capsys, *command, root / "o"),
                   call(capsys, *command, root / "p", "--json"))  # fmt: skip


CASES: dict[str, Callable[[Any, Path, str], Counted]] = {
    one.__name__: one
    for one in (predict, embed, inspect, prepare, split, evaluate, compare, store, pretrain, probe)
}


def test_every_verb_has_a_sum_or_a_reason() -> None:
    assert CASES.keys() | OTHERS.keys() == VERBS.keys()
    assert not CASES.keys() & OTHERS.keys()


@pytest.mark.parametrize("verb", CASES)
def test_the_sum_is_right(capsys, tmp_path: Path, plm_folders: dict[str, str], verb: str) -> None:
    found = CASES[verb](capsys, tmp_path, plm_folders["esm"])
    (line,) = LINE.findall(found.done.out + found.done.err)
    given, _, done, left = line
    assert (int(given), int(left)) == (found.given, found.left_out), found.done
    assert int(given) == int(done) + int(left)
    reasons = re.findall(r"^  ([\d,]+) left out: .", found.done.out + found.done.err, re.M)
    assert sum(map(int, reasons)) == int(left)
    if found.json is not None:
        total = json.loads(found.json.out)["sum"]
        assert (total["in"], total["left_out"]) == (found.given, found.left_out)
        assert total["in"] == total["done"] + sum(total["reasons"].values())


def test_reasons_that_differ_in_names_only_are_one() -> None:
    reasons = ["data/a1.pdb: is empty", "data/b2.pdb: is empty", "x: no chain"]
    assert grouped(reasons) == {"... is empty": 2, "x: no chain": 1}


def test_what_a_stop_left_is_in_the_sum() -> None:
    outcome = Outcome(given=9, written=4, kept=1, failed={"a": "odd"}, interrupted=True)
    assert sum_of(outcome) == Sum("proteins", 9, 5, {"odd": 1, "not reached before the stop": 3})


def test_two_failures_of_one_name_are_two() -> None:
    outcome = Outcome()
    for _ in range(3):
        outcome.fail("a.fasta x", "taken")
    assert list(outcome.failed) == ["a.fasta x", "a.fasta x (2)", "a.fasta x (3)"]


def test_reasons_that_differ_in_details_only_are_one():
    first = "a/1bna.cif: holds no protein chain (24 waters: HOH 25, HOH 31 and 70 more)"
    second = "a/2abc.cif: holds no protein chain (2 nucleic acid chains, not read: A, B)"
    assert alike(first) == alike(second) == "... holds no protein chain"
    assert alike("it is too short (see the log)") == "it is too short (see the log)"

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.proteins.files import pdb, peptide


def inspect(*arguments):
    command = [sys.executable, "-m", "zoo.inspect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.pdb"
    path.write_text(pdb(peptide("ALA", "MSE", "GLY")))
    return path


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.pdb"
    path.write_text("")
    return path


def test_a_report_names_what_was_found(good):
    result = inspect(good)
    assert result.returncode == 0 and result.stderr == ""
    assert "A: modified: MSE 2 -> M" in result.stdout


def test_json_holds_the_whole_report(good):
    (protein,) = json.loads(inspect(good, "--json").stdout)
    (chain,) = protein["chains"]
    assert (protein["name"], chain["name"], chain["sequence"]) == ("good", "A", "AMG")
    assert chain["modified"] == ["MSE 2 -> M"] and chain["resolved"] == 3


def test_a_bad_file_is_one_line_and_the_others_still_print(good, bad):
    result = inspect(bad, good)
    assert result.returncode == 1
    assert result.stderr == f"error: {bad}: is empty\n"
    assert "MSE 2 -> M" in result.stdout


def test_help_loads_neither_torch_nor_a_parser():
    code = "import sys, zoo.inspect; print({'torch', 'gemmi', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
    assert "FILE" in inspect("--help").stdout.upper()

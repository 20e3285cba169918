"""--min-plddt: residues that a predictor is not sure of count as without coordinates."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests import shelf
from tests.verbs import call
from zoo.errors import ConfigError, ZooError
from zoo.proteins.files.scores import write_scored
from zoo.proteins.protein import Protein
from zoo.proteins.unsure import without_unsure

PLDDT = np.full(40, 90.0)
PLDDT[:5] = 30.0
PLDDT[20:23] = 49.9
PLDDT[30] = 50.0
UNSURE = PLDDT < 50


def write(path: Path, title: str, plddt: np.ndarray = PLDDT) -> Path:
    write_scored(path, shelf.ordinary(), plddt, scale=1.0)
    path.write_text(f"TITLE     {title}\n{path.read_text()}")
    return path


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    return write(tmp_path / "model.pdb", "ALPHAFOLD MONOMER V2.0 PREDICTION")


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    return write(tmp_path / "entry.pdb", "AN EXPERIMENT")


@pytest.fixture
def protein(predicted: Path) -> Protein:
    return zoo.read_structure(predicted)


def test_residues_below_it_become_no_nodes_and_the_sequence_stays(protein: Protein) -> None:
    sure, count = without_unsure(protein, 50)
    (chain,), (before,) = sure.chains, protein.chains
    assert count == 8 and chain.sequence == before.sequence and chain.numbers == before.numbers
    assert (chain.resolved == ~UNSURE).all() and (sure.nodes == ~UNSURE).all()
    assert np.array_equal(chain.coords[~UNSURE], before.coords[~UNSURE])
    assert np.isnan(chain.coords[UNSURE]).all() and np.isnan(chain.bfactor[UNSURE]).all()
    assert chain.segments[19] + 1 == chain.segments[23]
    assert not UNSURE[sure.atoms.residue].any()
    assert len(sure.atoms) == sum(not UNSURE[at] for at in protein.atoms.residue)


def test_other_structures_and_other_thresholds_change_nothing(
    protein: Protein, measured: Path
) -> None:
    entry = zoo.read_structure(measured)
    assert without_unsure(entry, 50) == (entry, 0)
    assert without_unsure(protein, 0) == (protein, 0)
    assert without_unsure(protein, 30) == (protein, 0)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_verb_equals_a_file_without_those_residues_and_counts_them(
    predicted: Path, measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("predict", predicted, measured, "--model", "ppbs", "--out", tmp_path / "out")
    done = call(capsys, *words, "--min-plddt", "50", "--structures")
    assert done.code == 0, done.err
    assert "8 residues below pLDDT 50 are left out" in done.err
    assert done.err.count("no structure that AlphaFold predicted") == 1
    found = rows(tmp_path / "out" / "predictions.csv")
    score = {(row["id"], row["number"]): row["binding_site"] for row in found}
    numbers = zoo.read_structure(predicted).chains[0].numbers
    assert [not score["model", number] for number in numbers] == UNSURE.tolist()
    assert all(score["entry", number] for number in numbers)
    # The structure that is written is the whole file, with the scores beside it.
    written = (tmp_path / "out" / "structures" / "model.pdb").read_text()
    assert written == predicted.read_text()

    table = zoo.predict([str(predicted), str(measured)], "ppbs", min_plddt=50)
    same = table["binding_site"].fillna(-1).to_numpy()
    assert same.tolist() == [float(row["binding_site"] or -1) for row in found]
    plain = zoo.predict(str(predicted), "ppbs")
    assert not plain["binding_site"].isna().any()

    other = call(capsys, *words)
    assert other.code == 2 and "another --as or --min-plddt" in other.err
    again = call(capsys, *words, "--min-plddt", "50", "--json")
    assert json.loads(again.out)["kept"] == 2


def test_features_have_no_rows_of_them(
    predicted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = zoo.embed(str(predicted), "ppbs", min_plddt=50)
    assert found["model"].shape[0] == 32 == len(found.rows["model"])
    words = ("embed", predicted, "--model", "ppbs", "--out", tmp_path / "f.h5")
    done = call(capsys, *words, "--min-plddt", "50", "--json")
    assert done.code == 0 and json.loads(done.out)["unsure"] == 8
    assert "8 residues below pLDDT 50 are left out" in done.err
    other = call(capsys, *words)
    assert other.code == 2 and "other settings" in other.err


def test_a_protein_of_which_nothing_is_left_fails_with_a_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "low.pdb", "ALPHAFOLD MONOMER V2.0", np.full(40, 20.0))
    with pytest.raises(ZooError, match="no residue has a pLDDT of 50 or more"):
        zoo.predict(str(path), "ppbs", min_plddt=50)


def test_a_protein_that_has_no_coordinates_to_begin_with_is_not_lost(protein: Protein) -> None:
    empty, _ = without_unsure(protein, 100)
    assert empty.plddt and not empty.has_structure
    with pytest.raises(ZooError, match="has no coordinates"):
        zoo.predict(empty, "ppbs", min_plddt=50)
    assert len(zoo.embed(empty, "plm_mini", layer=1, min_plddt=50)["model"]) == 40


def test_a_threshold_outside_the_scale_is_an_error(predicted: Path) -> None:
    with pytest.raises(ConfigError, match="from 0 to 100"):
        zoo.predict(str(predicted), "ppbs", min_plddt=101)

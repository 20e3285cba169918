from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.data.benchmarks import ca_pdb, helix
from zoo.data.layouts.mqa import Atom3DQuality
from zoo.data.reading import quality
from zoo.data.reading.atom3d import Container
from zoo.proteins.structure import read_structure

SCORES = (quality.gdt_ts, quality.lddt, quality.tm_score)


def pairs(model: np.ndarray, native: np.ndarray, at: np.ndarray | None = None) -> quality.Pairs:
    at = np.arange(len(model)) if at is None else at
    return quality.Pairs(model, native[at], at, native)


def bent(length: int = 60, seed: int = 1) -> np.ndarray:
    """Return the helix with its second half turned away."""
    pos = helix(length).copy()
    half = length // 2
    turn = Rotation.from_rotvec([0.9, 0.3, 0.1])
    pos[half:] = turn.apply(pos[half:] - pos[half]) + pos[half]
    return pos + np.random.default_rng(seed).normal(0, 0.3, pos.shape)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("length", [3, 4, 17, 60])
def test_the_native_itself_scores_one(score, length: int) -> None:
    assert score(pairs(helix(length), helix(length))) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_turning_and_moving_the_model_changes_nothing(score) -> None:
    turn = Rotation.random(None, np.random.default_rng(3))
    moved = turn.apply(bent()) + [30.0, -4.0, 12.0]
    assert score(pairs(moved, helix(60))) == pytest.approx(
        score(pairs(bent(), helix(60))), abs=1e-3
    )


@pytest.mark.parametrize("score", [quality.gdt_ts, quality.tm_score])
def test_the_natives_length_is_the_denominator(score) -> None:
    native, at = helix(60), np.arange(10, 40)
    assert score(pairs(native[at], native, at)) == pytest.approx(0.5, abs=1e-6)


def test_lddt_equals_its_plain_formula() -> None:
    native, at = helix(40), np.arange(5, 40)
    model = bent(40)[at]
    kept = total = 0
    for i in range(40):
        for j in range(40):
            distance = np.linalg.norm(native[i] - native[j])
            if i != j and distance <= 15:
                total += 4
                if i >= 5 and j >= 5:
                    error = abs(np.linalg.norm(model[i - 5] - model[j - 5]) - distance)
                    kept += sum(error < cutoff for cutoff in (0.5, 1, 2, 4))
    assert quality.lddt(pairs(model, native, at)) == pytest.approx(kept / total)


def test_gdt_is_never_below_that_of_the_fit_on_all_atoms() -> None:
    for seed in range(5):
        model, native = bent(seed=seed), helix(60)
        turn, _ = Rotation.align_vectors(native - native.mean(0), model - model.mean(0))
        moved = turn.apply(model - model.mean(0)) + native.mean(0)
        error = np.linalg.norm(moved - native, axis=1)
        plain = np.mean([(error <= cutoff).mean() for cutoff in (1, 2, 4, 8)])
        assert quality.gdt_ts(pairs(model, native)) >= plain - 1e-9


def test_a_mirror_image_is_not_superposed_by_reflection() -> None:
    native = np.random.default_rng(0).normal(0, 10, (40, 3))
    assert quality.gdt_ts(pairs(native * [1, 1, -1], native)) < 0.7


def test_residues_are_matched_by_alignment_not_by_number(tmp_path: Path) -> None:
    sequence, pos = "AGSKLLKSGAMMKSLAGSKA", helix(20)
    (tmp_path / "native.pdb").write_text(ca_pdb(pos, sequence))
    (tmp_path / "model.pdb").write_text(ca_pdb(pos[6:], sequence[6:]))
    model, native = (read_structure(tmp_path / f"{name}.pdb") for name in ("model", "native"))
    found = quality.match(model, native)
    assert found is not None and found.at.tolist() == list(range(6, 20))
    assert quality.gdt_ts(found) == pytest.approx(14 / 20)


def test_another_protein_does_not_match(tmp_path: Path) -> None:
    (tmp_path / "a.pdb").write_text(ca_pdb(helix(12), "AAAAAAAAAAAA"))
    (tmp_path / "b.pdb").write_text(ca_pdb(helix(12), "GGGGGGGGGGGG"))
    assert quality.match(*(read_structure(tmp_path / f"{n}.pdb") for n in "ab")) is None


@pytest.mark.data
def test_gdt_of_torsion_decoys_equals_the_table(data_dir: Path) -> None:
    rows = list(csv.DictReader((data_dir / "mqa" / "labels.csv").read_text().splitlines()))
    torsion = [row for row in rows if row["kind"] == "torsion"][::70]
    errors = []
    for row in torsion:
        path = data_dir / "mqa" / row["structure"]
        native = read_structure(path.parent / "native.pdb.gz")
        found = quality.match(read_structure(path), native)
        assert found is not None
        errors.append(quality.gdt_ts(found) - float(row["gdt_ts"]))
    assert len(errors) >= 20 and np.abs(errors).max() < 0.02


@pytest.mark.data
def test_scores_of_atom3d_decoys_equal_the_data_base(data_dir: Path) -> None:
    layout = Atom3DQuality(data_dir / "mqa" / "atom3d")
    container: Container = layout.containers["test"][1]
    for index in range(0, len(container), 3):
        sample = layout.read(f"test/{index}")
        native = data_dir / "mqa" / "structures" / sample.group / "native.pdb.gz"
        found = quality.match(sample.protein, read_structure(native))
        assert found is not None
        scores = container.item(index)["scores"]
        assert quality.gdt_ts(found) == pytest.approx(scores["gdt_ts"], abs=0.02)
        assert quality.tm_score(found) == pytest.approx(scores["tm"], abs=0.01)

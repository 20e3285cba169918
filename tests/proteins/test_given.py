"""What a model makes a batch of, and what is said of anything else; records print as one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from tests import shelf
from zoo.errors import ConfigError, StructureError
from zoo.proteins.files.scores import write_scored


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    path = tmp_path_factory.mktemp("one") / "small.cif"
    write_scored(path, shelf.ordinary(20), np.zeros(20))
    return path


@pytest.fixture(scope="module")
def model(plm_folders):
    return shelf.small_model(plm_folders["esm"], task="ppbs")


@pytest.fixture(scope="module")
def protein(example):
    return zoo.read_structure(example)


@pytest.mark.parametrize(
    "given", [str, Path, lambda path: [str(path)], zoo.read_structure,
              lambda path: (zoo.read_structure(path),), lambda path: iter([path])],
)  # fmt: skip
def test_a_batch_is_made_of_paths_and_proteins(model, protein, example, given):
    batch, expected = model.batch(given(example)), model.batch([protein])
    assert batch.names == ("small",)
    with torch.no_grad():
        assert torch.equal(model(batch), model(expected))


def test_paths_and_proteins_keep_their_order(model, example, tmp_path):
    (tmp_path / "two.fasta").write_text(">p\nMKT\n>q\nMKTA\n")
    sequence = shelf.small_model(model.recipe.config.sequence.name, "none")
    batch = sequence.batch([shelf.ordinary(9), tmp_path / "two.fasta", example])
    assert batch.names == ("ordinary", "p", "q", "small")


@pytest.mark.parametrize("given", [3, None, [3], {"a": 4}, torch.zeros(2)])
def test_what_is_no_protein_is_a_sentence(model, given):
    with pytest.raises(ConfigError, match=r"is not an input. Valid: the path of a structure or"):
        model.batch(given)


def test_a_path_that_cannot_be_read_names_itself(model):
    with pytest.raises(StructureError, match=r"no\.pdb: does not exist"):
        model.batch("no.pdb")


@pytest.mark.parametrize("method", ["__call__", "features", "explain"])
def test_what_is_no_batch_is_a_sentence(model, protein, method):
    with pytest.raises(ConfigError, match=r"^<Protein small.*\(Protein\) is not a batch"):
        getattr(model, method)(protein)


def test_records_print_as_one_line(model, protein):
    batch = model.batch([protein, shelf.with_ligand()])
    assert repr(protein) == "<Protein small: chain A; 20 residues, 20 resolved>"
    assert str(protein.chains[0]) == "<Chain A: 20 residues, 20 resolved>"
    assert str(batch).startswith("<Batch of 2 proteins: ") and ", tokens (" in str(batch)
    assert str(batch.graph).startswith("<Graph of 2 proteins: ")
    many = shelf.protein("many", *(shelf.chain(2, name=name) for name in "ABCDEFGH"))
    assert "chains A, B, C, D, E, F and 2 more; 16 residues" in str(many)
    records = [many, shelf.with_ligand(), *shelf.with_ligand().ligands, batch, batch.graph]
    for record in [*records, shelf.with_ligand().atoms]:
        assert len(str(record)) < 150 and "\n" not in str(record)

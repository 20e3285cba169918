"""3Di letters: those of another program, each chain alone, and what is not known is not guessed."""

from __future__ import annotations

import dataclasses
import gzip
import io
from pathlib import Path

import biotite.structure as bs
import numpy as np
import pytest
from biotite.structure.alphabet import to_3di
from biotite.structure.io import pdb, pdbx

from tests import shelf
from zoo.data.samples import Sample
from zoo.data.store import pack, unpack
from zoo.proteins.files.predicted import holds_plddt
from zoo.proteins.files.scores import write_scored
from zoo.proteins.protein import Atoms, Protein
from zoo.proteins.structure import read_structure
from zoo.proteins.threedi import STATES, UNKNOWN, structure_letters

EXAMPLE = Path("zoo/examples/1a8o.cif.gz")


def read_by_biotite(path: Path) -> bs.AtomArray:
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    if ".bcif" in path.name or ".cif" in path.name:
        binary = ".bcif" in path.name
        file = (
            pdbx.BinaryCIFFile.read(io.BytesIO(data))
            if binary
            else pdbx.CIFFile.read(io.StringIO(data.decode()))
        )
        return pdbx.get_structure(file, model=1, altloc="occupancy", use_author_fields=True)
    return pdb.PDBFile.read(io.StringIO(data.decode())).get_structure(model=1, altloc="occupancy")


def differing(path: Path) -> tuple[int, int]:
    """Return how many letters of a file differ from biotite's, and how many were compared.

    Biotite writes "d" where an atom is missing, and has only the residues that are in the file.
    """
    atoms, wrong, count = read_by_biotite(path), 0, 0
    protein = dataclasses.replace(read_structure(path), plddt=False)  # biotite hides nothing
    for chain, letters in zip(protein.chains, structure_letters(protein), strict=True):
        rows = np.flatnonzero(chain.resolved)
        own = atoms[atoms.chain_id == chain.name]
        names = [f"{a}{b}".strip() for a, b in zip(own.res_id, own.ins_code, strict=True)]
        own = own[np.isin(names, [chain.numbers[row] for row in rows]) & (own.res_name != "HOH")]
        theirs, _ = to_3di(own)
        if len(theirs) == 1 and len(theirs[0]) == len(rows):
            ours = "".join(letters[row] for row in rows).replace(UNKNOWN, "d")
            wrong += sum(a != b for a, b in zip(ours, str(theirs[0]).lower(), strict=True))
            count += len(rows)
    return wrong, count


def test_the_letters_of_the_example_are_those_of_biotite() -> None:
    assert differing(EXAMPLE) == (0, 70)
    assert structure_letters(read_structure(EXAMPLE))[0].startswith("d")


@pytest.mark.data
@pytest.mark.filterwarnings("ignore")  # biotite's own, of unusual files
def test_the_letters_of_real_structures_are_those_of_biotite(data_dir: Path) -> None:
    """Breaks, missing atoms, alternate locations, modified residues and ligands among them."""
    found = np.zeros(2, int)
    for path in sorted((data_dir / "raw_structures").iterdir()):
        structure = {".pdb", ".cif", ".bcif"} & {*path.suffixes}
        # These hold no protein, or are not whole.
        if structure and not path.name.startswith(("damaged", "1bna", "hetatm")):
            found += differing(path)
    assert found[0] == 0 and found[1] > 9000


@pytest.mark.parametrize("protein", shelf.SHELF.values(), ids=shelf.SHELF)
def test_each_residue_has_a_letter_and_each_chain_is_looked_at_alone(protein: Protein) -> None:
    found = structure_letters(protein)
    assert [len(letters) for letters in found] == [len(chain) for chain in protein.chains]
    for chain, letters in zip(protein.chains, found, strict=True):
        assert structure_letters(shelf.protein("alone", chain)) == [letters]
        known = np.isfinite(chain.coords[:, :3]).all((1, 2))
        assert [letter != UNKNOWN for letter in letters] == known.tolist()
        assert {*letters} <= {*STATES, UNKNOWN}


def test_the_letters_do_not_depend_on_where_a_protein_lies() -> None:
    protein = shelf.ordinary()
    moved = shelf.rotate(protein, shelf.rotation(), (2000.0, -3000.0, 1500.0))
    assert structure_letters(moved) == structure_letters(protein)


def test_ligands_are_not_read_and_a_cb_of_the_file_is() -> None:
    protein = shelf.ordinary()
    (bare,) = structure_letters(protein)
    ligand = shelf.with_ligand().ligands
    assert structure_letters(dataclasses.replace(protein, ligands=ligand)) == [bare]
    coords = protein.chains[0].coords
    odd = Atoms(
        pos=coords[:, 1] + np.float32([0, 0, 1.5]), element=np.full(len(coords), 6, np.uint8),
        name=np.full(len(coords), "CB"), residue=np.arange(len(coords)),
    )  # fmt: skip
    assert structure_letters(dataclasses.replace(protein, atoms=odd)) != [bare]


HEADERS = {
    b"TITLE     ALPHAFOLD MONOMER V2.0 PREDICTION\n": True,
    b"EXPDTA    THEORETICAL MODEL\nREMARK   1 AlphaFold\n": True,
    b"EXPDTA    X-RAY DIFFRACTION\nREMARK 200 STARTING MODEL: ALPHAFOLD\n": False,
    b"TITLE     AN EXPERIMENT\n": False,
    b"data_A\n_exptl.method 'X-RAY DIFFRACTION'\n_software.name AlphaFold\n": False,
    b"data_A\nloop_\n_exptl.entry_id\n_exptl.method\nA 'SOLUTION NMR'\n_a.b AlphaFold\n": False,
    b"data_A\n_exptl.method  'THEORETICAL MODEL'\n_software.name AlphaFold\n": True,
    b"data_A\n_exptl.method   ?\n_software.name AlphaFold\n": True,
    b"data_A\n_ma_qa_metric.name pLDDT\n_software.name AlphaFold\n": True,
    b"\x83\xa8_ma_qa_metric AlphaFold": True,
    b"\x83\xa6_exptl AlphaFold": False,
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_file_says_whether_it_has_plddt(header: bytes) -> None:
    assert holds_plddt(header) == HEADERS[header]


@pytest.mark.parametrize("title", ["ALPHAFOLD MONOMER V2.0", "AN EXPERIMENT"])
def test_residues_that_a_prediction_is_unsure_of_are_unknown(tmp_path: Path, title: str) -> None:
    protein, plddt = shelf.ordinary(), np.linspace(40.0, 99.0, 40).round(2)
    write_scored(tmp_path / "bare.pdb", protein, plddt, scale=1.0)
    text = (tmp_path / "bare.pdb").read_text()
    (tmp_path / "titled.pdb").write_text(f"TITLE     {title}\n{text}")
    read = read_structure(tmp_path / "titled.pdb")
    assert read.plddt == title.startswith("ALPHAFOLD")
    bare = read_structure(tmp_path / "bare.pdb")
    (letters,), (whole,) = structure_letters(read), structure_letters(bare)
    expected = [
        UNKNOWN if read.plddt and sure < 70 else letter
        for sure, letter in zip(plddt, whole, strict=True)
    ]
    assert letters == "".join(expected)
    kept = unpack(pack(Sample("p", read, {})))
    assert kept.protein.plddt == read.plddt
    assert (b"plddt" in pack(Sample("p", read, {}))) == read.plddt

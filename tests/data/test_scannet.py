"""The ScanNet layouts: ids, label files, the table, structures by name, and what is dropped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.structures import write_pdb
from zoo.data.layouts.base import find_layout
from zoo.data.layouts.bce import BceScanNet
from zoo.data.layouts.ppbs import PpbsScanNet
from zoo.data.reading.label_files import read_labels
from zoo.data.rounds import folds
from zoo.data.samples import DroppedSample
from zoo.errors import DataError

SEQUENCE = "MKTAYIAKQRQISFVKSHFS"


def entry(key: str, *chains: tuple[str, str], end: str = "\n") -> str:
    """Return one entry, every third residue positive."""
    rows = [
        f"{chain} {at + 1} {letter} {int(at % 3 == 0)}"
        for chain, letters in chains
        for at, letter in enumerate(letters)
    ]
    return end.join([f">{key}", *rows, ""])


def positive(letters: str) -> list[float]:
    return [float(at % 3 == 0) for at in range(len(letters))]


def ppbs(root: Path, text: str, name: str = "labels_train.txt") -> PpbsScanNet:
    (root / name).write_bytes(text.encode())
    return PpbsScanNet(root)


def bce(root: Path, text: str, name: str = "labels_fold1.txt") -> BceScanNet:
    (root / name).write_bytes(text.encode())
    return BceScanNet(root)


@pytest.mark.parametrize(
    "key, name",
    [
        ("1a2n_0-A", "1a2n_0-A"), ("1a2n_0-A", "1a2n-assembly1"), ("1a2n_0-A", "1A2N"),
        ("1a2n_0-A", "pdb1a2n"), ("1a2n_0-A", "1a2n_A"), ("4iu2A", "4iu2A"), ("4IU2A", "4iu2"),
        ("1k4c_A", "1k4c"), ("1k4c_A", "1k4cA"),
    ],
)  # fmt: skip
def test_a_structure_is_found_by_id_and_chain(tmp_path, key, name):
    write_pdb(tmp_path / "structures" / f"{name}.pdb.gz", {"A": SEQUENCE})
    sample = ppbs(tmp_path, entry(key, ("A", SEQUENCE))).read(key)
    assert sample.targets["binding_site"].tolist() == positive(SEQUENCE)
    assert sample.id == sample.protein.name == key
    assert sample.split == "train"


def test_a_chain_keeps_its_case_when_files_are_looked_for(tmp_path):
    write_pdb(tmp_path / "1abca.pdb.gz", {"a": SEQUENCE})
    write_pdb(tmp_path / "1abcA.pdb.gz", {"A": SEQUENCE[::-1]})
    layout = ppbs(tmp_path, entry("1ABCa", ("a", SEQUENCE)))
    assert layout.read("1ABCa").protein.chains[0].sequence == SEQUENCE


def test_the_old_names_of_assemblies_are_known(tmp_path):
    write_pdb(tmp_path / "structures" / "1a2n.pdb1.gz", {"A": SEQUENCE}, models=2)
    layout = ppbs(tmp_path, entry("1a2n_1-A", ("A", SEQUENCE)))
    assert layout.read("1a2n_1-A").protein.chains[0].coords[0, 1, 1] == 2.0  # model index from 0


def test_an_entry_of_two_models_has_both_in_order(tmp_path):
    write_pdb(tmp_path / "structures" / "2p6b.pdb.gz", {"A": SEQUENCE}, models=2)
    key = "2p6b_0-A+1-A"
    sample = ppbs(tmp_path, entry(key, ("A", SEQUENCE), ("A", SEQUENCE))).read(key)
    assert [chain.coords[0, 1, 1] for chain in sample.protein.chains] == [1.0, 2.0]
    assert sample.targets["binding_site"].tolist() == 2 * positive(SEQUENCE)
    assert sample.protein.atoms.residue.max() == 2 * len(SEQUENCE) - 1


def test_joined_chains_are_laid_end_to_end(tmp_path):
    chains = {"A": SEQUENCE, "B": SEQUENCE[:7], "C": SEQUENCE[4:]}
    write_pdb(tmp_path / "structures" / "6z3p.pdb.gz", chains)
    sample = bce(tmp_path, entry("6z3p_ABC", *chains.items())).read("6z3p_ABC")
    assert [match.chain for match in sample.matches] == ["A", "B", "C"]
    expected = [label for letters in chains.values() for label in positive(letters)]
    assert sample.targets["epitope"].tolist() == expected
    assert (sample.split, sample.subset) == ("", "fold1")


def test_chains_may_be_digits(tmp_path):
    chains = {"1": SEQUENCE, "3": SEQUENCE[2:]}
    write_pdb(tmp_path / "7d3m.pdb.gz", chains)
    assert len(bce(tmp_path, entry("7d3m_13", *chains.items())).read("7d3m_13").matches) == 2


def test_copies_of_an_id_are_models_as_far_as_there_are_any(tmp_path):
    write_pdb(tmp_path / "structures" / "2kh2.pdb.gz", {"A": SEQUENCE}, models=2)
    layout = bce(tmp_path, 3 * entry("2kh2_A", ("A", SEQUENCE)))
    assert layout.keys() == ["2kh2_A", "2kh2_A#2", "2kh2_A#3"]
    samples = [layout.read(key) for key in layout.keys()]
    assert [s.protein.chains[0].coords[0, 1, 1] for s in samples] == [1.0, 2.0, 1.0]
    assert "no model 3" in samples[2].matches[0].notes[0]


def test_weights_of_copies_follow_the_order_of_the_table(tmp_path):
    write_pdb(tmp_path / "structures" / "2kh2.pdb.gz", {"A": SEQUENCE})
    layout = bce(tmp_path, 2 * entry("2kh2_A", ("A", SEQUENCE)))
    table = ",PDB ID,Set,Sample weight\n0,2kh2_A,Fold 1,0.25\n1,2kh2_A,Fold 1,0.5\n"
    (tmp_path / "table.csv").write_text(table)
    assert [layout.read(key).weight for key in layout.keys()] == [0.25, 0.5]


@pytest.mark.parametrize(
    "name, split, subset",
    [
        ("Train", "train", ""), (r"Validation (70\%)", "validation", "70"),
        ("Validation (70%)", "validation", "70"), ("Test (Homology)", "test", "homology"),
        ("Test_60", "test", "60"), ("UBtest_31", "test", "ubtest_31"), ("Fold 3", "", "fold3"),
    ],
)  # fmt: skip
def test_the_table_says_split_and_subset(tmp_path, name, split, subset):
    write_pdb(tmp_path / "1abcA.pdb.gz", {"A": SEQUENCE})
    (tmp_path / "table.csv").write_text(f"PDB ID,Set,Sample weight\r\n1abcA,{name},0.5\r\n")
    sample = ppbs(tmp_path, entry("1abcA", ("A", SEQUENCE))).read("1abcA")
    assert (sample.split, sample.subset, sample.weight) == (split, subset, 0.5)


def test_without_a_table_the_file_says_split_and_subset(tmp_path):
    write_pdb(tmp_path / "1abcA.pdb.gz", {"A": SEQUENCE})
    layout = ppbs(tmp_path, entry("1abcA", ("A", SEQUENCE)), "labels_test_homology.txt")
    sample = layout.read("1abcA")
    assert (sample.split, sample.subset, sample.weight) == ("test", "homology", 1.0)


def test_insertion_codes_that_the_labels_dropped_do_not_matter(tmp_path):
    numbers = [str(at + 90) for at in range(19)]
    write_pdb(
        tmp_path / "1es0A.pdb.gz", {"A": SEQUENCE}, numbers=[*numbers[:5], "94A", *numbers[5:]]
    )
    rows = [f"A {n} {a} {int(at == 5)}" for at, (n, a) in
            enumerate(zip([*numbers[:5], "94", *numbers[5:]], SEQUENCE, strict=True))]  # fmt: skip
    sample = ppbs(tmp_path, "\r\n".join([">1es0A", *rows, ""])).read("1es0A")
    assert np.flatnonzero(sample.targets["binding_site"]).tolist() == [5]


def test_what_the_structure_lacks_is_counted(tmp_path):
    found = SEQUENCE[:3] + "---" + SEQUENCE[6:]
    write_pdb(tmp_path / "1abcA.pdb.gz", {"A": found}, seqres={"A": SEQUENCE})
    sample = ppbs(tmp_path, entry("1abcA", ("A", SEQUENCE))).read("1abcA")
    assert (sample.matches[0].missing, sample.matches[0].matched) == (3, len(SEQUENCE) - 3)
    assert len(sample.targets["binding_site"]) == len(SEQUENCE)


def test_an_absent_structure_says_what_was_looked_for(tmp_path):
    (tmp_path / "structures").mkdir()
    layout = ppbs(tmp_path, entry("1a2n_0-A", ("A", SEQUENCE)))
    with pytest.raises(
        DroppedSample, match=r"no structure file for 1a2n_0-A.*assembly1.*structures"
    ):
        layout.read("1a2n_0-A")


def test_a_chain_that_an_assembly_renamed_is_named(tmp_path):
    write_pdb(tmp_path / "1a2n-assembly1.pdb.gz", {"B": SEQUENCE})
    layout = ppbs(tmp_path, entry("1a2n_0-A", ("A", SEQUENCE)))
    with pytest.raises(DroppedSample, match=r"no chain 'A'.*author name: B.*assembly"):
        layout.read("1a2n_0-A")


def test_a_truncated_download_is_dropped(tmp_path):
    write_pdb(tmp_path / "1abcA.pdb.gz", {"A": SEQUENCE})
    path = tmp_path / "1abcA.pdb.gz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DroppedSample, match="cut short"):
        ppbs(tmp_path, entry("1abcA", ("A", SEQUENCE))).read("1abcA")


@pytest.mark.parametrize(
    "text, message",
    [
        (">1abcA\nA 1 M\n", ":2: 3 fields"), (">1abcA\nA 1 M 2\n", ":2: label '2'"),
        ("A 1 M 0\n", ":1: a row before"), (">1abcA\n>2abcA\nA 1 M 0\n", ":1: entry '1abcA'"),
        (">1abcA\n", ":1: entry '1abcA' has no rows"), ("", "holds no entry"),
        (">1abcA\nA 1 MET 0\n", ":2: residue 'MET'"), (">a b\nA 1 M 0\n", ":1: a header"),
    ],
)  # fmt: skip
def test_a_damaged_label_file_is_named_with_its_line(tmp_path, text, message):
    layout = ppbs(tmp_path, text)
    with pytest.raises(DataError, match=f"labels_train.txt.*{message}".replace("(", r"\(")):
        layout.keys()


@pytest.mark.parametrize(
    "table, message",
    [
        ("PDB ID,Sets\n1abcA,Train\n", "no column 'Set'"),
        ("PDB ID,Set\n1abcA,Trian\n", ":2: column 'Set'"),
        ("PDB ID,Set,Sample weight\n1abcA,Train,much\n", ":2: column 'Sample weight'"),
        ("PDB ID,Set\n1abcA\n", ":2: 1 cells for 2 columns"),
    ],
)
def test_a_damaged_table_is_named_with_its_line(tmp_path, table, message):
    (tmp_path / "table.csv").write_text(table)
    layout = ppbs(tmp_path, entry("1abcA", ("A", SEQUENCE)))
    with pytest.raises(DataError, match=f"table.csv.*{message}"):
        layout.keys()


def test_a_folder_without_label_files_says_what_is_needed(tmp_path):
    with pytest.raises(DataError, match="no label files. Needed: labels_<set>.txt"):
        find_layout("ppbs", tmp_path, "scannet").keys()


def test_keys_of_copies_never_collide(tmp_path):
    text = "".join(entry(key, ("A", SEQUENCE)) for key in ("1abc_A", "1abc_A#2", "1abc_A"))
    with pytest.raises(DataError, match="'1abc_A#2' would name two entries"):
        bce(tmp_path, text).keys()


def test_each_task_knows_its_folder(tmp_path):
    ppbs(tmp_path, entry("1abcA", ("A", SEQUENCE)))
    assert isinstance(find_layout("ppbs", tmp_path), PpbsScanNet)
    with pytest.raises(DataError, match="github.com/jertubiana/ScanNet"):
        find_layout("bce", tmp_path)


def test_validation_is_apart_from_the_test_fold():
    for number, fold in enumerate(folds([f"fold{k}" for k in range(1, 6)]), start=1):
        assert (fold.test, fold.validation) == (f"fold{number}", f"fold{number % 5 + 1}")
        assert sorted((*fold.train, fold.validation, fold.test)) == [
            f"fold{k}" for k in range(1, 6)
        ]


def test_a_missing_fold_is_left_out():
    rounds = folds(("fold2", "fold3", "fold4", "fold5"))
    assert rounds[-1] == (("fold3", "fold4"), "fold2", "fold5")


GOOD = entry("1abc_0-A", ("A", SEQUENCE)) + entry("2abc_0-A+1-A", ("A", SEQUENCE))


@settings(max_examples=80, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 9), st.binary(max_size=4))
def test_a_mutated_label_file_gives_samples_or_the_errors_that_are_told(tmp_path, at, cut, junk):
    write_pdb(tmp_path / "structures" / "1abc.pdb.gz", {"A": SEQUENCE})
    text = GOOD.encode()
    (tmp_path / "labels_train.txt").write_bytes(text[:at] + junk + text[at + cut :])
    layout = PpbsScanNet(tmp_path)
    try:
        keys = layout.keys()
    except DataError:
        return
    for key in keys:
        try:
            layout.read(key)
        except DroppedSample:
            pass


def counted(layout: PpbsScanNet | BceScanNet) -> tuple[Counter[str], Counter[str]]:
    """Return samples by split and subset, and what became of their labels."""
    sets: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    for key in layout.keys():
        sample = layout.read(key)
        sets[f"{sample.split} {sample.subset}".strip()] += 1
        values = sample.targets[layout.target.name]
        assert len(values) == len(sample.protein)
        labels["scored"] += int(np.isfinite(values).sum())
        for match in sample.matches:
            labels["labelled"] += match.labelled
            labels["missing"] += match.missing
            labels["mutated"] += match.mutated
    return sets, labels


@pytest.mark.data
def test_all_of_ppbs_is_read(data_dir):
    sets, labels = counted(PpbsScanNet(data_dir / "ppbs"))
    assert sets == {
        "train": 294, "validation": 33, "test 60": 58, "test 315": 310, "test ubtest_31": 31
    }  # fmt: skip
    assert labels == {"labelled": 144_104, "scored": 144_104, "missing": 0, "mutated": 0}


@pytest.mark.data
def test_all_of_ppbs_scannet_is_read(data_dir):
    sets, labels = counted(PpbsScanNet(data_dir / "ppbs_scannet"))
    assert sets == {
        "validation 70": 12, "validation homology": 52, "validation topology": 20,
        "validation none": 25, "test 70": 21, "test homology": 64, "test topology": 43,
        "test none": 52,
    }  # fmt: skip
    assert labels == {"labelled": 61_287, "scored": 60_904, "missing": 383, "mutated": 2}


@pytest.mark.data
def test_all_of_bce_is_read(data_dir):
    sets, labels = counted(BceScanNet(data_dir / "bce"))
    assert sets == {"fold1": 47, "fold2": 49, "fold3": 52, "fold4": 48, "fold5": 46}
    assert labels == {"labelled": 64_201, "scored": 64_201, "missing": 0, "mutated": 0}


@pytest.mark.data
def test_all_of_bce_scannet_is_read(data_dir):
    sets, labels = counted(BceScanNet(data_dir / "bce_scannet"))
    assert sets == {"fold2": 22, "fold3": 28, "fold4": 18, "fold5": 26}
    assert labels == {"labelled": 24_167, "scored": 24_164, "missing": 3, "mutated": 0}


@pytest.mark.data
def test_missing_labels_are_as_many_as_the_folder_says_entry_by_entry(data_dir):
    import csv

    layout = PpbsScanNet(data_dir / "ppbs_scannet")
    with (data_dir / "ppbs_scannet" / "coverage.csv").open() as file:
        for row in csv.DictReader(file):
            report = layout.read(row["PDB ID"]).matches[0]
            assert report.labelled == int(row["labelled residues"])
            assert report.matched == int(row["residues with coordinates"])
            assert report.mutated == int(row["residues whose type differs from the label"])


def test_lines_may_end_in_cr_lf(tmp_path):
    path = tmp_path / "labels_train.txt"
    path.write_bytes(entry("1abcA", ("A", SEQUENCE), end="\r\n").encode())
    assert read_labels(path)[0].letters == list(SEQUENCE)

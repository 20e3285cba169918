"""Sequence clusters are complete, transitive and quick; near duplicates are found."""

from __future__ import annotations

import os
import random
import shutil
import stat
import time
from typing import Any

import gemmi
import pytest

from zoo.data.reading.words import WordIndex
from zoo.data.similarity import (
    clusters,
    clusters_built_in,
    longest_common,
    main_chains,
    near_duplicates,
    pair_identity,
)
from zoo.errors import ZooError

MMSEQS = shutil.which("mmseqs")


@pytest.fixture(autouse=True)
def built_in_clusters() -> None:
    """Leave the choice of the method to the machine, or to what a test finds in its PATH."""


LETTERS = "ACDEFGHIKLMNPQRSTVWY"


@pytest.fixture(autouse=True)
def _without_mmseqs(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def sequence(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(LETTERS, k=length))


def mutant(rng: random.Random, parent: str, kept: float) -> str:
    return "".join(old if rng.random() < kept else rng.choice(LETTERS) for old in parent)


def test_equal_sequences_are_in_one_cluster_whatever_their_length():
    assert clusters(["AC", "MKTAYIA", "AC", "MKTAYIA", "G"], 0.9) == [0, 1, 0, 1, 2]


def test_nothing_has_no_clusters():
    assert clusters([], 0.3) == []
    assert near_duplicates([], ["MKTA"], 0.9) == []


@pytest.mark.parametrize("identity, kept", [(0.3, 0.5), (0.5, 0.75), (0.9, 0.97)])
def test_families_are_found_again(identity, kept):
    rng = random.Random(0)
    parents = [sequence(rng, 200) for _ in range(12)]
    members = [mutant(rng, parent, kept) for parent in parents for _ in range(4)]
    assert clusters([*parents, *members], identity) == [
        *range(12), *(at for at in range(12) for _ in range(4))
    ]  # fmt: skip


def test_clusters_are_transitive():
    rng = random.Random(1)
    first, middle, last = (sequence(rng, 100) for _ in range(3))
    chain = [first + middle, middle + last, last]
    assert clusters(chain, 0.45) == [0, 0, 0]
    assert pair_identity(chain[0], chain[2]) < 0.45


def test_a_domain_is_with_the_protein_that_holds_it():
    rng = random.Random(2)
    whole = sequence(rng, 400)
    assert clusters([whole, whole[120:220]], 0.9) == [0, 0]


def test_unrelated_sequences_stay_apart():
    rng = random.Random(3)
    lengths = [30, 60, 120, 300, 900] * 20
    found = clusters([sequence(rng, length) for length in lengths], 0.3)
    assert len(set(found)) >= 0.97 * len(lengths)


def test_unknown_residues_do_not_link():
    assert clusters(["X" * 50 + "MKTAYIAKQRQISF", "X" * 50 + "GPDWEEGNCDLHHW"], 0.5) == [0, 1]


def test_near_duplicates_name_the_pair_and_its_identity():
    rng = random.Random(4)
    train = [sequence(rng, 150) for _ in range(20)]
    close = train[7][:149] + ("A" if train[7][149] != "A" else "C")
    found = near_duplicates([*train, "MK"], [sequence(rng, 150), close, "MK"], 0.9)
    assert found == [(7, 1, pytest.approx(149 / 150)), (20, 2, 1.0)]


def test_the_longest_common_subsequence_is_that_of_the_table():
    rng = random.Random(7)
    for _ in range(30):
        one, other = (sequence(rng, rng.randint(0, 90)) for _ in range(2))
        row = [0] * (len(other) + 1)
        for letter in one:
            above, row = row, [0]
            for at, own in enumerate(other):
                row.append(above[at] + 1 if own == letter else max(above[at + 1], row[at]))
        assert longest_common(one, other) == row[-1]


def test_no_pair_that_reaches_the_identity_is_left_out_unaligned(monkeypatch):
    rng = random.Random(8)
    parents = [sequence(rng, 120) for _ in range(10)]
    train = [mutant(rng, parent, kept) for parent in parents for kept in (0.8, 0.9, 0.95)]
    test = [mutant(rng, parent, 0.95) for parent in parents]
    every = [(i, j, pair_identity(a, b)) for i, a in enumerate(train) for j, b in enumerate(test)]
    align, aligned = gemmi.align_string_sequences, list[int]()

    def counted(*arguments: Any) -> Any:
        aligned.append(1)
        return align(*arguments)

    monkeypatch.setattr(gemmi, "align_string_sequences", counted)
    expected = [pair for pair in every if pair[2] >= 0.88]
    assert near_duplicates(train, test, 0.88) == expected
    assert len(expected) <= len(aligned) < 1.5 * len(expected) < 30


def test_a_thousand_sequences_take_less_than_twenty_seconds():
    rng = random.Random(5)
    parents = [sequence(rng, 300) for _ in range(250)]
    family = [mutant(rng, parent, 0.75) for parent in parents for _ in range(4)]
    start = time.perf_counter()
    assert len(set(clusters(family, 0.3))) == 250
    assert time.perf_counter() - start < 20


def test_a_family_is_looked_up_once(monkeypatch):
    rng = random.Random(6)
    parent = sequence(rng, 120)
    family = list(dict.fromkeys(mutant(rng, parent, 0.97) for _ in range(50)))
    asked = []
    look_up = WordIndex.candidates
    monkeypatch.setattr(WordIndex, "candidates", lambda *a: asked.append(a[1]) or look_up(*a))
    assert set(clusters(family, 0.9)) == {0}
    assert len(asked) < 10 < len(family)


def fake_mmseqs(folder, script: str) -> None:
    path = folder / "mmseqs"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_mmseqs_is_asked_where_it_is_there(tmp_path, monkeypatch):
    fake_mmseqs(tmp_path, r'printf "2\t2\n2\t0\n" > out_cluster.tsv')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    assert clusters(["AAAA", "CCCC", "DDDD", "AAAA"], 0.3) == [0, 1, 0, 0]


def test_a_failing_mmseqs_is_an_error(tmp_path, monkeypatch):
    fake_mmseqs(tmp_path, "echo no space left >&2; exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    with pytest.raises(ZooError, match=r"failed \(3\): no space left"):
        clusters(["AAAA"], 0.3)


PEPTIDES = ["ACDE", "ACDEF", "WWWW", "X" * 20]


def test_where_mmseqs_finds_nothing_to_look_up_the_built_in_method_answers(tmp_path, monkeypatch):
    fake_mmseqs(tmp_path, "echo Maybe the sequences length is less than 14 residues. >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    assert clusters(PEPTIDES, 0.3) == clusters_built_in(PEPTIDES, 0.3) == [0, 0, 1, 2]


@pytest.mark.skipif(MMSEQS is None, reason="MMseqs2 is not installed")
@pytest.mark.parametrize("one", [*PEPTIDES, "A" * 40])
def test_a_sequence_without_words_is_a_cluster_of_its_own(monkeypatch, one):
    monkeypatch.setenv("PATH", f"{os.path.dirname(MMSEQS)}{os.pathsep}{os.defpath}")
    assert clusters([one], 0.3) == [0]


def test_a_short_peptide_beside_a_chain_does_not_link_proteins() -> None:
    assert main_chains(["A" * 50, "VG"]) == ["A" * 50]
    assert main_chains(["VG", "AV"]) == ["VG", "AV"]

"""Which chains with known structures are trained on, and what is known of their residues."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import shelf
from tests.pretraining.conftest import related_by
from zoo.errors import ConfigError, DataError
from zoo.pretraining import structures
from zoo.pretraining.corpus import Corpus
from zoo.pretraining.letters import (
    ALPHABETS,
    BURIAL,
    SECONDARY,
    THREEDI,
    UNKNOWN,
    Lettered,
    lettered,
)
from zoo.pretraining.structures import choose
from zoo.proteins.files.scores import write_scored
from zoo.proteins.protein import Chain, Protein
from zoo.proteins.secondary_structure import states
from zoo.proteins.threedi import structure_letters


def beside(*validation: str) -> Corpus:
    """Return a corpus with some validation sequences."""
    return Corpus([], [*validation], {})


def written(folder: Path, *chains: Chain) -> list[Path]:
    """Write a file for each chain."""
    folder.mkdir(exist_ok=True)
    paths = []
    for at, chain in enumerate(chains):
        path = folder / f"s{at}.pdb"
        write_scored(path, shelf.protein("p", chain), np.zeros(len(chain)))
        paths.append(path)
    return paths


def drawn(count: int, length: int = 40) -> list[Chain]:
    return [shelf.chain(length, seed=at) for at in range(count)]


@pytest.mark.parametrize("name", shelf.SHELF)
def test_every_residue_has_a_letter_of_each_kind_or_is_unknown(name: str) -> None:
    protein = shelf.SHELF[name]
    chains = lettered(protein)
    assert [chain.sequence for chain in chains] == [chain.sequence for chain in protein.chains]
    for chain in chains:
        assert chain.letters.keys() == ALPHABETS.keys()
        for kind, letters in chain.letters.items():
            assert len(letters) == len(chain.sequence)
            assert set(letters) <= {*ALPHABETS[kind], UNKNOWN}


def test_the_letters_are_those_of_the_structure() -> None:
    protein = shelf.ordinary(60)
    (chain,) = lettered(protein)
    assert ["hec".index(x) for x in chain.letters[SECONDARY]] == states(protein).tolist()
    assert len(set(chain.letters[SECONDARY])) > 1
    assert chain.letters[THREEDI] == structure_letters(protein)[0]
    ca = protein.chains[0].coords[:, 1]
    near = (np.linalg.norm(ca[:, None] - ca, axis=-1) <= 10).sum(1)
    order = np.argsort(near, kind="stable")
    assert sorted(chain.letters[BURIAL]) == [chain.letters[BURIAL][at] for at in order]


def test_unresolved_residues_and_unsure_predictions_are_unknown() -> None:
    lacking = shelf.protein("p", shelf.without(shelf.chain(40), [3, 4]))
    assert {x[3:5] for x in lettered(lacking)[0].letters.values()} == {UNKNOWN * 2}
    chain = shelf.chain(40)
    pale = dataclasses.replace(chain, bfactor=np.where(np.arange(40) < 10, 50, 90).astype("f4"))
    predicted = dataclasses.replace(shelf.protein("p", pale), plddt=True)
    for letters in lettered(predicted)[0].letters.values():
        assert letters[:10] == UNKNOWN * 10 and UNKNOWN not in letters[10:]


def test_what_is_left_out_is_counted_and_the_sum_holds(alone: None, tmp_path: Path) -> None:
    chains = drawn(8)
    bare = shelf.without(shelf.chain(40, seed=90), range(40), (0, 2, 3))
    files = written(tmp_path / "in", *chains, chains[0], shelf.chain(12, seed=91), bare)
    (tmp_path / "in" / "odd.pdb").write_text("nothing\n")
    found = choose(
        [*files, tmp_path / "in" / "odd.pdb", tmp_path / "gone.pdb"],
        [chains[1].sequence], beside(chains[2].sequence, chains[3].sequence), tmp_path / "out",
    )  # fmt: skip
    counts = dict(found.facts["counts"])
    assert counts == {
        "read": 13, "cannot be read": 2, "short": 1, "no whole backbone": 1, "repeated": 1,
        "kin of a test chain": 1, "of such a family": 0, "kin of validation": 0,
    }  # fmt: skip
    used = len(found.train) + len(found.validation)
    assert counts.pop("read") == used + sum(counts.values())
    assert {x.sequence for x in found.validation} == {chains[2].sequence, chains[3].sequence}
    assert {x.sequence for x in found.train} == {
        x.sequence for x in (chains[0], *chains[4:])
    }  # fmt: skip


def test_a_family_leaves_whole_and_kin_of_scored_chains_are_not_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chains = drawn(8)
    text = [chain.sequence for chain in chains]
    related = {(text[0], text[0]), (text[2], text[2]), (text[3], text[4])}
    related_by(monkeypatch, lambda query, s: (query, s) in related, size=2)
    monkeypatch.setattr(structures, "carried", lambda *_: [])
    found = choose(written(tmp_path / "in", *chains), [text[0]], beside(text[2]), tmp_path / "out")
    assert {x.sequence for x in found.validation} == {text[2], text[3]}
    assert {x.sequence for x in found.train} == {text[5], text[6], text[7]}
    assert found.facts["counts"]["of such a family"] == 1
    assert found.facts["counts"]["kin of validation"] == 1


def test_chains_are_chosen_once(
    alone: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = written(tmp_path / "in", *drawn(4))
    first = choose(files, [], beside(), tmp_path / "out")
    monkeypatch.setattr(structures, "lettered", None)  # not asked again
    again = choose(files, [], beside(), tmp_path / "out")
    assert again == first and again.stamp == first.stamp
    with pytest.raises(ConfigError, match="the chains of other structures"):
        choose(files[:2], [], beside(), tmp_path / "out")


def test_files_without_a_whole_backbone_are_an_error(alone: None, tmp_path: Path) -> None:
    bare = shelf.without(shelf.chain(40), range(40), (0, 2, 3))
    with pytest.raises(DataError, match=r"no chain is left to train on \(1 read, 1 no whole"):
        choose(written(tmp_path / "in", bare), [], beside(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_protein_of_two_chains_gives_two(alone: None, tmp_path: Path) -> None:
    pair = Protein("pair", (shelf.chain(31, seed=1), shelf.chain(32, seed=2, name="B")),
                   shelf.two_chains().atoms)  # fmt: skip
    assert [len(chain.sequence) for chain in lettered(pair)] == [31, 32]


def test_relatives_are_trained_on_beside_the_chains(
    alone: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chains = drawn(4)
    given: list[tuple[set[str], list[str], list[str]]] = []

    def take(own: dict[str, Lettered], sequences: dict[str, str], scored: dict[str, str]) -> Any:
        given.append(({x.sequence for x in own.values()}, [*sequences.values()],
                      [*scored.values()]))  # fmt: skip
        return lettered(shelf.protein("p", shelf.chain(33, seed=70)))

    monkeypatch.setattr(structures, "carried", take)
    corpus = Corpus(["ACDE"], [chains[2].sequence], {})
    files = written(tmp_path / "in", *chains)
    found = choose(files, [], corpus, tmp_path / "out")
    others = {x.sequence for at, x in enumerate(chains) if at != 2}
    assert given == [(others, ["ACDE"], [chains[2].sequence])]
    assert {x.sequence for x in found.train} == {*others, shelf.chain(33, seed=70).sequence}
    assert found.facts["relatives"] == {"chains": 1, "residues": 33}
    assert choose(files, [], corpus, tmp_path / "out") == found

"""What a language model is trained on, and what it must not have seen."""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path

import pytest

from tests.pretraining.conftest import related_by
from tests.training import runs
from zoo.data.store import Store
from zoo.errors import ConfigError, DataError
from zoo.pretraining import corpus, parting
from zoo.pretraining.homology import families, kin

needs_mmseqs = pytest.mark.skipif(not shutil.which("mmseqs"), reason="MMseqs2 is not installed")


def drawn(count: int, length: int = 80, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices("ACDEFGHIKLMNPQRSTVWY", k=length)) for _ in range(count)]


def mutated(sequence: str, share: float, seed: int = 0) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice("ACDEFGHIKLMNPQRSTVWY") if rng.random() < share else x
                   for x in sequence)  # fmt: skip


def fasta(path: Path, sequences: list[str]) -> Path:
    text = "".join(f">s{at} note\n{s[:50]}\n{s[50:]}\n" for at, s in enumerate(sequences))
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_kin_of_test_chains_are_left_out_and_counted(alone: None, tmp_path: Path) -> None:
    sequences = drawn(60)
    tests = [sequences[3][:9] + drawn(1, seed=9)[0]]
    found = _made(tmp_path, sequences, tests)
    assert sequences[3] not in found.train + found.validation
    assert found.facts["counts"]["kin of a test chain"] == 1
    assert len(found.train) + len(found.validation) == 59
    assert not set(found.train) & set(found.validation)


def test_a_family_leaves_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = drawn(30)
    related_by(monkeypatch, lambda query, s: query == s, size=3)
    found = _made(tmp_path, sequences, [sequences[4]])
    assert not set(sequences[3:6]) & set(found.train + found.validation)
    assert found.facts["counts"]["of such a family"] == 2


def test_short_repeated_and_odd_sequences_are_counted(alone: None, tmp_path: Path) -> None:
    good = drawn(40)
    found = _made(tmp_path, [*good, good[0], "ACDEF", "A" * 40 + "1"], [])
    counts = found.facts["counts"]
    assert (counts["read"], counts["short"], counts["repeated"], counts["odd letters"]) == (
        43, 1, 1, 1)  # fmt: skip


def test_a_corpus_is_made_once(
    alone: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _made(tmp_path, drawn(40), [])
    monkeypatch.setattr(parting, "families", None)  # not asked again
    again = _made(tmp_path, drawn(40), [])
    assert (again.train, again.validation, again.facts) == (
        first.train, first.validation, first.facts)  # fmt: skip


def test_another_file_does_not_pass_for_it(alone: None, tmp_path: Path) -> None:
    _made(tmp_path, drawn(40), [])
    with pytest.raises(ConfigError, match="other sequences or other test chains"):
        _made(tmp_path, drawn(40, seed=1), [])


def test_an_empty_file_is_an_error(alone: None, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sequence of 30 residues"):
        _made(tmp_path, ["ACD"], [])


def test_the_test_chains_are_those_of_the_test_split_or_of_all_folds(tmp_path: Path) -> None:
    data = runs.quick_data(tmp_path / "data", runs.BINDING)
    with Store(data / "store") as store:
        held = {s for f in store.index().values() if f["split"] == "test" for s in f["sequences"]}
    assert held and corpus.held_out_chains([data]) == sorted(held)


@pytest.mark.slow
@needs_mmseqs
def test_mmseqs_finds_a_cousin_and_no_stranger() -> None:
    parent, stranger = drawn(2, length=150)
    cousin = mutated(parent, 0.4)
    named = {"parent": parent, "cousin": cousin, "stranger": stranger}
    assert kin({"q": cousin}, named) == {"parent", "cousin"}
    family = families(named)
    assert family["parent"] == family["cousin"] != family["stranger"]


def test_without_mmseqs_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="apt install mmseqs2"):
        families({"a": "ACDE"})


def _made(tmp_path: Path, sequences: list[str], tests: list[str]) -> corpus.Corpus:
    given = corpus.held_out_chains
    try:
        corpus.held_out_chains = lambda prepared: sorted(tests)
        return corpus.make(fasta(tmp_path / "in.fasta.gz", sequences), [], tmp_path / "corpus")
    finally:
        corpus.held_out_chains = given

"""Letters of a chain with a known structure that its relatives in the corpus take."""

from __future__ import annotations

import pytest

from tests.pretraining.test_corpus import drawn, mutated, needs_mmseqs
from zoo.pretraining import carrying
from zoo.pretraining.carrying import MOST, carried
from zoo.pretraining.homology import Alignment, _columns, alignments
from zoo.pretraining.letters import ALPHABETS, SECONDARY, UNKNOWN, Lettered


def chain(sequence: str) -> Lettered:
    text = {kind: "".join(x[at % len(x)] for at in range(len(sequence)))
            for kind, x in ALPHABETS.items()}  # fmt: skip
    return Lettered(sequence, text)


def aligned(monkeypatch: pytest.MonkeyPatch, *hits: Alignment, near: tuple[str, ...] = ()) -> None:
    monkeypatch.setattr(carrying, "alignments", lambda queries, targets: list(hits))
    monkeypatch.setattr(carrying, "kin", lambda queries, targets: {*near} & {*targets})


def test_columns_count_the_residues_on_both_sides() -> None:
    assert list(_columns(3, 1, "AC-DE", "ACDE-")) == [(2, 0), (3, 1), (4, 3)]


def test_a_relative_takes_the_letters_of_the_residues_it_is_aligned_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, (other,) = chain(drawn(1)[0]), drawn(1, seed=1)
    pairs = [(at, at + 3) for at in range(10, 40)] + [(at, at + 5) for at in range(40, 50)]
    aligned(monkeypatch, Alignment("q", "t", 90.0, pairs))
    (found,) = carried({"q": own}, {"t": other}, {})
    assert found.sequence == other[13:55]
    for kind, letters in found.letters.items():
        gap = UNKNOWN * 2
        assert letters == own.letters[kind][10:40] + gap + own.letters[kind][40:50]


def test_relatives_of_scored_chains_and_scraps_take_none(monkeypatch: pytest.MonkeyPatch) -> None:
    own, others = chain(drawn(1)[0]), dict(zip("abc", drawn(3, seed=1), strict=True))
    whole = [(at, at) for at in range(60)]
    aligned(monkeypatch, Alignment("q", "a", 9.0, whole), Alignment("q", "b", 8.0, whole[:29]),
            Alignment("q", "c", 7.0, whole), near=("a",))  # fmt: skip
    assert [x.sequence for x in carried({"q": own}, others, {})] == [others["c"][:60]]


def test_a_relative_listens_to_its_best_chain_and_no_family_crowds_the_others_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = (chain(x) for x in drawn(2))
    two = Lettered(two.sequence, {kind: x[-1] * 80 for kind, x in ALPHABETS.items()})
    others = {str(at): s for at, s in enumerate(drawn(MOST + 5, seed=1))}
    whole = [(at, at) for at in range(60)]
    hits = [Alignment("one", name, 50.0 - int(name), whole) for name in others]
    aligned(monkeypatch, *hits, Alignment("two", "0", 99.0, whole))
    found = carried({"one": one, "two": two}, others, {})
    assert len(found) == 1 + MOST
    assert found[0].sequence == others["0"][:60]
    assert found[0].letters[SECONDARY] == two.letters[SECONDARY][:60]


@pytest.mark.slow
@needs_mmseqs
def test_mmseqs_aligns_a_cousin_and_no_stranger() -> None:
    parent, stranger = drawn(2, length=150)
    cousin = mutated(parent[:70] + parent[75:], 0.3)
    (hit,) = alignments({"parent": parent}, {"cousin": cousin, "stranger": stranger})
    assert (hit.query, hit.target) == ("parent", "cousin")
    assert len(hit.pairs) > 120 and (100, 95) in hit.pairs and (30, 30) in hit.pairs

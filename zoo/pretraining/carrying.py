"""Carries letters from chains with known structures to their relatives in the corpus.

Structures change more slowly than sequences, so a few hundred structures tell the letters of
thousands of sequences, which are much harder to learn by heart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from zoo.pretraining.corpus import SHORTEST
from zoo.pretraining.homology import Alignment, alignments, kin
from zoo.pretraining.letters import UNKNOWN, Lettered

MOST = 10
"""Number of relatives of a chain that take its letters, the best first: large families should not
crowd out the others."""


def carried(
    chains: Mapping[str, Lettered], sequences: Mapping[str, str], scored: Mapping[str, str]
) -> list[Lettered]:
    """Return the aligned stretches of relatives, with the letters of the chains.

    Residues that are aligned with none have no letters.

    Args:
        chains: Chains with letters.
        sequences: Sequences that may take them.
        scored: Sequences whose relatives take none.
    """
    known = {name: chain.sequence for name, chain in chains.items()}
    there = {*known.values()}
    hits = sorted(alignments(known, sequences), key=lambda hit: -hit.bits)
    near = kin(scored, {hit.target: sequences[hit.target] for hit in hits})
    found = []
    for hit in _best(hit for hit in hits if hit.target not in near):
        one = _stretch(hit, chains[hit.query], sequences[hit.target])
        if one.known >= SHORTEST and one.sequence not in there:
            found.append(one)
    return found


def _best(hits: Iterator[Alignment]) -> Iterator[Alignment]:
    """Yield the first hit of each target, and no more than `MOST` of a query."""
    count: Counter[str] = Counter()
    taken: set[str] = set()
    for hit in hits:
        if hit.target not in taken and count[hit.query] < MOST:
            taken.add(hit.target)
            count[hit.query] += 1
            yield hit


def _stretch(hit: Alignment, chain: Lettered, sequence: str) -> Lettered:
    first, last = hit.pairs[0][1], hit.pairs[-1][1]
    letters = {}
    for kind, own in chain.letters.items():
        text = [UNKNOWN] * (last - first + 1)
        for one, other in hit.pairs:
            text[other - first] = own[one]
        letters[kind] = "".join(text)
    return Lettered(sequence[first : last + 1], letters)

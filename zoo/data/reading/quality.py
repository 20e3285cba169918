"""Scores from 0 to 1 for how near a model of a protein is to its native structure, by CA atoms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.alignment import align
from zoo.proteins.protein import Protein

GDT_CUTOFFS = (1.0, 2.0, 4.0, 8.0)
LDDT_CUTOFFS = (0.5, 1.0, 2.0, 4.0)
#: Largest distance in the native, in angstrom, that lDDT compares.
LDDT_RADIUS = 15.0
#: Smallest share of equal residues; with fewer, model and native are different proteins.
MIN_IDENTITY = 0.5
#: Largest number of starts of the search for the best superposition, and its steps.
MAX_SEEDS = 250
STEPS = 12
#: The search also fits on atoms that are this much farther apart (angstrom), so that it can leave
#: a bad start.
SLACK = (2.0, 1.0, 0.5, 0.0)

Coords = NDArray[np.float64]


class Pairs(NamedTuple):
    """The M residues that model and native share."""

    model: Coords
    """(M, 3) CA positions."""
    native: Coords
    """(M, 3) CA positions of the same residues."""
    at: NDArray[np.int64]
    """(M,) row of each residue in `all_native`."""
    all_native: Coords
    """(N, 3) CA positions of the whole native; every score is relative to N."""


def match(model: Protein, native: Protein) -> Pairs | None:
    """Match residues by aligning the sequences of resolved residues; None if they do not fit."""
    letters, numbers, pos = _resolved(model)
    native_letters, native_numbers, native_pos = _resolved(native)
    if letters == native_letters:
        return Pairs(pos, native_pos, np.arange(len(letters)), native_pos)
    at = align(letters, native_letters, numbers, native_numbers)
    there = np.flatnonzero(at >= 0)
    equal = sum(letters[row] == native_letters[at[row]] for row in there.tolist())
    if equal < MIN_IDENTITY * len(letters):
        return None
    return Pairs(pos[there], native_pos[at[there]], at[there], native_pos)


def _resolved(protein: Protein) -> tuple[str, list[str], Coords]:
    """Return letters, numbers and CA positions of the residues with a CA."""
    there = np.flatnonzero(np.concatenate([chain.resolved for chain in protein.chains])).tolist()
    pos = np.concatenate([chain.coords[:, 1] for chain in protein.chains])[there].astype(float)
    letters = "".join(chain.sequence for chain in protein.chains)
    numbers = [number for chain in protein.chains for number in chain.numbers]
    return "".join(letters[row] for row in there), [numbers[row] for row in there], pos


def gdt_ts(pairs: Pairs) -> float:
    """Return GDT-TS (Zemla 2003).

    It is the mean over 1, 2, 4 and 8 angstrom of the largest share of the native's residues that
    one superposition brings within that distance; each cut-off has its own superposition. As in
    LGA, the search starts from fits on stretches of many lengths and refines each on the residues
    that it brings near. It may miss the best one, so the value is a lower bound.
    """
    if not len(pairs.model):
        return 0.0
    starts = _seeds(len(pairs.model))
    best = [_most_within(pairs, starts, cutoff) for cutoff in GDT_CUTOFFS]
    return float(np.mean(best) / len(pairs.all_native))


def _seeds(size: int) -> NDArray[np.float64]:
    """Return (S, M) weights of the stretches of residues that the search starts from."""
    windows = {max(min(size, 3), size // parts) for parts in (1, 2, 4, 8, 16)}
    each = MAX_SEEDS // len(windows)
    rows = []
    for width in sorted(windows):
        last = size - width
        for start in np.unique(np.linspace(0, last, min(each, last + 1)).astype(int)):
            rows.append((np.arange(size) >= start) & (np.arange(size) < start + width))
    return np.array(rows, np.float64)


def _most_within(pairs: Pairs, weights: NDArray[np.float64], cutoff: float) -> int:
    best = 0
    for step in range(STEPS):
        distance = _distances(pairs, weights)
        best = max(best, int((distance <= cutoff).sum(1).max()))
        near = cutoff + SLACK[step % len(SLACK)]
        # A fit needs at least three residues: take the three nearest if fewer are near.
        nth = min(2, distance.shape[1] - 1)
        third = np.partition(distance, nth, axis=1)[:, nth : nth + 1]
        weights = np.unique(distance <= np.maximum(near, third), axis=0).astype(np.float64)
    return max(best, int((_distances(pairs, weights) <= cutoff).sum(1).max()))


def _distances(pairs: Pairs, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (S, M) distances after the least-squares fit by each row of weights."""
    total = weights.sum(1, keepdims=True)
    centre_x, centre_y = weights @ pairs.model / total, weights @ pairs.native / total
    products = (pairs.model[:, :, None] * pairs.native[:, None, :]).reshape(-1, 9)
    cross = (weights @ products).reshape(-1, 3, 3)
    cross -= total[:, :, None] * centre_x[:, :, None] * centre_y[:, None, :]
    left, _, right = np.linalg.svd(cross)
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    turn = left @ right
    shift = centre_y - np.einsum("si,sij->sj", centre_x, turn)
    moved = pairs.model @ turn + shift[:, None]
    distance: NDArray[np.float64] = np.linalg.norm(moved - pairs.native, axis=-1)
    return distance


def lddt(pairs: Pairs) -> float:
    """Return lDDT over CA atoms (Mariani 2013).

    It is the share of the native's distances up to 15 angstrom that the model keeps, averaged over
    tolerances of 0.5, 1, 2 and 4 angstrom. Each distance counts the same, and those to residues
    that the model lacks count as lost. No superposition is needed.
    """
    size = len(pairs.all_native)
    native = _between(pairs.all_native)
    model = np.full((size, size), np.inf)
    model[np.ix_(pairs.at, pairs.at)] = _between(pairs.model)
    look = (native <= LDDT_RADIUS) & ~np.eye(size, dtype=bool)
    if not look.any():
        return float(len(pairs.model) == size)
    error = np.abs(model - native)[look]
    return float(np.mean([(error < cutoff).mean() for cutoff in LDDT_CUTOFFS]))


def _between(pos: Coords) -> NDArray[np.float64]:
    from scipy.spatial.distance import cdist

    distance: NDArray[np.float64] = cdist(pos, pos)
    return distance


def tm_score(pairs: Pairs) -> float:
    """Return the TM-score (Zhang 2004) of the matched residues, relative to the native's length N.

    It is the largest sum of 1 / (1 + (d / d0)^2) / N, with d0 = 1.24 (N - 15)^(1/3) - 1.8. tmtools,
    a wrapper of the authors' TM-align, searches the superposition for the given alignment.
    """
    import tmtools

    if len(pairs.model) < 3:
        return 0.0
    size = len(pairs.all_native)
    row = np.full(size, "-")
    row[pairs.at] = "A"
    native, model = "A" * size, "A" * len(pairs.model)
    found = tmtools.tm_align(
        pairs.model, pairs.all_native, model, native, alignment=["".join(row), native]
    )
    return float(found.tm_norm_chain2)

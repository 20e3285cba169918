"""A complex is cut into chains and joined again; nothing is lost or counted twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests import shelf
from zoo.proteins.complexes import Parts, chains_of, named, one_chain
from zoo.proteins.protein import Protein


def two(first: int, second: int) -> Protein:
    """Return chains A and B of so many residues, side by side."""
    other = shelf.chain(second, seed=1, name="B", shift=(8, 3, -4))
    return shelf.protein("complex", shelf.chain(first, seed=0), other)


def test_a_complex_is_cut_into_its_chains_and_their_atoms() -> None:
    whole = two(7, 5)
    one, other = chains_of(whole)
    assert [named(part).name for part in (one, other)] == ["complex_A", "complex_B"]
    assert len(one.atoms) + len(other.atoms) == len(whole.atoms)
    for part, residues in ((one, 7), (other, 5)):
        assert len(part) == residues
        assert set(part.atoms.residue.tolist()) == set(range(residues))
        own = part.atoms.pos[part.atoms.name == "CA"]
        np.testing.assert_array_equal(own, part.chains[0].coords[:, 1])
    assert chains_of(one) == [one]


def test_a_pocket_is_cut_like_the_residues() -> None:
    whole = two(3, 2)
    pocket = np.array([True, False, True, False, True])
    parts = chains_of(dataclasses.replace(whole, pocket=pocket))
    assert [part.pocket.tolist() for part in parts if part.pocket is not None] == [
        [True, False, True], [False, True],
    ]  # fmt: skip


@pytest.mark.parametrize("scope", ["chain", "complex"])
def test_rows_are_joined_in_the_order_of_the_residues(scope) -> None:
    single = shelf.ordinary(4, 2)
    whole = two(3, 2)
    parts = Parts([whole, single], scope)
    assert len(parts.proteins) == (3 if scope == "chain" else 2)
    start, rows = 0, []
    for part in parts.proteins:
        rows.append(np.arange(start, start + len(part), dtype=float)[:, None])
        start += len(part)
    joined = parts.joined(rows)
    assert [rows[:, 0].tolist() for rows in joined] == [[0, 1, 2, 3, 4], [5, 6, 7, 8]]
    assert [at for places in parts.places() for at in places] == list(range(len(parts.proteins)))


def test_a_chain_without_coordinates_is_not_run_and_has_no_score() -> None:
    there = two(3, 2).chains
    whole = shelf.protein("complex", shelf.without(there[0], range(3)), there[1])
    parts = Parts([whole], "chain")
    assert [len(part) for part in parts.proteins] == [2]
    (joined,) = parts.joined([np.ones((2, 1))])
    np.testing.assert_array_equal(joined[:, 0], [np.nan] * 3 + [1.0] * 2)
    assert list(parts.places()) == [[0]]


def test_the_chain_of_a_residue_is_found() -> None:
    whole = two(3, 2)
    part, at = one_chain(whole, 4)
    assert (part.name, at) == ("complex_B", 1)
    assert one_chain(whole)[0].name == "complex_A"

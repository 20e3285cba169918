"""Features against a slow plain formula, and what they do where something is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests import shelf
from zoo.proteins import features

COORDS = torch.from_numpy(shelf.backbone(25, seed=1))
BONDED = torch.ones(24, dtype=torch.bool)


def _angle(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """Torsion of four atoms: the angle from a to d, looking along b to c."""
    along = (c - b) / np.linalg.norm(c - b)
    near, far = a - b, d - c
    near, far = near - near @ along * along, far - far @ along * along
    return math.atan2(np.cross(along, near) @ far, near @ far)


def _plain_torsions(coords: np.ndarray, bonded: np.ndarray) -> np.ndarray:
    rows = []
    for i in range(len(coords)):
        n, ca, c = coords[i, :3]
        phi = psi = omega = 0.0
        if i > 0 and bonded[i - 1]:
            phi = _angle(coords[i - 1, 2], n, ca, c)
        if i + 1 < len(coords) and bonded[i]:
            psi = _angle(n, ca, c, coords[i + 1, 0])
            omega = _angle(ca, c, coords[i + 1, 0], coords[i + 1, 1])
        angles = (phi, psi, omega)
        rows.append([*map(math.cos, angles), *map(math.sin, angles)])
    return np.array(rows)


def test_torsions_equal_the_plain_formula() -> None:
    expected = _plain_torsions(COORDS.numpy(), BONDED.numpy())
    np.testing.assert_allclose(features.torsions(COORDS, BONDED), expected, atol=1e-10)


def test_no_torsion_reaches_across_a_break() -> None:
    bonded = BONDED.clone()
    bonded[[4, 11]] = False
    expected = _plain_torsions(COORDS.numpy(), bonded.numpy())
    np.testing.assert_allclose(features.torsions(COORDS, bonded), expected, atol=1e-10)
    moved = COORDS.clone()
    moved[5:12] += 50.0
    shelf.assert_close(features.torsions(moved, bonded), features.torsions(COORDS, bonded))


def test_a_torsion_that_does_not_exist_is_angle_zero() -> None:
    ends = features.torsions(COORDS, BONDED)[[0, -1]]
    assert ends[0, [0, 3]].tolist() == [1.0, 0.0]  # no phi
    assert ends[1, [1, 2, 4, 5]].tolist() == [1.0, 1.0, 0.0, 0.0]  # neither psi nor omega


def test_a_torsion_of_an_unknown_atom_is_zero() -> None:
    coords = COORDS.clone()
    coords[3, 2] = torch.nan
    result = features.torsions(coords, BONDED)
    assert torch.isfinite(result).all()
    assert result[3].eq(0).all()  # phi, psi and omega of 3 all need its C
    assert result[4, [0, 3]].eq(0).all()
    shelf.assert_close(result[5:], features.torsions(COORDS, BONDED)[5:])


@pytest.mark.parametrize("degrees", [0.0, 180.0, 1e-4, 179.9999])
def test_a_torsion_near_its_ends_is_exact(degrees: float) -> None:
    radians = math.radians(degrees)
    a, b, c = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]]).double()
    d = c + torch.tensor([math.cos(radians), -1.0, math.sin(radians)]).double()
    cosine, sine = features.dihedral((b - a)[None], (c - b)[None], (d - c)[None])
    angle = _angle(*(x.numpy() for x in (a, b, c, d)))
    assert cosine.item() == pytest.approx(math.cos(angle), abs=1e-15)
    assert sine.item() == pytest.approx(math.sin(angle), abs=1e-15)


def test_orientations_equal_the_plain_formula() -> None:
    ca, bonded = COORDS[:, 1], BONDED.clone()
    bonded[9] = False
    found = features.orientations(ca, bonded)
    for i in range(len(ca)):
        for slot, j, exists in ((0, i + 1, i < 24 and bonded[i]), (1, i - 1, i and bonded[i - 1])):
            step = ca[j] - ca[i] if exists else torch.zeros(3).double()
            shelf.assert_close(found[i, slot], step / step.norm() if exists else step)


def test_side_chains_equal_the_plain_formula() -> None:
    found = features.side_chains(COORDS)
    for i, (n, ca, c, _) in enumerate(COORDS.numpy()):
        to_c, to_n = ((x - ca) / np.linalg.norm(x - ca) for x in (c, n))
        bisector, perpendicular = to_c + to_n, np.cross(to_c, to_n)
        bisector /= np.linalg.norm(bisector)
        perpendicular /= np.linalg.norm(perpendicular)
        expected = -math.sqrt(1 / 3) * bisector - math.sqrt(2 / 3) * perpendicular
        np.testing.assert_allclose(found[i], expected, atol=1e-12)


def test_an_ideal_side_chain_is_a_unit_vector_and_zero_without_its_atoms() -> None:
    coords = COORDS.clone()
    coords[2, 0], coords[5, 2] = torch.nan, torch.nan
    length = features.side_chains(coords).norm(dim=-1)
    expected = torch.ones_like(length).index_fill(0, torch.tensor([2, 5]), 0.0)
    shelf.assert_close(length, expected)


@pytest.mark.parametrize("length", [2, 3, 4])
def test_short_proteins_take_the_right_axis(length: int) -> None:
    """`torch.cross` without dim mixes residues up where there are three."""
    few, bonded = COORDS[:length], BONDED[: length - 1]
    shelf.assert_close(features.side_chains(few), features.side_chains(COORDS)[:length])
    expected = _plain_torsions(few.numpy(), bonded.numpy())
    np.testing.assert_allclose(features.torsions(few, bonded), expected, atol=1e-10)


@pytest.mark.parametrize("maximum", [20.0, 4.5])
def test_gaussians_equal_the_plain_formula(maximum: float) -> None:
    dist = torch.linspace(0, 1.2 * maximum, 23).double()
    found = features.gaussians(dist, maximum)
    for i, d in enumerate(dist.tolist()):
        for j in range(16):
            centre = maximum * j / 15
            assert found[i, j].item() == pytest.approx(
                math.exp(-(((d - centre) * 16 / maximum) ** 2)), abs=1e-12
            )


def test_sequence_offsets_equal_the_plain_formula_and_are_zero_where_there_is_none() -> None:
    offset = torch.tensor([0, 1, -1, 5, -300, features.APART])
    found = features.sequence_offsets(offset)
    for i, d in enumerate(offset.tolist()[:-1]):
        for j in range(8):
            angle = d / 10000 ** (2 * j / 16)
            assert found[i, j].item() == pytest.approx(math.cos(angle), abs=1e-7)
            assert found[i, 8 + j].item() == pytest.approx(math.sin(angle), abs=1e-7)
    assert found[-1].eq(0).all()


@pytest.mark.parametrize(
    ("offset", "dist", "kind"),
    [
        (-2, 30, "i-2"), (-1, 1, "i-1"), (1, 99, "i+1"), (2, 1, "i+2"), (3, 50, "near in sequence"),
        (-4, 50, "near in sequence"), (5, 9.9, "near in space"), (-5, 10, "far"),
        (features.APART, 3, "near in space"), (-2 * features.APART, 11, "far"),
    ],
)  # fmt: skip
def test_relations_go_by_sequence_first_then_by_distance(
    offset: int, dist: float, kind: str
) -> None:
    index = features.relations(torch.tensor([offset]), torch.tensor([float(dist)]))
    assert features.RELATIONS[index.item()] == kind


def test_every_letter_and_element_has_a_class() -> None:
    types = features.letter_types("ARNDCQEGHILKMFPSTWYVXUZBOJ")
    assert types.tolist() == [*range(20), *[20] * 6]
    elements = np.array([1, 6, 7, 8, 9, 16, 17, 15, 30, 0, 118], np.uint8)
    assert features.element_types(elements).tolist() == [*range(8), 8, 8, 8]


def test_unit_vectors_of_nothing_are_zero() -> None:
    x = torch.tensor([[3.0, 0, 4], [0, 0, 0], [torch.nan, 1, 1]])
    shelf.assert_close(features.unit(x)[0], torch.tensor([0.6, 0.0, 0.8]))
    assert features.unit(x)[1].eq(0).all()
    assert torch.isfinite(features.unit(x)).all()

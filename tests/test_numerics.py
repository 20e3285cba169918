"""Numbers stay numbers: strange coordinates, and precisions against each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests import shelf
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.message_passing import use_engine
from zoo.fusion import FUSIONS
from zoo.models.model import FusedModel
from zoo.proteins.build_graph import GraphSpec, build_graph
from zoo.proteins.protein import Protein

FAR = 30_000.0
"""Angstrom from the origin, as cryo-EM assemblies can lie."""
HALF, SINGLE = 0.06, 1e-4
"""Largest difference to float64, of the largest feature: bfloat16 products, and float32."""
of_every_backbone = pytest.mark.parametrize("struct", STRUCTURE_BACKBONES)
of_every_fusion = pytest.mark.parametrize("fusion", [f for f in FUSIONS if f != "none"])
on_every_engine = pytest.mark.parametrize("engine", shelf.ENGINES)


def with_coords(protein: Protein, coords: NDArray[Any]) -> Protein:
    chain = dataclasses.replace(protein.chains[0], coords=coords.astype(np.float32))
    return dataclasses.replace(protein, chains=(chain,))


def ordinary(length: int = 12) -> Protein:
    protein = shelf.ordinary(length)
    return dataclasses.replace(protein, ligands=())


def strange() -> dict[str, Protein]:
    """Proteins whose geometry divides by zero where it is not looked after."""
    base = ordinary()
    coords = base.chains[0].coords.astype(np.float64)
    line = np.zeros_like(coords)
    line[..., 0] = np.arange(coords[..., 0].size).reshape(coords.shape[:2]) * 1.3
    twice = coords.copy()
    twice[5] = twice[4]
    return {
        "all atoms in one place": with_coords(base, np.zeros_like(coords)),
        "atoms of a residue in one place": with_coords(base, coords[:, 1:2].repeat(4, 1)),
        "two residues in one place": with_coords(base, twice),
        "on a line": with_coords(base, line),
        "one residue": ordinary(1),
        "two residues": ordinary(2),
        "far away": with_coords(base, coords + FAR),
        "huge": with_coords(base, coords * 1000),
        "shrunk": with_coords(base, coords * 1e-6),
    }


def small(struct: str, fusion: str, plm: str, **given: Any) -> FusedModel:
    values = {"graph.k": 6, "fusion.args.identity_start": False, **given}
    if fusion not in shelf.exchanging():
        values.pop("fusion.args.identity_start")
    return shelf.small_model(plm, struct, fusion, weights="random", seed=0, values=values)


@pytest.mark.parametrize("name", strange())
@of_every_backbone
@on_every_engine
def test_strange_geometry_gives_finite_features_and_gradients(
    struct: str, name: str, engine: str
) -> None:
    model = shelf.small_model("none", struct, "none", task="ppbs", weights="random", seed=0,
                              values={"graph.k": 6}).train()  # fmt: skip
    with use_engine(engine):
        batch = model.batch([strange()[name], ordinary()])
        out = model(batch)
        out.square().sum().backward()
    assert torch.isfinite(out).all()
    for key, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), key


@of_every_backbone
def test_far_from_the_origin_is_as_near_it(struct: str) -> None:
    """Coordinates are float32: at 30,000 angstrom they are known to 0.002."""
    protein = ordinary(30)
    coords = protein.chains[0].coords.astype(np.float64)
    away = with_coords(protein, coords + FAR)
    back = with_coords(protein, away.chains[0].coords.astype(np.float64) - FAR)
    model = shelf.small_model("none", struct, "none", weights="random", seed=0,
                              values={"graph.k": 6})  # fmt: skip
    with torch.no_grad():
        near, far = (model.features(model.batch([one])) for one in (back, away))
    assert torch.allclose(near, far, atol=2e-3 * float(near.abs().max()))


@of_every_backbone
@of_every_fusion
def test_precisions_agree(struct: str, fusion: str, plm_folders: dict[str, str]) -> None:
    protein = ordinary(40)
    found = {}
    for dtype in (torch.float64, torch.float32):
        model = small(struct, fusion, plm_folders["bert"]).to(dtype).eval()
        batch = model.batch([protein])
        batch = dataclasses.replace(batch, graph=batch.graph.float_to(dtype))
        with torch.no_grad():
            found[dtype] = model.features(batch).double()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model.features(batch).double()
    exact = found[torch.float64]
    largest = float(exact.abs().max())
    assert float((found[torch.float32] - exact).abs().max()) < SINGLE * largest
    assert float((half - exact).abs().max()) < HALF * largest


@pytest.mark.parametrize("name", strange())
def test_graphs_of_strange_geometry_are_finite(name: str) -> None:
    for spec in (GraphSpec(k=6), GraphSpec(kind="atom", radius=4.0)):
        graph = build_graph(strange()[name], spec)
        for key, values in {**graph.nodes, **graph.edges}.items():
            if values.is_floating_point():
                assert torch.isfinite(values).all(), key

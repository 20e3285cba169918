"""Language models and graph networks. Adding a graph network is one file and one line here.

Importing this package loads no torch: the names below load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.settings.registry import Registry

if TYPE_CHECKING:
    from zoo.backbones.base import NodeState, SequenceBackbone, StructureBackbone

__all__ = ["STRUCTURE_BACKBONES", "NodeState", "SequenceBackbone", "StructureBackbone"]

STRUCTURE_BACKBONES: Registry[type[StructureBackbone]] = Registry("graph network")


class Facts(NamedTuple):
    """What `zoo list` says of a graph network without importing it, as it is built by default.

    Attributes:
        about: The first line of the class's docstring.
        layers: Number of layers.
        width: Columns of its state.
        parameters: Number of parameters on residue graphs.
        paper: Where it is described.
        checked: What its numbers are held against, and by which tests.
        licence: Licence of the published weights; that of the package for a network without any.
    """

    about: str
    layers: int
    width: int
    parameters: int
    paper: str
    checked: str
    licence: str = "Apache-2.0"


EQUATIONS = "the equations of the paper, node by node (tests/backbones/test_structure_backbones.py)"
FACTS = {
    "cdconv": Facts(
        "Convolutions continuous in space and discrete along the sequence; invariant.",
        4, 128, 163_584, "openreview.net/forum?id=P5Z-Zl9XJ7", EQUATIONS,
    ),
    "egnn": Facts(
        "E(n)-equivariant network; its one vector is how far a node has moved.",
        4, 128, 501_120, "arXiv:2102.09844", EQUATIONS,
    ),
    "gat": Facts(
        "Graph attention (GATv2) with scalar edge features; invariant.",
        4, 128, 253_568, "arXiv:2105.14491", EQUATIONS,
    ),
    "gearnet": Facts(
        "Relational convolutions, GearNet-Edge with `edge_messages`; invariant.",
        4, 128, 546_944, "arXiv:2203.06125", EQUATIONS,
    ),
    "gvp": Facts(
        "Geometric vector perceptrons: the published MQA model up to its readout; equivariant.",
        3, 100, 476_405, "arXiv:2106.03843",
        "numbers of the published code (tests/backbones/test_gvp_reference.py)",
    ),
    "mpnn": Facts(
        "ProteinMPNN's encoder with its published weights; reads no residue types; invariant.",
        3, 128, 879_776, "doi:10.1126/science.add2187",
        "numbers of the published code on 20 structures, to 1e-4 "
        "(tests/backbones/test_mpnn_reference.py)", "MIT",
    ),
    "pronet": Facts(
        "Filters of distance, direction and relative rotation of backbones; invariant.",
        4, 128, 1_395_328, "arXiv:2207.12600", EQUATIONS,
    ),
    "schnet": Facts(
        "Continuous-filter convolutions over distances; invariant.",
        6, 128, 455_808, "arXiv:1706.08566", EQUATIONS,
    ),
}  # fmt: skip
for _name, _facts in FACTS.items():
    STRUCTURE_BACKBONES.announce(_name, f"zoo.backbones.{_name}", _facts.about)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("zoo.backbones.base"), name)

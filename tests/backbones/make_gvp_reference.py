"""Write the numbers of test_gvp_reference.py: what the published GVP code gives for the same input.

Run with the published package importable (github.com/drorlab/gvp-pytorch and what it requires):

    python -m tests.backbones.make_gvp_reference

Weights and graph come from formulas, so nothing but the numbers has to be kept.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from types import SimpleNamespace

import torch
from torch import Tensor

NUM_NODES = 7
#: Widths of the published models, small for MQAModel; BaseModel's are fixed.
NODE_DIMS, EDGE_DIMS, NUM_LAYERS = (12, 4), (8, 2), 2
RENAMED = (
    (r"^(W_s|embed)\.", "scalars.types."),
    (r"^W_v\.", "node_in."),
    (r"^W_e\.", "edge_in."),
    (r"^W_out\.", "out."),
    (r"\.conv\.message_func\.", ".message."),
    (r"\.ff_func\.", ".feed_forward."),
    (r"\.norm\.", ".norms."),
    (r"\.scalar_norm\.", ".scalars."),
    (r"\.wsv\.", ".gate."),
)


def our_name(published: str) -> str:
    """Return what a parameter of the published models is called in `GVPNet`."""
    for pattern, ours in RENAMED:
        published = re.sub(pattern, ours, published)
    return published


def weight(our: str, shape: Iterable[int]) -> Tensor:
    """Return a parameter by formula: a sine, started at a phase taken from its name."""
    shape = tuple(shape)
    wave = torch.sin(torch.arange(torch.Size(shape).numel()).double() + zlib.crc32(our.encode()))
    if len(shape) > 1:
        return (wave * (2.0 / shape[-1]) ** 0.5).view(shape)
    return 0.1 * wave + ("scalars.weight" in our)  # a norm's weights are about 1


def fill(model: torch.nn.Module, *, published: bool) -> torch.nn.Module:
    """Give a model of ours, or a published one, the weights by formula; evaluation mode."""
    model = model.double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            our = our_name(name) if published else name
            parameter.copy_(weight(our, parameter.shape))
    return model


def graph_input(edge_s: int, types: int) -> SimpleNamespace:
    """Return a ring whose nodes each hear the next three; features are sines."""
    dst = torch.arange(NUM_NODES).repeat_interleave(3)
    src = (dst + torch.tensor([1, 2, 3]).repeat(NUM_NODES)) % NUM_NODES
    edges = len(src)
    return SimpleNamespace(
        edge_index=torch.stack([src, dst]),
        types=torch.arange(NUM_NODES) * 3 % types,
        node_s=_wave(0, NUM_NODES, 6),
        node_v=_wave(1, NUM_NODES, 3, 3),
        edge_s=_wave(2, edges, edge_s),
        edge_v=_wave(3, edges, 1, 3),
    )


def _wave(phase: int, *shape: int) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.sin(1.3 * torch.arange(count).double() + phase).view(shape)


def digest(*outputs: Tensor) -> list[float]:
    """Return one number a tensor that every entry has a part in."""
    return [float((_wave(4, *x.shape) * x).sum()) for x in outputs]


def residue_model() -> list[float]:
    """Return digests of MQAModel: of (s, V) from its input on, then of what its readout gets."""
    from gvp.models import MQAModel

    model = MQAModel((6, 3), NODE_DIMS, (32, 1), EDGE_DIMS, seq_in=True, num_layers=NUM_LAYERS)
    data = graph_input(edge_s=32, types=20)
    seen = _watched(fill(model, published=True))
    model((data.node_s, data.node_v), data.edge_index, (data.edge_s, data.edge_v), data.types)
    return digest(*seen)


def atom_model() -> list[float]:
    """Return the same of the gated ATOM3D model."""
    from gvp.atom3d import BaseModel

    model = BaseModel()
    data = graph_input(edge_s=16, types=9)
    data.atoms, data.batch = data.types, torch.zeros(NUM_NODES, dtype=torch.long)
    seen = _watched(fill(model, published=True))
    model(data)
    return digest(*seen)


def _watched(model: torch.nn.Module) -> list[Tensor]:
    seen: list[Tensor] = []

    def keep(module: torch.nn.Module, args: object, output: Tensor | tuple[Tensor, ...]) -> None:
        seen.extend(output if isinstance(output, tuple) else (output,))

    for module in (model.W_v, *model.layers, model.W_out):
        module.register_forward_hook(keep)
    return seen


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    print("RESIDUE =", residue_model())
    print("ATOM =", atom_model())

"""The layers of a graph network, and named feature sets, as parts.

A network's states are stored beside those of the language model, as a file for each hundred or so
proteins, under a name that tells the data, the graph, the arguments and the weights.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from zoo.backbones import StructureBackbone
from zoo.data.samples import Sample
from zoo.models.create import fingerprint
from zoo.probing.parts import STOPPED, Array, Part, Samples, Source, nothing
from zoo.proteins.build_graph import GraphSpec, build_graph
from zoo.proteins.feature_sets import ordered
from zoo.proteins.graph import Graph
from zoo.states.room import check_space, size_text
from zoo.states.shards import Shards
from zoo.system.counting import counted
from zoo.system.listener import Listener, Stopped

VERSION = 1
"""Version of what is stored; raise it when states of the same weights become others."""
FOLDER = "structures"
OUTPUT = "output"
"""Name of the columns that a network's `finish` adds to its last states: log-odds, of `mpnn`."""
KEPT = torch.bfloat16
CHUNK = 100
"""Number of proteins that are written at a time."""


def graph_network(
    name: str, struct: StructureBackbone, spec: GraphSpec, inputs: str, root: Path, device: str
) -> Source:
    """Return the scalar states of a network after each layer, and what its output adds to them.

    Args:
        name: Name of the source.
        struct: The network, in evaluation mode.
        spec: How its graphs are built.
        inputs: Hash of the prepared data, because proteins are stored by their keys in it.
        root: Folder of the store.
        device: Device that computes states which are not stored.
    """
    states = [f"layer {k}" for k in range(1, struct.num_layers + 1)]
    more = [OUTPUT] if struct.out_width > struct.width else []
    kept = Shards(root / FOLDER / _name(struct, spec, inputs))
    parts = [
        Part(name, part, partial(_stored, kept, part), layer)
        for part, layer in [*((x, k) for k, x in enumerate(states, 1)), *((x, None) for x in more)]
    ]
    fill = partial(_fill, kept, struct, spec, root, device)
    return Source(name, tuple(parts), fill, of_structure=True)


def _name(struct: StructureBackbone, spec: GraphSpec, inputs: str) -> str:
    facts = [VERSION, inputs, dataclasses.asdict(spec), fingerprint(struct)]
    hashed = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return f"{type(struct).__name__.lower()}-{hashed}"


def _fill(
    kept: Shards, struct: StructureBackbone, spec: GraphSpec, root: Path, device: str,
    samples: Samples, keys: Sequence[str], listener: Listener,
) -> None:  # fmt: skip
    missing = [key for key in keys if key not in kept]
    todo = [key for key in missing if samples(key).protein.nodes.any()]
    if not todo:
        return
    columns = struct.num_layers * struct.width + struct.out_width - struct.width
    need = columns * KEPT.itemsize * sum(len(samples(key).protein) for key in todo)
    check_space(root, need, None, "The states of the graph network", "or probe it by itself")
    size = f"{size_text(need)} in {root}"
    listener.say(f"the graph network runs once: {counted(len(todo), 'protein')}, {size}")
    home = next(struct.parameters()).device
    struct.to(device)
    try:
        with listener.progress("structure states", len(todo)) as shown:
            for start in range(0, len(todo), CHUNK):
                found = {}
                for done, key in enumerate(todo[start : start + CHUNK], start + 1):
                    found[key] = _states(struct, build_graph(samples(key).protein, spec), device)
                    shown(done)
                    if listener.asked():
                        break
                kept.put(found)
                if listener.asked():
                    raise Stopped(STOPPED)
    finally:
        struct.to(home)


@torch.inference_mode()
def _states(struct: StructureBackbone, graph: Graph, device: str) -> dict[str, Tensor]:
    """Return the states (nodes, columns) by part, and the residue of each node."""
    residue = graph.nodes["residue"]
    graph = graph.to(device)
    found = {"residue": residue}
    state = struct.embed(graph)
    for index in range(struct.num_layers):
        state = struct.layer(graph, state, index)
        found[f"layer {index + 1}"] = state.s.to("cpu", KEPT)
    if struct.out_width > struct.width:
        found[OUTPUT] = struct.finish(state)[:, struct.width :].to("cpu", KEPT)
    return found


def _stored(kept: Shards, part: str, key: str, sample: Sample) -> Array:
    found = kept.get(key)
    return _by_residue(found[part].float(), found["residue"], len(sample.protein))


def _by_residue(states: Tensor, residue: Tensor, count: int) -> Array:
    """Return (residues, columns) of the nodes that are residues; NaN for other residues.

    Of several nodes of one residue, its atoms, it is their mean.
    """
    own = residue >= 0
    rows = torch.zeros(count, states.shape[1]).index_add_(0, residue[own], states[own].float())
    nodes = torch.bincount(residue[own], minlength=count)
    rows = (rows / nodes[:, None]).where(nodes[:, None] > 0, torch.nan)
    return rows.numpy()


def feature_sets(names: Sequence[str]) -> Source:
    """Return the numbers of each named set; vectors, which turn with the protein, are left out.

    Raises:
        ConfigError: If a name is unknown; names the nearest one.
    """
    parts = [
        Part("features", name, partial(_features, GraphSpec(features=(name,))))
        for name in ordered(names)
    ]
    return Source("features", tuple(parts), nothing, of_structure=True)


def _features(spec: GraphSpec, key: str, sample: Sample) -> Array:
    graph = build_graph(sample.protein, spec)
    return _by_residue(graph.nodes["node_s"], graph.nodes["residue"], len(sample.protein))

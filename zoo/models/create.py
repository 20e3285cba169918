"""Builds a model from its blueprint, where names, arguments and widths were decided."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from zoo.backbones import StructureBackbone
from zoo.backbones.file_states import FileStates
from zoo.backbones.hf import HFBackbone
from zoo.backbones.loading import load_plm
from zoo.backbones.published import load_published
from zoo.backbones.weights import Weights
from zoo.errors import ConfigError
from zoo.fusion.base import Fusion
from zoo.fusion.side import SideStream
from zoo.models.arguments import without_memory
from zoo.models.blueprint import Blueprint, resolve
from zoo.models.heads import ProteinHead, ResidueHead
from zoo.models.model import FusedModel
from zoo.models.parts import built
from zoo.models.tuning import tune
from zoo.proteins.build_graph import FeatureWidths
from zoo.settings.config import Config, load_config


@dataclass(frozen=True)
class Recipe:
    """How a model was made, enough to make it again.

    Attributes:
        config: The config with nothing left open: the places of exchanges, pretrained or random.
        weights: Where the language model's weights came from; None without a language model.
        fingerprint: Hash of the language model's weights; "" without a language model.
    """

    config: Config
    weights: Weights | None
    fingerprint: str

    @property
    def random_plm(self) -> bool:
        """Whether the language model was never trained: its features mean nothing."""
        return self.weights is not None and self.weights.kind == "random"


def create_model(
    seq: str | Config = "esm2_650m",
    struct: str | None = None,
    *,
    fusion: str | None = None,
    task: str | None = None,
    fuse_after: Sequence[tuple[int, int]] | None = None,
    write_back: Literal["deep", "side"] | None = None,
    weights: Literal["auto", "pretrained", "random"] | None = None,
    seed: int | None = None,
    values: Mapping[str, Any] | None = None,
) -> FusedModel:
    """Return a model in evaluation mode, by the names of its parts or of a shipped config.

    Examples:
        >>> model = create_model("esm2_8m", "gvp", fusion="local", weights="random")
        >>> model = create_model("ppbs_esm2_8m_gvp_global", weights="random")

    Args:
        seq: Name of the language model, a hub id, a folder, or "none". Without `struct`: the name
            of a shipped config, a YAML file, or a `Config`.
        struct: Name of the graph network, or "none".
        fusion: Name of the fusion; by default "serial" between two branches, "none" with one.
        task: Task whose head is added, for example "ppbs".
        fuse_after: Pairs (language model layer, graph network layer) after which the branches
            exchange, for example [(11, 1), (22, 2), (33, 3)].
        write_back: "deep" (the default) lets fused rows re-enter the language model; "side" writes
            them to a small stream beside it, so that the language model never changes.
        weights: "pretrained" (the default) fails if the weights cannot be had, "random" draws
            them, "auto" draws them only if they cannot be had.
        seed: Seed of all weights that are not pretrained.
        values: Further config keys, {"structure.args.num_layers": 4}.

    Raises:
        ConfigError: for a wrong name, key or number.
        WeightsError: if pretrained weights are asked for and cannot be had.
    """
    if struct and not isinstance(seq, str):
        raise ConfigError(
            f"{seq!r:.80} ({type(seq).__name__}) is not the name of a language model. A Config "
            'names its own parts: zoo.create_model(config), or config.with_options({"structure.'
            'name": "gvp"}) to change one.'
        )
    config = Config() if struct else load_config(seq)
    options = {
        "sequence.name": seq if struct else None, "structure.name": struct,
        "fusion.name": fusion, "task": task, "fusion.after": _plain(fuse_after),
        "fusion.write_back": write_back, "sequence.weights": weights, "seed": seed,
    }  # fmt: skip
    return build_model(resolve(config.with_options(options).with_keys(values or {})))


def _plain(pairs: Sequence[Any] | None) -> list[Any] | None:
    """Turn pairs into lists, as in YAML; what is no pair is left for the config's check."""
    if pairs is None:
        return None
    return [list(pair) if isinstance(pair, tuple) else pair for pair in pairs]


@dataclass(frozen=True)
class LoadedPLM:
    """A language model in memory; while it stays frozen, several models can share it.

    Attributes:
        seq: the language model.
        fingerprint: hash over its weights; of a file of states, over what computed them.
    """

    seq: HFBackbone | FileStates
    fingerprint: str


def load_sequence(blueprint: Blueprint) -> LoadedPLM | None:
    """Return a blueprint's language model, without adapters; None where it has none."""
    if blueprint.plm is None:
        return None
    config, plm = blueprint.config, blueprint.plm
    if plm.plm.states is not None:
        return LoadedPLM(FileStates(plm.plm.states), plm.plm.states.identity)
    seq = load_plm(plm.plm, plm.weights, dtype=config.sequence.dtype, seed=config.seed)
    seq.keep(plm.num_layers)
    return LoadedPLM(seq, fingerprint(seq))


def build_model(blueprint: Blueprint, loaded: LoadedPLM | None = None) -> FusedModel:
    """Return the model of a blueprint, in evaluation mode, with its `recipe`.

    Args:
        blueprint: of the model.
        loaded: the blueprint's language model, if it is in memory already.

    Raises:
        ConfigError: if a part needs more memory than there is.
        WeightsError: if the file of the language model's weights is damaged.
    """
    config, seed = blueprint.config, blueprint.config.seed
    struct = built(seed, "structure", lambda: _structure(blueprint))
    loaded = loaded or load_sequence(blueprint)
    seq = loaded.seq if loaded is not None else None
    if isinstance(seq, HFBackbone):
        built(seed, "lora", lambda: tune(seq, config.sequence))
    side = built(seed, "side", lambda: _side(blueprint))
    model = FusedModel(
        seq=seq,
        struct=struct,
        exchanges=built(seed, "fusion", lambda: _exchanges(blueprint)),
        fuse_after=blueprint.exchanges,
        graph_spec=blueprint.graph,
        revision=blueprint.revision,
        side=side,
    )
    model.head = built(seed, "head", lambda: _head(blueprint))
    weights = None if blueprint.plm is None else blueprint.plm.weights
    identity = loaded.fingerprint if loaded is not None else ""
    model.recipe = Recipe(blueprint.resolved, weights, identity)
    return model.eval()


def _structure(blueprint: Blueprint) -> StructureBackbone | None:
    struct, network = _network(blueprint), blueprint.structure
    if struct is None or network is None:
        return None
    if network.published is not None:
        load_published(struct, network.published)
    if blueprint.config.structure.tuning == "frozen":
        struct.freeze()
    return struct


def _network(blueprint: Blueprint) -> StructureBackbone | None:
    """Return the graph network with the weights that it draws."""
    network = blueprint.structure
    if network is None:
        return None
    struct: StructureBackbone = network.cls(FeatureWidths.of(blueprint.graph), **network.args)
    return struct


def _side(blueprint: Blueprint) -> SideStream | None:
    if not blueprint.side:
        return None
    assert blueprint.plm is not None
    taps = {*(k for k, _ in blueprint.exchanges), blueprint.plm.num_layers}
    return SideStream(blueprint.plm.width, blueprint.sequence_width, len(taps))


def _exchanges(blueprint: Blueprint) -> list[Fusion]:
    fusion, structure = blueprint.fusion, blueprint.structure
    if structure is None:
        return []
    widths = blueprint.sequence_width, structure.width
    return [fusion.cls(*widths, **fusion.args) for _ in blueprint.exchanges]


def _head(blueprint: Blueprint) -> ResidueHead | ProteinHead | None:
    head = blueprint.head
    if head is None:
        return None
    outputs = sum(target.outputs for target in blueprint.targets)
    made: ResidueHead | ProteinHead = head.cls(blueprint.head_widths, outputs, **head.args)
    return made


def parameters_beside_plm(blueprint: Blueprint) -> int:
    """Return how many parameters a model has beside its language model's; none is allocated."""
    parts = without_memory(
        lambda: [
            _network(blueprint), _side(blueprint), _head(blueprint), *_exchanges(blueprint)
        ]
    )  # fmt: skip
    return sum(p.numel() for part in parts if part is not None for p in part.parameters())


def fingerprint(seq: nn.Module) -> str:
    """Return a hash over the names, shapes, first numbers and bit sums of all weights.

    Every bit counts, in about half a second for a billion weights; sums of integers do not depend
    on the order or the number of threads.
    """
    digest = hashlib.sha256()
    for name, tensor in seq.state_dict().items():
        flat = tensor.detach().contiguous().flatten().cpu()
        bits = flat.view(torch.int16) if flat.element_size() % 2 == 0 else flat.view(torch.uint8)
        first = flat[:64].float().numpy().tobytes()
        total = int(bits.numpy().sum(dtype=np.int64))  # torch copies them to int64 first
        digest.update(f"{name}{tuple(tensor.shape)}{total}".encode() + first)
    return digest.hexdigest()[:16]

"""The two branches of a model that a config names: which language model, which graph network.

Names are looked up, arguments checked and completed, weights found, and shapes computed; nothing
is built. `blueprint` joins the branches.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from zoo.backbones import STRUCTURE_BACKBONES, StructureBackbone
from zoo.backbones.loading import shape_of
from zoo.backbones.plm import PLM
from zoo.backbones.plm import resolve as resolve_plm
from zoo.backbones.published import check_fit
from zoo.backbones.weights import Weights, locate
from zoo.errors import ConfigError
from zoo.models.arguments import Part, part_of, without_memory
from zoo.proteins.build_graph import FeatureWidths, GraphSpec
from zoo.settings.config import NONE, Config, SequenceConfig
from zoo.tasks import TASKS


@dataclass(frozen=True)
class LanguageModel:
    """The language model: which one, where its weights are, and its shape.

    Attributes:
        plm: what its name stands for.
        weights: pretrained, from a folder, or random.
        num_layers: layers that run.
        width: columns of a hidden state.
    """

    plm: PLM
    weights: Weights
    num_layers: int
    width: int


@dataclass(frozen=True)
class GraphNetwork(Part):
    """The graph network, with the shape that its arguments give it.

    Attributes:
        num_layers: layers.
        width: columns of its state between layers.
        out_width: columns of what it returns.
        published: folder of `zoo.pretrained` with the weights that it begins with; None for random
            ones.
    """

    num_layers: int
    width: int
    out_width: int
    published: str | None


def language_model(wanted: SequenceConfig) -> LanguageModel | None:
    """Return the language model that a config names; None without one.

    Raises:
        ConfigError: for a name that is none, or more layers than it has.
        WeightsError: if pretrained weights are asked for and cannot be had.
    """
    if wanted.name == NONE:
        return None
    plm = resolve_plm(wanted.name)
    weights = locate(plm, wanted.weights)
    layers, width = shape_of(plm, weights)
    return LanguageModel(plm, weights, running(wanted, layers), width)


def running(sequence: SequenceConfig, layers: int) -> int:
    """Return how many layers of the language model run, of all that it has.

    Raises:
        ConfigError: if it has fewer than are asked for.
    """
    wanted = sequence.layers
    if wanted is not None and wanted > layers:
        raise ConfigError(
            f"sequence.layers={wanted}: the language model {sequence.name} has {layers} "
            "layers. Use at most that many, or leave the key out for all."
        )
    return wanted or layers


def with_neighbours(config: Config) -> Config:
    """Return the config with `graph.k` as its graph network has it, if it is left open.

    So a config is held against one that an earlier version wrote, where it was always a number.
    """
    if config.graph.k is not None:
        return config
    name = config.structure.name
    k = (StructureBackbone if name == NONE else STRUCTURE_BACKBONES[name]).neighbours
    return dataclasses.replace(config, graph=dataclasses.replace(config.graph, k=k))


def graph_of(config: Config) -> GraphSpec:
    """Return the graph, with what the config leaves to the network and to the task.

    Raises:
        ConfigError: if residue types are to be masked in a graph of atoms.
    """
    if config.structure.name == NONE:
        return GraphSpec(kind="none")
    if config.train.mask_types and config.graph.kind == "atom":
        raise ConfigError(
            f"train.mask_types={config.train.mask_types} masks the types of residues, and the "
            "nodes of graph.kind=atom are atoms. Use graph.kind=residue, or train.mask_types=0."
        )
    values = dataclasses.asdict(with_neighbours(config).graph)
    if values["ligands"] is None:
        values["ligands"] = config.task is not None and TASKS[config.task].ligands
    return GraphSpec(**values | {"features": tuple(values["features"])})


def graph_network(config: Config, graph: GraphSpec) -> GraphNetwork | None:
    """Return the graph network that a config names, its arguments checked; None without one.

    Raises:
        ConfigError: for a name, an argument or a kind of weights that cannot be.
    """
    if config.structure.name == NONE:
        if config.structure.args:
            raise ConfigError("structure.args is set, but --struct is none: there is no network.")
        return None
    cls: Any = STRUCTURE_BACKBONES[config.structure.name]
    part = part_of(cls, config.structure.args, "structure.args.")
    trial = without_memory(cls, FeatureWidths.of(graph), **part.args)
    published = _published(config, graph, trial)
    return GraphNetwork(cls, part.args, trial.num_layers, trial.width, trial.out_width, published)


def _published(config: Config, graph: GraphSpec, network: StructureBackbone) -> str | None:
    """Return the published weights that the graph network begins with; None for random ones."""
    structure, name = config.structure, network.pretrained
    if structure.weights == "random" or (name is None and structure.weights is None):
        if structure.tuning == "frozen":
            raise ConfigError(
                "structure.tuning=frozen would leave random weights as they are. Use "
                "structure.tuning=full, or a network with published weights: "
                f"{', '.join(_with_weights())}."
            )
        return None
    if name is None:
        raise ConfigError(
            f"structure.weights=pretrained: {structure.name} has no published weights. Those that "
            f"have: {', '.join(_with_weights())}. Use structure.weights=random."
        )
    if graph.kind != "residue":
        raise ConfigError(
            f"graph.kind={graph.kind}: the published weights of {structure.name} are for residues. "
            "Use graph.kind=residue or structure.weights=random."
        )
    check_fit(network, name)
    return name


def _with_weights() -> list[str]:
    return [name for name in STRUCTURE_BACKBONES if STRUCTURE_BACKBONES[name].pretrained]


def depths(config: Config) -> tuple[int, int]:
    """Return the number of layers of the language model and of the graph network.

    A language model that is known by name needs no weights on this machine for that.
    """
    layers = 0
    if config.sequence.name != NONE:
        plm = resolve_plm(config.sequence.name)
        weights = Weights("random", plm.folder)
        if plm.preset is None and plm.folder is None:
            weights = locate(plm, config.sequence.weights)
        layers = running(config.sequence, shape_of(plm, weights)[0])
    structure = graph_network(config, graph_of(config))
    return layers, structure.num_layers if structure else 0

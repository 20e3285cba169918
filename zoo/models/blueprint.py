"""All that is decided about a model before it is built: a config, with every name resolved.

`resolve` looks up each name, checks and completes the arguments, finds the language model's
weights, and computes widths and the places of exchanges. Building, training and searching then
work from the blueprint. Once data are read, `with_targets` puts what they hold in the place of
what the task asks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from zoo.errors import ConfigError
from zoo.fusion import DEFAULT, FUSIONS
from zoo.fusion.base import Pairs
from zoo.models.arguments import Part, part_of, without_memory
from zoo.models.branches import (
    GraphNetwork,
    LanguageModel,
    graph_network,
    graph_of,
    language_model,
    with_neighbours,
)
from zoo.models.heads import HEADS
from zoo.models.places import places
from zoo.models.revisions import REVISIONS, Revision
from zoo.proteins.build_graph import GraphSpec
from zoo.settings.config import COMPLEX, NONE, STATES, Config, Scope
from zoo.settings.plugins import load_plugins
from zoo.tasks import TASKS, Target


@dataclass(frozen=True)
class Blueprint:
    """What a model will be.

    Attributes:
        config: as it was asked for.
        plm: the language model, None without one.
        structure: the graph network, None without one.
        fusion: class and arguments of each exchange.
        fusion_name: what it is called.
        exchanges: (layer of the language model, layer of the graph network) of each exchange.
        graph: the graph that the graph network runs on.
        targets: what the head predicts, () without a head; until data were read, the task's own.
        head: None for a model that gives features only.
    """

    config: Config
    plm: LanguageModel | None
    structure: GraphNetwork | None
    fusion: Part
    fusion_name: str
    exchanges: Pairs
    graph: GraphSpec
    targets: tuple[Target, ...]
    head: Part | None

    @property
    def depths(self) -> tuple[int, int]:
        """Return the number of layers of the language model and of the graph network."""
        plm, structure = self.plm, self.structure
        return (plm.num_layers if plm else 0, structure.num_layers if structure else 0)

    @property
    def side(self) -> bool:
        """Whether a stream beside the language model takes what fusion writes back."""
        return self.config.fusion.write_back == "side" and self.plm is not None

    @property
    def sequence_width(self) -> int:
        """Columns of the sequence branch: of the language model, or of the side stream."""
        if self.side:
            return self.config.fusion.side_width
        return self.plm.width if self.plm else 0

    @property
    def width(self) -> int:
        """Columns of the model's features."""
        return self.sequence_width + (self.structure.out_width if self.structure else 0)

    @property
    def revision(self) -> Revision:
        """How the model computes and is trained."""
        return REVISIONS[self.config.revision]

    @property
    def head_widths(self) -> tuple[int, ...]:
        """Columns of the features, in the parts that the head norms by themselves."""
        if not self.revision.norms_apart:
            return (self.width,)
        branches = self.sequence_width, self.width - self.sequence_width
        return tuple(width for width in branches if width)

    @property
    def resolved(self) -> Config:
        """The config with nothing left open: this is what is saved with a model."""
        config, sequence = self.config, self.config.sequence
        if self.plm is not None:
            sequence = dataclasses.replace(
                sequence, name=self.plm.plm.name, weights=self.plm.weights.kind
            )
        fusion = dataclasses.replace(
            config.fusion, name=self.fusion_name, after=[list(pair) for pair in self.exchanges]
        )
        structure, network = config.structure, self.structure
        if network is not None and network.cls.pretrained is not None:
            weights: Literal["pretrained", "random"] = (
                "pretrained" if network.published else "random"
            )
            structure = dataclasses.replace(structure, weights=weights)
        return dataclasses.replace(
            config, sequence=sequence, structure=structure, fusion=fusion,
            graph=with_neighbours(config).graph,
        )  # fmt: skip

    def with_targets(self, targets: Sequence[dict[str, Any]]) -> Blueprint:
        """Return the blueprint of a model that predicts what some data hold."""
        config = dataclasses.replace(self.config, targets=list(targets))
        found = _targets(config)
        return dataclasses.replace(self, config=config, targets=found, head=_head(config, found))

    def with_pocket(self, cutoff: float | None) -> Blueprint:
        """Return the blueprint of a model for data in which only a pocket's residues are nodes.

        Args:
            cutoff: distance in angstrom from the ligand; None if all residues are nodes.

        Raises:
            ConfigError: if the config asks for pockets of another size.
        """
        graph = self.config.graph
        if cutoff is None or graph.cut:
            return self
        if graph.pocket not in (None, cutoff):
            raise ConfigError(
                f"graph.pocket={graph.pocket:g}, and the data were prepared with pockets of "
                f"{cutoff:g} angstrom. Leave graph.pocket out: training takes that of the data."
            )
        config = dataclasses.replace(self.config, graph=dataclasses.replace(graph, pocket=cutoff))
        return dataclasses.replace(self, config=config, graph=graph_of(config))

    def with_scope(self, scope: Scope) -> Blueprint:
        """Return the blueprint of a model for data of that scope, if the config names none.

        With ligands as nodes it is the complex: a ligand belongs to all chains around it.
        """
        found = COMPLEX if self.graph.ligands else scope
        config = dataclasses.replace(self.config, scope=self.config.scope or found)
        return dataclasses.replace(self, config=config)

    def with_seed(self, seed: int) -> Blueprint:
        """Return the same blueprint for other random weights."""
        return dataclasses.replace(self, config=dataclasses.replace(self.config, seed=seed))

    def with_order(self, data_seed: int) -> Blueprint:
        """Return the same blueprint, to be trained on its examples in another order."""
        train = dataclasses.replace(self.config.train, data_seed=data_seed)
        return dataclasses.replace(self, config=dataclasses.replace(self.config, train=train))


def resolve(config: Config, known: Blueprint | None = None) -> Blueprint:
    """Return what a config stands for, everything in it checked.

    Args:
        config: of the model.
        known: a blueprint whose language model is taken over if the config names the same one.

    Raises:
        ConfigError: for a name, argument or combination that cannot be.
        WeightsError: if pretrained weights are asked for and cannot be had.
    """
    load_plugins()  # a module that ZOO_PLUGINS names is an error also where no name of it is used
    name = _fusion_name(config)
    fusion = part_of(FUSIONS[name], config.fusion.args, "fusion.args.")
    _check_write_back(config)
    targets = _targets(config)
    head = _head(config, targets)
    graph = graph_of(config)
    structure = graph_network(config, graph)
    plm = _known_plm(config, known) or language_model(config.sequence)
    blueprint = Blueprint(config, plm, structure, fusion, name, (), graph, targets, head)
    if plm is None or structure is None:
        return blueprint
    exchanges = _exchanges(blueprint)
    if exchanges:
        _check_fusion(blueprint, structure)
    return dataclasses.replace(blueprint, exchanges=exchanges)


def written_targets(config: Config) -> tuple[Target, ...]:
    """Return the targets that training wrote into a config; () if no data were read for it."""
    try:
        return tuple(map(Target.from_dict, config.targets))
    except (TypeError, KeyError) as error:
        raise ConfigError(f"targets={config.targets!r} are not what training writes.") from error


def _fusion_name(config: Config) -> str:
    """Return the fusion: as named; else serial between two branches, none where there is one."""
    sequence, structure, fusion = config.sequence.name, config.structure.name, config.fusion.name
    if sequence == structure == NONE:
        raise ConfigError("--seq none and --struct none leave no model. Name at least one.")
    alone = NONE in (sequence, structure)
    if fusion is None:
        return NONE if alone else DEFAULT
    if alone and fusion != NONE:
        FUSIONS[fusion]  # report a misspelt name first
        raise ConfigError(
            f"Fusion {fusion!r} joins two branches, and one of them is 'none'. Name both, or use "
            "--fusion none."
        )
    return fusion


def _check_write_back(config: Config) -> None:
    if config.sequence.name.startswith(STATES) and config.sequence.tuning != "frozen":
        raise ConfigError(
            f"sequence.tuning={config.sequence.tuning}: {config.sequence.name} is a file, so there "
            "is nothing to train. Use sequence.tuning=frozen."
        )
    if config.fusion.write_back == "deep":
        return
    if config.sequence.name == NONE:
        raise ConfigError("fusion.write_back=side needs a language model; --seq is none.")
    if config.sequence.tuning != "frozen":
        raise ConfigError(
            "fusion.write_back=side only taps the language model, so that its states can be "
            f"stored; sequence.tuning={config.sequence.tuning} would change them. Use "
            "write_back=deep to train it."
        )


def _targets(config: Config) -> tuple[Target, ...]:
    """Return what the head predicts: as the data said, else what the task asks."""
    if config.task is None:
        return ()
    targets = written_targets(config) or (TASKS[config.task].target,)
    if len({target.level for target in targets}) > 1:
        raise ConfigError("One model predicts for residues or for proteins; the targets ask both.")
    return targets


def _head(config: Config, targets: tuple[Target, ...]) -> Part | None:
    if not targets:
        if config.head.args:
            raise ConfigError("head.args is set, but without a task there is no head. Give --task.")
        return None
    level = targets[0].level
    if level == "residue" and config.graph.kind == "atom":
        raise ConfigError(
            f"Task {config.task!r} predicts for residues, and graph.kind=atom has several nodes a "
            "residue. Use graph.kind=residue."
        )
    return part_of(HEADS[level], config.head.args, "head.args.")


def _known_plm(config: Config, known: Blueprint | None) -> LanguageModel | None:
    """Return the language model of a known blueprint, if a config names the same one."""
    if known is None:
        return None
    before, wanted = known.config.sequence, config.sequence
    same = (before.name, before.weights, before.layers) == (
        wanted.name, wanted.weights, wanted.layers
    )  # fmt: skip
    return known.plm if same else None


def _check_fusion(blueprint: Blueprint, structure: GraphNetwork) -> None:
    """Construct an exchange once: some combinations of its arguments cannot be."""
    fusion = blueprint.fusion
    try:
        without_memory(fusion.cls, blueprint.sequence_width, structure.width, **fusion.args)
    except ValueError as error:
        raise ConfigError(f"fusion {blueprint.fusion_name!r}: {error}") from error


def _exchanges(blueprint: Blueprint) -> Pairs:
    """Return where exchanges are made: as the config says, or as the fusion does by default."""
    after = blueprint.config.fusion.after
    if after is not None:
        return places(after, blueprint.depths)
    placed: Pairs = blueprint.fusion.cls.placement(*blueprint.depths)
    return placed

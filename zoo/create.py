"""From names and numbers to a model: the one place where widths are computed."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from zoo.backbones import STRUCTURE_BACKBONES, SequenceBackbone, StructureBackbone
from zoo.backbones.hf import HFBackbone, load_plm
from zoo.backbones.plm import names, resolve
from zoo.backbones.weights import Weights, locate
from zoo.config import Config, assign, check, config_names, load_config
from zoo.errors import ConfigError, unknown
from zoo.fusion import FUSIONS
from zoo.fusion.base import Fusion, Pairs
from zoo.fusion.side import SideStream
from zoo.heads import HEADS, ProteinHead, ResidueHead
from zoo.model import FusedModel
from zoo.parts import built
from zoo.pretrained import task_models
from zoo.proteins.build_graph import FeatureWidths, GraphSpec
from zoo.tasks import TASKS
from zoo.tasks.base import Task
from zoo.tasks.samples import Target
from zoo.tuning import tune

NONE = "none"


@dataclass(frozen=True)
class Recipe:
    """How a model was made, enough to make it again.

    Attributes:
        config: every key resolved: where the exchanges are, pretrained or random weights.
        weights: where the language model's weights came from; None without one.
        fingerprint: hash over the language model's weights, "" without one.
    """

    config: Config
    weights: Weights | None
    fingerprint: str

    @property
    def random_plm(self) -> bool:
        """Whether the language model was never trained: its features mean nothing."""
        return self.weights is not None and self.weights.kind == "random"


def create_model(
    seq: str = "esm2_650m",
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
        seq: language model; or, without `struct`, a config's name or YAML file.
        struct: graph network, or "none".
        fusion: "global" unless given; "none" with one branch.
        task: adds that task's head.
        fuse_after: pairs (language model layer, graph network layer).
        write_back: "deep" unless given.
        weights: "pretrained" unless given: fails where they cannot be had.
        seed: of all weights that are not pretrained.
        values: further config keys, {"structure.args.num_layers": 4}.

    Raises:
        ConfigError: for a wrong name, key or number.
        WeightsError: if pretrained weights are asked for and cannot be had.
    """
    config = Config() if struct else load_config(seq)
    given = {
        "sequence.name": seq if struct else None, "structure.name": struct,
        "fusion.name": fusion or _default_fusion(seq, struct), "task": task,
        "fusion.after": _plain(fuse_after),
        "fusion.write_back": write_back, "sequence.weights": weights, "seed": seed,
    }  # fmt: skip
    data = config.to_dict()
    chosen = {key: value for key, value in given.items() if value is not None}
    for key, value in {**chosen, **(values or {})}.items():
        assign(data, key, value)
    return build_model(Config.from_dict(data))


def _plain(pairs: Sequence[Any] | None) -> list[Any] | None:
    """Turn pairs into lists, as in YAML; what is no pair is left for the config's check."""
    if pairs is None:
        return None
    return [list(pair) if isinstance(pair, tuple) else pair for pair in pairs]


def _default_fusion(seq: str, struct: str | None) -> str | None:
    return NONE if struct is not None and NONE in (seq, struct) else None


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """Return the names of the shipped configs that match a wildcard.

    With `pretrained` those of the models that come trained, which `load_model` and
    `zoo predict --model` take.
    """
    return fnmatch.filter(task_models() if pretrained else config_names(), pattern)


def list_backbones(kind: Literal["sequence", "structure"]) -> list[str]:
    """Return the names of the language models, or of the graph networks."""
    if kind == "sequence":
        return names()
    if kind == "structure":
        return list(STRUCTURE_BACKBONES)
    raise unknown("kind of backbone", kind, ("sequence", "structure"))


@dataclass(frozen=True)
class LoadedPLM:
    """A language model in memory; while it stays frozen, several models can share it.

    Attributes:
        seq: the language model.
        weights: where its weights came from.
        fingerprint: hash over them.
    """

    seq: HFBackbone
    weights: Weights
    fingerprint: str


def load_sequence(config: Config) -> LoadedPLM | None:
    """Return a config's language model, without adapters; None where it has none.

    Raises:
        WeightsError: if pretrained weights are asked for and cannot be had.
    """
    if config.sequence.name == NONE:
        return None
    plm = resolve(config.sequence.name)
    weights = locate(plm, config.sequence.weights)
    seq = load_plm(plm, weights, dtype=config.sequence.dtype, seed=config.seed)
    return LoadedPLM(seq, weights, fingerprint(seq))


def build_model(config: Config, loaded: LoadedPLM | None = None) -> FusedModel:
    """Return the model that a config describes, in evaluation mode, with its `recipe`.

    Args:
        config: of the model.
        loaded: the config's language model, if it is in memory already.

    Raises:
        ConfigError: for a wrong name or number, before anything large is built.
        WeightsError: if pretrained weights are asked for and cannot be had.
    """
    check_names(config)
    spec = graph_spec(config)
    struct = built(config.seed, "structure", lambda: _structure(config, spec))
    loaded = loaded or load_sequence(config)
    seq = loaded.seq if loaded is not None else None
    if seq is not None:
        built(config.seed, "lora", lambda: tune(seq, config.sequence))
    pairs = exchanges_of(config, seq.num_layers, struct.num_layers) if seq and struct else ()
    side = _side(config, seq, pairs)
    exchanges = built(
        config.seed, "fusion", lambda: [_exchange(config, side or seq, struct) for _ in pairs]
    )
    model = FusedModel(
        seq=seq, struct=struct, exchanges=exchanges, fuse_after=pairs, graph_spec=spec, side=side
    )
    model.head = built(config.seed, "head", lambda: _head(config, model.width))
    weights = loaded.weights if loaded is not None else None
    identity = loaded.fingerprint if loaded is not None else ""
    model.recipe = Recipe(_resolved(config, weights, pairs), weights, identity)
    return model.eval()


def check_names(config: Config) -> None:
    """Check everything that can be wrong in a config without building it."""
    sequence, structure, fusion = config.sequence.name, config.structure.name, config.fusion.name
    if sequence == structure == NONE:
        raise ConfigError("--seq none and --struct none leave no model. Name at least one.")
    if sequence != NONE:
        resolve(sequence)
    if structure != NONE:
        arguments(STRUCTURE_BACKBONES[structure], config.structure.args, "structure.args.")
    if NONE in (sequence, structure) and fusion != NONE:
        raise ConfigError(
            f"Fusion {fusion!r} joins two branches, and one of them is 'none'. Name both, or use "
            "--fusion none."
        )
    arguments(FUSIONS[fusion], config.fusion.args, "fusion.args.")
    if config.fusion.write_back == "side" and config.sequence.tuning != "frozen":
        raise ConfigError(
            "fusion.write_back=side only taps the language model, so that its states can be "
            f"stored; sequence.tuning={config.sequence.tuning} would change them. Use "
            "write_back=deep to train it."
        )
    if config.fusion.write_back == "side" and sequence == NONE:
        raise ConfigError("fusion.write_back=side needs a language model; --seq is none.")
    task = task_of(config)
    if task is not None:
        _check_level(config, task)
        arguments(HEADS[task.level], config.head.args, "head.args.")
    elif config.head.args:
        raise ConfigError("head.args is set, but without a task there is no head. Give --task.")


def task_of(config: Config) -> Task | None:
    """Return what the head is asked: the task's own question, or that of the config's targets."""
    if config.task is None:
        return None
    task = TASKS[config.task]
    levels = {target.level for target in targets_of(config)}
    if len(levels) > 1:
        raise ConfigError("One model predicts for residues or for proteins; the targets ask both.")
    if not levels:
        return task
    outputs = sum(target.outputs for target in targets_of(config))
    return dataclasses.replace(task, level=levels.pop(), outputs=outputs)


def targets_of(config: Config) -> tuple[Target, ...]:
    """Return the targets that a config writes down, in the order of the head's outputs."""
    try:
        return tuple(map(Target.from_dict, config.targets))
    except (TypeError, KeyError) as error:
        raise ConfigError(f"targets={config.targets!r} are not what training writes.") from error


def _check_level(config: Config, task: Task) -> None:
    if task.level == "residue" and config.graph.kind == "atom":
        raise ConfigError(
            f"Task {config.task!r} predicts for residues, and graph.kind=atom has several nodes a "
            "residue. Use graph.kind=residue."
        )


def arguments(cls: type, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return keywords checked against a constructor: names; kinds and ranges where hinted.

    Raises:
        ConfigError: naming the nearest valid keyword, or what a value should be.
    """
    parameters = inspect.signature(cls).parameters.values()
    valid = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    hints = typing.get_type_hints(cls.__init__)  # type: ignore[misc]
    for name in given:
        if name not in valid:
            raise unknown("argument", where + name, [where + key for key in valid] or ["(none)"])
    return {
        name: check(value, hints[name], where + name) if name in hints else value
        for name, value in given.items()
    }


def graph_spec(config: Config) -> GraphSpec:
    """Return the graph that a config's structure backbone runs on."""
    if config.structure.name == NONE:
        return GraphSpec(kind="none")
    by_task = config.task is not None and TASKS[config.task].ligands
    values = dataclasses.asdict(config.graph)
    return GraphSpec(
        **{**values, "ligands": by_task if values["ligands"] is None else values["ligands"]}
    )


def fingerprint(seq: nn.Module) -> str:
    """Return a hash over the names, shapes, first numbers and bit sums of all weights.

    Every bit counts, in about a second for a billion weights; sums of integers do not depend on
    the order or the number of threads.
    """
    digest = hashlib.sha256()
    for name, tensor in seq.state_dict().items():
        flat = tensor.detach().contiguous().flatten().cpu()
        bits = flat.view(torch.int16) if flat.element_size() % 2 == 0 else flat.view(torch.uint8)
        first = flat[:64].float().numpy().tobytes()
        total = int(bits.sum(dtype=torch.int64))
        digest.update(f"{name}{tuple(tensor.shape)}{total}".encode() + first)
    return digest.hexdigest()[:16]


def _structure(config: Config, spec: GraphSpec) -> StructureBackbone | None:
    if config.structure.name == NONE:
        return None
    cls = STRUCTURE_BACKBONES[config.structure.name]
    keywords = arguments(cls, config.structure.args, "structure.args.")
    return cls(FeatureWidths.of(spec), **keywords)


def _exchange(
    config: Config, seq: SideStream | SequenceBackbone | None, struct: StructureBackbone | None
) -> Fusion:
    assert seq is not None and struct is not None
    cls: Any = FUSIONS[config.fusion.name]
    keywords = arguments(cls, config.fusion.args, "fusion.args.")
    try:
        fusion: Fusion = cls(seq.width, struct.width, **keywords)
    except ValueError as error:
        raise ConfigError(f"fusion {config.fusion.name!r}: {error}") from error
    return fusion


def _side(config: Config, seq: HFBackbone | None, pairs: Pairs) -> SideStream | None:
    if config.fusion.write_back == "deep" or seq is None:
        return None
    taps = {*(k for k, _ in pairs), seq.num_layers}
    width = config.fusion.side_width
    return built(config.seed, "side", lambda: SideStream(seq.width, width, len(taps)))


def _head(config: Config, width: int) -> ResidueHead | ProteinHead | None:
    task = task_of(config)
    if task is None:
        return None
    cls = HEADS[task.level]
    return cls(width, task.outputs, **arguments(cls, config.head.args, "head.args."))


def exchanges_of(config: Config, seq_layers: int, struct_layers: int) -> Pairs:
    """Return where exchanges are made, negative layers counted from the end.

    Raises:
        ConfigError: for a layer that is not there, or layers that do not increase.
    """
    if config.fusion.after is None:
        return FUSIONS[config.fusion.name].placement(seq_layers, struct_layers)
    pairs = tuple(_pair(pair, seq_layers, struct_layers) for pair in config.fusion.after)
    for (k, j), (next_k, next_j) in zip(pairs, pairs[1:], strict=False):
        if next_k <= k or next_j < j:
            raise ConfigError(
                f"fusion.after goes from {k}:{j} to {next_k}:{next_j}. The language model's layers "
                "must increase, and the graph network's must not decrease."
            )
    return pairs


def _pair(pair: Sequence[int], seq_layers: int, struct_layers: int) -> tuple[int, int]:
    if len(pair) != 2:
        raise ConfigError(
            f"fusion.after has {list(pair)}; each entry is two layers, as in [11, 1]."
        )
    k = pair[0] + seq_layers + 1 if pair[0] < 0 else pair[0]
    j = pair[1] + struct_layers + 1 if pair[1] < 0 else pair[1]
    if not 1 <= k <= seq_layers:
        raise ConfigError(
            f"fusion.after names layer {pair[0]} of the language model; it has 1 to {seq_layers}."
        )
    if not 0 <= j <= struct_layers:
        raise ConfigError(
            f"fusion.after names layer {pair[1]} of the graph network; it has 0 (its input) to "
            f"{struct_layers}."
        )
    return k, j


def _resolved(config: Config, weights: Weights | None, pairs: Pairs) -> Config:
    sequence = config.sequence
    if weights is not None:
        name = resolve(sequence.name).name
        sequence = dataclasses.replace(sequence, name=name, weights=weights.kind)
    fusion = dataclasses.replace(config.fusion, after=[list(pair) for pair in pairs])
    return dataclasses.replace(config, sequence=sequence, fusion=fusion)

"""The schema of an experiment's YAML file, which is checked key by key before anything is built."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from zoo.errors import ConfigError, unknown
from zoo.settings.checking import assign, parse
from zoo.settings.former import FormerConfig, former_config
from zoo.settings.ranges import (
    Count,
    Fraction,
    NotNegative,
    Positive,
    Rate,
    Seed,
    Share,
    Whole,
    WholeOrZero,
)
from zoo.settings.revision import NEWEST, numbered
from zoo.settings.safe_yaml import read_yaml
from zoo.system.reading import content

NONE = "none"
"""The name of a branch that is left out, and of the fusion of a model with only one branch."""
STATES = "states:"
"""Begins the name of a sequence branch that reads hidden states from a file."""


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters (LoRA) of the language model.

    `targets` are the names of the linear layers that get adapters. If it is unset, those of the
    attention do.
    """

    rank: Whole = 8
    alpha: Positive = 16.0
    dropout: Rate = 0.0
    targets: list[str] | None = None


@dataclass(frozen=True)
class SequenceConfig:
    """The language model: a short name, a hub id, a local folder, or "none".

    `tuning` chooses which of its weights are trained: none (`frozen`), low-rank adapters (`lora`),
    the last `last_n` layers (`last_n`), or all (`full`). If `layers` is set, only that many of its
    first layers run, and the last of them goes through the final norm.
    """

    name: str = "esm2_650m"
    weights: Literal["auto", "pretrained", "random"] = "pretrained"
    tuning: Literal["frozen", "lora", "last_n", "full"] = "frozen"
    last_n: Whole = 2
    lora: LoraConfig = field(default_factory=LoraConfig)
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    layers: Whole | None = None


@dataclass(frozen=True)
class StructureConfig:
    """The graph network, or "none"; `args` are keyword arguments of its constructor.

    `weights` are those that it begins with: the published ones that come with the package, or
    random ones. If it is unset, it is `pretrained` for a network with published weights. `tuning`
    chooses which weights are trained: none (`frozen`) or all (`full`).
    """

    name: str = "gvp"
    weights: Literal["pretrained", "random"] | None = None
    tuning: Literal["frozen", "full"] = "full"
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphConfig:
    """The graph of each protein; `zoo.proteins.build_graph.GraphSpec` describes the keys.

    If `k` is unset, it is what the graph network was made for: 47 for `mpnn`, 30 for the others. If
    `ligands` is unset, the task decides whether ligand atoms are nodes. `features` are the sets of
    node features of a residue graph: backbone, side_chain, density, surface, secondary_structure,
    confidence, mpnn, sequence_fit. Training sets `pocket` to that of the data. `cut` is only true
    in models of older versions.
    """

    kind: Literal["residue", "atom"] = "residue"
    k: Whole | None = None
    radius: Positive | None = None
    ligands: bool | None = None
    hydrogens: bool = False
    features: list[str] = field(default_factory=lambda: ["backbone"])
    pocket: Positive | None = None
    cut: bool = False


@dataclass(frozen=True)
class FusionConfig:
    """The fusion of the two branches.

    If `name` is unset, it is `serial` for two branches and `none` for one. If `after` is unset, the
    fusion chooses after which layers the branches exchange features.
    """

    name: str | None = None
    after: list[list[int]] | None = None
    write_back: Literal["deep", "side"] = "deep"
    side_width: Count = 128
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeadConfig:
    """The prediction head; `args` are keyword arguments of its constructor."""

    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LearningRates:
    """Peak learning rates.

    `plm` is that of the language model, `lora` that of its low-rank adapters, `structure` that of
    the graph network, and `fusion` that of the fusion and the head.
    """

    plm: NotNegative = 1e-5
    lora: NotNegative = 3e-4
    structure: NotNegative = 1e-3
    fusion: NotNegative = 1e-3


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained; see docs/howto/training.md.

    Attributes:
        epochs: Largest number of epochs; `patience` may end training earlier.
        patience: Epochs without a better validation score after which training ends; null never
            ends it early.
        tokens: Residues in a batch, padding included; a protein with more is a batch of its own.
        accumulate: Number of batches whose gradients go into each optimizer step.
        lr: Peak learning rates.
        weight_decay: Weight decay of AdamW, applied to matrices only.
        clip: Largest norm of the gradient; null does not clip it.
        schedule: How the learning rates change after the warm-up.
        warmup: Share of all steps over which the learning rates rise to their peaks.
        class_weights: Weights of the classes in the loss; balanced gives every class, or positives
            and negatives, the same total weight.
        sample_weights: Whether the loss uses the sample weights that the data set comes with.
        precision: Number format of matrix products; bf16 computes them in bfloat16 and keeps the
            weights in float32.
        noise: Standard deviation in angstrom of normal noise in all coordinates, drawn anew for
            each example in each epoch; graph and features are computed again from them.
        mask_types: Share of the residues whose type the graph network does not see, drawn anew for
            each example in each epoch; the language model sees all.
        data_seed: Seed of the order of the examples, of noise and of masks; `seed` is that of the
            weights.
        start: Trained model whose weights the new one begins with: the folder of a run or of a
            saved model, or the name of one that comes with the package; null begins anew.
        limit_examples: Largest number of examples in each split, for a quick try; null takes all.
        store: Number format in which the language model's hidden states are kept on disk; none
            computes them again in every epoch.
        checkpoint_minutes: Minutes between two checkpoints within an epoch.
        checkpoint_activations: Whether the backward pass recomputes the graph network's layers,
            which takes less memory and a third more time.
        compile: Whether `torch.compile` compiles the graph network's layers; see
            docs/howto/training.md.
        workers: Number of processes that read and featurise examples ahead of training.
    """

    epochs: Whole = 30
    patience: Whole | None = 8
    tokens: Whole = 1024
    accumulate: Whole = 1
    lr: LearningRates = field(default_factory=LearningRates)
    weight_decay: NotNegative = 0.01
    clip: Positive | None = 1.0
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    warmup: Share = 0.05
    class_weights: Literal["none", "balanced"] = "none"
    sample_weights: bool = True
    precision: Literal["float32", "bf16"] = "float32"
    noise: NotNegative = 0.0
    mask_types: Fraction = 0.0
    data_seed: Seed = 0
    start: str | None = None
    limit_examples: Whole | None = None
    store: Literal["bfloat16", "float32", "none"] = "bfloat16"
    checkpoint_minutes: Positive = 10.0
    checkpoint_activations: bool = False
    compile: bool = False
    workers: WholeOrZero = 0


Scope = Literal["chain", "complex"]
"""What a model takes for one protein. Contacts of chains look like a core to a model that only saw
single chains."""
CHAIN: Scope = "chain"
COMPLEX: Scope = "complex"


@dataclass(frozen=True)
class Config:
    """One experiment.

    `seed` seeds the initial weights of everything that is not pretrained. `targets` describe what
    the head predicts; training fills them in from the data. `revision` numbers the way in which the
    model computes and is trained; 1 is that of models saved before it was numbered. `scope` is what
    the model takes for one protein: each chain alone, or the whole complex; training sets it by the
    data, and the verbs cut their input to it.
    """

    task: str | None = None
    targets: list[dict[str, Any]] = field(default_factory=list)
    seed: Seed = 0
    revision: Literal[1, 2] = NEWEST
    scope: Scope | None = None
    sequence: SequenceConfig = field(default_factory=SequenceConfig)
    structure: StructureConfig = field(default_factory=StructureConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Config:
        """Return the checked config.

        One that was saved before revisions were numbered is of the first.

        Raises:
            ConfigError: If a key is unknown (names the nearest valid one) or a value is not valid.
        """
        return parse(cls, numbered(data) if isinstance(data, Mapping) else data)

    def to_dict(self) -> dict[str, Any]:
        """Return every key with its value, defaults included."""
        return dataclasses.asdict(self)

    def with_values(self, assignments: Sequence[str]) -> Config:
        """Return the config with texts like "train.epochs=5" applied; values are read as YAML."""
        return self._assigned(map(read_assignment, assignments))

    def with_keys(self, values: Mapping[str, Any]) -> Config:
        """Return the config with dotted keys set to values, {"train.epochs": 5}.

        Raises:
            ConfigError: If a key is unknown (names the nearest valid one) or a value is not valid.
        """
        return self._assigned(values.items())

    def _assigned(self, pairs: Iterable[tuple[str, Any]]) -> Config:
        data = self.to_dict()
        for key, value in pairs:
            assign(data, key, value)
        return Config.from_dict(data)

    def with_options(self, options: Mapping[str, Any]) -> Config:
        """Return the config with dotted keys set to values; None leaves a key as it is.

        Values are not parsed as YAML, so a folder may be called `models/my #1`. Options that leave
        one branch of two, or add the second one, also unset the whole exchange, unless they set
        parts of it. A file of hidden states takes write-back side, unless they say otherwise.

        Examples:
            >>> Config().with_options({"sequence.name": "none", "seed": None}).sequence.name
            'none'
        """
        given = {key: value for key, value in options.items() if value is not None}
        data = self.to_dict()
        before = [data[branch]["name"] for branch in ("sequence", "structure")]
        after = [given.get("sequence.name", before[0]), given.get("structure.name", before[1])]
        if (NONE in before) != (NONE in after):
            data["fusion"] = dataclasses.asdict(FusionConfig())
        if after[0].startswith(STATES):
            assign(data, "fusion.write_back", "side")
        for key, value in given.items():
            assign(data, key, value)
        return Config.from_dict(data)


def read_assignment(text: str) -> tuple[str, Any]:
    """Return the key and the value of a text like "train.epochs=5"; the value is read as YAML.

    Raises:
        ConfigError: If there is no "=", or what follows it is not valid YAML.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text!r} has no '='. Write section.key=value.")
    try:
        return key, read_yaml(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text!r}: the value is not valid YAML: {error}") from error


def config_names() -> list[str]:
    """Return the names of the shipped configs (their files without ".yaml"), sorted."""
    folder = resources.files("zoo_configs")
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


FINGERPRINT = "plm_fingerprint"
"""A key that only a saved model's config.yaml has: the hash of its language model's weights."""


def load_config(name: str | os.PathLike[str] | Config) -> Config:
    """Return the config in a YAML file, or a shipped one by name ("ppbs_esm2_8m_gvp_global").

    A `Config` is returned as it is.

    Raises:
        ConfigError: If there is no such config, it is not valid YAML, or a key or value is wrong.
    """
    if isinstance(name, Config):
        return name
    if not isinstance(name, str | os.PathLike):
        raise ConfigError(
            f"{name!r:.80} ({type(name).__name__}) is not a config. Valid: the name of a shipped "
            "config (`zoo.list_models()`), a YAML file, or a Config; `zoo.Config.from_dict` makes "
            "one of a dict."
        )
    path = Path(name)
    if former := former_config(str(name)):
        return _replacement(str(name), former)
    if path.suffix in (".yaml", ".yml"):
        raw = _bytes_of(path)
    elif str(name) in config_names():
        raw = resources.files("zoo_configs").joinpath(f"{name}.yaml").read_bytes()
    else:
        raise unknown("config", str(name), config_names())
    try:
        data = read_yaml(raw.decode("utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name} is not valid YAML: {error}") from error
    if isinstance(data, dict):
        data.pop(FINGERPRINT, None)  # so that a saved model's config can start a new experiment
    try:
        return Config.from_dict(data or {})
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def _bytes_of(path: Path) -> bytes:
    try:
        return content(path)
    except FileNotFoundError:
        raise ConfigError(f"Config file {str(path)!r} does not exist.") from None
    except OSError as error:
        raise ConfigError(f"Config file {str(path)!r} cannot be read: {error.strerror}.") from None


def is_config(name: str) -> bool:
    """Return whether a name is that of a YAML file, a shipped config or a formerly shipped one."""
    is_file = name.endswith((".yaml", ".yml"))
    return is_file or name in config_names() or former_config(name) is not None


def _replacement(name: str, former: FormerConfig) -> Config:
    """Return the config that replaces one no longer shipped, and warn with the new options."""
    warnings.warn(f"the config {name!r} is now: {former.base} {former.options()}", stacklevel=3)
    data = load_config(former.base).to_dict()
    for key, value in former.values.items():
        assign(data, key, value)
    return Config.from_dict(data)

"""The schema of one experiment: a flat YAML file, checked key by key before anything is built."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from zoo.errors import ConfigError, unknown
from zoo.safe_yaml import read_yaml

T = TypeVar("T")
MAY_BE_ZERO = ("weight_decay", "workers", "plm", "structure", "fusion")
"""Numbers of which 0 means something; a learning rate of 0 leaves a part as it was."""


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters; `targets` are names of linear layers, unset the attention's."""

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: list[str] | None = None


@dataclass(frozen=True)
class SequenceConfig:
    """The language model: a short name, hub id, local folder, or "none".

    `tuning` says what of it is trained: nothing, low-rank adapters, its last `last_n` layers, all.
    """

    name: str = "esm2_650m"
    weights: Literal["auto", "pretrained", "random"] = "pretrained"
    tuning: Literal["frozen", "lora", "last_n", "full"] = "frozen"
    last_n: int = 2
    lora: LoraConfig = field(default_factory=LoraConfig)
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"


@dataclass(frozen=True)
class StructureConfig:
    """The graph network, or "none"; `args` are its constructor's keywords."""

    name: str = "gvp"
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphConfig:
    """The graph: see `proteins.build_graph.GraphSpec`. `ligands` unset is as the task says."""

    kind: Literal["residue", "atom"] = "residue"
    k: int = 30
    radius: float | None = None
    ligands: bool | None = None
    hydrogens: bool = False


@dataclass(frozen=True)
class FusionConfig:
    """The exchange; `after` unset spreads it as the fusion does by itself."""

    name: str = "global"
    after: list[list[int]] | None = None
    write_back: Literal["deep", "side"] = "deep"
    side_width: int = 128
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeadConfig:
    """The head; `args` are its constructor's keywords."""

    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LearningRates:
    """Peak learning rates: of the language model, the graph network, and all that joins them."""

    plm: float = 1e-5
    structure: float = 1e-3
    fusion: float = 1e-3


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained; see docs/training.md.

    Attributes:
        epochs: at most; `patience` may end training before.
        patience: epochs without a better validation score until training ends; null: never.
        tokens: residues a batch, padding included; a larger protein is a batch of its own.
        accumulate: batches a step of the optimizer.
        lr: learning rates.
        weight_decay: of AdamW, on matrices only.
        clip: largest norm of the gradient; null: not clipped.
        schedule: of the learning rates after the warm-up.
        warmup: share of all steps over which the learning rates rise.
        class_weights: balanced gives every class, or positives and negatives, the same weight.
        sample_weights: whether the data set's own weights of samples count in the loss.
        precision: bf16 runs matrix products in bfloat16, weights stay float32.
        data_seed: of the order of examples; `seed` is the weights'.
        limit_examples: of each split, for a quick look; null: all.
        store: precision in which the language model's states are kept; none computes them anew.
        checkpoint_minutes: between two checkpoints within an epoch.
        checkpoint_activations: recompute the graph network's layers in the backward pass: less
            memory for a third more time.
        workers: processes that read and featurise ahead.
    """

    epochs: int = 30
    patience: int | None = 8
    tokens: int = 1024
    accumulate: int = 1
    lr: LearningRates = field(default_factory=LearningRates)
    weight_decay: float = 0.01
    clip: float | None = 1.0
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    warmup: float = 0.05
    class_weights: Literal["none", "balanced"] = "none"
    sample_weights: bool = True
    precision: Literal["float32", "bf16"] = "float32"
    data_seed: int = 0
    limit_examples: int | None = None
    store: Literal["bfloat16", "float32", "none"] = "bfloat16"
    checkpoint_minutes: float = 10.0
    checkpoint_activations: bool = False
    workers: int = 0


@dataclass(frozen=True)
class Config:
    """One experiment. The seed makes the weights of everything that is not pretrained.

    `targets` are what the head predicts; training writes down what the data hold.
    """

    task: str | None = None
    targets: list[dict[str, Any]] = field(default_factory=list)
    seed: int = 0
    sequence: SequenceConfig = field(default_factory=SequenceConfig)
    structure: StructureConfig = field(default_factory=StructureConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Config:
        """Return the checked config.

        Raises:
            ConfigError: for an unknown key (with the nearest valid one) or a value of wrong kind.
        """
        return parse(cls, data)

    def to_dict(self) -> dict[str, Any]:
        """Return every key with its value, defaults included."""
        return dataclasses.asdict(self)

    def with_values(self, assignments: Sequence[str]) -> Config:
        """Return the config with `section.key=value` assignments applied, values as in YAML."""
        data = self.to_dict()
        for assignment in assignments:
            _assign_text(data, assignment)
        return Config.from_dict(data)


def parse(cls: type[T], data: object, where: str = "") -> T:
    """Return the dataclass that nested plain values describe; `where` is the dotted path so far."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where or 'The config'} must be a set of keys, not {data!r}.")
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in hints:
            raise unknown("config key", f"{where}{key}", [f"{where}{name}" for name in hints])
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            values[key] = parse(typing.cast(type, hint), value, f"{where}{key}.")
        else:
            values[key] = check(value, hint, f"{where}{key}")
    return cls(**values)


def check(value: Any, hint: Any, name: str) -> Any:
    """Return the value if it is of the kind that the type hint says, an int being also a float.

    Raises:
        ConfigError: naming the key, the value and what is valid.
    """
    value = _scientific(value, hint)
    if not _fits(value, hint):
        raise ConfigError(f"{name}={_short(value)} is not valid: expected {_describe(hint)}.")
    bad_number = isinstance(value, int | float) and not isinstance(value, bool)
    if bad_number and (reason := _out_of_range(name, value)):
        raise ConfigError(f"{name}={value!r} is not valid: {reason}.")
    return float(value) if hint is float else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}..."


def _scientific(value: Any, hint: Any) -> Any:
    """Return a number for a text like "1e-4", which YAML 1.1 does not read as one."""
    if isinstance(value, str) and not _fits(value, hint) and _fits(0.0, hint):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _out_of_range(name: str, value: float) -> str | None:
    """Say what is wrong with a number; every count, width and length here is positive."""
    key = name.rpartition(".")[2]
    if key == "dropout":
        return None if 0 <= value < 1 else "a dropout rate is at least 0 and below 1"
    if key in ("seed", "data_seed"):
        return None if 0 <= value < 2**63 else "a seed is a whole number from 0 on"
    if key == "warmup":
        return None if 0 <= value < 1 else "a share of the steps is at least 0 and below 1"
    if key in MAY_BE_ZERO:
        return None if 0 <= value < float("inf") else "it must be 0 or more"
    most = 1_000 if key == "num_layers" else 1_000_000 if ".args." in name else float("inf")
    if value > most:
        return f"it must be at most {most:,}"
    return None if 0 < value < float("inf") else "it must be above 0"


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    if origin is Literal:
        return value in typing.get_args(hint)
    if origin is list:
        (part,) = typing.get_args(hint)
        return isinstance(value, list | tuple) and all(_fits(item, part) for item in value)
    if origin is dict:
        return isinstance(value, dict)
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, hint)


def _describe(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_describe(part) for part in typing.get_args(hint))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names.get(hint, "nothing (null)" if hint is type(None) else str(hint))


def assign(data: dict[str, Any], key: str, value: Any) -> None:
    """Set one dotted key of nested values; a part that gets another name loses its arguments.

    Raises:
        ConfigError: if a section of the key does not exist; names the nearest valid one.
    """
    *sections, last = key.strip().split(".")
    for depth, section in enumerate(sections):
        if section not in data:
            prefix = "".join(f"{name}." for name in sections[:depth])
            raise unknown("config key", prefix + section, [prefix + name for name in data])
        data = data[section]
        if not isinstance(data, dict):
            raise ConfigError(f"Config key {key!r} is not valid: {section} has no keys of its own.")
    if last == "name" and "args" in data and value != data.get("name"):
        data["args"] = {}
    data[last] = value


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _assign_text(data: dict[str, Any], assignment: str) -> None:
    key, equals, text = assignment.partition("=")
    if not equals:
        raise ConfigError(f"--set {assignment!r} has no '='. Write section.key=value.")
    try:
        assign(data, key, read_yaml(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {assignment!r}: the value is not valid YAML: {error}") from error


def config_names() -> list[str]:
    """Return the stems of the shipped configs, sorted."""
    folder = resources.files("zoo_configs")
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


FINGERPRINT = "plm_fingerprint"
"""The key that a saved model's config.yaml has beside its settings: a hash of the weights."""


def load_config(name: str | Path) -> Config:
    """Return the config of a YAML file or of a shipped stem ("ppbs_esm2_8m_gvp_global").

    Raises:
        ConfigError: if there is none, it is no YAML, or a key or value in it is wrong.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigError(f"Config file {str(name)!r} does not exist.")
        raw = path.read_bytes()
    elif str(name) in config_names():
        raw = resources.files("zoo_configs").joinpath(f"{name}.yaml").read_bytes()
    else:
        raise unknown("config", str(name), config_names())
    try:
        data = read_yaml(raw.decode("utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name} is not valid YAML: {error}") from error
    if isinstance(data, dict):
        data.pop(FINGERPRINT, None)  # a saved model's settings are settings to start from
    try:
        return Config.from_dict(data or {})
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error

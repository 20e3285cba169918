"""The sources that a config and a few names ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.errors import ConfigError
from zoo.models.blueprint import resolve
from zoo.models.create import LoadedPLM, build_model
from zoo.probing.parts import RANDOM, Source
from zoo.probing.sequence import language_model
from zoo.probing.structure import graph_network
from zoo.settings.config import NONE, Config


def branches(
    config: Config, layers: Sequence[int] | None, inputs: str, root: Path, device: str
) -> list[Source]:
    """Return the layers of a config's language model and graph network, those with weights to read.

    A graph network without published weights is no source, as its states would be those of random
    weights; unless the config asks for random ones.

    Args:
        config: Config of both; either may be "none".
        layers: Numbers of the language model's layers; None for all, negative from the last.
        inputs: Hash of the prepared data.
        root: Folder of the store.
        device: Device that computes states which are not stored.

    Raises:
        ConfigError: For a layer that is not there.
        WeightsError: If pretrained weights cannot be had.
    """
    if config.sequence.name == config.structure.name == NONE:
        return []
    config = config.with_values(["sequence.tuning=frozen", "structure.tuning=full"])
    model = build_model(resolve(config))
    made = model.recipe.config  # with the names that training stores states under
    found = []
    if model.seq is not None:
        name = source_name(made.sequence.name, model.recipe.random_plm)
        loaded = LoadedPLM(model.seq, model.recipe.fingerprint)  # type: ignore[arg-type]
        numbers = chosen_layers(layers, model.seq.num_layers)
        found.append(language_model(name, loaded, made, numbers, root, device))
    structure = made.structure
    if model.struct is not None and (structure.weights == "pretrained" or config.structure.weights):
        name = source_name(structure.name, structure.weights != "pretrained")
        spec = model.graph_spec
        found.append(graph_network(name, model.struct, spec, inputs, root, device))
    return found


def controls(
    config: Config, trained: Sequence[Source], layers: Sequence[int] | None, inputs: str,
    root: Path, device: str,
) -> list[Source]:  # fmt: skip
    """Return the same as `branches`, of the same models with random weights.

    Args:
        config: Config of both.
        trained: What `branches` returned for it; other models have no control, nor have states
            of a file.
        layers: As for `branches`.
        inputs: As for `branches`.
        root: As for `branches`.
        device: As for `branches`.
    """
    values = [f"{branch}.weights=random" for branch in ("sequence", "structure")]
    found = branches(config.with_values(values), layers, inputs, root, device)
    names = {source.name for source in trained}
    drawn = [one for one in found if one.name.endswith(f" {RANDOM}")]
    return [one for one in drawn if one.name.removesuffix(f" {RANDOM}") in names]


def source_name(name: str, random: bool) -> str:
    """Return the name of a branch's source; that of a folder is the folder's own."""
    short = Path(name).name
    return f"{short} {RANDOM}" if random else short


def chosen_layers(wanted: Sequence[int] | None, count: int) -> list[int]:
    """Return numbers of layers from 1, each once and in order.

    Raises:
        ConfigError: For a layer that is not there.
    """
    if wanted is None:
        return list(range(1, count + 1))
    numbers = {k + count + 1 if k < 0 else k for k in wanted}
    if wrong := [k for k in wanted if not 1 <= (k + count + 1 if k < 0 else k) <= count]:
        raise ConfigError(
            f"--layers {wrong[0]}: the language model has layers 1 to {count}, or -{count} to -1 "
            "from the end. Its embedding, layer 0, tells what one-hot letters tell."
        )
    return sorted(numbers)

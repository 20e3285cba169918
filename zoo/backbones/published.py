"""Published weights of graph networks that come with the package, each in a folder of its own.

A folder of `zoo.pretrained` has `model.safetensors`, with the names of the network's own weights,
the licence, and `source.json`: where the weights are from, and how they were checked.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open

from zoo import pretrained
from zoo.backbones.base import StructureBackbone
from zoo.errors import ConfigError

WEIGHTS = "model.safetensors"


def check_fit(network: StructureBackbone, name: str) -> None:
    """Check that published weights fit a network, which may be without storage.

    Raises:
        ConfigError: naming what does not fit.
    """
    problem = network.misfit() or _misfit(network, _folder(name) / WEIGHTS)
    if problem:
        raise ConfigError(
            f"structure.args do not fit the published weights of {name}: {problem}. Leave them at "
            "their defaults, or begin from random weights: --set structure.weights=random."
        )


def load_published(network: StructureBackbone, name: str) -> None:
    """Copy published weights into a network that they fit; the file may hold more than it has."""
    with safe_open(_folder(name) / WEIGHTS, "pt") as file:
        network.load_state_dict({key: file.get_tensor(key) for key in network.state_dict()})


def _folder(name: str) -> Path:
    return pretrained.HOME / name


def _misfit(network: StructureBackbone, path: Path) -> str | None:
    with safe_open(path, "pt") as file:
        there = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    for key, tensor in network.state_dict().items():
        if key not in there:
            return f"they have no {key}"
        if there[key] != tuple(tensor.shape):
            return f"{key} has shape {there[key]}, the network {tuple(tensor.shape)}"
    return None

"""What all rows of a table share, said in the words of each row's parts: width and dropout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.plm import resolve as resolve_plm
from zoo.fusion import DEFAULT, FUSIONS
from zoo.models.arguments import keywords
from zoo.models.blueprint import Blueprint, resolve
from zoo.models.create import parameters_beside_plm
from zoo.settings.config import Config, FusionConfig

HEADS = (4, 2, 1)
"""Numbers of attention heads that are tried for a width, for a base config without heads."""


def fusion_args(base: FusionConfig, name: str) -> dict[str, Any]:
    """Return the arguments with which a fusion has the common width and settings of the base.

    Those that the fusion has under the same name are taken over, dropout for one. Attention has
    its width as heads times their width. What equals the fusion's default is left out.
    """
    own = base.name or DEFAULT
    if name == own:
        return dict(base.args)
    defaults = keywords(FUSIONS[name])
    found = {key: value for key, value in base.args.items() if key in defaults}
    found |= _of_width(_width({**keywords(FUSIONS[own]), **base.args}), {**defaults, **found})
    return {key: value for key, value in found.items() if value != defaults[key]}


def _width(args: dict[str, Any]) -> int | None:
    """Return the width in which a fusion's branches meet; None for one without."""
    if "num_heads" in args:
        return int(args["num_heads"] * args["head_dim"])
    return args.get("width")


def _of_width(width: int | None, args: dict[str, Any]) -> dict[str, int]:
    """Return the arguments that give a fusion with these arguments that width."""
    if width is None or width == _width(args):
        return {}
    if "num_heads" in args:
        heads = next(number for number in HEADS if width % number == 0)
        return {"num_heads": heads, "head_dim": width // heads}
    return {"width": width} if "width" in args else {}


def structure_args(base: Config, name: str) -> dict[str, Any]:
    """Return the arguments of a graph network: the base's own, or its dropout for another one."""
    if name == base.structure.name:
        return dict(base.structure.args)
    shared = {"dropout"} & base.structure.args.keys() & keywords(STRUCTURE_BACKBONES[name]).keys()
    return {key: base.structure.args[key] for key in shared}


def widened(serial: Config, others: Sequence[Config]) -> Config:
    """Return a serial config with a hidden layer that gives it the parameters of the largest other.

    Args:
        serial: config of serial fusion.
        others: configs of the same branches with other fusions.
    """
    blueprint = _shape(serial)
    sizes = [parameters_beside_plm(_shape(other, blueprint)) for other in others]
    return _with_hidden(serial, _hidden(blueprint, max(sizes)))


def _shape(config: Config, known: Blueprint | None = None) -> Blueprint:
    """Return the blueprint of a config; a language model known by name needs no weights for it.

    Args:
        config: of a cell.
        known: blueprint of another cell, which has the same language model.
    """
    if known is not None:
        return resolve(replace(config, sequence=known.config.sequence), known)
    plm = resolve_plm(config.sequence.name)
    if plm.preset is None and plm.folder is None:
        return resolve(config)
    return resolve(config.with_options({"sequence.weights": "random"}))


def _hidden(serial: Blueprint, size: int) -> int:
    """Return the width of the hidden layer; each of its units has as many parameters."""
    one, two = (
        parameters_beside_plm(resolve(_with_hidden(serial.config, hidden), serial))
        for hidden in (1, 2)
    )
    return max(1, 1 + round((size - one) / (two - one)))


def _with_hidden(serial: Config, hidden: int) -> Config:
    return serial.with_options({"fusion.args": {**serial.fusion.args, "hidden": hidden}})

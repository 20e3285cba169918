"""The parts that a config names: their classes, with arguments checked and completed."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from zoo.errors import ConfigError, unknown
from zoo.settings.checking import check

DRAWS = (
    nn.init.normal_, nn.init.uniform_, nn.init.kaiming_normal_, nn.init.kaiming_uniform_,
    torch.Tensor.normal_, torch.Tensor.uniform_,
)  # fmt: skip
"""What fills a tensor with random numbers, as constructors call it."""


@dataclass(frozen=True)
class Part:
    """A class and all its keyword arguments, those included that are left at their defaults."""

    cls: Any
    args: Mapping[str, Any]


def keywords(cls: type) -> dict[str, Any]:
    """Return the keyword arguments of a part, with their defaults: all that a config can set."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def part_of(cls: Any, given: Mapping[str, Any], where: str) -> Part:
    """Return a class with its keyword arguments checked and completed.

    Raises:
        ConfigError: naming the nearest valid keyword, or what a value should be.
    """
    args = keywords(cls)
    try:
        hints = typing.get_type_hints(cls.__init__, include_extras=True)
    except NameError:  # a plug-in's type that is imported for type checkers only
        hints = {}
    for name, value in given.items():
        if name not in args:
            raise unknown("argument", where + name, [where + key for key in args] or ["(none)"])
        args[name] = check(value, hints[name], where + name) if name in hints else value
    if missing := [name for name, value in args.items() if value is inspect.Parameter.empty]:
        raise ConfigError(f"{where}{missing[0]} is missing: {cls.__name__} has no default for it.")
    return Part(cls, args)


class _Undrawn(TorchFunctionMode):
    """Draws no random numbers: for normal ones without storage PyTorch imports its compiler."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, or return the tensor as it is."""
        given = kwargs or {}
        if func not in DRAWS:
            return func(*args, **given)
        return args[0] if args else given["tensor"]


def without_memory(cls: Any, *widths: Any, **args: Any) -> Any:
    """Construct a part to learn its shape, its tensors without storage."""
    with torch.random.fork_rng(devices=()):
        try:
            with torch.device("meta"), _Undrawn():
                return cls(*widths, **args)
        except RuntimeError:  # a constructor that looks at the values of its own tensors
            return cls(*widths, **args)

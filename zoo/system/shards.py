"""One of several shares of work: which process of an array or a group does what."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from zoo.errors import ConfigError

ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
RANKS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))
"""Variables of the number of a process and of their count: torchrun's, and those of a step of srun.

A batch script has SLURM_PROCID as well, and is no step: it has no SLURM_STEP_NUM_TASKS.
"""


@dataclass(frozen=True)
class Shard:
    """A share of work that is divided into equal ones.

    Attributes:
        index: Which one, from 0.
        count: Number of shares.
    """

    index: int = 0
    count: int = 1

    def has(self, number: int) -> bool:
        """Return whether a piece of the work is of this share."""
        return number % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"


def parse_shard(text: str) -> Shard:
    """Return the share that a text names: "3/64" is the third of 64.

    Raises:
        ConfigError: If there is no such share.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip(), re.ASCII)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise ConfigError(
            f"--shard {text!r} is no share of the work. Valid: NUMBER/COUNT with a number from 1 "
            "to the count, as 1/4, 2/4, 3/4 and 4/4 for four processes."
        )
    return Shard(number - 1, count)


def shard_around(environment: Mapping[str, str] = os.environ) -> tuple[Shard, str]:
    """Return this process's share by what a scheduler says, and the names of what says it.

    The tasks of a SLURM array and the ranks of torchrun or srun are counted together, if both are
    there. Without any of them, one process does everything, and the text is "".

    Raises:
        ConfigError: If the tasks of an array are not numbered evenly, or a number is damaged.
    """
    found, names = Shard(), []
    for name, of in (_array(environment), _ranks(environment)):
        if of.count > 1:
            found = Shard(found.index * of.count + of.index, found.count * of.count)
            names.append(name)
    return found, " and ".join(names)


def _array(environment: Mapping[str, str]) -> tuple[str, Shard]:
    name, count = ARRAY
    if name not in environment or count not in environment:
        return "", Shard()
    at = _number(environment, name) - _number(environment, "SLURM_ARRAY_TASK_MIN", 0)
    index, rest = divmod(at, _number(environment, "SLURM_ARRAY_TASK_STEP", 1) or 1)
    total = _number(environment, count)
    if rest or not 0 <= index < total:
        raise ConfigError(
            f"{name} is {environment[name]} in an array of {total} tasks, whose numbers are not "
            "evenly spaced, so it does not say which share of the work is meant. Give --shard "
            "NUMBER/COUNT, with the count of the first submission."
        )
    return name, Shard(index, total)


def _ranks(environment: Mapping[str, str]) -> tuple[str, Shard]:
    for name, count in RANKS:
        if name in environment and count in environment:
            found = Shard(_number(environment, name), _number(environment, count))
            if not 0 <= found.index < found.count:
                raise ConfigError(f"{name}={found.index} is no rank of {count}={found.count}.")
            return name, found
    return "", Shard()


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name, "")
    if not text and default is not None:
        return default
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name}={text!r} is not a number. Give --shard NUMBER/COUNT.") from None

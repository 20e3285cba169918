"""Shares of work: what a user writes, and what schedulers say."""

from __future__ import annotations

import pytest

from zoo.errors import ConfigError
from zoo.system.shards import Shard, parse_shard, shard_around


def test_shares_are_counted_from_one_and_cover_everything_once() -> None:
    assert parse_shard("3/64") == Shard(2, 64) and str(Shard(2, 64)) == "3/64"
    shares = [parse_shard(f"{at}/5") for at in range(1, 6)]
    assert all(sum(share.has(number) for share in shares) == 1 for number in range(23))


@pytest.mark.parametrize("text", ["0/0", "0/4", "5/4", "-1/4", "1", "1/", "a/b", "1/2/3", "²/4"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="NUMBER/COUNT"):
        parse_shard(text)


def array(at: int, count: int, first: int = 0, step: int = 1) -> dict[str, str]:
    names = ("TASK_ID", "TASK_COUNT", "TASK_MIN", "TASK_STEP")
    values = (at, count, first, step)
    return {f"SLURM_ARRAY_{x}": str(value) for x, value in zip(names, values, strict=True)}


@pytest.mark.parametrize(("around", "share", "names"), [
    ({}, "1/1", ""),
    (array(0, 4), "1/4", "SLURM_ARRAY_TASK_ID"),
    (array(4, 4, first=1), "4/4", "SLURM_ARRAY_TASK_ID"),
    (array(30, 4, first=0, step=10), "4/4", "SLURM_ARRAY_TASK_ID"),
    ({"RANK": "2", "WORLD_SIZE": "3"}, "3/3", "RANK"),
    ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, "2/2", "SLURM_PROCID"),
    ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, "1/1", ""),  # a batch script without srun
    (array(1, 4) | {"RANK": "1", "WORLD_SIZE": "2"}, "4/8", "SLURM_ARRAY_TASK_ID and RANK"),
])  # fmt: skip
def test_a_scheduler_tells_the_share(around: dict[str, str], share: str, names: str) -> None:
    found, by = shard_around(around)
    assert (str(found), by) == (share, names)


@pytest.mark.parametrize("around", [
    array(7, 2, first=3), array(5, 4, step=10), {"RANK": "3", "WORLD_SIZE": "3"},
    {"RANK": "x", "WORLD_SIZE": "3"},
])  # fmt: skip
def test_what_a_scheduler_cannot_mean_is_refused(around: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        shard_around(around)

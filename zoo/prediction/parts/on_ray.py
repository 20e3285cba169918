"""The parts of one folder by tasks on a Ray cluster, whose machines share the folder.

Each task makes a share of the parts as a process of its own does, and loads the model once. Ray
starts it again elsewhere when its process or machine dies; what was complete stays.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import ConfigError, ZooError
from zoo.prediction.parts.loop import Tally
from zoo.prediction.parts.workers import Run, plain_error, together
from zoo.system.listener import Listener, Stopped
from zoo.system.shards import Shard

RETRIES = 10
"""Number of times that Ray starts a task again whose process or machine died."""
POLL_SECONDS = 1.0


class Cluster(NamedTuple):
    """Where and by how many tasks the work is done.

    Attributes:
        address: Address of the cluster, "auto" for the one that this machine is in; None begins one
            on this machine, which ends with the command.
        workers: Number of tasks; None for one a core, or for as many as the GPUs are enough for.
        gpus: Number of GPUs of each task, which may be a fraction.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float = 0.0


def work_on_ray(run: Run, cluster: Cluster, listener: Listener) -> Tally:
    """Make the parts by tasks of a cluster.

    Raises:
        ConfigError: If Ray is not installed, or the cluster cannot be reached.
        ZooError: If one is raised in a task, or one dies again and again.
        Stopped: When asked to stop.
    """
    ray = _begun(cluster.address)
    try:
        count = cluster.workers or _fitting(ray, cluster.gpus)
        task = ray.remote(_task).options(
            num_cpus=1, num_gpus=cluster.gpus, max_retries=RETRIES, scheduling_strategy="SPREAD"
        )
        waiting = [task.remote(one, os.getcwd()) for one in _shares(run, count)]
        return _gathered(ray, waiting, run, listener)
    finally:
        ray.shutdown()


def _begun(address: str | None) -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError("--engine ray needs Ray: `pip install ray`.") from None
    try:
        ray.init(address, include_dashboard=False if address is None else None,
                 log_to_driver=False, logging_level="error")  # fmt: skip
    except (ConnectionError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"There is no Ray cluster at {address!r}: {first}") from None
    return ray


def _fitting(ray: Any, gpus: float) -> int:
    there = ray.cluster_resources()
    return max(1, int(there.get("GPU", 0) / gpus if gpus else there.get("CPU", 1)))


def _shares(run: Run, count: int) -> list[Run]:
    """Return a run for each task, which together make the share of this one."""
    mine = run.shard
    shares = [Shard(mine.index + mine.count * at, mine.count * count) for at in range(count)]
    return [replace(run, shard=share) for share in shares]


def _gathered(ray: Any, waiting: list[Any], run: Run, listener: Listener) -> Tally:
    tallies: list[Tally] = []
    with listener.progress("parts", len(run.files)) as advance:
        while waiting:
            if listener.asked():
                for task in waiting:
                    ray.cancel(task, force=True)
                raise Stopped("stopped; the same command makes the missing parts")
            done, waiting = ray.wait(waiting, timeout=POLL_SECONDS)
            for task in done:
                tallies.append(_result(ray, task, listener))
            advance(run.size * len(list(run.out.glob("part-*.parquet"))))
    return together(tallies)


def _result(ray: Any, task: Any, listener: Listener) -> Tally:
    try:
        found, told = ray.get(task)
    except ray.exceptions.RayError as error:
        first = str(error).splitlines()[0]
        raise ZooError(
            f"A task of the cluster was lost {RETRIES + 1} times: {first} The same command makes "
            "the missing parts."
        ) from None
    for line in told:
        listener.warn(line)
    if isinstance(found, BaseException):
        raise found
    assert isinstance(found, Tally)
    return found


def _task(run: Run, folder: str) -> tuple[Tally | BaseException, list[str]]:
    """Make a share of the parts; return what was done, or the error, and all warnings."""
    if not Path(folder).is_dir():
        return ConfigError(
            f"{folder} is not there on every machine of the cluster. Begin in a folder that they "
            "share."
        ), []
    os.chdir(folder)  # so that the inputs are where the user says, and are called as there
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            found: Tally | BaseException = run.here(Listener())
        except (ZooError, OSError) as error:
            found = plain_error(error)
    return found, [*dict.fromkeys(str(one.message) for one in caught)]

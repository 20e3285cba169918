"""Compute before the first trial what all trials share: graphs, and the language model's states."""

from __future__ import annotations

from hpo.checking import depths
from hpo.search import Search
from hpo.space import lookup
from zoo.create import NONE, build_model
from zoo.devices import choose_device
from zoo.errors import ConfigError
from zoo.training.fitting import assemble


def warm(search: Search) -> None:
    """Fill the store with every layer that trials can tap; where it is full already, do nothing.

    What is only needed once a trial has drawn it (another graph, a deep trial's first exchange)
    is filled by that trial.

    Raises:
        ConfigError: if the store's limit or the disk is too small.
    """
    base = search.base()
    if base.sequence.tuning != "frozen" or NONE in (base.sequence.name, base.structure.name):
        return
    if base.train.store == "none" or not _can_be_side(search):
        return
    layers = depths(search.config)[0]
    exchanges = [f"[{k}, 0]" for k in range(1, layers + 1)]
    tapping = base.with_values([
        "fusion.name=local", "fusion.write_back=side", f"fusion.after=[{', '.join(exchanges)}]",
    ])  # fmt: skip
    job = search.job(tapping)
    _, data = assemble(job, build_model(job.config), lambda: False, 1)
    names = {"gpu": "cuda"}
    try:
        data.fill(choose_device(names.get(search.accelerator, search.accelerator)))
    except ConfigError as error:
        raise ConfigError(f"{error} A search keeps all {layers} layers.") from error


def _can_be_side(search: Search) -> bool:
    drawn = [e.range.ends() for e in search.ranges().entries if e.key == "fusion.write_back"]
    return "side" in (drawn[0] if drawn else (lookup(search.config, "fusion.write_back"),))

"""Compute the graphs and hidden states that all trials share, before the first trial."""

from __future__ import annotations

from hpo.checking import depths
from hpo.search import Search
from hpo.space import lookup
from zoo.errors import ConfigError
from zoo.models.create import build_model
from zoo.settings.config import NONE
from zoo.system.devices import choose_device
from zoo.system.listener import SILENT, Listener
from zoo.training.fitting import assemble


def warm(search: Search, listener: Listener = SILENT) -> None:
    """Fill the store with the hidden states of every layer that trials can use.

    What only some trials need (another graph, the states below a deep trial's first exchange) is
    computed by those trials.

    Raises:
        ConfigError: if the store's limit or the disk is too small.
    """
    base = search.base()
    if base.sequence.tuning != "frozen" or NONE in (base.sequence.name, base.structure.name):
        return
    if base.train.store == "none" or not _can_be_side(search):
        return
    layers = depths(search.config)[0]
    tapping = base.with_options({
        "fusion.name": "local", "fusion.write_back": "side",
        "fusion.after": [[k, 0] for k in range(1, layers + 1)],
    })  # fmt: skip
    job = search.job(tapping)
    _, data = assemble(job, build_model(job.blueprint), listener, 1)
    names = {"gpu": "cuda"}
    try:
        data.fill(choose_device(names.get(search.accelerator, search.accelerator)))
    except ConfigError as error:
        raise ConfigError(f"{error} A search stores the states of all {layers} layers.") from error


def _can_be_side(search: Search) -> bool:
    drawn = [e.range.ends() for e in search.ranges().entries if e.key == "fusion.write_back"]
    return "side" in (drawn[0] if drawn else (lookup(search.config, "fusion.write_back"),))

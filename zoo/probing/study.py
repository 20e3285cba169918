"""Probes all targets of some prepared data in one round of training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.data.kin import Index
from zoo.data.rounds import Round
from zoo.errors import DataError
from zoo.probing.answer import common_layer
from zoo.probing.described import described, kept
from zoo.probing.parts import Samples, Source, letters
from zoo.probing.probe import ROWS, Probed, on_test, probe, tables
from zoo.system.listener import SILENT, Listener
from zoo.tasks import Target

UNREAD = "it is a test sample, which only --test reads"


@dataclass(frozen=True)
class Settings:
    """How a probe is made.

    Attributes:
        test: Whether what validation samples chose is scored on test samples.
        rows: Training rows that a map is fitted on at most.
        bootstrap: Number of resamples of each interval.
        seed: Seed of the draw of rows and of the resamples.
    """

    test: bool = False
    rows: int = ROWS
    bootstrap: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        targets: The findings for each target, as `described` returns them.
        layers: The best layer of each source that has layers; with several targets, that of the
            best mean rank.
        left_out: Reason by the key of each sample that no target could use.
        skipped: Why other targets could not be probed, or not be scored on test samples.
    """

    targets: list[dict[str, Any]]
    layers: dict[str, int]
    left_out: dict[str, str]
    skipped: list[str]


def study(
    samples: Samples, index: Index, keys: Round, targets: Sequence[Target],
    sources: Sequence[Source], settings: Settings, listener: Listener = SILENT,
) -> Findings:  # fmt: skip
    """Probe the parts of some sources, and letters, for each target.

    Raises:
        DataError: If no target can be probed.
        Stopped: When asked to stop.
    """
    for source in sources:
        read = [*keys.train, *keys.validation, *(keys.test if settings.test else [])]
        source.fill(samples, read, listener)
    every: list[list[Probed]] = []
    found: list[dict[str, Any]] = []
    lost: list[dict[str, str]] = []
    skipped: list[str] = []
    for target in targets:
        beside = [*sources, letters(target.level)]
        try:
            rows = tables(
                target, samples, index, keys, beside, rows=settings.rows, seed=settings.seed,
                test=settings.test,
            )  # fmt: skip
        except DataError as error:
            skipped.append(str(error))
            continue
        probed = probe([part for one in beside for part in one.parts], rows, samples, listener)
        test = None
        if rows.test is not None and len(rows.test):
            test = on_test(kept(probed), rows.test, samples)
        elif rows.test is not None:
            skipped.append(f"{target.name}: no test sample has a known value, so none is scored")
        found.append(described(probed, rows, test, settings.bootstrap, settings.seed))
        every.append(probed)
        lost.append(dict(rows.left_out))
    if not found:
        raise DataError(skipped[0] if skipped else "The data have no target.")
    names = [source.name for source in sources if source.parts and source.parts[0].layer]
    left_out = {key: why for key, why in lost[0].items() if all(key in one for one in lost)}
    if not settings.test:
        left_out |= dict.fromkeys(keys.test, UNREAD)
    return Findings(found, {name: common_layer(every, name) for name in names}, left_out, skipped)

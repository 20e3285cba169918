"""Goes through the records of the inputs, and makes the parts that are this process's share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from zoo.errors import StructureError
from zoo.prediction.inputs import WINDOW, Outcome, batches, longest_first, parts_of
from zoo.prediction.listing import Input
from zoo.prediction.parts.folder import COUNTS, PartsFolder, Plan, named_inputs, versions
from zoo.prediction.parts.stream import Block, Item, blocks, items
from zoo.prediction.parts.work import Work
from zoo.proteins.protein import Protein
from zoo.settings.config import COMPLEX, Scope
from zoo.system.listener import Stopped
from zoo.system.parquet_writer import Columns, Field, ParquetWriter
from zoo.system.shards import Shard

RECORD = Field("record", "int64")
STOPPED = "stopped; what was begun of a part is dropped, and the same command makes it again"


@dataclass
class Tally:
    """What one process did.

    Attributes:
        records: Number of records in the inputs.
        parts: Number of parts in all.
        mine: Number of parts that are this process's share.
        made: Number of parts that it made now.
        waiting: Parts of its share that another process is at work on.
        missing: Number of parts that are missing, of any share.
        outcome: Counts of the parts that it made now.
        scope: What the model takes for one protein.
    """

    records: int = 0
    parts: int = 0
    mine: int = 0
    made: int = 0
    waiting: list[int] = field(default_factory=list)
    missing: int = 0
    outcome: Outcome = field(default_factory=Outcome)
    scope: Scope = COMPLEX


def plan_of(work: Work, files: Sequence[Input], size: int, tokens: int) -> Plan:
    """Return what all processes of a run agree on.

    Args:
        work: What is computed.
        files: Inputs.
        size: Number of records in a part.
        tokens: Maximum number of tokens in a batch.
    """
    about = {**work.about, "tokens": tokens}
    facts = {"about": about, "units": dict(work.units)}
    return Plan(about, named_inputs(files), size, (RECORD, *work.columns), facts)


class Loop:
    """Makes parts.

    Args:
        work: What is computed.
        folder: Folder of the parts.
        tokens: Maximum number of tokens in a batch.
        advance: Called with the number of records that were done or passed over.
        asked: Returns whether to stop.
    """

    def __init__(
        self, work: Work, folder: PartsFolder, tokens: int,
        advance: Callable[[int], None] = lambda done: None,
        asked: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._work, self._folder, self._tokens = work, folder, tokens
        self._advance, self._asked = advance, asked

    def run(self, files: Sequence[Input], shard: Shard) -> Tally:
        """Make the parts of a share that are missing; the process that ends last sums all up.

        Raises:
            StructureError: If a file of many proteins cannot be read to its end.
            ConfigError: If a part is of another run, or the inputs have changed.
            Stopped: When asked to stop.
            OSError: If the disk is full.
        """
        tally = Tally(scope=self._work.scope)
        left_out, marks = Counter[str](), list[str]()
        stream = items(files, left_out)
        for index, block in enumerate(blocks(stream, self._folder.plan.size)):
            if shard.has(index):
                tally.mine += 1
                self._take(index, block, tally)
            block.pass_over()
            marks.append(block.marks)
            tally.records += block.count
            self._advance(tally.records)
            self._stop_if_asked()
        tally.parts = len(marks)
        tally.missing = sum(not self._folder.has(index) for index in range(tally.parts))
        if not tally.missing:
            self._folder.finish(marks, left_out)
        return tally

    def _take(self, index: int, block: Block, tally: Tally) -> None:
        if self._folder.has(index):
            block.pass_over()
            self._folder.check(index, self._folder.facts(index), block.marks)
            return
        with self._folder.claim(index) as mine:
            if mine:
                self._make(index, block, tally)
            elif not self._folder.has(index):
                tally.waiting.append(index)

    def _make(self, index: int, block: Block, tally: Tally) -> None:
        outcome, first = Outcome(), index * self._folder.plan.size
        with self._folder.writing(index) as writer:
            for window in _windows(self._read(block, first, outcome)):
                self._write(window, writer, outcome)
                self._advance(first + block.count)
            writer.finish({
                "part": index, "first_record": first,
                "records": block.count, "marks": block.marks,
                "failed": list(outcome.failed.items()),
                "counts": {name: getattr(outcome, name) for name in COUNTS},
                "versions": versions(),
            })  # fmt: skip
        tally.made += 1
        tally.outcome.add(outcome)

    def _read(self, block: Block, first: int, outcome: Outcome) -> Iterator[tuple[int, Protein]]:
        """Yield the proteins of a part, each with the number of its record."""
        for number, item in enumerate(block, start=first):
            outcome.given += 1
            if (protein := _attempt(item, outcome)) is not None:
                for part in parts_of(protein, outcome, self._work.cuts, self._work.min_plddt):
                    yield number, part

    def _write(
        self, window: Sequence[tuple[int, Protein]], writer: ParquetWriter, outcome: Outcome
    ) -> None:
        """Compute the proteins of a window, longest first, and write them in their order."""
        found: dict[int, Columns] = {}
        for batch in batches(longest_first(protein for _, protein in window), self._tokens):
            self._stop_if_asked()
            for protein, columns in self._work.compute(batch, outcome):
                found[id(protein)] = columns
                outcome.written += 1
        rows = [(number, found[id(p)]) for number, p in window if id(p) in found]
        if rows:
            writer.add(_joined(rows, self._work.columns))

    def _stop_if_asked(self) -> None:
        if self._asked():
            raise Stopped(STOPPED)


def _attempt(item: Item, outcome: Outcome) -> Protein | None:
    try:
        return replace(item.read(), name=item.name)
    except StructureError as error:
        outcome.fail(item.label, str(error))
        return None


def _windows(proteins: Iterator[tuple[int, Protein]]) -> Iterator[list[tuple[int, Protein]]]:
    while window := list(islice(proteins, WINDOW)):
        yield window


def _joined(found: Sequence[tuple[int, Columns]], fields: Sequence[Field]) -> dict[str, Any]:
    """Return the rows of several records below each other."""
    lengths = [len(columns[fields[0].name]) for _, columns in found]
    joined: dict[str, Any] = {RECORD.name: np.repeat([number for number, _ in found], lengths)}
    for one in fields:
        pieces = [columns[one.name] for _, columns in found]
        joined[one.name] = (
            np.concatenate(pieces) if one.width else [x for piece in pieces for x in piece]
        )
    return joined

"""The rows (fusions) and columns (graph networks) of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.ablation.shared import fusion_args, structure_args, widened
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.plm import resolve as resolve_plm
from zoo.errors import ConfigError, unknown
from zoo.models.blueprint import resolve
from zoo.settings.checking import assign
from zoo.settings.config import NONE, Config

SEQUENCE, SERIAL, WIDE = "sequence", "serial", "serial-wide"
"""The row without a graph network, the row that others are compared with, and the same with a
hidden layer that gives it the parameters of the largest row of `FUSED`."""
OTHER = ":"
"""In a row such as "sequence:saprot_650m", between `SEQUENCE` and another language model."""
FUSED = ("local-side", "global-side", "local-deep", "global-deep")
"""Rows of the fusions that serial fusion is to be compared with."""


def _fused(name: str, write_back: str = "deep") -> dict[str, Any]:
    return {"fusion.name": name, "fusion.write_back": write_back}


ROWS: Mapping[str, Mapping[str, Any]] = {
    SEQUENCE: {"structure.name": NONE, **_fused(NONE)},
    "structure": {"sequence.name": NONE, **_fused(NONE)},
    "parallel": _fused("parallel"),
    SERIAL: _fused("serial"),
    WIDE: _fused("serial"),
    "cross": _fused("cross"),
    "local-side": _fused("local", "side"),
    "global-side": _fused("global", "side"),
    "local-deep": _fused("local"),
    "global-deep": _fused("global"),
}
"""Config keys of each row; deep rows are last, as they run the language model in every step."""


SET_BY_CELLS = ("structure.name", "fusion.name", "fusion.write_back", "fusion.after")
"""Config keys that each cell sets, whatever the base config says."""


@dataclass(frozen=True)
class Cell:
    """One cell of the table.

    Attributes:
        row: name of the row, a key of `ROWS`, or "sequence:NAME" of another language model.
        struct: name of the graph network; "none" in the row without one.
    """

    row: str
    struct: str

    @property
    def name(self) -> str:
        """The name of the folder of its models."""
        if OTHER in self.row:
            row, _, other = self.row.partition(OTHER)
            return f"{row}_{Path(other).name.replace(OTHER, '_')}"
        return self.row if self.struct == NONE else f"{self.row}_{self.struct}"

    def config(self, base: Config, sizes: Sequence[str] = ()) -> Config:
        """Return the base config with this cell's branches and fusion, and the default exchanges.

        The width in which branches meet and all dropout are those of the base config in every
        cell; its other arguments of a graph network or fusion are kept where this cell has them.

        Args:
            base: config that all cells share.
            sizes: arguments of graph networks, such as "egnn.hidden=64"; those of other graph
                networks are ignored.
        """
        data = base.to_dict()
        row, _, other = self.row.partition(OTHER)
        keys = {"structure.name": self.struct, "fusion.after": None, **ROWS[row]}
        if other:
            keys["sequence.name"] = other
        for key, value in keys.items():
            assign(data, key, value)
        if self.struct != NONE:
            data["structure"]["args"] = structure_args(base, self.struct)
        if NONE not in (data["sequence"]["name"], data["structure"]["name"]):
            data["fusion"]["args"] = fusion_args(base.fusion, data["fusion"]["name"])
        own = [size for size in sizes if size.partition(".")[0] == self.struct]
        found = Config.from_dict(data).with_values(
            [f"structure.args.{size.partition('.')[2]}" for size in own]
        )
        return widened(found, self._fused(base, sizes)) if self.row == WIDE else found

    def _fused(self, base: Config, sizes: Sequence[str]) -> list[Config]:
        """Return the configs of the fusions with this cell's graph network."""
        found = [Cell(row, self.struct).config(base, sizes) for row in FUSED]
        trained = base.sequence.tuning != "frozen"  # then a side stream has no stored states
        return [one for one in found if not (trained and one.fusion.write_back == "side")]


def check_shared(values: Sequence[str]) -> None:
    """Check that the values for all cells set no key that each cell sets itself.

    Args:
        values: values of --set, such as "fusion.after=[[6, 0]]".

    Raises:
        ConfigError: for a key that would have no effect; names it.
    """
    for value in values:
        key = value.partition("=")[0].strip()
        if key in SET_BY_CELLS:
            raise ConfigError(
                f"--set {key} would have no effect: each cell of the table sets "
                f"{', '.join(SET_BY_CELLS)} itself. Choose cells with --row and --struct, "
                f"or train one model with zoo.train."
            )


def check_sizes(sizes: Sequence[str]) -> None:
    """Check arguments of graph networks, such as "egnn.hidden=64", before any training.

    Raises:
        ConfigError: for an unknown graph network or argument, or a value of the wrong kind.
    """
    for size in sizes:
        struct = size.partition(".")[0]
        STRUCTURE_BACKBONES[struct]
        resolve(Cell("structure", struct).config(Config(), [size]))


def cells(rows: Sequence[str] | None, structs: Sequence[str] | None) -> list[Cell]:
    """Return the cells of a table, row by row; None stands for all rows or all graph networks.

    Raises:
        ConfigError: for an unknown name, also of the language model in "sequence:NAME", or for two
            language models whose cells would have one folder.
    """
    for name in rows or ():
        row, colon, other = name.partition(OTHER)
        if row not in ROWS or (colon and not (row == SEQUENCE and other)):
            raise unknown("row", name, [*ROWS, f"{SEQUENCE}{OTHER}NAME"])
        if other:
            resolve_plm(other)
    for name in structs or ():
        STRUCTURE_BACKBONES[name]
    found = []
    for row in rows or ROWS:
        columns = (
            [NONE] if row.partition(OTHER)[0] == SEQUENCE else list(structs or STRUCTURE_BACKBONES)
        )
        found += [Cell(row, struct) for struct in columns]
    _check_folders(found)
    return found


def _check_folders(wanted: Sequence[Cell]) -> None:
    """Refuse two cells of one folder, as of two language models in folders of one name."""
    first: dict[str, Cell] = {}
    for cell in wanted:
        other = first.setdefault(cell.name, cell)
        if other != cell:
            raise ConfigError(
                f"The rows {other.row!r} and {cell.row!r} would both be kept in the folder "
                f"{cell.name} of the table. Rename one language model's folder or file."
            )

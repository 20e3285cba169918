"""The README's pictures, made by the code they show: `python docs/_pictures.py`.

The idea is drawn from a model's own exchanges and the shipped model's gates; the terminal is the
output of `zoo build`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.text import Text

import zoo
from zoo.examples import example

FIGURES = Path(__file__).parent / "figures"
SEQUENCE, STRUCTURE = "#e08214", "#7b3294"
BUILD = ("--seq", "esm2_650m", "--struct", "gvp", "--fusion", "global")
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.S)


def idea(path: Path) -> None:
    """Draw both branches with their exchanges, over the gates of the shipped model."""
    mpl.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "zoo", "font.size": 10})
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 1))
    model = zoo.create_model("esm2_8m", "gvp", fusion="local", weights="random")
    _branches(above, model.seq.num_layers, model.struct.num_layers, model.fuse_after)
    trained = zoo.load_model("ppbs_local")
    gates = trained.explain(trained.batch([example()]))[-1].weights[0][:, 1].numpy()
    image = below.imshow(gates[None], aspect="auto", cmap="PuOr", vmin=0, vmax=1,
                         extent=(0.5, len(gates) + 0.5, 0, 1))  # fmt: skip
    below.set(
        yticks=[], xlabel="residue of 1A8O: what the last exchange of the shipped model trusts"
    )
    bar = figure.colorbar(image, ax=below, ticks=[0, 1], fraction=0.03, aspect=5, pad=0.01)
    bar.ax.set_yticklabels(["sequence", "structure"])
    figure.savefig(path, metadata={"Date": None})


def _branches(axis: Axes, seq: int, struct: int, exchanges: tuple[tuple[int, int], ...]) -> None:
    """Draw layers as boxes in two rows, and an arrow in both directions for each exchange."""
    at = {"seq": np.linspace(1, 9, seq), "struct": np.linspace(1, 9, struct)}
    for row, (name, places, colour) in enumerate(
        [("structure: any graph network", at["struct"], STRUCTURE),
         ("sequence: any language model", at["seq"], SEQUENCE)]
    ):  # fmt: skip
        axis.plot([0, 10], [row, row], color=colour, linewidth=1.5, zorder=1)
        for number, x in enumerate(places, 1):
            axis.text(x, row, str(number), ha="center", va="center", color="white", zorder=3,
                      bbox={"boxstyle": "round,pad=0.35", "fc": colour, "ec": "none"})  # fmt: skip
        axis.text(0, row + (0.28 if row else -0.38), name, color=colour, weight="bold")
    for k, j in exchanges:
        ends = ((at["seq"][k - 1], 0.83), (at["struct"][j - 1], 0.17))
        axis.annotate("", *ends, arrowprops={"arrowstyle": "<|-|>", "color": "0.35", "lw": 1.5})
    axis.text(10, 0.5, "head", ha="center", va="center", bbox={"fc": "0.92", "ec": "0.6"})
    axis.set(xlim=(-0.2, 10.6), ylim=(-0.6, 1.6))
    axis.set_axis_off()


def terminal(path: Path) -> None:
    """Write what `zoo build` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "zoo.build", *BUILD], capture_output=True, text=True, check=True,
        env=os.environ | {"FORCE_COLOR": "1", "COLUMNS": "82", "TERM": "xterm-256color"},
    )  # fmt: skip
    console = Console(record=True, width=82, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(f"[bold]$ python -m zoo.build {' '.join(BUILD)}[/]", highlight=False)
    console.print(Text.from_ansi(done.stdout))
    svg = console.export_svg(title="zoo build", unique_id="zoo")
    path.write_text(FONTS.sub("", svg))  # the fonts would be fetched


if __name__ == "__main__":
    FIGURES.mkdir(exist_ok=True)
    idea(FIGURES / "idea.svg")
    terminal(FIGURES / "terminal.svg")

"""The pictures of the README and the docs, made by the code they show.

    python docs/_pictures.py [idea | terminal | protein | architecture ...]

Without names all are drawn. The idea is a model's own exchanges and the gates of a shipped model,
the terminal is the output of `zoo build`, the protein has the scores of `zoo predict`, and the
architecture is drawn from the tables below, which the tests compare with the folders of `zoo/`.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from rich.console import Console
from rich.text import Text

sys.path.insert(0, str(Path(__file__).parent))
from _cartoon import View, cartoon

import zoo
from zoo.examples import example
from zoo.explanation.colours import gate_colours

FIGURES = Path(__file__).parent / "figures"
SEQUENCE, STRUCTURE = "#e08214", "#7b3294"
BUILD = ("--seq", "esm2_650m", "--struct", "gvp", "--fusion", "global")
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.S)
SCORES = LinearSegmentedColormap.from_list(
    "scores", ["#3f73a8", "#8fb0cc", "#dcdfe0", "#f7b267", "#ee7a12"]
)

ROOMS = (
    (("verbs", "build, train, predict, search ...: parse, call, print"),
     ("hpo", "the search")),
    (("command", "the terminal: options, messages, interrupts"),),
    (("serving", "the web app: limits, models, answers, a window"),),
    (("explanation", "why"), ("reporting", "HTML page"), ("ablation", "fair table"),
     ("probing", "layers"), ("pretraining", "language models")),
    (("lightning", "a trainer of your own"), ("sklearn", "estimators"),
     ("sharing", "to the hub")),
    (("training", "fit a model, resume"), ("prediction", "apply and score a model")),
    (("metrics", "scores, intervals, baselines, comparisons"),),
    (("data", "layouts, samples, splits"), ("states", "store of hidden states")),
    (("models", "blueprint, build, heads, checkpoints, summaries"),),
    (("backbones", "language models, graph networks"), ("fusion", "the exchanges")),
    (("proteins", "file to batch"), ("tasks", "targets"), ("pretrained", "shipped models"),
     ("examples", "1A8O")),
    (("settings", "config, registries, plug-ins"), ("system", "files, locks, devices, memory")),
)  # fmt: skip
"""The rooms of zoo/, top to bottom: each row may import from the rows below it."""
WAYS = {
    "the way of a config": (
        SEQUENCE,
        (("YAML, options", ""), ("Config", "settings.config"), ("Blueprint", "models.blueprint"),
         ("FusedModel", "models.create"), ("folder", "models.checkpoint")),
        ("check", "resolve", "build_model", "save_model"),
    ),
    "the way of a protein": (
        STRUCTURE,
        (("structure file", ""), ("Protein", "proteins.protein"), ("Batch", "proteins.batch"),
         ("features", "models.model"), ("predictions", "models.heads")),
        ("read_structure", "graph, tokens", "FusedModel.features", "head"),
    ),
}  # fmt: skip
"""What exists on each way, where it is defined, and what leads from one to the next."""


def idea(path: Path) -> None:
    """Draw both branches with their exchanges, over the gates of the shipped model."""
    _settings()
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 1))
    model = zoo.create_model("esm2_8m", "gvp", fusion="local", weights="random")
    _branches(above, model.seq.num_layers, model.struct.num_layers, model.fuse_after)
    trained = zoo.load_model("ppbs_local")
    gates = trained.explain(trained.batch([example()]))[-1].weights[0][:, 1].numpy()
    image = below.imshow(gates[None], aspect="auto", cmap=gate_colours(), vmin=0, vmax=1,
                         extent=(0.5, len(gates) + 0.5, 0, 1))  # fmt: skip
    below.set(
        yticks=[], xlabel="residue of 1A8O: which branch the last exchange of ppbs_local trusts"
    )
    bar = figure.colorbar(image, ax=below, ticks=[0, 1], fraction=0.03, aspect=5, pad=0.01)
    bar.ax.set_yticklabels(["sequence", "structure"])
    figure.savefig(path, metadata={"Date": None})


def _settings() -> None:
    mpl.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "zoo", "font.size": 10})


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


def protein(path: Path) -> None:
    """Draw the shipped structure in the scores of the shipped model of binding sites."""
    _settings()
    (chain,) = example().chains
    view = View((928, 752), turn=(-25, -25, 0), margin=1.8)
    scores = _scores("ppbs")
    highest = np.ceil(scores.max() * 10) / 10
    picture = cartoon(chain, scores / highest, SCORES, view)
    figure = Figure(figsize=(7, 4.7), dpi=160, facecolor="white")
    left = figure.add_axes((0.01, 0, 0.829, 1))
    left.imshow(picture, interpolation="antialiased")
    left.set_axis_off()
    right = figure.add_axes((0.865, 0.17, 0.022, 0.66))
    bar = figure.colorbar(mpl.cm.ScalarMappable(Normalize(0, highest), SCORES), cax=right)
    bar.outline.set_visible(False)
    bar.set_ticks(np.arange(0, highest, 0.1))
    bar.ax.tick_params(length=0, labelsize=10, labelcolor="0.25")
    bar.set_label("score for being part of an interface", fontsize=10.5, color="0.25", labelpad=8)
    figure.savefig(path, metadata={"Software": None})


def _scores(model: str) -> np.ndarray:
    """Return the score that `zoo predict` gives each residue of the shipped structure."""
    structure = Path(zoo.__file__).parent / "examples/1a8o.cif.gz"
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "zoo.predict", structure, "--model", model, "--out", folder, "--quiet"]
        subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
        with (Path(folder) / "predictions.csv").open() as file:
            return np.array([float(row["binding_site"]) for row in csv.DictReader(file)])


def architecture(path: Path) -> None:
    """Draw the rooms in the order of imports, beside the ways of a config and of a protein."""
    _settings()
    figure = Figure(figsize=(11, 7.4), layout="constrained")
    rooms, ways = figure.subplots(1, 2, width_ratios=(6.4, 4))
    _rooms(rooms)
    for x, (title, (colour, things, steps)) in zip((0.0, 1.0), WAYS.items(), strict=True):
        _way(ways, x, title, colour, things, steps)
    ways.set(xlim=(-0.5, 1.5), ylim=(-0.65, len(ROOMS)))
    ways.set_axis_off()
    figure.savefig(path, metadata={"Date": None})


def _rooms(axis: Axes) -> None:
    """Draw a row of boxes for each level; a room may import what is below it."""
    for height, row in enumerate(reversed(ROOMS)):
        sizes = np.array([max(len(name) + 2, 0.72 * len(about)) for name, about in row])
        edges = np.concatenate([[0], np.cumsum(sizes / sizes.sum())]) * 10
        for (name, about), left, right in zip(row, edges[:-1], edges[1:], strict=True):
            top = name in ("verbs", "hpo", "command")
            _box(axis, (left + 0.07, height + 0.1), right - left - 0.14, 0.8,
                 "#f3f0f7" if top else "#eef3f8", "#7b6a99" if top else "#5b7fa6")  # fmt: skip
            middle = (left + right) / 2
            axis.text(middle, height + 0.63, name, ha="center", va="center", weight="bold", size=11)
            axis.text(middle, height + 0.32, about, ha="center", va="center", size=8.2, color="0.3")
    axis.annotate("", (-0.35, 0.1), (-0.35, len(ROOMS) - 0.1),
                  arrowprops={"arrowstyle": "-|>", "color": "0.45", "lw": 1.6})  # fmt: skip
    axis.text(-0.62, len(ROOMS) / 2, "imports point down", rotation=90, ha="center", va="center",
              color="0.35")  # fmt: skip
    axis.text(5, -0.3, "zoo/errors.py is below everything", ha="center", va="center", size=8.5,
              color="0.4")  # fmt: skip
    axis.set(xlim=(-0.85, 10.05), ylim=(-0.65, len(ROOMS)))
    axis.set_axis_off()


def _box(axis: Axes, corner: tuple[float, float], width: float, height: float, face: str,
         edge: str) -> None:  # fmt: skip
    axis.add_patch(FancyBboxPatch(corner, width, height, fc=face, ec=edge, lw=1.2,
                                  boxstyle="round,pad=0,rounding_size=0.12"))  # fmt: skip


def _way(axis: Axes, x: float, title: str, colour: str, things: tuple[tuple[str, str], ...],
         steps: tuple[str, ...]) -> None:  # fmt: skip
    """Draw what exists on the way, from top to bottom, with the step that leads on."""
    heights = np.linspace(len(ROOMS) - 1.5, 0.1, len(things))
    axis.text(x, len(ROOMS) - 0.35, title, ha="center", va="center", weight="bold", color=colour)
    for (name, home), y in zip(things, heights, strict=True):
        _box(axis, (x - 0.43, y), 0.86, 0.8, "white", colour)
        axis.text(x, y + (0.53 if home else 0.4), name, ha="center", va="center", weight="bold",
                  size=10)  # fmt: skip
        axis.text(x, y + 0.22, home, ha="center", va="center", size=8.2, color="0.35")
    for step, y, below in zip(steps, heights[:-1], heights[1:], strict=True):
        axis.annotate("", (x - 0.3, below + 0.83), (x - 0.3, y - 0.03),
                      arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.6})  # fmt: skip
        axis.text(x - 0.22, (y + below + 0.8) / 2, step, ha="left", va="center", size=9)


DRAWN = {idea: "idea.svg", terminal: "terminal.svg", protein: "protein.png",
         architecture: "architecture.svg"}  # fmt: skip

if __name__ == "__main__":
    FIGURES.mkdir(exist_ok=True)
    for draw, name in DRAWN.items():
        if draw.__name__ in sys.argv[1:] or not sys.argv[1:]:
            draw(FIGURES / name)

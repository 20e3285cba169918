"""All pictures in docs/figures, made by the code they show: `make figures`, a few minutes.

    python docs/_pictures.py [idea | terminal | site | report | search | architecture | ...]

Without names all are drawn, without internet. The idea is a model's own exchanges and the gates of
a shipped model, the terminal is the output of `zoo build`, and the architecture is drawn from the
tables below, which the tests compare with the folders of `zoo/`. `site` is the page of `zoo
predict`, and `report` that of `zoo report` after a short training on made-up proteins; these two
need a Chromium, and are left as they are, with a word, where there is none. `search` shows trials
on the planted task of benchmarks/planted_search.py. What took long to measure is drawn from the
numbers in results/.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from _browser import CHROMIUM, COLOURS, screenshot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from rich.console import Console
from rich.text import Text

import zoo
from zoo.examples import example
from zoo.explanation.colours import SEQUENCE, STRUCTURE, gate_colours

ROOT = Path(__file__).parents[1]
FIGURES, RESULTS = ROOT / "docs/figures", ROOT / "results"
SITE, REPORT = (24, 268, 1016, 900), (24, 24, 1016, 1056)
"""Parts of pages that are shown: left, upper, right and lower edge, in pixels."""
SMALL = ("--set", "train.epochs=12", "--set", "graph.k=12", "--set", "structure.args.hidden=32",
         "--set", "structure.args.num_layers=3")  # fmt: skip
BUILD = ("--seq", "esm2_650m", "--struct", "gvp", "--fusion", "global")
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.S)

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
    """Draw both branches with their exchanges, over the gates of a shipped model at each depth."""
    _settings()
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(5, 3))
    model = zoo.create_model("esm2_8m", "gvp", fusion="local", weights="random")
    _branches(above, model.seq.num_layers, model.struct.num_layers, model.fuse_after)
    trained = zoo.load_model("ppbs_local")
    exchanges = trained.explain(trained.batch([example()]))
    gates = np.stack([one.weights[0][:, 1].numpy() for one in exchanges])
    image = below.imshow(gates, aspect="auto", cmap=gate_colours(), vmin=0, vmax=1,
                         extent=(0.5, gates.shape[1] + 0.5, len(gates), 0))  # fmt: skip
    below.hlines(range(1, len(gates)), 0.5, gates.shape[1] + 0.5, color="white", linewidth=2)
    named = [f"layers {one.after[0]} and {one.after[1]}" for one in exchanges]
    below.set_yticks(np.arange(len(gates)) + 0.5, named)
    below.tick_params(axis="y", length=0)
    below.set_xlabel("residue of 1A8O: which branch each exchange of ppbs_local trusts")
    bar = figure.colorbar(image, ax=below, ticks=[0, 1], fraction=0.03, aspect=10, pad=0.01)
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
        axis.plot([0, 9.6], [row, row], color=colour, linewidth=1.5, zorder=1)
        axis.annotate("", (10.1, 0.65 if row else 0.35), (9.6, row), arrowprops={
            "arrowstyle": "-|>", "color": colour, "lw": 1.5, "shrinkA": 0, "shrinkB": 0,
            "connectionstyle": "angle,angleA=0,angleB=90,rad=6"})  # fmt: skip
        for number, x in enumerate(places, 1):
            axis.text(x, row, str(number), ha="center", va="center", color="white", zorder=3,
                      bbox={"boxstyle": "round,pad=0.35", "fc": colour, "ec": "none"})  # fmt: skip
        axis.text(0, row + (0.28 if row else -0.38), name, color=colour, weight="bold")
    for k, j in exchanges:
        ends = ((at["seq"][k - 1], 0.83), (at["struct"][j - 1], 0.17))
        axis.annotate("", *ends, arrowprops={"arrowstyle": "<|-|>", "color": "0.35", "lw": 1.5})
    axis.text(10.1, 0.5, "head", ha="center", va="center", bbox={"fc": "0.92", "ec": "0.6"})
    axis.set(xlim=(-0.2, 10.7), ylim=(-0.6, 1.6))
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


def site(path: Path) -> None:
    """Take a picture of the page of binding sites that are predicted on the shipped structure."""
    structure = Path(zoo.__file__).parent / "examples/1a8o.cif.gz"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sites"
        _zoo("predict", structure, "--model", "ppbs", "--out", out, "--page", folder=folder)
        screenshot(out / "index.html", path, (1040, 1040), SITE)


def report(path: Path) -> None:
    """Take a picture of the report on a model that is trained here on made-up proteins."""
    from zoo.examples.made_up import write_made_up

    with tempfile.TemporaryDirectory() as folder:
        write_made_up(Path(folder) / "made_up", proteins=40)
        _zoo("prepare", "table", "--data", "made_up", "--out", "prepared", folder=folder)
        _zoo("train", "table_plm_mini_gearnet_local", "--data", "prepared", "--out", "run", *SMALL,
             folder=folder)  # fmt: skip
        _zoo("evaluate", "run", folder=folder)
        _zoo("report", "run", folder=folder)
        screenshot(Path(folder) / "run/report.html", path, (1040, REPORT[3]), REPORT)


def _zoo(verb: str, *arguments: object, folder: str) -> None:
    """Run a verb in a folder, as in the terminal."""
    subprocess.run([sys.executable, "-m", f"zoo.{verb}", *map(str, arguments), "--quiet"],
                   cwd=folder, check=True, capture_output=True,
                   env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip


def search(path: Path) -> None:
    """Draw the history of a search on the planted task, beside the layers that helped."""
    import optuna
    from PIL import Image
    from planted_search import NOISE, SAMPLERS, drawer, score

    from hpo import figures
    from hpo.queue import AFTER
    from zoo.reporting.page import png_of

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    draw, study = drawer(), optuna.create_study(sampler=SAMPLERS["TPE"](0), direction="maximize")
    for _ in range(60):
        trial = study.ask()
        fusion = draw(trial)
        trial.set_user_attr(AFTER, fusion["after"])
        noise = np.random.default_rng((0, trial.number)).normal(0.0, NOISE)
        study.tell(trial, score(fusion) + noise)
    drawn = [figures.history(study), figures.layers(study)["language_model"]]
    panels = [Image.open(io.BytesIO(png_of(figure))) for figure in drawn]
    height = max(panel.height for panel in panels)
    joined = Image.new("RGB", (sum(panel.width for panel in panels) + 60, height), "white")
    joined.paste(panels[0], (0, 0))
    joined.paste(panels[1], (panels[0].width + 60, 0))
    joined.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def planted_search(path: Path) -> None:
    """Draw what benchmarks/planted_search.py found."""
    from planted_search import plot

    plot(json.loads((RESULTS / "planted_search.json").read_text()), path)


def predict_growth(path: Path) -> None:
    """Draw what benchmarks/predict_growth.py measured."""
    from predict_growth import draw

    found = json.loads((RESULTS / "predict_growth.json").read_text())
    draw(found["rows"], path, found["title"])


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


DRAWN = {
    idea: "idea.svg", terminal: "terminal.svg", site: "site.png", report: "report.png",
    search: "search.png", architecture: "architecture.svg", planted_search: "planted_search.png",
    predict_growth: "predict_growth_esm2_150m_global.png",
}  # fmt: skip
IN_A_BROWSER = (site, report)


def main(asked: Sequence[str]) -> None:
    """Draw the pictures that are asked for, or all."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    names = {draw.__name__: draw for draw in DRAWN}
    if wrong := set(asked) - set(names):
        raise SystemExit(f"There is no picture {sorted(wrong)[0]!r}. Valid: {', '.join(names)}.")
    for draw in [names[name] for name in asked or names]:
        path = FIGURES / DRAWN[draw]
        if draw in IN_A_BROWSER and CHROMIUM is None:
            print(f"{path} stays as it is: it is a picture of a page, and there is no chromium or "
                  "google-chrome on the PATH to open one.")  # fmt: skip
            continue
        print(f"drawing {path} ...", flush=True)
        draw(path)


if __name__ == "__main__":
    main(sys.argv[1:])

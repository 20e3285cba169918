"""What a model is, for people (rich) and for machines (plain values)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from zoo.models.memory import MemoryEstimate
from zoo.models.model import FusedModel

RANDOM_WARNING = (
    "THE LANGUAGE MODEL HAS RANDOM WEIGHTS: it was never trained, and its features mean nothing."
)
LENGTHS = (300, 1000)
WRITE_BACK = {
    "deep": "write-back deep: fused rows re-enter the language model",
    "side": "write-back side: the language model is only tapped",
}


@dataclass(frozen=True)
class Check:
    """One forward and backward pass on a protein.

    Attributes:
        protein: its name.
        nodes: nodes of its graph.
        seconds: for both passes.
        engine: what message passing ran on.
    """

    protein: str
    nodes: int
    seconds: float
    engine: str


def count(model: FusedModel, *, trainable: bool) -> int:
    """Return how many parameters are trained, or frozen."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad == trainable)


def as_dict(model: FusedModel, check: Check, memory: MemoryEstimate) -> dict[str, Any]:
    """Return the summary as plain values for JSON."""
    weights = model.recipe.weights
    return {
        "config": model.recipe.config.to_dict(),
        "features": model.width,
        "fuse_after": [list(pair) for pair in model.fuse_after],
        "parameters": {
            "trainable": count(model, trainable=True), "frozen": count(model, trainable=False),
        },
        "plm_weights": None if weights is None else {
            "kind": weights.kind, "source": weights.source,
            "fingerprint": model.recipe.fingerprint,
        },
        "memory_bytes": {
            f"{mode}_{length}": round(memory.at(length, training=mode == "training"))
            for mode in ("inference", "training") for length in LENGTHS
        },
        "check": {
            "protein": check.protein, "nodes": check.nodes,
            "seconds": round(check.seconds, 3), "engine": check.engine,
        },
    }  # fmt: skip


def panel(model: FusedModel, check: Check, memory: MemoryEstimate) -> Panel:
    """Return the summary as a terminal shows it."""
    parts: list[RenderableType] = [_parts(model), drawing(model), _numbers(model, check, memory)]
    if model.recipe.random_plm:
        parts.append(Text(RANDOM_WARNING, style="bold red"))
    return Panel(Group(*parts), title=title(model), title_align="left", expand=False)


def title(model: FusedModel) -> str:
    """Return one line: the parts' names."""
    config = model.recipe.config
    task = f", task {config.task}" if config.task else ""
    return f"{config.sequence.name} + {config.structure.name}, {config.fusion.name} fusion{task}"


def _parts(model: FusedModel) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "name", "layers", "width", "parameters", "trained"):
        table.add_column(
            name, justify="right" if name in ("layers", "width", "parameters") else "left"
        )
    config = model.recipe.config
    rows: list[tuple[str, str, Any]] = [
        ("sequence", config.sequence.name, model.seq),
        ("structure", config.structure.name, model.struct),
        ("fusion", str(config.fusion.name), model.exchanges if len(model.exchanges) else None),
        ("side stream", "", model.side),
        ("head", config.task or "", model.head),
    ]
    for role, name, module in rows:
        if module is None:
            continue
        sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
        layers = getattr(module, "num_layers", len(module) if module is model.exchanges else "")
        table.add_row(
            role, name, str(layers), str(getattr(module, "width", "")),
            f"{sum(n for n, _ in sizes):,}",
            "yes" if any(grad for _, grad in sizes) else "frozen",
        )  # fmt: skip
    return table


def drawing(model: FusedModel) -> Text:
    """Return a picture of which layer talks to which; time runs to the right."""
    config = model.recipe.config
    if model.seq is None or model.struct is None:
        return Text("one branch: no exchange", style="dim")
    if not model.fuse_after:
        return Text("two branches, no exchange: joined before the head", style="dim")
    arrow = "▼" if config.fusion.name == "serial" else "┼"
    cells = [(str(k), str(j)) for k, j in model.fuse_after]
    width = max(len(text) for pair in cells for text in pair)
    line = "─".join("─" * 2 + k.rjust(width, "─") for k, _ in cells)
    link = " ".join(" " * 2 + arrow.rjust(width) for _ in cells)
    below = "─".join("─" * 2 + j.rjust(width, "─") for _, j in cells)
    last = (f"─▶ {model.seq.num_layers} layers", f"─▶ {model.struct.num_layers} layers")
    names = (config.sequence.name, config.structure.name)
    pad = max(map(len, names))
    text = Text("\n")
    text.append(f"{names[0].rjust(pad)} ─{line}{last[0]}\n", style="cyan")
    text.append(f"{str(config.fusion.name).rjust(pad)}  {link}\n")
    text.append(f"{names[1].rjust(pad)} ─{below}{last[1]}\n", style="green")
    text.append(f"{WRITE_BACK[config.fusion.write_back]}\n", style="dim")
    return text


def _numbers(model: FusedModel, check: Check, memory: MemoryEstimate) -> Table:
    table = Table.grid(padding=(0, 2))
    weights = model.recipe.weights
    table.add_row("parameters", f"{count(model, trainable=True):,} trainable, "
                  f"{count(model, trainable=False):,} frozen")  # fmt: skip
    table.add_row("features", f"{model.width} a residue")
    if weights is not None:
        style = "bold red" if weights.kind == "random" else "green"
        table.add_row("weights", Text(weights.source, style=style))
    for mode in ("inference", "training"):
        sizes = [memory.at(length, training=mode == "training") / 1e9 for length in LENGTHS]
        first, second = (f"{size:.2f} GB at {n:,}" for size, n in zip(sizes, LENGTHS, strict=True))
        table.add_row(mode, f"{first} residues, {second} (estimate)")
    table.add_row("checked", f"{check.protein}, {check.nodes} nodes, forward and backward: "
                  f"{check.seconds:.1f} s on {check.engine}")  # fmt: skip
    return table

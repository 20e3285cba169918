"""The site's generated pages, made from registries and docstrings so that none is out of date."""

from __future__ import annotations

import dataclasses
import functools
import html
import importlib
import inspect
import json
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zoo
from zoo.__main__ import GROUPS
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.command.cli import program
from zoo.data.layouts import LAYOUTS
from zoo.fusion import FUSIONS
from zoo.models.catalogue import catalogue
from zoo.models.trained import TrainedModel
from zoo.proteins import density, feature_sets
from zoo.proteins.feature_sets import FEATURE_SETS
from zoo.settings.config import Config, config_names
from zoo.settings.ranges import Range
from zoo.tasks import TASKS

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
WHO = "**Who needs this:** "
"""How the second paragraph of every page begins."""
CLASSES = (
    "zoo.models.model.FusedModel", "zoo.models.blueprint.Blueprint", "zoo.proteins.protein.Protein",
    "zoo.proteins.protein.Chain", "zoo.proteins.graph.Graph",
    "zoo.backbones.base.StructureBackbone", "zoo.fusion.base.Fusion", "zoo.tasks.Task",
    "zoo.tasks.Target", "zoo.prediction.features.Features", "zoo.prediction.scoring.Evaluation",
    "zoo.lightning.data.FusedDataModule", "zoo.lightning.module.FusedModule",
    "zoo.sklearn.estimators.ZooClassifier", "zoo.sklearn.estimators.ZooRegressor",
)  # fmt: skip
"""Classes on the page about Python, beside the names of `zoo` itself."""


@dataclass(frozen=True)
class Page:
    """A page's section in the navigation, and its Markdown."""

    section: str
    text: str


@functools.cache
def pages() -> dict[str, Page]:
    """Return every generated page by its path."""
    reference = {
        "names": names(), "commands": commands(), "config": config(), "python": python(),
        "features": features(),
        "backbones/language_models": language_models(),
        **{f"backbones/{name}": network(name) for name in STRUCTURE_BACKBONES},
        "fusions": fusions(),
        **{f"tasks/{name}": task(name) for name in TASKS},
    }  # fmt: skip
    tutorials = {path.stem: tutorial(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    return {
        **{f"tutorials/{name}.md": Page("Tutorials", text) for name, text in tutorials.items()},
        **{f"reference/{name}.md": Page("Reference", text) for name, text in reference.items()},
    }


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(x) for x in line) + " |" for line in lines)


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def _page(title: str, who: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", WHO + who, *parts])


def names() -> str:
    """Return the page of all names, each with one line."""
    found = catalogue()
    models = [f"{row['layers']} layers, {_rounded(row['parameters'])} parameters; {row['hub id']}"
              for row in found["sequence"]]  # fmt: skip
    lists = {
        "Language models, `--seq`": zip(_names(found["sequence"]), models, strict=True),
        "Graph networks, `--struct`": _described(found["structure"]),
        "Fusions, `--fusion`": _described(found["fusion"]),
        "Tasks, `--task`": _described(found["task"]),
    }
    return _page(
        "Names", "anyone who chooses the parts of a model. `python -m zoo.list` prints the same.",
        *(f"## {title}\n\n{table(('name', ''), rows)}" for title, rows in lists.items()),
        "Any encoder of the Hugging Face hub works as `--seq`, by its id or a folder. `none` "
        "leaves a branch out. Graphs are of residues (30 nearest CA, or a radius) or of atoms, "
        "with ligands.",
        "## Trained models, `--model`", "Scores on test data, with 95 % intervals, and the paired "
        "difference to the best baseline, boosted trees among them. Each has a card: `README.md` "
        "in its folder of `zoo/pretrained/`.",
        table(("name", "task", "metric", "score", "best baseline", "difference"),
              map(_trained, zoo.list_models(pretrained=True))),
        "## Configs", ", ".join(_names(found["config"])),
    )  # fmt: skip


def _names(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [f"`{row['name']}`" for row in rows]


def _trained(model: TrainedModel) -> tuple[str, ...]:
    return (f"`{model}`", model.task, model.metric, model.score.told(), model.baseline,
            model.difference.told("+"))  # fmt: skip


def _described(rows: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(f"`{row['name']}`", row["about"]) for row in rows]


def _rounded(count: int) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.3g} million"


def network(name: str) -> str:
    """Return the page of a graph network."""
    kind = STRUCTURE_BACKBONES[name]
    model = zoo.create_model("none", name, fusion="none", weights="random")
    count = sum(p.numel() for p in model.struct.parameters())
    return _page(
        name, f"anyone who uses `--struct {name}`, or sets its arguments.",
        _about(kind), "## Source", inspect.getdoc(inspect.getmodule(kind)) or "",
        "## Size", f"{count:,} parameters, {model.struct.num_layers} layers and "
        f"{model.struct.width} scalar features for each node, as built by default on residue "
        "graphs.",
        "## Arguments", _arguments(kind), "## Use",
        f"```bash\npython -m zoo.build --seq esm2_8m --struct {name} --fusion local\n```",
        f"Shipped configs: {_configs(name)}.",
    )  # fmt: skip


def _configs(word: str) -> str:
    """Return the shipped configs that have a word in their names."""
    return ", ".join(f"`{one}`" for one in config_names() if word in one.split("_")) or "none"


def _about(kind: Any) -> str:
    return re.split(r"\n(?:Args|Attributes):", inspect.getdoc(kind) or "")[0].strip()


def _arguments(kind: Any) -> str:
    """Return the keyword arguments with their defaults, described by the docstring's Args."""
    about = _described_in(inspect.getdoc(kind) or "", "Args")
    rows = [
        (f"`{p.name}`", f"`{p.default}`", about.get(p.name, ""))
        for p in inspect.signature(kind).parameters.values()
        if p.kind is p.KEYWORD_ONLY and p.default is not p.empty
    ]
    return table(("argument", "default", ""), rows) if rows else "No arguments."


def _described_in(doc: str, section: str) -> dict[str, str]:
    """Return what a section of a docstring, Args or Attributes, says about each name."""
    _, _, block = doc.partition(f"{section}:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", block, re.M)
    return dict(found)


def language_models() -> str:
    """Return the page of the language models."""
    rows = catalogue()["sequence"]
    barred = _names(row for row in rows if row["commercial use"] is False)
    head = ("name", "hub id", "layers", "width", "parameters", "licence")
    return _page(
        "Language models", "anyone who chooses `--seq`.",
        "Any encoder of the Hugging Face hub works by its id or a folder; these have short names. "
        "`--seq none` leaves the sequence out.",
        table(head, ([f"`{row['name']}`", *(row[key] for key in head[1:])] for row in rows)),
        f"No commercial use: {', '.join(barred)}. "
        "`python -m zoo.list --json` adds the commit, and how each was checked.",
        "```bash\npython -m zoo.download esm2_650m --out esm2_650m      # where there is internet\n"
        "python -m zoo.build --seq esm2_650m/ --struct gvp     # where there is none\n```",
    )  # fmt: skip


def fusions() -> str:
    """Return the page of the fusions."""
    parts = ["Which of their equations are the paper's: [how the parts fit "
             "together](../explanation/model.md)."]  # fmt: skip
    for name in FUSIONS:
        parts += [f"## {name}", _about(FUSIONS[name]), _arguments(FUSIONS[name])]
    return _page("Fusions", "anyone who chooses `--fusion`, or sets `fusion.args`.", *parts)


def features() -> str:
    """Return the page of the sets of node features."""
    head = ("feature", "width", "kind", "unit", "without an atom")
    parts = [
        f"## {name}\n\n" + table(head, (
            (one.name, one.width, "vectors" if one.vector else "numbers", one.unit, one.missing)
            for one in FEATURE_SETS[name].features
        )) for name in feature_sets.ordered(FEATURE_SETS)
    ]  # fmt: skip
    return _page(
        "Node features", "anyone who sets `graph.features`, or reads `node_s` and `node_v`.",
        inspect.getdoc(feature_sets) or "",
        "A count of CA atoms is relative to what a sphere of that radius holds inside a protein "
        f"({density.VOLUME:.0f} cubic angstrom for a residue). More about each: "
        "[how the parts fit together](../explanation/model.md#sets-of-node-features).", *parts,
    )  # fmt: skip


def task(name: str) -> str:
    """Return the page of a task: what is predicted, and where its data come from."""
    asked = TASKS[name]
    target = asked.target
    ligands = " Ligand atoms are nodes of the graph." if asked.ligands else ""
    outputs = f"{target.outputs} output{'s' * (target.outputs > 1)}"
    predicted = f"One prediction for each {target.level}, {outputs}"
    if asked.open:  # as the columns of a table
        predicted = "One prediction for each residue or protein, with any number of outputs"
    data = [
        f"**{' '.join(_about(layout).split())}** Needs {_plain(layout.needs)}. "
        f"From {_linked(layout.source)}."
        for layout in _layouts(name)
    ]
    return _page(
        f"{name}: {asked.title}", f"anyone who trains or scores a model with `--task {name}`.",
        f"{predicted}.{ligands}", "## Data", *data,
        "## Use", f"```bash\npython -m zoo.prepare {name} --data DATA --out prepared/{name}\n"
        f"python -m zoo.baseline prepared/{name} --out runs\n"
        f"python -m zoo.train {_first_config(name)} --data prepared/{name} --out runs/{name}\n```",
        f"Shipped configs: {_configs(name)}.",
    )  # fmt: skip


def _plain(text: str) -> str:
    """Return a text in which no mark of Markdown or HTML is taken for one."""
    return re.sub(r"([*_])", r"\\\1", html.escape(text))


def _layouts(task: str) -> list[Any]:
    return [LAYOUTS[f"{task}/{name}"] for name in TASKS[task].layouts]


def _first_config(task: str) -> str:
    """Return a shipped config of a task, or one that `--task` turns into the task's."""
    own = [name for name in config_names() if name.split("_")[0] == task]
    own.sort(key=lambda name: "esm2_8m" not in name)
    return own[0] if own else f"ppbs_esm2_8m_gvp_global --task {task}"


def _linked(text: str) -> str:
    return re.sub(r"(https?://[^\s,;)]+)", r"<\1>", text)


def commands() -> str:
    """Return every verb with its options, as its `--help` has them."""
    parts = ["Every verb is `python -m zoo.VERB` and `zoo VERB`. Options of all verbs and exit "
             "codes: [the command line](../howto/terminal.md)."]  # fmt: skip
    for title, verbs in GROUPS.items():
        parts += [f"*{title}*: " + ", ".join(f"[{verb}](#zoo-{verb})" for verb in verbs)]
    for verb in (verb for verbs in GROUPS.values() for verb in verbs):
        parts += _command(verb)
    return _page("Commands", "anyone who looks up a verb or an option.", *parts)


def _command(verb: str) -> list[str]:
    call = getattr(importlib.import_module(f"zoo.{verb}"), "list_" if verb == "list" else verb)
    options = [
        (", ".join(f"`{one}`" for one in param.opts), _default(param), getattr(param, "help", ""))
        for param in program(call).params
    ]
    about, _, example = (inspect.getdoc(call) or "").partition("Example: ")
    shown = [f"```bash\n{example.strip()}\n```"] if example else []
    return [f"## zoo {verb}", about.strip(), table(("option", "default", ""), options), *shown]


def _default(param: Any) -> str:
    empty = param.default is None or callable(param.default) or param.default in ((), [], False)
    return "required" if param.required else "" if empty else f"`{param.default}`"


def config() -> str:
    """Return every key of a config, section by section."""
    return _page(
        "Config keys", "anyone who writes a config, or uses `--set key=value`.",
        "A config is one flat YAML file. Every key may be left out.", *_section(Config, ""),
    )  # fmt: skip


def _section(kind: Any, prefix: str) -> list[str]:
    """Return the heading, the text and the keys of one section, and then its own sections."""
    hints = typing.get_type_hints(kind, include_extras=True)
    about = _described_in(inspect.getdoc(kind) or "", "Attributes")
    fields = dataclasses.fields(kind)
    inner = [f for f in fields if dataclasses.is_dataclass(hints[f.name])]
    rows = [(f"`{prefix}{f.name}`", f"`{_value(f)}`", _type(hints[f.name]),
             about.get(f.name, "")) for f in fields if f not in inner]  # fmt: skip
    head = ("key", "default", "values", "")
    parts = [f"## {prefix.rstrip('.') or 'The experiment'}", _about(kind), table(head, rows)]
    return parts + [x for f in inner for x in _section(hints[f.name], f"{prefix}{f.name}.")]


def _value(field: dataclasses.Field[Any]) -> object:
    made = field.default_factory() if callable(field.default_factory) else field.default
    return "null" if made is None else str(made).lower() if isinstance(made, bool) else made


WORDS = {int: "int", float: "float", bool: "true or false", str: "text", type(None): "null"}
"""Types as someone who writes YAML knows them."""


def _type(hint: Any) -> str:
    """Return the valid values of a key: "int above 0", "cosine, plateau, constant"."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return " ".join([_type(parts[0]), *(_range(x) for x in parts[1:] if isinstance(x, Range))])
    if origin is typing.Literal:
        return ", ".join(map(str, parts))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_type, parts))
    if origin is list:
        return f"list of {_type(parts[0])}"
    return WORDS.get(hint, "keys and values" if origin is dict else str(hint))


def _range(found: Range) -> str:
    low = f"{'above' if found.low_open else 'from'} {found.low:,}"
    high = f"{'below' if found.high_open else 'to'} {found.high:,}"
    return low if found.high > 1e9 else f"{low} {'and ' * found.high_open}{high}"


def python() -> str:
    """Return the page of the Python interface."""
    return _page(
        "Python", "anyone who uses the library from Python.",
        *(f"::: {zoo._HOMES[name]}.{name}" for name in zoo.__all__),
        *(f"::: {name}" for name in CLASSES),
    )  # fmt: skip


def tutorial(path: Path) -> str:
    """Return a notebook's text, code and outputs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    title, _, rest = "".join(cells[0]["source"]).partition("\n")
    texts = [rest.strip(), *map(_shown, cells[1:])]
    who = f"anyone who would rather read `notebooks/{path.name}` than run it."
    return _linked_within(_page(title.removeprefix("# "), who, *texts))


def _linked_within(text: str) -> str:
    """Return a notebook's text with links to the docs kept, and others of the repository as text.

    The site has no files of the repository beside the docs.
    """
    text = re.sub(r"\]\((\d\w+)\.ipynb\)", r"](\1.md)", text)  # the page of another notebook
    kept = text.replace("](../docs/", "](docs/")
    plain = re.sub(
        r"\[([^\]]+)\]\((?:\.\./)?([\w./]+\.(?:md|ipynb))\)",
        lambda m: m[0] if m[2].startswith("docs/") or m[2][0].isdigit() else f"{m[1]} (`{m[2]}`)",
        kept,
    )
    return plain.replace("](docs/", "](../")


def _shown(cell: dict[str, Any]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return source
    return "\n\n".join([f"```python\n{source}\n```", *map(_output, cell["outputs"])])


def _output(output: dict[str, Any]) -> str:
    """Return an output as Markdown; a picture is a part of the page."""
    data = output.get("data", {})
    if "image/png" in data:
        picture = "".join(data["image/png"]).replace("\n", "")
        return f"![what the cell above draws](data:image/png;base64,{picture})"
    text = "".join(output.get("text") or data["text/plain"]).strip("\n")
    return f"```text\n{text}\n```"

"""The model card: the README.md beside saved weights."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from zoo import pretrained
from zoo.backbones.plm import DIRECTION, PRESETS
from zoo.models.model import FusedModel
from zoo.models.summary import RANDOM_WARNING, count, title
from zoo.tasks import TASKS


def model_card(model: FusedModel, training: Sequence[str] = ()) -> str:
    """Return the card as Markdown: what it is, what it knows, how to use it.

    Args:
        model: Model to describe.
        training: Lines on how the model was trained; none for an untrained model.
    """
    config, weights = model.recipe.config, model.recipe.weights
    lines = [f"# {title(model)}", ""]
    if model.recipe.random_plm:
        lines += [f"> **{RANDOM_WARNING}**", ""]
    lines += [
        "Trained by protein-model-zoo." if training else
        "Built by protein-model-zoo and not trained.", "",
        "| | |", "|---|---|",
        f"| trainable parameters | {count(model, trainable=True):,} |",
        f"| frozen parameters | {count(model, trainable=False):,} |",
        f"| features a residue | {model.width} |",
        f"| exchanges (language model layer, graph network layer) | {list(model.fuse_after)} |",
    ]  # fmt: skip
    if weights is not None:
        lines.append(f"| language model | {config.sequence.name}: {weights.source} |")
        lines += _licence(config.sequence.name)
    if config.structure.weights == "pretrained":
        lines.append(f"| graph network | {config.structure.name}: {_published(model)} |")
    if config.task is not None:
        lines.append(f"| task | {config.task}: {TASKS[config.task].title} |")
    yaml_text = yaml.safe_dump(config.to_dict(), sort_keys=False)
    if training:
        lines += ["", "## Training", "", *training]
    return "\n".join([*lines, "", *_usage(), "", "## Config", "", "```yaml", yaml_text + "```", ""])


def _licence(name: str) -> list[str]:
    """Return the row on the licence of a language model's weights, where the zoo knows it."""
    preset = next((x for x in PRESETS if x.short == name.partition(DIRECTION)[0]), None)
    if preset is None:
        return []
    return [f"| licence of its weights | {preset.terms} |"]


def _published(model: FusedModel) -> str:
    """Return where the graph network's weights are from, and whether they were trained on."""
    assert model.struct is not None and model.struct.pretrained is not None
    tuned = "frozen" if model.struct.frozen else "trained on"
    return f"{pretrained.source(model.struct.pretrained)['weights']}, {tuned}"


def _usage() -> list[str]:
    return [
        "## Use", "", "```python",
        "import zoo", "",
        'model = zoo.load_model("this/folder")',
        'batch = model.batch([zoo.read_structure("protein.cif")])',
        "features = model.features(batch)  # (residues, features)",
        "```",
    ]  # fmt: skip

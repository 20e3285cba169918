"""The model card: the README.md beside saved weights."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from zoo import pretrained
from zoo.backbones.plm import DIRECTION, PRESETS
from zoo.models.model import FusedModel
from zoo.models.summary import RANDOM_WARNING, count, title
from zoo.settings.config import CHAIN, COMPLEX
from zoo.tasks import TASKS

SCOPES = {
    CHAIN: "a single chain (`--as complex` for all chains of a file together)",
    COMPLEX: "all chains of a file (`--as chain` for each alone)",
}
"""What a model takes for one protein, in words."""


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
        lines.append(f"| licence of its weights | {licence(config.sequence.name)} |")
    if config.structure.weights == "pretrained":
        lines += _published(model)
    if config.scope is not None:
        lines.append(f"| one protein is | {SCOPES[config.scope]} |")
    if config.task is not None:
        lines.append(f"| task | {config.task}: {TASKS[config.task].title} |")
    yaml_text = yaml.safe_dump(config.to_dict(), sort_keys=False)
    if training:
        lines += ["", "## Training", "", *training]
    return "\n".join([*lines, "", *_usage(), "", "## Config", "", "```yaml", yaml_text + "```", ""])


def licence(name: str) -> str:
    """Return the licence of a language model's weights, or that it is not known here."""
    if name in pretrained.language_models():
        return pretrained.OUR_LICENCE
    preset = next((x for x in PRESETS if x.short == name.partition(DIRECTION)[0]), None)
    return preset.terms if preset is not None else "not known here: ask where they are from"


def _published(model: FusedModel) -> list[str]:
    """Return rows on the graph network's weights: whose, whether trained on, and their licence."""
    assert model.struct is not None and model.struct.pretrained is not None
    tuned = "frozen" if model.struct.frozen else "trained on"
    facts = pretrained.source(model.struct.pretrained)
    return [
        f"| graph network | {model.recipe.config.structure.name}: {facts['weights']}, {tuned} |",
        f"| licence of its weights | {facts['licence']} |",
    ]


def _usage() -> list[str]:
    return [
        "## Use", "", "```python",
        "import zoo", "",
        'model = zoo.load_model("this/folder")',
        'batch = model.batch([zoo.read_structure("protein.cif")])',
        "features = model.features(batch)  # (residues, features)",
        "```",
    ]  # fmt: skip

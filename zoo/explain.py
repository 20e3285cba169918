"""`python -m zoo.explain`: how each residue and each branch contribute to a prediction."""

from __future__ import annotations

import csv
import json as jsonlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.options import AsScope, ChainNames, Offline, StatesName, names
from zoo.command.say import note, say, warn, working
from zoo.command.shared import model_folder
from zoo.errors import ConfigError, unknown
from zoo.system.files import make_folder, whole_file

if TYPE_CHECKING:
    from zoo.explanation.attribution import Attribution
    from zoo.explanation.exchanges import Exchanges
    from zoo.models.model import FusedModel
    from zoo.prediction.ensemble import Ensemble
    from zoo.proteins.batch import Batch
    from zoo.proteins.protein import Protein

BY_BRANCH = ("by_sequence", "by_structure")
"""Columns of the contributions, which integrated gradients fill."""


def explain(
    input: Annotated[
        str,
        typer.Argument(
            help="Structure file of the protein to explain, or a name: 1abc, 1abc_A, AF-P12345-F1, "
            "P12345."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Folder of a run or saved model, name of a shipped model, or hf://USER/NAME.",
            autocompletion=names("model"),
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the table, picture and structure to.")],
    states: StatesName = None,
    chain: ChainNames = None,
    as_: AsScope = None,
    offline: Offline = False,
    steps: Annotated[
        int,
        typer.Option(min=0, help="Steps of integrated gradients to begin with; 0 turns them off."),
    ] = 32,
    output: Annotated[
        int, typer.Option(min=0, help="Number of the head's output to explain, from 0.")
    ] = 0,
    residue: Annotated[
        str | None,
        typer.Option(help="Explain the output of one residue, as the file numbers it: A:151."),
    ] = None,
    colour: Annotated[
        str | None,
        typer.Option(help="Column of residues.csv to write in place of the B-factors."),
    ] = None,
    matrices: Annotated[
        bool,
        typer.Option(
            "--matrices", help="Also write the whole attention matrices to attention.npz."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Show how exchanges weigh the branches, and which residues the output depends on.

    Writes residues.csv, residues.png, index.html to look at in a browser, and the structure with
    all columns of the table beside it, for ChimeraX; with --colour, one of them takes the place of
    the B-factors, scaled to 0 to 100. For an ensemble, its first model is explained. One of single
    chains is explained on one chain: that of --chain or --residue, or else the first.

    Example: python -m zoo.explain protein.cif --model ppbs --out explained
    """
    from zoo.explanation.residues import position_of
    from zoo.models.runs import trained
    from zoo.prediction.paths import one_input
    from zoo.prediction.scope import alone, checked_scope
    from zoo.proteins.complexes import one_chain
    from zoo.proteins.structure import read_structure
    from zoo.settings.config import CHAIN
    from zoo.system.offline import stay_offline

    scope = checked_scope(as_)
    if offline:
        stay_offline()
    file = one_input(input, note)
    # before the imports below, which take seconds
    protein = read_structure(file.path, file.chains or chain)
    if file.chains:
        protein = replace(protein, name=file.name)
    at = None if residue is None else position_of(protein, residue)
    trained(model_folder(model))
    with working("loading the model ..."):
        from zoo.explanation.attribution import refined
        from zoo.explanation.exchanges import look, weighs
        from zoo.models.summary import RANDOM_WARNING
        from zoo.prediction.ensemble import load_ensemble

        ensemble = load_ensemble(model, "cpu", states, scope)
    if ensemble.random_plm:
        warn(RANDOM_WARNING)
    if ensemble.scope == CHAIN and len(protein.chains) > 1:
        protein, at = one_chain(protein, at)
        note(alone(protein))
    chosen = ensemble.models[0]
    batch = chosen.batch([protein])
    seen = look(chosen, protein, batch) if weighs(chosen) else None
    _check(chosen, seen, steps, output, at, colour)
    make_folder(out)  # all this before the gradients, which take minutes
    columns, share = dict(seen.columns) if seen else {}, None
    if steps:
        with working("integrating gradients ..."):
            share = refined(chosen, protein, batch, steps=steps, column=output, residue=at)
        contributions = dict(zip(BY_BRANCH, (share.sequence, share.structure), strict=True))
        columns |= {name: contributions[name] for name in _by_branch(chosen)}
    attention = dict(seen.attention) if seen and matrices else {}
    written = _write(out, protein, columns, colour, attention)
    written.append(_write_page(out, protein, columns, ensemble))
    facts = _facts(protein, columns, share, written) | {"changes": _changes(chosen, batch)}
    if json:
        print(jsonlib.dumps(facts, indent=2))
        return
    _show(facts, share, _what(chosen, output))


def _by_branch(model: FusedModel) -> list[str]:
    """Return the columns of contributions, one for each branch that the model has."""
    branches = (model.seq, model.struct)
    return [name for name, branch in zip(BY_BRANCH, branches, strict=True) if branch is not None]


def _what(model: FusedModel, output: int) -> str:
    """Return what the explained output is, with its unit."""
    from zoo.models.blueprint import written_targets
    from zoo.models.outputs import columns

    targets = written_targets(model.recipe.config)
    at = {name: range(*where.indices(10**9)) for name, where in columns(targets).items()}
    target = next(one for one in targets if output in at[one.name])
    if target.kind == "regression":
        return f"{target.name} (in the unit of its labels)"
    number = output - at[target.name].start
    name = target.classes[number] if number < len(target.classes) else ""
    which = f", {name or number}" if target.outputs > 1 else ""
    return f"{target.name}{which} (logit)"


def _check(
    model: FusedModel, seen: Exchanges | None, steps: int, output: int, residue: int | None,
    colour: str | None,
) -> None:  # fmt: skip
    """Refuse options that this model cannot follow."""
    from zoo.models.heads import ResidueHead

    if residue is not None and not isinstance(model.head, ResidueHead):
        raise ConfigError("--residue: this model predicts one value for the whole protein.")
    outputs = model.head.out.out_features if model.head is not None else 0
    if output >= outputs:
        raise ConfigError(f"--output {output}: the head has outputs 0 to {outputs - 1}.")
    if steps == 0 and seen is None:
        raise ConfigError(f"Fusion {model.recipe.config.fusion.name!r} has no gates or "
                          "attention; for attributions, set --steps above 0.")  # fmt: skip
    columns = [*(seen.columns if seen else ()), *(_by_branch(model) if steps else ())]
    if colour is not None and colour not in columns:
        raise unknown("column (--colour)", colour, columns)


def _changes(model: FusedModel, batch: Batch) -> dict[str, float]:
    """Return how much each exchange changes the branches, as a share of their states."""
    import torch

    from zoo.models.changes import named_changes
    from zoo.models.model import Change

    found: list[Change] = []
    with torch.no_grad():
        model.features(batch, changes=found)
    return {name: float(value) for name, value in named_changes(found).items()}


def _write(
    out: Path,
    protein: Protein,
    columns: dict[str, Any],
    colour: str | None,
    attention: dict[str, Any],
) -> list[Path]:
    import numpy as np

    from zoo.explanation.drawing import draw
    from zoo.proteins.scored import write_structure

    table, picture = out / "residues.csv", out / "residues.png"
    _write_table(table, protein, columns)
    stops = np.cumsum([len(chain.sequence) for chain in protein.chains]).tolist()
    draw(picture, f"{protein.name}: what the prediction is based on", columns, stops)
    name = protein.name if colour is None else f"{protein.name}_{colour}"
    values = None if colour is None else _percent(columns[colour])
    written = [table, picture, *write_structure(out / name, protein, columns, values)]
    if attention:
        np.savez_compressed(out / "attention.npz", **attention)
        written.append(out / "attention.npz")
    return written


def _write_page(out: Path, protein: Protein, columns: dict[str, Any], ensemble: Ensemble) -> Path:
    from zoo.models.summary import RANDOM_WARNING
    from zoo.reporting.explained import explained_page
    from zoo.reporting.predicted import PAGE
    from zoo.system.files import write_whole

    (found,) = ensemble.predict([protein])
    predicted = {target: found[target.name] for target in ensemble.targets}
    notes = [RANDOM_WARNING] if ensemble.random_plm else []
    if len(ensemble.models) > 1:
        notes.append("The prediction is the mean of all models of the run; the other columns are "
                     "of its first.")  # fmt: skip
    path = out / PAGE
    write_whole(path, explained_page(protein, columns, predicted, ensemble.thresholds, notes))
    return path


def _percent(values: Any) -> Any:
    """Return a column scaled to 0 to 100: shares times 100, others from minimum to maximum."""
    import numpy as np

    known = values[~np.isnan(values)]
    if known.min(initial=0.0) >= 0.0 and known.max(initial=0.0) <= 1.0:
        return 100.0 * values
    low, high = known.min(), known.max()
    return 100.0 * (values - low) / max(high - low, 1e-12)


def _write_table(path: Path, protein: Protein, columns: dict[str, Any]) -> None:
    places = [
        (chain.name, at, number, letter)
        for chain in protein.chains
        for at, (number, letter) in enumerate(zip(chain.numbers, chain.sequence, strict=True), 1)
    ]
    with whole_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(["chain", "position", "number", "letter", *columns])
        for row, place in enumerate(places):
            values = [float(column[row]) for column in columns.values()]
            writer.writerow([*place, *("" if x != x else f"{x:.6g}" for x in values)])


def _facts(
    protein: Protein, columns: dict[str, Any], share: Attribution | None, written: list[Path]
) -> dict[str, Any]:
    import numpy as np

    facts: dict[str, Any] = {
        "protein": protein.name,
        "mean": {name: float(np.nanmean(values)) for name, values in columns.items()},
        "written": list(map(str, written)),
    }
    if share is not None:
        facts["attribution"] = {
            "output": share.output, "baseline": share.baseline,
            "through sequence": float(np.nansum(share.sequence)),
            "through structure": float(np.nansum(share.structure)), "gap": share.gap,
            "steps": share.steps,
        }  # fmt: skip
    return facts


def _show(facts: dict[str, Any], share: Attribution | None, what: str) -> None:
    from zoo.explanation.colours import LEGEND
    from zoo.models.changes import changes_text

    for name, value in facts["mean"].items():
        say(f"{name:20} mean {value:+.3f}")
    if any(name.startswith("gate") for name in facts["mean"]):
        say(f"gates: {LEGEND}; the same in PyMOL, for a structure made with --colour: spectrum b, "
            "marine white orange, minimum=0, maximum=100")  # fmt: skip
    if text := changes_text(facts["changes"]):
        say(text)
    if share is not None:
        found = facts["attribution"]
        branches = [one.removeprefix("by_") for one in BY_BRANCH if one in facts["mean"]]
        through = [f"{found[f'through {one}']:+.3f} through the {one}" for one in branches]
        say(f"{what}: {found['output']:+.3f}, for mean residues {found['baseline']:+.3f}: "
            f"{', '.join(through)}, {found['gap']:+.3f} lost to the finite number of steps "
            f"({share.steps})")  # fmt: skip
        if share.misses:
            warn(f"the contributions miss more than a tenth of the change after {share.steps} "
                 "steps: take them as a rough picture, or set --steps higher")  # fmt: skip
    say(f"written: {', '.join(facts['written'])}")


if __name__ == "__main__":
    run(explain)

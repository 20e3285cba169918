"""`python -m zoo.predict`: apply a trained model to new proteins."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.command.cli import INTERRUPTED, run
from zoo.command.interrupts import Interrupts
from zoo.command.options import AsScope, BatchTokens, ChainNames, DeviceName, StatesName, names
from zoo.command.say import note, progress, say, warn, working
from zoo.command.sums import show_sum, sum_of
from zoo.errors import unknown

if TYPE_CHECKING:
    from zoo.prediction.ensemble import Ensemble
    from zoo.prediction.inputs import Outcome
    from zoo.prediction.many import Prediction
    from zoo.prediction.paths import Input

ALL_FAILED = 4


def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Structure or FASTA files, folders, globs, or @FILE: a list of paths."),
    ],
    model: Annotated[
        Path,
        typer.Option(
            help="Folder of a run or saved model, or the name of a shipped model.",
            autocompletion=names("model"),
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for the predictions; those of the same model are added to.")
    ],
    format: Annotated[
        str, typer.Option(help="File format of the predictions: csv or jsonl.")
    ] = "csv",
    structures: Annotated[
        bool,
        typer.Option("--structures", help="Also write structures, with the scores beside them."),
    ] = False,
    bfactors: Annotated[
        bool,
        typer.Option("--bfactors", help="Write structures whose B-factors are the scores."),
    ] = False,
    states: StatesName = None,
    chain: ChainNames = None,
    as_: AsScope = None,
    device: DeviceName = "auto",
    tokens: BatchTokens = 4096,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Predict for new proteins: the mean over all models of a run, and their standard deviation.

    An input that ends with .txt or begins with @ is a list of paths, one per line; FILE:A,B is two
    chains of a file. A model of single chains takes each chain of a complex alone. Residues without
    coordinates get a row without a score. Inputs that fail are listed in failed.csv; the others are
    still predicted. Ctrl-C stops the work; the same command continues where it stopped.

    Example: python -m zoo.predict structures/ --model ppbs --out predictions --structures
    """
    from zoo.models.runs import trained
    from zoo.prediction.folder import FORMATS, TABLE, open_folder
    from zoo.prediction.paths import find_inputs, left_out
    from zoo.prediction.scope import checked_scope, told
    from zoo.pretrained import folder_of

    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    scope = checked_scope(as_)
    files = find_inputs(inputs, chain)
    if others := left_out(inputs):
        note(others)
    trained(folder_of(model))  # all this before the imports below, which take seconds
    open_folder(out)
    with working("loading the model ..."):
        from zoo.models.summary import RANDOM_WARNING
        from zoo.prediction.ensemble import load_ensemble
        from zoo.system.devices import choose_device

        ensemble = load_ensemble(model, choose_device(device), states, scope)
    if ensemble.random_plm:
        warn(RANDOM_WARNING)
    path = out / f"{TABLE}.{format}"
    outcome = _predict(files, ensemble, path, structures or bfactors, bfactors, tokens)
    if said := told(outcome.complexes, ensemble.scope, as_):
        note(said)
    _report(outcome, path, len(files), json)


def _predict(
    files: list[Input],
    ensemble: Ensemble,
    path: Path,
    structures: bool,
    bfactors: bool,
    tokens: int,
) -> Outcome:
    from zoo.prediction import many
    from zoo.prediction.folder import FAILED, JOURNAL, STRUCTURES, journal_of, write_failed
    from zoo.prediction.journal import Journal
    from zoo.system.files import saving
    from zoo.system.locks import alone

    if structures:
        many.scored_target(ensemble.targets)
    out = path.parent
    kept = f"What was predicted is in {out / JOURNAL}. Make room; the same command continues."
    with saving(out, kept), alone(out):
        names = many.describe(ensemble), many.describe_as_before(ensemble)
        with Journal(journal_of(out), *names) as journal:
            folder = out / STRUCTURES if structures else None
            work = many.Prediction(ensemble, journal, folder, bfactors)
            _run(work, files, tokens)
            if not work.outcome.interrupted:
                work.finish(path)
        failed = work.outcome.failed | work.outcome.partial
        write_failed(out / FAILED, failed, work.tried())
    return work.outcome


def _run(work: Prediction, files: list[Input], tokens: int) -> None:
    from zoo.prediction.inputs import batches, windows

    outcome = work.outcome
    with Interrupts() as interrupts, progress("predicting", len(files)) as advance:
        for window in windows(work.pending(files)):
            for batch in batches(window, tokens):
                work.predict_or_note(batch)
                advance(outcome.written + outcome.kept + len(outcome.failed))
                if interrupts.seen:
                    outcome.interrupted = True
                    return


def _report(outcome: Outcome, path: Path, files: int, as_json: bool) -> None:
    from zoo.prediction.folder import FAILED

    found = sum_of(outcome)
    if as_json:
        values = {"out": str(path), "written": outcome.written, "kept": outcome.kept,
                  "failed": outcome.failed, "partial": outcome.partial,
                  "interrupted": outcome.interrupted, "sum": found.to_dict()}  # fmt: skip
        print(jsonlib.dumps(values, indent=2))
    else:
        say(f"{outcome.written} predicted, {outcome.kept} already there: {path}")
        show_sum(found, path.with_name(FAILED) if outcome.failed else None)
    for reason in [*outcome.failed.values(), *outcome.partial.values()][:10]:
        warn(f"failed: {reason}", style="")
    if outcome.interrupted:
        note(f"interrupted after {found.done} proteins of {files} inputs; the same command "
            f"continues where this stopped, and then writes {path}")  # fmt: skip
        raise SystemExit(INTERRUPTED)
    if outcome.failed or outcome.partial:
        raise SystemExit(1 if found.done else ALL_FAILED)


if __name__ == "__main__":
    run(predict)

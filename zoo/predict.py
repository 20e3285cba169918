"""Predictions of a trained model for new proteins."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import INTERRUPTED, Interrupts, console, err_console, progress, run, warn
from zoo.errors import ConfigError, unknown
from zoo.options import names

if TYPE_CHECKING:
    from zoo.inputs import Outcome
    from zoo.paths import Input
    from zoo.prediction.ensemble import Ensemble
    from zoo.prediction.many import Prediction

FORMATS = ("csv", "jsonl")
ALL_FAILED = 4


def predict(
    inputs: Annotated[
        list[str], typer.Argument(help="Structure or FASTA files, folders, globs, @lists.")
    ],
    model: Annotated[
        Path,
        typer.Option(
            help="Folder of a run or saved model, or a shipped model's name.",
            autocompletion=names("model"),
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write, or to go on with.")],
    format: Annotated[str, typer.Option(help="csv or jsonl.")] = "csv",
    structures: Annotated[
        bool, typer.Option("--structures", help="Also write scores as B-factors of structures.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens a batch, padding included.")] = 4096,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Predict for every protein with all models of a run: their mean, and how far they differ.

    An input that ends with .txt or begins with @ is a list of paths, one a line. Residues without
    coordinates have a row and no score. Inputs that fail are in failed.csv, the others are done.
    Interrupt it with Ctrl-C: the same command goes on where it stopped.

    Example: python -m zoo.predict structures/ --model ppbs --out predictions --structures
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    with err_console.status("loading the model ..."):
        from zoo.devices import choose_device
        from zoo.paths import find_inputs
        from zoo.prediction.ensemble import load_ensemble
        from zoo.summary import RANDOM_WARNING

        files = find_inputs(inputs)
        ensemble = load_ensemble(model, choose_device(device))
    if ensemble.random_plm:
        warn(RANDOM_WARNING)
    path = out / f"predictions.{format}"
    outcome = _predict(files, ensemble, path, structures, tokens)
    _report(outcome, path, len(files), json)


def _predict(
    files: list[Input], ensemble: Ensemble, path: Path, structures: bool, tokens: int
) -> Outcome:
    from zoo.prediction import many
    from zoo.prediction.journal import Journal

    if structures:
        many.scored_target(ensemble.targets)
    out = path.parent
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out} is no folder: {error.strerror}. Name another.") from error
    unfinished = out / many.JOURNAL
    with Journal(unfinished, many.describe(ensemble)) as journal:
        folder = out / many.STRUCTURES if structures else None
        work = many.Prediction(ensemble, journal, folder)
        _run(work, files, tokens)
        if not work.outcome.interrupted:
            work.finish(path)
    many.write_failed(out / many.FAILED, work.outcome.failed)
    if not (work.outcome.interrupted or work.outcome.failed):
        unfinished.unlink()  # else the same command has only the rest to do
    return work.outcome


def _run(work: Prediction, files: list[Input], tokens: int) -> None:
    from zoo.inputs import batches, windows

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
    if as_json:
        values = {"out": str(path), "written": outcome.written, "kept": outcome.kept,
                  "failed": outcome.failed, "interrupted": outcome.interrupted}  # fmt: skip
        print(jsonlib.dumps(values, indent=2))
    else:
        console.print(
            f"{outcome.written} predicted, {outcome.kept} already there, "
            f"{len(outcome.failed)} failed: {path}", highlight=False, soft_wrap=True,
        )  # fmt: skip
    for reason in list(outcome.failed.values())[:10]:
        warn(f"failed: {reason}", style="")
    if len(outcome.failed) > 10:
        err_console.print(f"... and {len(outcome.failed) - 10} more in {path.parent}/failed.csv")
    done = outcome.written + outcome.kept
    if outcome.interrupted:
        err_console.print(
            f"interrupted after {done} proteins of {files} inputs; the same command goes on where "
            f"this stopped, and then writes {path}", highlight=False, soft_wrap=True,
        )  # fmt: skip
        raise SystemExit(INTERRUPTED)
    if outcome.failed:
        raise SystemExit(1 if done else ALL_FAILED)


if __name__ == "__main__":
    run(predict)

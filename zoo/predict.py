"""`python -m zoo.predict`: apply a trained model to new proteins."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from zoo.command.cli import INTERRUPTED, run
from zoo.command.interrupts import Interrupts
from zoo.command.options import (
    AsScope,
    BatchTokens,
    ChainNames,
    DeviceName,
    MinPlddt,
    Offline,
    StatesName,
    names,
)
from zoo.command.parts import (
    PARQUET,
    PART_SIZE,
    Address,
    EngineName,
    GpusPerWorker,
    PartSize,
    ShardText,
    Spread,
    WorkerCount,
    chosen_shard,
    wants_parts,
    write_parts,
)
from zoo.command.say import console, note, progress, say, show, warn, working
from zoo.command.shared import model_folder
from zoo.command.sums import show_sum, sum_of
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.prediction.answers import Answers
    from zoo.prediction.ensemble import Ensemble
    from zoo.prediction.inputs import Outcome
    from zoo.prediction.journal import Journal
    from zoo.prediction.listing import Input
    from zoo.prediction.many import Prediction

ALL_FAILED = 4


def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Structure or FASTA files, tar archives, Foldcomp databases, tables (CSV, "
            "Parquet), folders, globs, @FILE (a list of paths), or names: 1abc, 1abc_A, "
            "AF-P12345-F1, P12345."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Folder of a run or saved model, name of a shipped model, or hf://USER/NAME.",
            autocompletion=names("model"),
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for the predictions; those of the same model are added to.")
    ],
    format: Annotated[
        str, typer.Option(help="csv or jsonl, a file that one process writes, or parquet, parts.")
    ] = "csv",
    structures: Annotated[
        bool,
        typer.Option("--structures", help="Also write structures, with the scores beside them."),
    ] = False,
    bfactors: Annotated[
        bool,
        typer.Option("--bfactors", help="Write structures whose B-factors are the scores."),
    ] = False,
    page: Annotated[
        bool | None,
        typer.Option(
            "--page/--no-page",
            help="Also write index.html, a page to look at; by default on a terminal, and where "
            "there is one.",
            show_default=False,
        ),
    ] = None,
    states: StatesName = None,
    chain: ChainNames = None,
    as_: AsScope = None,
    min_plddt: MinPlddt = None,
    device: DeviceName = "auto",
    offline: Offline = False,
    tokens: BatchTokens = 4096,
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the graph network first: for many proteins.")
    ] = False,
    shard: ShardText = None,
    workers: WorkerCount = None,
    part_size: PartSize = None,
    engine: EngineName = None,
    address: Address = None,
    gpus_per_worker: GpusPerWorker = None,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Predict for new proteins: the mean over all models of a run, and their standard deviation.

    It ends with the highest residues of the first proteins, or their values. --page also writes
    index.html: structures and sequences in the colours of the scores, to open in a browser.

    An input that ends with .txt or begins with @ is a list of paths, one per line; FILE:A,B is two
    chains of a file. Names of the PDB, of AlphaFold DB and of UniProt are fetched once and kept. A
    model of single chains takes each chain of a complex alone. Residues without
    coordinates get a row without a score. Inputs that fail are listed in failed.csv; the others are
    still predicted. Ctrl-C stops the work; the same command continues where it stopped.

    With --format parquet the rows are in parts, which any number of processes write.

    Example: python -m zoo.predict structures/ --model ppbs --out predictions --structures
    """
    from zoo.models.runs import trained
    from zoo.prediction.folder import FORMATS, TABLE, open_folder
    from zoo.prediction.paths import find_inputs, left_out
    from zoo.prediction.scope import checked_scope, told
    from zoo.prediction.unsure import left_out_residues
    from zoo.pretrained import warning
    from zoo.system.offline import stay_offline

    spread = Spread(shard, workers, part_size, engine, address, gpus_per_worker)
    in_parts = wants_parts(format, (*FORMATS, PARQUET), spread)
    share = chosen_shard(shard) if in_parts else None
    if share is not None:
        _check_alone(structures or bfactors, page)
    scope = checked_scope(as_)
    if offline:
        stay_offline()
    files = find_inputs(inputs, chain, note)
    if others := left_out(inputs):
        note(others)
    folder = model_folder(model)
    trained(folder)  # all this before the imports below, which take seconds
    if share is not None:
        from zoo.prediction.parts.jobs import PredictionJob
        from zoo.prediction.parts.workers import Run

        job = PredictionJob(model, scope, min_plddt, states, device, compile)
        write_parts(Run(job, files, out, part_size or PART_SIZE, tokens, share), spread, json)
        return
    open_folder(out)
    warnings = list(filter(None, [warning(folder)]))
    for line in warnings:
        warn(f"{model}: {line}")
    with working("loading the model ..."):
        from zoo.models.summary import RANDOM_WARNING
        from zoo.prediction.ensemble import load_ensemble
        from zoo.system.devices import choose_device

        ensemble = load_ensemble(model, choose_device(device), states, scope, compile=compile)
    if ensemble.random_plm:
        warn(RANDOM_WARNING)
        warnings.append(RANDOM_WARNING)
    path = out / f"{TABLE}.{format}"
    wanted = Wanted(path, structures or bfactors, bfactors, page, model, warnings)
    done = _predict(files, ensemble, wanted, min_plddt, tokens)
    if said := told(done.outcome.complexes, ensemble.scope, as_):
        note(said)
    for line in left_out_residues(done.outcome, min_plddt):
        note(line)
    _report(done, path, len(files), json)


def _check_alone(structures: bool, page: bool | None) -> None:
    """Refuse what is written by one process, beside parts that several write."""
    for option, given in (("--structures and --bfactors", structures), ("--page", bool(page))):
        if given:
            raise ConfigError(
                f"{option} cannot be used with --format {PARQUET}. Use --format csv, or predict "
                "the proteins that you want to look at into another --out."
            )


class Wanted(NamedTuple):
    """What a call is to write.

    Attributes:
        path: table of the predictions.
        structures: whether to write structures and the scripts that open them.
        bfactors: whether the scores stand in the place of their B-factors.
        page: whether to write the page; None for on a terminal, and where there is one already.
        model: what the page calls the model.
        warnings: what the page says of it first.
    """

    path: Path
    structures: bool
    bfactors: bool
    page: bool | None
    model: str
    warnings: Sequence[str]


class Done(NamedTuple):
    """What a call leaves to tell: the outcome, the first answers, and the page if there is one."""

    outcome: Outcome
    answers: Answers | None
    page: Path | None


def _predict(
    files: Sequence[Input], ensemble: Ensemble, wanted: Wanted, min_plddt: float | None, tokens: int
) -> Done:
    from zoo.prediction import many
    from zoo.prediction.answers import answers_of
    from zoo.prediction.folder import FAILED, JOURNAL, STRUCTURES, journal_of, write_failed
    from zoo.prediction.journal import Journal
    from zoo.reporting.scenes import write_all_scenes
    from zoo.system.files import saving
    from zoo.system.locks import alone

    if wanted.structures:
        many.scored_target(ensemble.targets)
    out, answers, page = wanted.path.parent, None, None
    kept = f"What was predicted is in {out / JOURNAL}. Make room; the same command continues."
    with saving(out, kept), alone(out):
        now, former = many.describe, many.describe_as_before
        names = now(ensemble, min_plddt), former(ensemble, min_plddt)
        with Journal(journal_of(out), *names) as journal:
            folder = out / STRUCTURES if wanted.structures else None
            work = many.Prediction(ensemble, journal, folder, wanted.bfactors, min_plddt)
            _run(work, files, tokens)
            if not work.outcome.interrupted:
                work.finish(wanted.path)
                mine = [name for name, done in work.done.items() if done]
                answers = answers_of(journal, mine, ensemble.targets, ensemble.thresholds)
                if folder is not None:
                    write_all_scenes(folder, journal, mine, ensemble.targets, ensemble.thresholds)
                page = _write_page(journal, ensemble, wanted)
        failed = work.outcome.failed | work.outcome.partial
        write_failed(out / FAILED, failed, work.tried())
    return Done(work.outcome, answers, page)


def _write_page(journal: Journal, ensemble: Ensemble, wanted: Wanted) -> Path | None:
    """Write the page where it is wanted, and return its path.

    One that is there would otherwise lack the proteins of this call.
    """
    from zoo.reporting.predicted import PAGE, predicted_page
    from zoo.system.files import write_whole

    path = wanted.path.with_name(PAGE)
    by_default = console.is_terminal or path.exists()
    if not (by_default if wanted.page is None else wanted.page):
        return None
    with working("writing the page ..."):
        text = predicted_page(
            journal, ensemble.targets, ensemble.thresholds, model=wanted.model,
            title=f"{path.resolve().parent.name}: predictions", warnings=wanted.warnings,
            scope=ensemble.scope,
        )  # fmt: skip
    write_whole(path, text)
    return path


def _run(work: Prediction, files: Sequence[Input], tokens: int) -> None:
    from zoo.prediction.estimating import batched

    outcome = work.outcome
    with Interrupts() as interrupts, progress("predicting", len(files)) as advance:
        for batch in batched(work.pending(files), tokens):
            work.predict_or_note(batch)
            advance(outcome.written + outcome.kept + len(outcome.failed))
            if interrupts.seen:
                outcome.interrupted = True
                return


def _report(done: Done, path: Path, files: int, as_json: bool) -> None:
    from zoo.prediction.folder import FAILED

    outcome = done.outcome
    found = sum_of(outcome)
    if as_json:
        values = {"out": str(path), "page": str(done.page) if done.page else None,
                  "written": outcome.written, "kept": outcome.kept,
                  "failed": outcome.failed, "partial": outcome.partial, "unsure": outcome.unsure,
                  "interrupted": outcome.interrupted, "sum": found.to_dict()}  # fmt: skip
        print(jsonlib.dumps(values, indent=2))
    else:
        if done.answers is not None and done.answers.rows:
            _show_answers(done.answers)
        say(f"{outcome.written} predicted, {outcome.kept} already there: {path}")
        show_sum(found, path.with_name(FAILED) if outcome.failed else None)
        if done.page:
            say(f"to look at: {done.page}")
    for reason in [*outcome.failed.values(), *outcome.partial.values()][:10]:
        warn(f"failed: {reason}", style="")
    if outcome.interrupted:
        note(f"interrupted after {found.done} proteins of {files} inputs; the same command "
            f"continues where this stopped, and then writes {path}")  # fmt: skip
        raise SystemExit(INTERRUPTED)
    if outcome.failed or outcome.partial:
        raise SystemExit(1 if found.done else ALL_FAILED)


def _show_answers(answers: Answers) -> None:
    """Print the first answers as a table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for at, name in enumerate(("protein", *answers.columns)):
        table.add_column(name, overflow="fold", justify="right" if at == 1 else "left")
    for row in answers.rows:
        table.add_row(*row)
    show(table)
    if answers.others:
        say(f"and {answers.others:,} more")
    if answers.remark:
        say(answers.remark, style="dim")


if __name__ == "__main__":
    run(predict)

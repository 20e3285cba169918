"""`python -m zoo.embed`: write the features of proteins to an HDF5 file, or in Parquet parts."""

from __future__ import annotations

import json as jsonlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from zoo.command.say import note, progress, say, warn, working
from zoo.command.shared import model_folder
from zoo.command.sums import show_sum, sum_of
from zoo.errors import ConfigError
from zoo.system.counting import counted

if TYPE_CHECKING:
    from zoo.models.headroom import Headroom
    from zoo.models.model import FusedModel
    from zoo.prediction.embedding_file import EmbeddingFile, Settings
    from zoo.prediction.inputs import Outcome
    from zoo.prediction.listing import Input
    from zoo.proteins.protein import Protein
    from zoo.settings.config import Scope

HDF5, ZOO = "hdf5", "zoo"
KEPT = (
    "The proteins that were embedded before are in the file. Make room, or name another --out; the "
    "same command continues."
)


def embed(
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
            help="Saved model (name, folder or hf://USER/NAME), config, or language model.",
            autocompletion=names("model", "config", "sequence"),
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="HDF5 file, or folder of Parquet parts, to write; an unfinished one is continued."
        ),
    ],
    format: Annotated[
        str,
        typer.Option(help="hdf5, a file that one process writes, or parquet, parts in a folder."),
    ] = HDF5,
    states: StatesName = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Features to write: fused, a language model layer by number, or raw: the last "
            "layer before its final norm, which write-back side reads; may be repeated."
        ),
    ] = None,
    pool: Annotated[
        bool,
        typer.Option(help="Write the mean over the residues, instead of a row for each residue."),
    ] = False,
    half: Annotated[
        bool, typer.Option(help="Store the features as float16 instead of float32.")
    ] = False,
    layout: Annotated[
        str,
        typer.Option(help="How a protein lies in the HDF5 file: zoo, or biotrainer."),
    ] = ZOO,
    weights: Annotated[
        str | None,
        typer.Option(help="For a config or language model: pretrained or random weights."),
    ] = None,
    chain: ChainNames = None,
    as_: AsScope = None,
    min_plddt: MinPlddt = None,
    device: DeviceName = "auto",
    offline: Offline = False,
    tokens: BatchTokens = 4096,
    shard: ShardText = None,
    workers: WorkerCount = None,
    part_size: PartSize = None,
    engine: EngineName = None,
    address: Address = None,
    gpus_per_worker: GpusPerWorker = None,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Write the features of every protein to an HDF5 file, one group for each protein.

    With --format parquet they are rows of a table in parts, which any number of processes write.
    Ctrl-C stops it; the same command continues where it stopped.

    Example: python -m zoo.embed structures/ --model ppbs --out features.h5
    """
    from zoo.prediction.paths import find_inputs, left_out
    from zoo.prediction.scope import checked_scope, told
    from zoo.prediction.unsure import left_out_residues
    from zoo.settings.config import COMPLEX
    from zoo.system.files import make_folder
    from zoo.system.offline import stay_offline

    spread = Spread(shard, workers, part_size, engine, address, gpus_per_worker)
    in_parts = wants_parts(format, (HDF5, PARQUET), spread)
    share = chosen_shard(shard) if in_parts else None
    _check_layout(layout, layer, in_parts)
    if offline:
        stay_offline()
    scope, files = checked_scope(as_), find_inputs(inputs, chain, note)
    if others := left_out(inputs):
        note(others)
    model_folder(model)
    from zoo.prediction.embedding_file import Settings  # with all that it imports, for seconds

    settings = Settings(tuple(layer or ["fused"]), pool, half, min_plddt, layout)
    if share is not None:
        from zoo.prediction.parts.jobs import EmbeddingJob
        from zoo.prediction.parts.workers import Run

        job = EmbeddingJob(model, settings, scope, weights, states, device)
        write_parts(Run(job, files, out, part_size or PART_SIZE, tokens, share), spread, json)
        return
    make_folder(out.parent)
    opened = _open(model, weights, states, scope, device)
    outcome = _embed(files, opened, out, settings, tokens)
    if said := told(outcome.complexes, opened.model.recipe.config.scope or COMPLEX, as_):
        note(said)
    for line in left_out_residues(outcome, min_plddt):
        note(line)
    _report(outcome, out, json)


def _check_layout(layout: str, layers: list[str] | None, in_parts: bool) -> None:
    from zoo.prediction.embedding_layouts import check_layout

    check_layout(layout, layers or ["fused"])
    if in_parts and layout != ZOO:
        raise ConfigError(
            f"--layout {layout} is for HDF5, and cannot be used with --format {PARQUET}."
        )


def _open(
    name: str, weights: str | None, states: str | None, scope: Scope | None, device: str
) -> Headroom:
    """Return the model on its device, which takes that scope for one protein, and its memory."""
    with working("loading the model ..."):
        from zoo.models.headroom import Headroom
        from zoo.models.summary import RANDOM_WARNING
        from zoo.prediction.ensemble import within
        from zoo.prediction.opening import open_model
        from zoo.system.devices import choose_device

        device = choose_device(device)
        model = within(open_model(name, weights, states, note), scope).to(device)
    if model.recipe.random_plm:
        warn(RANDOM_WARNING)
    return Headroom(model, device)


def _embed(
    files: Sequence[Input], headroom: Headroom, out: Path, settings: Settings, tokens: int
) -> Outcome:
    from zoo.prediction import embedding
    from zoo.prediction.embedding_file import EmbeddingFile
    from zoo.prediction.inputs import Outcome, batches, read_all, windows
    from zoo.system.files import saving
    from zoo.system.locks import alone

    model = headroom.model
    for text in settings.layers:
        if text != "fused":
            embedding.layer_index(model, text)
    outcome = Outcome()
    with (
        alone(out, out.with_name(f".{out.name}.lock")), saving(out, KEPT),
        EmbeddingFile(out, model, settings, warn) as file, Interrupts() as interrupts,
    ):  # fmt: skip
        proteins = read_all(files, outcome, file.has_file, min_plddt=settings.min_plddt)
        with progress("embedding", len(files)) as advance:
            for first, window in enumerate(windows(proteins)):
                fresh = _fresh(window, file, outcome)
                if first == 0:
                    _announce(model, settings, fresh, len(files) - outcome.kept, out)
                for batch in batches(fresh, tokens):
                    embedding.embed_or_note(headroom, batch, file, outcome)
                    advance(outcome.written + outcome.kept + len(outcome.failed))
                    if interrupts.seen:
                        outcome.interrupted = True
                        return outcome
    return outcome


def _fresh(window: list[Protein], file: EmbeddingFile, outcome: Outcome) -> list[Protein]:
    """Return the proteins that are not in the file yet; count the others as kept or failed.

    A protein whose name another one in the file has is noted as failed.
    """
    fresh = []
    for protein in window:
        if reason := file.unfit(protein):
            outcome.fail(f"{protein.source} {protein.name}", f"{protein.source}: {reason}")
        elif owner := file.owner(protein):
            outcome.refuse(protein, file.path, owner)
        elif file.has(protein):
            outcome.kept += 1
        else:
            fresh.append(protein)
    return fresh


def _announce(
    model: FusedModel, settings: Settings, sample: list[Protein], files: int, out: Path
) -> None:
    """Print the expected size of the file, and refuse if the disk is too small for it."""
    from zoo.prediction.embedding import bytes_a_residue

    if not sample:
        return
    mean = sum(map(len, sample)) / len(sample)
    rows = 1.0 if settings.pool else mean
    size = max(files, len(sample)) * rows * bytes_a_residue(model, settings)
    free = shutil.disk_usage(out.parent).free
    proteins = counted(max(files, len(sample)), "protein")
    note(f"about {proteins} of {mean:.0f} residues: {size / 1e9:.2f} GB "
         f"in {out} ({free / 1e9:.0f} GB free)")  # fmt: skip
    if size > free:
        raise ConfigError(
            f"{out} would not fit on its disk. Use --pool, --half or fewer layers, or another disk."
        )


def _report(outcome: Outcome, out: Path, as_json: bool) -> None:
    found = sum_of(outcome)
    if as_json:
        values = {"out": str(out), "written": outcome.written, "kept": outcome.kept,
                  "failed": outcome.failed, "unsure": outcome.unsure,
                  "interrupted": outcome.interrupted, "sum": found.to_dict()}  # fmt: skip
        print(jsonlib.dumps(values, indent=2))
    else:
        say(f"{outcome.written} written, {outcome.kept} already there: {out}")
        show_sum(found)
    for reason in list(outcome.failed.values())[:10]:
        warn(f"failed: {reason}", style="")
    if outcome.interrupted:
        note("interrupted; the same command continues where this stopped")
        raise SystemExit(INTERRUPTED)
    if outcome.failed:
        raise SystemExit(1)


if __name__ == "__main__":
    run(embed)

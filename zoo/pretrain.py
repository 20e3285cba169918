"""`python -m zoo.pretrain`: train a small masked language model on the sequences of a file."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.say import note, say
from zoo.command.sums import Sum, show_sum
from zoo.errors import ConfigError
from zoo.system.files import write_json
from zoo.system.listener import Stopped

if TYPE_CHECKING:
    from zoo.pretraining.corpus import Corpus
    from zoo.pretraining.loop import Pretraining
    from zoo.pretraining.structures import Structures

MODEL, FACTS = "model", "pretraining.json"


def pretrain(
    sequences: Annotated[
        Path, typer.Argument(help="FASTA file of the training sequences, plain or gzipped.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for the model; an unfinished training is continued.")
    ],
    away_from: Annotated[
        list[Path] | None,
        typer.Option(
            help="Prepared data; relatives of its test chains are left out. May be repeated."
        ),
    ] = None,
    structures: Annotated[
        list[str] | None,
        typer.Option(
            help="Structure files of the whole backbone: a file, a folder, a pattern, or a list "
            "(@FILE). The states then learn to tell secondary structure, 3Di letters and burial "
            "as well. May be repeated."
        ),
    ] = None,
    layers: Annotated[int, typer.Option(min=1, help="Number of transformer layers.")] = 6,
    width: Annotated[int, typer.Option(min=8, help="Number of features for each residue.")] = 160,
    heads: Annotated[int, typer.Option(min=1, help="Number of attention heads in each layer.")] = 5,
    tokens: Annotated[float, typer.Option(help="Total number of tokens to train on.")] = 20e6,
    budget: Annotated[
        int,
        typer.Option(min=64, help="Maximum number of tokens in a training step, padding included."),
    ] = 4096,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1e-2,
    patience: Annotated[
        int, typer.Option(min=1, help="Validations without improvement after which training ends.")
    ] = 8,
    every: Annotated[
        float, typer.Option(help="Number of training tokens between two validations.")
    ] = 1e6,
    precision: Annotated[
        str, typer.Option(help="Precision of the matrix products: float32 or bf16.")
    ] = "float32",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Number of CPU threads that torch uses; default: all.")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of all random numbers."),
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Train a small language model of the ESM-2 architecture on your own sequences.

    With --away-from, sequences and structures related to the test chains of your data are left
    out. This verb needs MMseqs2. Ctrl-C stops the training; the same command continues it, also
    after a kill.

    Example: python -m zoo.pretrain sequences.fasta --out runs/plm --away-from prepared/ppbs
    """
    if precision not in ("float32", "bf16"):
        raise ConfigError(f"--precision {precision!r} is not valid: float32 or bf16.")
    if not sequences.is_file():
        raise ConfigError(f"{sequences} does not exist; give a FASTA file, plain or gzipped.")
    import torch

    from zoo.command.interrupts import asked_to_stop
    from zoo.prediction.paths import find_inputs
    from zoo.pretraining.corpus import held_out_chains, make
    from zoo.pretraining.loop import Pretraining, Settings
    from zoo.pretraining.structures import choose
    from zoo.system.files import make_folder
    from zoo.system.locks import alone

    if threads:
        torch.set_num_threads(threads)
    files = [given.path for given in find_inputs(structures or [])]
    settings = Settings(
        num_layers=layers, width=width, num_heads=heads, tokens=round(tokens), budget=budget,
        rate=rate, seed=seed, patience=patience, every=round(every), precision=precision,
    )  # fmt: skip
    make_folder(out)
    with asked_to_stop() as asked, alone(out):
        note("searching for relatives of the test chains (takes minutes, once) ...")
        corpus = make(sequences, away_from or [], out / "corpus", seed)
        _say("sequences", corpus.facts)
        known = None
        if files:
            tests = held_out_chains(away_from or [])
            known = choose(files, tests, corpus, out / "structures")
            _say("chains", known.facts)
            found = known.facts["relatives"]
            note(f"  {found['chains']:>9,} relatives in the corpus take letters, "
                 f"{found['residues']:,} residues")  # fmt: skip
            settings = replace(settings, structures=known.stamp)
        training = Pretraining(settings, corpus.train, corpus.validation, out, known)
        if not training.run(asked, _show_row):
            raise Stopped("stopped; run the same command again to continue")
    facts = _finish(training, corpus, known, out)
    if json:
        sums = {"sum": sum_of("sequences", corpus.facts).to_dict()}
        if known is not None:
            sums["sum of structures"] = sum_of("chains", known.facts).to_dict()
        print(jsonlib.dumps(facts | sums, indent=2))
        return
    for name, value in facts["perplexity"].items():
        say(f"{name:12} perplexity {value:.2f}")
    for name, value in facts.get("accuracy", {}).items():
        say(f"{name:20} accuracy {value:.3f}")
    say(f"wrote {out / MODEL}; use it as --seq {out / MODEL}")  # fmt: skip


def sum_of(what: str, facts: Mapping[str, Any]) -> Sum:
    """Return the sum over sequences or chains, from the facts of a corpus or of structures."""
    reasons = {reason: count for reason, count in facts["counts"].items() if count}
    given = reasons.pop("read", 0)
    done = sum(facts[part][what] for part in ("train", "validation"))
    return Sum(what, given, done, reasons)


def _say(what: str, facts: Mapping[str, Any]) -> None:
    show_sum(sum_of(what, facts), tell=note)
    for part in ("train", "validation"):
        found = facts[part]
        note(f"  {found[what]:>9,} for {part}, {found['residues']:,} residues")  # fmt: skip


def _show_row(row: dict[str, float]) -> None:
    note(f"step {row['step']:,.0f}, {row['tokens'] / 1e6:.1f} M tokens, {row['seconds']:.0f} s: "
        f"train loss {row['train_loss']:.4f}, held-out perplexity "
        f"{row['validation_perplexity']:.3f}{_accuracies(row)}")  # fmt: skip


def _accuracies(row: dict[str, float]) -> str:
    found = {name: value for name, value in row.items() if name.endswith("_accuracy")}
    return "".join(f", {name.replace('_', ' ')} {value:.3f}" for name, value in found.items())


def _finish(
    training: Pretraining, corpus: Corpus, known: Structures | None, out: Path
) -> dict[str, Any]:
    """Write the model, and its perplexity next to that of n-gram counts."""
    from zoo.pretraining.network import rounded, save
    from zoo.pretraining.ngrams import perplexities

    rounded(training.model)
    save(training.model, out / MODEL)
    facts: dict[str, Any] = {
        "corpus": corpus.facts,
        "settings": vars(training.settings),
        "progress": vars(training.at),
        "perplexity": {
            "model": training.perplexity(training.validation),
            **perplexities(corpus.train, training.validation, training.tokenizer),
        },
    }
    if known is not None:
        facts |= {"structures": known.facts, "accuracy": training.accuracies()}
    write_json(out / FACTS, facts)
    return facts


if __name__ == "__main__":
    run(pretrain)

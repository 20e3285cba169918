"""`python -m zoo.pretrain`: train a small masked language model on the sequences of a file."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
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

    With --away-from, sequences related to the test chains of your data are left out. This verb
    needs MMseqs2. Ctrl-C stops the training; the same command continues it, also after a kill.

    Example: python -m zoo.pretrain sequences.fasta --out runs/plm --away-from prepared/ppbs
    """
    if precision not in ("float32", "bf16"):
        raise ConfigError(f"--precision {precision!r} is not valid: float32 or bf16.")
    if not sequences.is_file():
        raise ConfigError(f"{sequences} does not exist; give a FASTA file, plain or gzipped.")
    import torch

    from zoo.command.interrupts import asked_to_stop
    from zoo.pretraining.corpus import make
    from zoo.pretraining.loop import Pretraining, Settings
    from zoo.system.files import make_folder
    from zoo.system.locks import alone

    if threads:
        torch.set_num_threads(threads)
    settings = Settings(
        num_layers=layers, width=width, num_heads=heads, tokens=round(tokens), budget=budget,
        rate=rate, seed=seed, patience=patience, every=round(every), precision=precision,
    )  # fmt: skip
    make_folder(out)
    with asked_to_stop() as asked, alone(out):
        note("searching for relatives of the test chains (takes minutes, once) ...")
        corpus = make(sequences, away_from or [], out / "corpus", seed)
        _say(corpus)
        training = Pretraining(settings, corpus.train, corpus.validation, out)
        if not training.run(asked, _show_row):
            raise Stopped("stopped; run the same command again to continue")
    facts = _finish(training, corpus, out)
    if json:
        print(jsonlib.dumps(facts | {"sum": sum_of(corpus.facts).to_dict()}, indent=2))
        return
    for name, value in facts["perplexity"].items():
        say(f"{name:12} perplexity {value:.2f}")
    say(f"wrote {out / MODEL}; use it as --seq {out / MODEL}")  # fmt: skip


def sum_of(facts: Mapping[str, Any]) -> Sum:
    """Return the sum over the sequences of the file, from the facts of a corpus."""
    reasons = {reason: count for reason, count in facts["counts"].items() if count}
    given = reasons.pop("read", 0)
    done = sum(facts[part]["sequences"] for part in ("train", "validation"))
    return Sum("sequences", given, done, reasons)


def _say(corpus: Corpus) -> None:
    show_sum(sum_of(corpus.facts), tell=note)
    for part in ("train", "validation"):
        found = corpus.facts[part]
        note(f"  {found['sequences']:>9,} for {part}, {found['residues']:,} residues")  # fmt: skip


def _show_row(row: dict[str, float]) -> None:
    note(f"step {row['step']:,.0f}, {row['tokens'] / 1e6:.1f} M tokens, {row['seconds']:.0f} s: "
        f"train loss {row['train_loss']:.4f}, held-out perplexity "
        f"{row['validation_perplexity']:.3f}")  # fmt: skip


def _finish(training: Pretraining, corpus: Corpus, out: Path) -> dict[str, Any]:
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
    write_json(out / FACTS, facts)
    return facts


if __name__ == "__main__":
    run(pretrain)

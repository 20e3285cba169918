"""Train a small masked language model from a FASTA file."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import INTERRUPTED, console, err_console, run
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.pretraining.corpus import Corpus
    from zoo.pretraining.loop import Pretraining

MODEL, FACTS = "model", "pretraining.json"


def pretrain(
    sequences: Annotated[Path, typer.Argument(help="FASTA file, plain or gzipped.")],
    out: Annotated[Path, typer.Option(help="Folder to write, or to go on with.")],
    away_from: Annotated[
        list[Path] | None,
        typer.Option(help="Prepared data whose test chains, and all their kin, are left out."),
    ] = None,
    layers: Annotated[int, typer.Option(min=1, help="Of the network.")] = 6,
    width: Annotated[int, typer.Option(min=8, help="Of the network.")] = 160,
    heads: Annotated[int, typer.Option(min=1, help="Of the network.")] = 5,
    tokens: Annotated[float, typer.Option(help="To train on in all.")] = 20e6,
    budget: Annotated[int, typer.Option(min=64, help="Tokens a step.")] = 4096,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1e-2,
    patience: Annotated[int, typer.Option(min=1, help="Looks without gain until the end.")] = 8,
    every: Annotated[float, typer.Option(help="Tokens between two looks.")] = 1e6,
    precision: Annotated[str, typer.Option(help="float32 or bf16.")] = "float32",
    threads: Annotated[int | None, typer.Option(min=1, help="Of torch; all if left out.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Train a model of ESM-2's architecture on sequences, away from what you will test on.

    Stop it with Ctrl-C or kill it: the same command goes on. It needs MMseqs2.

    Example: python -m zoo.pretrain sequences.fasta --out runs/plm --away-from prepared/ppbs
    """
    if precision not in ("float32", "bf16"):
        raise ConfigError(f"--precision {precision!r}: float32 or bf16.")
    if not sequences.is_file():
        raise ConfigError(f"{sequences} does not exist; give a FASTA file, plain or gzipped.")
    import torch

    from zoo.pretraining.corpus import make
    from zoo.pretraining.loop import Pretraining, Settings
    from zoo.train import alone, asked_to_stop

    if threads:
        torch.set_num_threads(threads)
    settings = Settings(
        num_layers=layers, width=width, num_heads=heads, tokens=round(tokens), budget=budget,
        rate=rate, seed=seed, patience=patience, every=round(every), precision=precision,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    with asked_to_stop() as asked, alone(out):
        err_console.print("looking for kin of the test chains (minutes, once) ...")
        corpus = make(sequences, away_from or [], out / "corpus", seed)
        _say(corpus)
        training = Pretraining(settings, corpus.train, corpus.validation, out)
        if not training.run(asked, _tell):
            err_console.print("stopped; the same command goes on", highlight=False)
            raise SystemExit(INTERRUPTED)
    facts = _finish(training, corpus, out)
    if json:
        print(jsonlib.dumps(facts, indent=2))
        return
    for name, value in facts["perplexity"].items():
        console.print(f"{name:12} perplexity {value:.2f}", highlight=False)
    console.print(f"wrote {out / MODEL}; use it as --seq {out / MODEL}", highlight=False,
                  markup=False, soft_wrap=True)  # fmt: skip


def _say(corpus: Corpus) -> None:
    for reason, count in corpus.facts["counts"].items():
        err_console.print(f"  {count:>9,} {reason}", highlight=False)
    for part in ("train", "validation"):
        found = corpus.facts[part]
        err_console.print(f"  {found['sequences']:>9,} for {part}, {found['residues']:,} residues",
                          highlight=False)  # fmt: skip


def _tell(row: dict[str, float]) -> None:
    err_console.print(
        f"step {row['step']:,.0f}, {row['tokens'] / 1e6:.1f} M tokens, {row['seconds']:.0f} s: "
        f"train loss {row['train_loss']:.4f}, held-out perplexity "
        f"{row['validation_perplexity']:.3f}", highlight=False,
    )  # fmt: skip


def _finish(training: Pretraining, corpus: Corpus, out: Path) -> dict[str, Any]:
    """Write the model as it is shipped, and what it reaches beside counting alone."""
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
    (out / FACTS).write_text(jsonlib.dumps(facts, indent=2))
    return facts


if __name__ == "__main__":
    run(pretrain)

"""`zoo VERB`, the same as `python -m zoo.VERB`. Only the module of that verb is imported."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import partial

from zoo.command.cli import fail, guarded, plain, run, together
from zoo.errors import unknown

COMPLETION = ("--install-completion", "--show-completion")
GROUPS = {
    "Look": {
        "list": "list the language models, graph networks, fusions, tasks and configs",
        "inspect": "show the chains, breaks and missing atoms of structure files",
        "doctor": "check Python, the libraries, the devices and the disk of this machine",
    },
    "Build": {
        "build": "build a model from its parts and check it on a protein",
        "download": "download language models and structures ahead of time",
    },
    "Data": {
        "prepare": "read a benchmark or your own labels once, and check the data",
        "split": "split your own table into train, validation and test",
        "baseline": "score trivial baselines on prepared data",
    },
    "Train": {
        "train": "train a model, or continue a run that was stopped",
        "evaluate": "score a trained model, with intervals, next to trivial baselines",
        "compare": "compare models on the same examples, with intervals",
        "report": "write an HTML page: scores, curves, worst cases, coloured structures",
        "pretrain": "train a small language model on your own sequences",
        "store": "list, check and shrink the store of hidden states",
    },
    "Use": {
        "predict": "apply a trained model to new structures",
        "app": "predict in a browser: a page on this machine to drop structures on",
        "embed": "write the features of proteins to an HDF5 file, or in Parquet parts",
        "explain": "show how residues and branches contribute to a prediction",
        "push": "share a trained run on the Hugging Face hub",
    },
    "Study": {
        "probe": "say which layers of a language model a linear map reads a target from",
        "search": "search for the best settings, with any number of workers",
        "ablate": "compare every fusion with every graph network on the same data",
    },
}
VERBS = {verb: about for verbs in GROUPS.values() for verb, about in verbs.items()}


def main() -> None:
    """Run the verb that the first argument names."""
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if "_ZOO_COMPLETE" in os.environ or verb in COMPLETION:
        guarded(completing())
    elif verb in ("--help", "-h"):
        plain(_print_verbs)
    elif verb == "--version":
        from zoo import __version__

        plain(lambda: print(__version__))
    elif verb in VERBS:
        sys.argv[:2] = [f"zoo {verb}"]
        run(_function(verb), sys.argv[0])
    else:
        fail(unknown("verb", verb, VERBS))


def completing() -> Callable[..., object]:
    """Return one program of all verbs, for tab completion in the shell; it imports every verb."""
    return partial(together({verb: _function(verb) for verb in VERBS}), prog_name="zoo")


def _function(verb: str) -> Callable[..., object]:
    module = importlib.import_module(f"zoo.{verb}")
    found: Callable[..., object] = getattr(module, "list_" if verb == "list" else verb)
    return found


def _print_verbs() -> None:
    print("Usage: zoo VERB ... (or python -m zoo.VERB ...)")
    for title, verbs in GROUPS.items():
        print(f"\n{title}")
        for verb, about in verbs.items():
            print(f"  {verb:10} {about}")
    print("\nzoo VERB --help lists a verb's options. Tab completion: zoo --install-completion")


if __name__ == "__main__":
    main()

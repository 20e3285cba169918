"""`zoo VERB`, the same as `python -m zoo.VERB`; a verb's module loads when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import partial

from zoo.cli import fail, guarded, run, together
from zoo.errors import unknown

COMPLETION = ("--install-completion", "--show-completion")
VERBS = {
    "build": "build a model from its parts and check it on a protein",
    "inspect": "report what is in structure files",
    "embed": "write features of proteins to a file",
    "evaluate": "score a trained model, with intervals, beside trivial baselines",
    "predict": "apply a trained model to new structures",
    "explain": "show what a trained model went by, residue by residue",
    "report": "write a page: scores, curves, worst cases, structures in colour",
    "baseline": "score trivial baselines on prepared data",
    "compare": "compare models on the same examples, with intervals",
    "ablate": "fill a fair table: every fusion with every graph network",
    "split": "split your own table into train, validation and test",
    "prepare": "read a benchmark or your own labels once, and check them",
    "store": "look at, check and shrink the store of hidden states",
    "train": "train a model, or go on where a run was stopped",
    "pretrain": "train a small language model on sequences of your own",
    "list": "list what there is to choose from",
    "download": "fetch language models ahead of time",
    "doctor": "look at this machine",
}


def main() -> None:
    """Run the verb that the first argument names."""
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if "_ZOO_COMPLETE" in os.environ or verb in COMPLETION:
        guarded(completing())
    elif verb in ("--help", "-h"):
        _print_verbs()
    elif verb == "--version":
        from zoo import __version__

        print(__version__)
    elif verb in VERBS:
        sys.argv[:2] = [f"zoo {verb}"]
        run(_function(verb))
    else:
        fail(unknown("verb", verb, VERBS))


def completing() -> Callable[..., object]:
    """Return a program of all verbs, for the shell's tab key; it imports every one."""
    return partial(together({verb: _function(verb) for verb in VERBS}), prog_name="zoo")


def _function(verb: str) -> Callable[..., object]:
    module = importlib.import_module(f"zoo.{verb}")
    found: Callable[..., object] = getattr(module, "list_" if verb == "list" else verb)
    return found


def _print_verbs() -> None:
    print("Usage: zoo VERB ... (or python -m zoo.VERB ...)\n")
    for verb, about in VERBS.items():
        print(f"  {verb:10} {about}")
    print("\nzoo VERB --help tells a verb's options. Tab completion: zoo --install-completion")


if __name__ == "__main__":
    main()

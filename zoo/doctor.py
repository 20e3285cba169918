"""`python -m zoo.doctor`: check this machine, and show how to fix what does not work."""

from __future__ import annotations

import importlib.metadata
import json as jsonlib
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from zoo.command.cli import run
from zoo.command.say import show


@dataclass(frozen=True)
class Finding:
    """The result of one check: its state, and how to fix it if it is not "ok"."""

    what: str
    state: Literal["ok", "note", "broken"]
    found: str
    fix: str = ""


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check Python, torch, DGL, devices, caches and the disk; exit with 1 if something is broken.

    Example: python -m zoo.doctor
    """
    findings = [
        _python(), _torch(), _dgl(), _numba(), _devices(), *_packages(), _memory(), _cache(),
        _hub(), _disk(),
    ]  # fmt: skip
    if json:
        print(jsonlib.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    if any(finding.state == "broken" for finding in findings):
        raise SystemExit(1)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= (3, 12):
        return Finding("Python", "note", found, "3.11 is the last version with a DGL wheel")
    return Finding("Python", "ok", found)


def _torch() -> Finding:
    try:
        import torch
    except Exception as error:  # a broken wheel fails in many ways
        return Finding("torch", "broken", str(error), "pip install -c constraints.txt torch")
    return Finding("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")


def _dgl() -> Finding:
    from zoo.backbones.message_passing import dgl_problem, engine_for

    if problem := dgl_problem():
        return Finding(
            "DGL", "note", f"not used: {problem}",
            "not needed: the PyTorch engine gives the same numbers. For DGL: Python 3.11, "
            "pip install dgl==1.1.3 packaging",
        )  # fmt: skip
    import dgl
    import torch

    from zoo.system.devices import available

    engines = [f"{kind}: {engine_for(torch.zeros(1, device=kind))}" for kind in available()]
    return Finding("DGL", "ok", f"{dgl.__version__}; engine on {', '.join(engines)}")


def _numba() -> Finding:
    from zoo.backbones.message_passing import numba_problem

    if problem := numba_problem():
        return Finding(
            "Numba", "note", f"not used: {problem}",
            "not needed. For GVP's kernel: pip install 'protein-model-zoo[fast]'",
        )  # fmt: skip
    version = importlib.metadata.version("numba")
    return Finding("Numba", "ok", f"{version}; GVP has a kernel on the CPU")


def _devices() -> Finding:
    import torch

    from zoo.system.devices import available

    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    names = [f"{gpu.name} ({gpu.total_memory / 1e9:.0f} GB)" for gpu in gpus]
    others = [kind for kind in available() if kind != "cuda"]
    return Finding("devices", "ok", ", ".join([*names, *others]))


def _packages() -> list[Finding]:
    return [_package(name) for name in ("transformers", "gemmi", "h5py", "optuna")]


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        if name == "optuna":
            return Finding(name, "note", "absent", "pip install 'protein-model-zoo[hpo]' to search")
        return Finding(name, "broken", "absent", f"pip install -c constraints.txt {name}")


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    found = (
        f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free, {os.cpu_count()} cores"
    )
    return Finding("memory", "ok", found)


def _cache() -> Finding:
    from huggingface_hub.constants import HF_HUB_CACHE

    from zoo.backbones.plm import PRESETS, resolve
    from zoo.backbones.weights import cached_folder

    here = [preset.short for preset in PRESETS if cached_folder(resolve(preset.short))]
    if here:
        return Finding("hub cache", "ok", f"{HF_HUB_CACHE}: {', '.join(here)}")
    fix = "python -m zoo.download esm2_650m (on a machine with internet: --out DIR, then --seq DIR)"
    return Finding("hub cache", "note", f"{HF_HUB_CACHE}: contains no known language model", fix)


def _hub() -> Finding:
    from zoo.system.hub import hub_problem

    if problem := hub_problem():
        return Finding("hub", "note", problem, "not needed for work offline; see hub cache")
    return Finding("hub", "ok", "reachable")


def _disk() -> Finding:
    from huggingface_hub.constants import HF_HUB_CACHE

    place = Path(HF_HUB_CACHE)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    if free < 5:
        fix = "esm2_650m takes 2.6 GB; set HF_HOME to a larger disk"
        return Finding("disk", "note", f"{free:.1f} GB free for the hub cache", fix)
    return Finding("disk", "ok", f"{free:.0f} GB free for the hub cache")


def _show(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "note": "yellow", "broken": "bold red"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        state = Text(finding.state, colours[finding.state])
        text = Text(finding.found)
        if finding.fix:
            text.append(f"\nfix: {finding.fix}", "dim")
        table.add_row(finding.what, state, text)
    show(table)


if __name__ == "__main__":
    run(doctor)

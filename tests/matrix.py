"""The suite on the oldest and the newest libraries that are supported, and on later Pythons.

    python -m tests.matrix [NAME ...] [-- ARGUMENTS OF PYTEST]

Each environment is made once, in build/matrix/NAME: `oldest` has every library at the lower bound
that setup.py names (found by uv), `newest` the latest there is, `python3.12` and `python3.13` the
versions of constraints.txt without DGL, which has no wheel there. A Python that is not installed
is left out, and said so. Hours, and some GB for each, on Linux most of it CUDA: PIP_EXTRA_INDEX_URL
with PyTorch's CPU wheels spares that.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "matrix"
ENVIRONMENTS = {
    "oldest": "python3.11", "newest": "python3.11", "python3.12": "python3.12",
    "python3.13": "python3.13",
}  # fmt: skip


def constraints(name: str) -> list[str]:
    """Return pip's arguments for an environment."""
    if name == "newest":
        return []
    if name == "oldest":
        path = PLACE / "oldest.txt"
        command = [sys.executable, "-m", "uv", "pip", "compile", "-q", "--resolution",
                   "lowest-direct", "--extra", "hpo", "--python-version", "3.11", "-o", path,
                   ROOT / "setup.py"]  # fmt: skip
        subprocess.run(command, check=True)
        return ["-c", str(path)]
    return ["-c", str(ROOT / "constraints.txt")]


def made(name: str, python: str) -> Path:
    """Return an environment's Python, made if it is not there."""
    venv, mark = PLACE / name, PLACE / name / ".installed"
    if not mark.exists():
        subprocess.run([python, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "-qq", *constraints(name), "-e",
                        f"{ROOT}[dev,hpo]"], check=True)  # fmt: skip
        mark.touch()
    return venv / "bin/python"


def tried(name: str, python: str, arguments: Sequence[str]) -> str:
    """Run the suite in an environment; return how it went."""
    found = shutil.which(python)
    if found is None:
        return f"left out: no {python} here"
    try:
        own = made(name, found)
    except subprocess.CalledProcessError:
        return "could not be installed"
    command = [own, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal",
               "-o", "filterwarnings=default", *arguments]  # fmt: skip  # others deprecate
    return "failed" if subprocess.run(command, cwd=ROOT).returncode else "passed"


def main(words: list[str]) -> int:
    """Run what is named, or all; return an exit code."""
    cut = words.index("--") if "--" in words else len(words)
    names, arguments = words[:cut] or list(ENVIRONMENTS), words[cut + 1 :]
    PLACE.mkdir(parents=True, exist_ok=True)
    went = {name: tried(name, ENVIRONMENTS[name], arguments) for name in names}
    for name, how in went.items():
        print(f"{name:12} {how}")
    return int(any(how in ("failed", "could not be installed") for how in went.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

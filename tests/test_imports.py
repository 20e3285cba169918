"""Heavy libraries are imported in few files, and imports between our own parts go one way."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "zoo").rglob("*.py"))
#: The only files that may import a heavy library.
ALLOWED = {
    "dgl": {"zoo/backbones/message_passing.py", "zoo/doctor.py", "zoo/proteins/graph.py"},
    "transformers": {
        "zoo/backbones/hf.py", "zoo/backbones/plm.py", "zoo/backbones/residue_tokens.py",
        "zoo/pretraining/network.py",
    },
    "huggingface_hub": {"zoo/backbones/weights.py", "zoo/doctor.py"},
    "gemmi": {
        "zoo/proteins/files/aligned.py", "zoo/proteins/files/components.py",
        "zoo/proteins/files/mmcif.py",
        "zoo/proteins/files/placing.py", "zoo/proteins/files/scores.py",
        "zoo/proteins/files/to_gemmi.py", "zoo/tasks/similarity.py",
    },
    "rdkit": {"zoo/tasks/reading/ligands.py"},
    "lmdb": {
        "zoo/tasks/reading/atom3d.py", "zoo/tasks/reading/lmdb_walk.py", "zoo/tasks/store.py",
    },
    "tmtools": {"zoo/tasks/reading/quality.py", "zoo/tasks/folds.py"},
    "lifelines": {"zoo/metrics/survival.py"},
    "lightning": {
        "zoo/training/callbacks.py", "zoo/training/data.py", "zoo/training/engine.py",
        "zoo/training/module.py",
    },
    "optuna": set(),  # of hpo/, which nothing in zoo/ knows
    "hpo": set(),
    "peft": {"zoo/tuning.py"},
    "captum": {"zoo/explanation/attribution.py"},
    "matplotlib": {
        "zoo/explanation/drawing.py",
        "zoo/page.py",
        "zoo/reporting/drawing.py",
        "zoo/training/curves.py",
    },
    "h5py": {"zoo/tasks/reading/ieconv.py", "zoo/embedding.py"},
}  # fmt: skip
#: Arrow of imports: a part may import parts of its own level or below.
LEVELS = {
    "zoo.errors": 0,
    "zoo.plugins": 0,
    "zoo.pretrained": 0,
    "zoo.registry": 0,
    "zoo.safe_yaml": 0,
    "zoo.proteins": 1,
    "zoo.backbones": 2,
    "zoo.fusion": 2,
    "zoo.heads": 3,
    "zoo.model": 3,
    "zoo.tasks": 3,
    "zoo.config": 3,
}
#: Everything else: how models are made and saved, training, and the verbs.
OUTERMOST = 4


def imported(path: Path) -> set[str]:
    """Return the absolute names that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def level(name: str) -> int:
    found = [depth for part, depth in LEVELS.items() if f"{name}.".startswith(part + ".")]
    return found[0] if found else OUTERMOST


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("library", ALLOWED)
def test_a_heavy_library_is_imported_in_named_files_only(library: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if any(f"{name}.".startswith(library + ".") for name in imported(path))
    }
    assert users == ALLOWED[library]


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_never_point_back(path: Path) -> None:
    name = module_name(path)
    if name == "zoo.__init__":
        return
    ours = {found for found in imported(path) if found.split(".")[0] == "zoo"}
    # `if TYPE_CHECKING` imports cost nothing and are the one way to name what is built above.
    typed = {
        found
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for part in node.body
        if isinstance(part, ast.ImportFrom)
        for found in (f"{part.module}.{alias.name}" for alias in part.names)
    }
    back = {found for found in ours - typed if level(found) > level(name)}
    assert back == set()


def test_the_levels_name_parts_that_exist() -> None:
    modules = {module_name(path).removesuffix(".__init__") for path in FILES}
    assert set(LEVELS) <= modules


def test_nothing_is_unpickled() -> None:
    users = [p for p in FILES if {"pickle", "joblib", "dill"} & {*imported(p)}]
    assert users == []


def loaded_after(statement: str) -> set[str]:
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return set(run.stdout.split())


def test_importing_the_package_is_cheap() -> None:
    assert not {"torch", "transformers", "dgl", "gemmi", "numpy"} & loaded_after("import zoo")


def test_importing_the_core_loads_no_language_model_library() -> None:
    modules = loaded_after("import zoo.model, zoo.fusion, zoo.backbones, zoo.proteins.graph")
    assert not {"transformers", "gemmi", "lightning", "optuna"} & modules


def test_listing_what_there_is_loads_nothing_heavy() -> None:
    modules = loaded_after("from zoo.list import catalogue; catalogue()")
    assert not {"torch", "transformers", "dgl", "gemmi", "numpy", "httpx"} & modules

"""Heavy libraries are imported in few files, and imports between rooms go one way."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests import house

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "zoo").rglob("*.py"))
#: The only files that may import a heavy library.
ALLOWED = {
    "dgl": {"zoo/backbones/message_passing.py", "zoo/doctor.py", "zoo/proteins/graph.py"},
    "numba": {
        "zoo/backbones/gvp_kernel.py", "zoo/backbones/message_passing.py", "zoo/backbones/tiles.py",
    },
    "llvmlite": {"zoo/backbones/gvp_kernel.py", "zoo/backbones/tiles.py"},
    "transformers": {
        "zoo/backbones/loading.py", "zoo/backbones/plm.py", "zoo/backbones/residue_tokens.py",
        "zoo/pretraining/network.py",
    },
    "huggingface_hub": {
        "zoo/backbones/weights.py", "zoo/doctor.py", "zoo/pretrained/hub.py",
        "zoo/sharing/card.py", "zoo/sharing/pushing.py",
    },
    "gemmi": {
        "zoo/proteins/files/aligned.py", "zoo/proteins/files/components.py",
        "zoo/proteins/files/bcif_text.py", "zoo/proteins/files/bfactors.py",
        "zoo/proteins/files/mmcif.py",
        "zoo/proteins/files/placing.py", "zoo/proteins/files/scores.py",
        "zoo/proteins/files/to_gemmi.py", "zoo/data/similarity.py",
    },
    "rdkit": {"zoo/data/reading/ligands.py"},
    "lmdb": {
        "zoo/data/reading/atom3d.py", "zoo/data/reading/lmdb_walk.py", "zoo/data/store.py",
    },
    "tmtools": {"zoo/data/reading/quality.py", "zoo/data/folds.py"},
    "lifelines": {"zoo/metrics/survival.py"},
    "lightning": {
        "zoo/training/callbacks.py", "zoo/training/data.py", "zoo/training/engine.py",
        "zoo/training/curves.py", "zoo/training/module.py",
    },
    "optuna": set(),  # of hpo/
    "gradio": {"zoo/serving/server.py", "zoo/serving/window.py"},
    "uvicorn": {"zoo/serving/server.py"},
    "hpo": {"zoo/search.py"},
    "peft": {"zoo/models/tuning.py"},
    "captum": {"zoo/explanation/attribution.py"},
    "matplotlib": {
        "zoo/explanation/colours.py",
        "zoo/explanation/drawing.py",
        "zoo/probing/drawing.py",
        "zoo/reporting/page.py",
        "zoo/reporting/drawing.py",
        "zoo/reporting/style.py",
        "zoo/training/curves.py",
    },
    "pyarrow": {
        "zoo/backbones/states_parquet.py", "zoo/system/parquet.py", "zoo/system/parquet_writer.py",
    },
    "ray": {"zoo/prediction/parts/on_ray.py"},
    "foldcomp": {"zoo/proteins/files/foldcomp_unpack.py"},
    "h5py": {
        "zoo/backbones/states_file.py", "zoo/data/reading/ieconv.py",
        "zoo/prediction/embedding_file.py", "zoo/prediction/feature_check.py",
    },
}  # fmt: skip
#: The rooms from the bottom up: each imports only those before it, wherever in a file.
ORDER = (
    "zoo.errors", "system", "settings", "proteins", "pretrained", "examples", "tasks", "backbones",
    "fusion", "models", "data", "states", "metrics", "training", "prediction", "lightning",
    "sklearn", "sharing", "explanation", "reporting", "serving", "ablation", "pretraining",
    "probing", "command", "hpo", "verbs", "zoo.__main__",
)  # fmt: skip


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


@pytest.mark.parametrize("one", ORDER)
def test_imports_never_point_back(one: str) -> None:
    allowed = {*ORDER[: ORDER.index(one)], "zoo"}
    back = {other: by for other, by in house.arrows().get(one, {}).items() if other not in allowed}
    assert back == {}


def test_every_room_has_its_place() -> None:
    assert {house.room(name) for name in house.modules()} == {*ORDER, "zoo"}


def test_the_library_knows_no_terminal() -> None:
    library = ORDER[: ORDER.index("command")]
    assert not {one for one in library if {"command", "verbs"} & house.arrows().get(one, {}).keys()}
    printing = [
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if house.room(module_name(path).removesuffix(".__init__")) in library
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("print", "Console")
    ]
    assert printing == []


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
    modules = loaded_after("import zoo.models.model, zoo.fusion.base, zoo.proteins.graph")
    assert not {"transformers", "gemmi", "lightning", "optuna"} & modules


def test_listing_what_there_is_loads_nothing_heavy() -> None:
    modules = loaded_after("from zoo.models.catalogue import catalogue; catalogue()")
    assert not {"torch", "transformers", "dgl", "gemmi", "numpy", "httpx"} & modules


def test_a_model_without_a_language_model_is_built_without_what_it_does_not_use() -> None:
    modules = loaded_after("import zoo; zoo.load_model('ppbs')")
    assert not {"transformers", "torch._dynamo", "sympy", "pandas", "lightning"} & modules

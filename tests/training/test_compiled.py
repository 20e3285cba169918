"""Training and prediction with compiled layers: the same model, whichever of the two compiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch._dynamo
from safetensors.torch import load_file
from torch._dynamo.utils import counters

import zoo
from tests import shelf
from tests.tracing import traced as traced
from tests.tracing import traced_graphs
from tests.training import runs
from zoo.backbones.compiling import compile_layers
from zoo.errors import ConfigError
from zoo.models.checkpoint import WEIGHTS
from zoo.models.create import build_model
from zoo.models.memory import PeakTracker
from zoo.prediction.parts.jobs import PredictionJob
from zoo.system.listener import Listener, Stopped
from zoo.training import planning
from zoo.training.fitting import train
from zoo.training.job import Hardware, Job
from zoo.training.planning import Wish, lay_out

NO_DROPOUT = {"structure.args.dropout": 0.0, "fusion.args.dropout": 0.0, "head.args.dropout": 0.0}
PROTEINS = [
    dataclasses.replace(shelf.ordinary(length), name=f"of {length}") for length in (14, 23, 31)
]


@pytest.fixture
def make(tmp_path: Path, plm_folders: dict[str, str]) -> Callable[..., Job]:
    data = runs.quick_data(tmp_path / "data")

    def made(name: str, **values: Any) -> Job:
        values = {"train.checkpoint_minutes": 0.0001, **NO_DROPOUT, **values}
        return runs.job(data, plm_folders["esm"], tmp_path / name, tmp_path / "store", **values)

    return made


def predicted(folder: Path, **options: Any) -> list[float]:
    table = zoo.predict(PROTEINS, folder, device="cpu", **options)
    return [float(x) for x in table["binding_site"]]


def test_a_model_is_the_same_whether_training_or_prediction_compiles(
    make: Callable[..., Job],
) -> None:
    once = {"train.epochs": 1}
    plain, other = make("plain", **once), make("compiled", **once, **{"train.compile": True})
    train(plain)
    assert traced_graphs() == 0
    train(other)
    assert traced_graphs() > 0
    expected, found = (load_file(job.folder / WEIGHTS) for job in (plain, other))
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        shelf.assert_close(found[name], tensor, scale=10)
    counters.clear()
    values = predicted(other.folder)
    assert traced_graphs() == 0
    for folder in (plain.folder, other.folder):
        torch._dynamo.reset()
        counters.clear()
        assert predicted(folder, compile=True) == pytest.approx(values, abs=1e-4)
        assert traced_graphs() > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_a_run_goes_on_with_and_without(make: Callable[..., Job], first: bool) -> None:
    asked = iter([False, False, True])
    listener = Listener(asked=lambda: next(asked, False))
    with pytest.raises(Stopped):
        train(make("run", **{"train.compile": first}), listener=listener)
    train(make("run", **{"train.compile": not first}))
    train(make("whole"))
    expected, found = (load_file(make(name).folder / WEIGHTS) for name in ("whole", "run"))
    for name, tensor in expected.items():
        shelf.assert_close(found[name], tensor, scale=10)


def test_without_a_compiler_work_ends_before_data_are_read(
    make: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch._inductor.config as inductor

    monkeypatch.setattr(planning, "_data", None)
    job = make("run", **{"train.compile": True})
    wish = Wish(config=job.config, data=job.data, out=job.folder, hardware=Hardware("cpu"))
    with inductor.patch({"cpp.cxx": ("/nowhere/c++",)}):
        with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler"):
            lay_out(wish, job.blueprint)
        with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler"):
            zoo.predict(PROTEINS, "ppbs_local", device="cpu", compile=True)
        with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler"):
            PredictionJob("ppbs_local", device="cpu", compile=True).begin()


def test_a_model_that_is_in_memory_is_compiled_where_it_is_loaded() -> None:
    ensemble = zoo.load_ensemble("ppbs_local", "cpu")
    with pytest.raises(ConfigError, match=r"compile are for a model that is loaded here"):
        zoo.predict(PROTEINS, ensemble, compile=True)


def test_memory_is_measured_on_layers_as_they_are(make: Callable[..., Job]) -> None:
    """PyTorch compiles nothing under the mode that counts bytes."""
    model = build_model(make("run").blueprint)
    compile_layers(model.struct, "cpu")
    batch = model.batch(PROTEINS)
    with PeakTracker() as tracker:
        model.features(batch)
    assert tracker.peak > 0 and traced_graphs() == 0
    model.features(batch)
    assert traced_graphs() > 0

"""A small model learns, in every kind of target, mode and precision; and fails well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from tests import shelf
from tests.training import runs
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.message_passing import use_engine
from zoo.errors import ConfigError, RandomWeightsWarning
from zoo.models.runs import CALIBRATION
from zoo.models.thresholds import THRESHOLDS
from zoo.system.files import read_json
from zoo.training.curves import CURVES, read_curves
from zoo.training.fitting import train
from zoo.training.job import CHECKPOINTS, Job
from zoo.training.module import NotFiniteError, TrainingModule

Make = Callable[..., Job]


@pytest.fixture
def make(tmp_path: Path, plm_folders: dict[str, str]) -> Make:
    def made(*kinds: str, name: str = "run", facts: Any = None, **values: Any) -> Job:
        data = tmp_path / "-".join(["data", *kinds, str(sorted(facts or {}))])
        if not data.exists():
            chosen = [runs.TARGETS[kind] for kind in kinds]
            runs.quick_data(data, *chosen, task="table", count=30, **(facts or {}))
        return runs.job(data, plm_folders["esm"], tmp_path / name, tmp_path / "store", **values)

    return made


def losses(job: Job) -> list[float]:
    return [row["val_loss"] for row in read_curves(job.folder / CURVES)]


@pytest.mark.parametrize("kind", runs.TARGETS)
def test_every_kind_of_target_is_learnt(make: Make, kind: str) -> None:
    job = make(kind, **{"train.epochs": 8, "train.lr.fusion": 0.01, "train.lr.structure": 0.01})
    train(job)
    rows = read_curves(job.folder / CURVES)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    facts = read_json(job.folder / CALIBRATION)
    assert (facts == {}) == ("regression" in kind)
    assert (read_json(job.folder / THRESHOLDS) == {}) == (not kind.startswith("binary"))
    model = zoo.load_model(job.folder)
    assert model.recipe.config.targets == job.manifest["targets"]


def test_several_targets_are_learnt_at_once(make: Make) -> None:
    job = make("regression", "multiclass", "multilabel")
    train(job)
    model = zoo.load_model(job.folder)
    assert model(model.batch([shelf.ordinary()])).shape == (1, 6)


def test_targets_of_proteins_and_residues_are_two_models(make: Make) -> None:
    with pytest.raises(ConfigError, match="for residues or for proteins"):
        train(make("regression", "binary residue"))


def test_bounds_are_learnt_from(make: Make) -> None:
    job = make("regression", facts={"censored": 1})
    train(job)
    saved = torch.load(job.folder / CHECKPOINTS / "last.ckpt", weights_only=True)["state_dict"]
    assert saved["loss.log_sigma.pk"] != 0


@pytest.mark.parametrize(
    "values",
    [
        {"sequence.tuning": "lora"}, {"sequence.tuning": "last_n", "sequence.last_n": 1},
        {"sequence.tuning": "full"}, {"sequence.tuning": "frozen"},
    ],
    ids=lambda values: values["sequence.tuning"],
)  # fmt: skip
def test_the_language_model_learns_as_much_as_it_may(make: Make, values: dict[str, Any]) -> None:
    modules: list[TrainingModule] = []
    before: dict[str, torch.Tensor] = {}

    def show(module: TrainingModule) -> None:
        modules.append(module)
        before.update({n: p.detach().clone() for n, p in module.model.seq.named_parameters()})

    job = make("regression", **{"fusion.write_back": "deep", "train.lr.plm": 0.01,
                                "train.epochs": 1, **values})  # fmt: skip
    train(job, begun=show)
    named = dict(modules[0].model.seq.named_parameters())
    changed = {name for name, p in named.items() if not torch.equal(p, before[name])}
    allowed = {name for name, p in named.items() if p.requires_grad}
    assert changed <= allowed and bool(changed) == (values["sequence.tuning"] != "frozen")
    again = zoo.load_model(job.folder)
    batch = again.batch([shelf.ordinary()])
    assert torch.isfinite(again(batch)).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("tuning", ["lora", "last_n", "full"])
def test_all_that_is_trained_moves_and_stays_finite(make: Make, tuning: str, dtype: str) -> None:
    """At the learning rates of a config that sets none, steps are too small for half precision."""
    modules: list[TrainingModule] = []
    before: dict[str, torch.Tensor] = {}

    def show(module: TrainingModule) -> None:
        modules.append(module)
        named = module.model.seq.named_parameters()
        before.update({name: p.detach().clone() for name, p in named if p.requires_grad})

    job = make("regression", **{"fusion.write_back": "deep", "sequence.tuning": tuning,
                                "sequence.last_n": 1, "sequence.dtype": dtype})  # fmt: skip
    train(job, begun=show)
    after = dict(modules[0].model.seq.named_parameters())
    assert {after[name].dtype for name in before} == {torch.float32}
    moved = sum(int((after[name] != p).sum()) for name, p in before.items())
    assert moved > 0.995 * sum(p.numel() for p in before.values())
    assert all(after[name].isfinite().all() for name in before)


@pytest.mark.parametrize("engine", shelf.ENGINES)
@pytest.mark.parametrize("struct", STRUCTURE_BACKBONES)
def test_every_backbone_trains_in_half_precision(make: Make, struct: str, engine: str) -> None:
    small = {f"structure.args.{key}": value for key, value in shelf.SMALL[struct].items()}
    job = make("binary residue", **{
        "structure.name": struct, **small, "structure.args.num_layers": 1,
        "structure.weights": "random",
        "train.precision": "bf16", "train.epochs": 1,
    })  # fmt: skip
    with use_engine(engine):
        train(job)
    assert np.isfinite(losses(job)).all()


def test_recomputing_layers_changes_no_number(make: Make) -> None:
    jobs = [make("regression", name=str(on), **{"train.checkpoint_activations": on})
            for on in (False, True)]  # fmt: skip
    for job in jobs:
        train(job)
    assert losses(jobs[0]) == losses(jobs[1])


def test_data_seed_and_seed_are_apart(make: Make) -> None:
    """The data seed alone decides the order, the seed alone the weights."""

    def first_loss(**values: Any) -> float:
        name = "-".join(map(str, values.values()))
        job = make("regression", name=name, **{"train.epochs": 1, **values})
        seen: list[Any] = []
        train(job, begun=seen.append)
        model = zoo.models.create.build_model(job.blueprint)
        return float(next(model.struct.parameters()).detach().sum())  # type: ignore[union-attr]

    assert first_loss(seed=0) == first_loss(**{"train.data_seed": 5})
    assert first_loss(seed=0) != first_loss(seed=1)


def test_two_runs_of_one_seed_are_equal_and_the_first_fills_the_store(make: Make) -> None:
    first, second = make("regression", name="a"), make("regression", name="b")
    train(first)
    train(second)
    assert losses(first) == losses(second)


def test_stored_states_give_what_live_ones_give(make: Make) -> None:
    stored = make("binary residue", name="a", **{"train.store": "float32"})
    live = make("binary residue", name="b", **{"train.store": "none"})
    half = make("binary residue", name="c", **{"train.store": "bfloat16"})
    for job in (stored, live, half):
        train(job)
    assert losses(stored) == pytest.approx(losses(live), rel=1e-4)
    assert losses(half) == pytest.approx(losses(live), rel=2e-2)


DEEP = {"fusion.write_back": "deep", "fusion.after": [[2, 1], [3, 2]]}
PREFIXES: dict[str, dict[str, Any]] = {
    "two exchanges": DEEP,
    "serial": {"fusion.write_back": "deep", "fusion.name": "serial", "fusion.args": {}},
    "parallel": {"fusion.write_back": "deep", "fusion.name": "parallel", "fusion.args": {}},
}


@pytest.mark.parametrize("way", PREFIXES)
def test_a_deep_model_learns_from_what_is_kept_as_from_a_full_run(make: Make, way: str) -> None:
    jobs = {
        store: make("binary residue", name=store, **PREFIXES[way], **{"train.store": store})
        for store in ("float32", "none", "bfloat16")
    }
    for job in jobs.values():
        train(job)
    stored, live, half = (losses(job) for job in jobs.values())
    assert stored == pytest.approx(live, rel=1e-4)
    assert half == pytest.approx(live, rel=2e-2)


def layer_calls(job: Job) -> list[int]:
    """Train; return how often each layer of the language model ran, fills included."""
    counts = [0] * shelf.NUM_PLM_LAYERS

    def watch(module: TrainingModule) -> None:
        for at, layer in enumerate(module.model.seq.layers):
            linear = next(m for m in layer.modules() if isinstance(m, torch.nn.Linear))
            linear.register_forward_hook(lambda *_, at=at: counts.__setitem__(at, counts[at] + 1))

    train(job, begun=watch)
    return counts


def test_layers_up_to_the_first_exchange_run_once_a_sequence(make: Make) -> None:
    job = make("binary residue", **DEEP)
    distinct = len({x for part in ("train", "validation") for key in getattr(job.plan.keys, part)
                    for x in job.index[key]["sequences"]})  # fmt: skip
    first, second, third = layer_calls(job)
    assert first == second == distinct and third > 0
    again = make("binary residue", name="again", **DEEP)
    assert layer_calls(again) == [0, 0, third]  # nor did it run to fill the store


@pytest.mark.parametrize("values", [{"sequence.tuning": "lora"}, {"train.store": "none"}])
def test_a_language_model_that_is_trained_or_not_kept_runs_in_every_step(
    make: Make, values: dict[str, Any]
) -> None:
    counts = layer_calls(make("binary residue", **DEEP, **values))
    assert counts[0] == counts[1] == counts[2] > 0
    assert not (make("binary residue").root / "states").exists()


def test_a_loss_that_is_not_finite_stops_with_what_was_saved(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make("regression", **{"train.checkpoint_minutes": 1e-6})
    step, count = TrainingModule.training_step, 0

    def broken(self: TrainingModule, batch: Any, index: int) -> Any:
        nonlocal count
        count += 1
        if count == 5:
            batch.targets["pk"].fill_(float("inf"))
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", broken)
    with pytest.raises(NotFiniteError, match=r"loss is (inf|nan).* on samples p.*last\.ckpt"):
        train(job)
    saved = torch.load(job.folder / CHECKPOINTS / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.isfinite(x).all() for x in saved.values())
    monkeypatch.undo()
    train(job)
    assert job.finished


def test_a_gradient_that_is_not_finite_does_not_reach_the_weights(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make("regression", **{"train.checkpoint_minutes": 1e-6})

    def broken(self: TrainingModule) -> None:
        if self.global_step == 3:
            next(p for p in self.parameters() if p.grad is not None).grad[0] = float("nan")

    monkeypatch.setattr(TrainingModule, "on_after_backward", broken, raising=False)
    with pytest.raises(NotFiniteError, match="gradient is not finite at step 3"):
        train(job)
    saved = torch.load(job.folder / CHECKPOINTS / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 3
    assert all(torch.isfinite(x).all() for x in saved["state_dict"].values())


def test_a_batch_too_large_for_memory_is_told_before_training(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.system.memory.free_memory", lambda device: 200_000)
    with pytest.raises(ConfigError, match="train.checkpoint_activations=true"):
        train(make("regression"))


def test_a_random_language_model_is_told_in_the_saved_model(make: Make) -> None:
    job = make("regression", **{"sequence.name": "esm2_8m", "sequence.weights": "random",
                                "train.epochs": 1, "train.limit_examples": 2})  # fmt: skip
    train(job)
    with pytest.warns(RandomWeightsWarning):
        zoo.load_model(job.folder)

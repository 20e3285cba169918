"""Noise in coordinates and masked residue types: what they change, and what they leave alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import shelf
from tests.training import runs
from zoo.errors import ConfigError
from zoo.models.blueprint import resolve
from zoo.models.create import build_model
from zoo.proteins.build_graph import GraphSpec
from zoo.proteins.feature_sets import FEATURE_SETS
from zoo.proteins.noise import moved
from zoo.settings.config import Config
from zoo.training.batching import TokenBatches
from zoo.training.data import TrainingData
from zoo.training.disturbance import MASKED, DisturbedExamples, Draw, EpochBatches
from zoo.training.examples import PreparedExamples, featurised
from zoo.training.fitting import train
from zoo.training.job import Job

SPEC = GraphSpec(k=6, ligands=True, features=tuple(FEATURE_SETS))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = runs.samples(runs.BINDING)
    host = shelf.with_ligand()
    label = {"binding_site": np.zeros(len(host), np.float32)}
    found[0] = dataclasses.replace(found[0], protein=host, targets=label)
    return runs.prepare(tmp_path_factory.mktemp("data") / "ppbs", [runs.BINDING], found)


@pytest.fixture
def examples(data: Path) -> PreparedExamples:
    keys = [f"p{number:02}" for number in range(18)]
    return PreparedExamples(data, "1234", keys, [("A",)] * 18, [runs.BINDING], SPEC, None)


def one(examples: PreparedExamples, draw: Draw, **settings: Any) -> dict[str, torch.Tensor]:
    settings = {"noise": 0.0, "mask": 0.0, "seed": 0, **settings}
    ((at, found),) = DisturbedExamples(examples, **settings).__getitems__([draw])
    assert at == draw.sample
    return found


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name].nan_to_num(), b[name].nan_to_num())
                                        if a[name].shape == b[name].shape else False
                                        for name in a)  # fmt: skip


@pytest.mark.parametrize("settings", [{"noise": 0.3}, {"mask": 0.3}, {"noise": 0.3, "mask": 0.3}])
def test_what_is_drawn_depends_on_seed_epoch_and_sample_alone(
    examples: PreparedExamples, settings: dict[str, float]
) -> None:
    first = one(examples, Draw(2, 5), **settings)
    assert same(first, one(examples, Draw(2, 5), **settings))
    made = DisturbedExamples(examples, settings.get("noise", 0), settings.get("mask", 0), 0)
    batch = dict(made.__getitems__([Draw(2, 3), Draw(2, 5), Draw(2, 7)]))
    assert same(batch[5], first)
    assert not same(first, one(examples, Draw(3, 5), **settings))
    assert not same(first, one(examples, Draw(2, 5), **settings, seed=1))


def test_every_feature_is_computed_again_from_the_moved_coordinates(
    examples: PreparedExamples,
) -> None:
    found = one(examples, Draw(0, 5), noise=0.5)
    (sample,) = examples.samples(["p05"])
    random = DisturbedExamples(examples, 0.5, 0.0, 0)._random(Draw(0, 5), "noise")
    noisy = dataclasses.replace(sample, protein=moved(sample.protein, 0.5, random))
    assert same(found, featurised(noisy, examples.targets, SPEC))
    plain = examples[5]
    for name in ("node:pos", "node:node_s", "node:node_v", "edge:edge_s"):
        assert not torch.equal(found[name], plain[name]), name
    for name in ("node:residue", "node:node_type"):
        assert torch.equal(found[name], plain[name]), name
    torch.testing.assert_close(
        found["target:binding_site"], plain["target:binding_site"], equal_nan=True
    )


def test_atoms_move_by_the_noise_and_the_backbone_as_the_chains() -> None:
    protein = shelf.ordinary(200)
    after = moved(protein, 0.4, np.random.default_rng(0))
    step = after.chains[0].coords - protein.chains[0].coords
    assert np.std(step) == pytest.approx(0.4, rel=0.1) and abs(np.mean(step)) < 0.05
    np.testing.assert_array_equal(after.atoms.pos.reshape(200, 4, 3), after.chains[0].coords)


def test_ligands_move_and_what_is_unresolved_stays_so() -> None:
    host = shelf.with_ligand()
    after = moved(host, 0.4, np.random.default_rng(0))
    assert (after.ligands[0].atoms.pos != host.ligands[0].atoms.pos).all()
    gaps = shelf.unresolved()
    found = moved(gaps, 0.4, np.random.default_rng(0)).chains[0]
    np.testing.assert_array_equal(np.isnan(found.coords), np.isnan(gaps.chains[0].coords))


@pytest.mark.parametrize("name", ["ordinary", "chain break", "unresolved", "two chains"])
def test_noise_breaks_no_bond_and_makes_none(name: str) -> None:
    protein = shelf.SHELF[name]
    after = moved(protein, 2.0, np.random.default_rng(0))
    for before, chain in zip(protein.chains, after.chains, strict=True):
        np.testing.assert_array_equal(chain.segments, before.segments)


def test_masks_hide_a_share_of_the_residues_and_nothing_else(examples: PreparedExamples) -> None:
    hidden = seen = 0
    for at in range(18):
        plain, found = examples[at], one(examples, Draw(0, at), mask=0.3)
        changed = found["node:node_type"] != plain["node:node_type"]
        assert (found["node:node_type"][changed] == MASKED).all()
        assert not changed[plain["node:residue"] < 0].any()
        hidden, seen = hidden + int(changed.sum()), seen + len(changed)
        rest = {name: x for name, x in found.items() if name != "node:node_type"}
        assert same(rest, {name: plain[name] for name in rest})
    assert 0.2 < hidden / seen < 0.4


def test_batches_are_those_of_before_with_their_epoch() -> None:
    plain, other = (TokenBatches([[10 + i] for i in range(20)], 60, seed=0) for _ in range(2))
    both = EpochBatches(other)
    for epoch in (0, 3):
        plain.set_epoch(epoch)
        both.set_epoch(epoch)
        assert [[Draw(epoch, at) for at in batch] for batch in plain] == list(both)
    assert len(both) == len(plain)


# ------------------------------------------------------------------------------------ training


@pytest.fixture
def make(data: Path, plm_folders: dict[str, str], tmp_path: Path) -> Callable[..., Job]:
    def made(name: str, **values: Any) -> Job:
        return runs.job(data, plm_folders["esm"], tmp_path / name, tmp_path / "store", **values)

    return made


class _Trainer:
    """What the loaders ask of Lightning's trainer."""

    global_rank, world_size = 0, 1

    class fit_loop:  # noqa: N801
        class epoch_loop:  # noqa: N801
            class batch_progress:  # noqa: N801
                class current:  # noqa: N801
                    processed = 0

        class epoch_progress:  # noqa: N801
            class current:  # noqa: N801
                processed = 0


@pytest.mark.parametrize("values", [{}, {"train.noise": 0.2}, {"train.mask_types": 0.1}])
def test_only_training_samples_are_disturbed_and_only_when_asked(
    make: Callable[..., Job], values: dict[str, float]
) -> None:
    job = make("run", **values)
    loaded = TrainingData(job, build_model(job.blueprint))
    loaded.trainer = _Trainer()  # type: ignore[assignment]
    training, validation = loaded.train_dataloader(), loaded.val_dataloader()
    assert isinstance(validation.dataset, PreparedExamples)
    assert isinstance(training.dataset, DisturbedExamples if values else PreparedExamples)
    assert isinstance(training.batch_sampler, EpochBatches if values else TokenBatches)


def test_a_process_that_reads_ahead_draws_the_same(make: Callable[..., Job]) -> None:
    values = {"train.noise": 0.2, "train.mask_types": 0.1}
    here, there = make("here", **values), make("there", **values, **{"train.workers": 1})
    for job in (here, there):
        train(job)
    first, second = (
        torch.load(job.checkpoints / "last.ckpt", weights_only=True)["state_dict"]
        for job in (here, there)
    )
    assert all(torch.equal(x, second[name]) for name, x in first.items())


def test_atoms_have_no_types_of_residues_to_mask() -> None:
    config = Config.from_dict({
        "sequence": {"name": "none"}, "graph": {"kind": "atom"}, "train": {"mask_types": 0.1},
    })  # fmt: skip
    with pytest.raises(ConfigError, match=r"graph\.kind=residue"):
        resolve(config)

"""`zoo.lightning`: the parts of a training in a trainer of one's own give the weights of ours."""

from __future__ import annotations

from dataclasses import replace

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback

import zoo
from tests import shelf
from tests.training.runs import BINDING, SCHNET, SMALL, prepare, quick_data, samples
from zoo.errors import ConfigError
from zoo.lightning import FusedDataModule, FusedModule
from zoo.models.checkpoint import own_state
from zoo.training.engine import quiet


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return quick_data(tmp_path_factory.mktemp("data") / "prepared")


@pytest.fixture(scope="module")
def config(plm_folders):
    values = {**SMALL, **SCHNET, "sequence.name": plm_folders["esm"], "task": "ppbs"}
    return zoo.Config().with_keys({**values, "train.epochs": 2, "train.accumulate": 2})


def trainer(settings, *callbacks: Callback) -> lightning.Trainer:
    return lightning.Trainer(
        **settings, callbacks=list(callbacks), accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


class Watch(Callback):
    """A callback of the reader's own."""

    def __init__(self) -> None:
        self.scores: list[float] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: object) -> None:
        self.scores.append(float(trainer.callback_metrics["val_score"]))


def test_a_trainer_of_ones_own_gives_the_weights_of_ours(tmp_path, data, config) -> None:
    run = zoo.train(config, data, tmp_path / "run")
    last = torch.load(run.folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    mine, watch = zoo.lightning.FusedDataModule(config, data), Watch()
    module = zoo.lightning.FusedModule(mine)
    with quiet():
        trainer(mine.trainer_settings, watch).fit(module, datamodule=mine)
    state = own_state(module.model)
    assert state and all(torch.equal(last[f"model.{name}"], x) for name, x in state.items())
    rows = (run.folder / "curves.csv").read_text().splitlines()
    at = rows[0].split(",").index("val_score")
    assert watch.scores == pytest.approx([float(row.split(",")[at]) for row in rows[1:]])
    zoo.save_model(module.model.eval(), tmp_path / "mine")
    assert len(zoo.predict(shelf.ordinary(20), tmp_path / "mine")) == 20


@pytest.mark.parametrize(
    "other", [{"max_epochs": 3}, {"accumulate_grad_batches": 1}], ids=["epochs", "accumulate"]
)
def test_a_trainer_that_does_otherwise_is_told(data, config, other) -> None:
    mine = FusedDataModule(config, data)
    (name,) = other
    with quiet(), pytest.raises(ConfigError, match=f"{name}={other[name]}, and .* for 2"):
        trainer({**mine.trainer_settings, **other}).fit(FusedModule(mine), datamodule=mine)


def test_data_with_folds_need_one_named(tmp_path, config) -> None:
    found = samples(BINDING)
    folds = [replace(s, split="", subset=f"fold{n % 3 + 1}") for n, s in enumerate(found)]
    folded = prepare(tmp_path / "folds", [BINDING], folds)
    with pytest.raises(ConfigError, match=r"folds 1 to 3: name the one, fold=1"):
        FusedDataModule(config, folded)
    assert FusedDataModule(config, folded, fold=2).job.plan.fold == 1

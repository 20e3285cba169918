"""The module of one training: a fused model, its loss, its optimizer and its validation score."""

from __future__ import annotations

from functools import partial

from zoo.errors import ConfigError
from zoo.lightning.data import FusedDataModule
from zoo.training.fitting import module_arguments
from zoo.training.module import TrainingModule
from zoo.training.step_memory import check_memory


class FusedModule(TrainingModule):
    """A `LightningModule` of the model that a `FusedDataModule` built; see there for an example.

    It logs `train_loss`, `val_loss` and `val_score`, which is higher for a better model. What is
    trained is `model`, a `FusedModel`. Checkpoints hold the weights that are trained, not those of
    a frozen language model.

    Args:
        data: Data of the training.
        processes: Number of processes that the trainer starts, which share each batch's loss.

    Raises:
        DataError: If a target has no known value in the training samples, or none has in the
            validation samples.
    """

    def __init__(self, data: FusedDataModule, *, processes: int = 1) -> None:
        super().__init__(**module_arguments(data.job, data.model, data, processes))
        self.processes = processes
        data.ready = partial(check_memory, self, data)

    def on_fit_start(self) -> None:
        """Check that the trainer does what the steps and learning rates were computed for.

        Raises:
            ConfigError: If it has other epochs or processes, or accumulates otherwise.
        """
        trainer, settings = self.trainer, self.settings
        wanted = {"max_epochs": settings.epochs, "world_size": self.processes,
                  "accumulate_grad_batches": settings.accumulate}  # fmt: skip
        for name, value in wanted.items():
            if getattr(trainer, name) != value:
                raise ConfigError(
                    f"The trainer has {name}={getattr(trainer, name)}, and the loss and learning "
                    f"rates are made for {value}. Fix: Trainer(**data.trainer_settings), other "
                    "values={...} of FusedDataModule, or FusedModule(data, processes=...)."
                )

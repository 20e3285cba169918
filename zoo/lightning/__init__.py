"""The parts of a training, for a `lightning.Trainer` of your own."""

from zoo.lightning.data import FusedDataModule
from zoo.lightning.module import FusedModule

__all__ = ["FusedDataModule", "FusedModule"]

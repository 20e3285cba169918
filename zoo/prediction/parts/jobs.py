"""What to compute by which model: plain values that go to the process that loads the model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from zoo.errors import ModelWarning, RandomWeightsWarning
from zoo.models.headroom import Headroom
from zoo.models.runs import trained
from zoo.models.summary import RANDOM_WARNING
from zoo.prediction.embedding_file import Settings
from zoo.prediction.ensemble import load_ensemble, within
from zoo.prediction.opening import open_model
from zoo.prediction.parts.work import Embedding, Predicting, Work
from zoo.prediction.scope import checked_scope
from zoo.prediction.unsure import checked_least
from zoo.pretrained import folder_of, warning
from zoo.system.devices import choose_device


@dataclass(frozen=True)
class EmbeddingJob:
    """The features of a model; the fields are those of `zoo.embed`."""

    model: str
    settings: Settings
    scope: str | None = None
    weights: str | None = None
    states: str | None = None
    device: str = "auto"

    @property
    def min_plddt(self) -> float | None:
        """Least pLDDT, below which residues of predicted structures are left out; None for none."""
        return self.settings.min_plddt

    def begin(self) -> Work:
        """Load the model, which may warn of random weights.

        Raises:
            ZooError: As `zoo.embed` does for a model or layer that is not valid.
        """
        device, taken = choose_device(self.device), checked_scope(self.scope)
        checked_least(self.settings.min_plddt)
        model = within(open_model(self.model, self.weights, self.states), taken).to(device).eval()
        _warn_if_random(model.recipe.random_plm)
        return Embedding(Headroom(model, device), self.settings)


@dataclass(frozen=True)
class PredictionJob:
    """The predictions of a run's models; the fields are those of `zoo.predict`."""

    model: str
    scope: str | None = None
    min_plddt: float | None = None
    states: str | None = None
    device: str = "auto"
    compile: bool = False

    def begin(self) -> Work:
        """Load the models, which may warn of random weights, or of what they are not for.

        Raises:
            ZooError: As `zoo.predict` does for a model that is not valid.
        """
        folder = folder_of(self.model)
        trained(folder)
        if known := warning(folder):
            warnings.warn(f"{self.model}: {known}", ModelWarning, stacklevel=2)
        device = choose_device(self.device)
        ensemble = load_ensemble(self.model, device, self.states, self.scope, compile=self.compile)
        _warn_if_random(ensemble.random_plm)
        return Predicting(ensemble, checked_least(self.min_plddt))


Job = EmbeddingJob | PredictionJob


def _warn_if_random(random: bool) -> None:
    if random:
        warnings.warn(RANDOM_WARNING, RandomWeightsWarning, stacklevel=3)

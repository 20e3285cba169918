"""`zoo.predict`: what the verb of that name writes, as a DataFrame."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, ModelWarning, RandomWeightsWarning
from zoo.models.model import FusedModel
from zoo.models.runs import Run
from zoo.models.summary import RANDOM_WARNING
from zoo.prediction.ensemble import Ensemble, load_ensemble
from zoo.prediction.estimating import Estimator, batched
from zoo.prediction.frames import frame
from zoo.prediction.given import failures, gather, noted
from zoo.prediction.inputs import Outcome, read_all
from zoo.prediction.scope import checked_scope, told
from zoo.prediction.table import as_plain
from zoo.prediction.unsure import checked_least, left_out_residues
from zoo.pretrained import folder_of, warning
from zoo.proteins.given import Given
from zoo.settings.config import Scope
from zoo.system.listener import SILENT, Listener

if TYPE_CHECKING:
    from pandas import DataFrame

Model = str | os.PathLike[str] | Run | Ensemble


def predict(
    inputs: Given | Iterable[Given],
    model: Model,
    *,
    scope: str | None = None,
    min_plddt: float | None = None,
    states: str | None = None,
    device: str = "auto",
    tokens: int = 4096,
    compile: bool = False,
    listener: Listener = SILENT,
) -> DataFrame:
    """Return what a trained model predicts for some proteins: the rows of `zoo predict`.

    They are the mean over all models of the run, calibrated, and its standard deviation. The
    numbers equal those of `predictions.csv` to the last digit, for the same inputs and `tokens`.

    Examples:
        >>> found = predict("zoo/examples/1a8o.cif.gz", "ppbs")
        >>> found.nlargest(3, "binding_site")["number"].tolist()
        ['184', '189', '188']

    Args:
        inputs: Path, folder or glob of structure or FASTA files, the name of a structure ("1abc",
            "1abc_A", "AF-P12345-F1", "P12345"), which is fetched, or a `Protein`; or a list of
            these. A protein that is given has its name as id; a file has that of the verb.
        model: Name of a shipped model, folder of a run or of a saved model, or what `zoo.train` or
            `zoo.load_ensemble` returned. The last is not loaded again at each call.
        scope: "chain" takes each chain of a complex alone, "complex" all together; None for what
            the model was trained on.
        min_plddt: pLDDT, 0 to 100, below which residues of predicted structures count as without
            coordinates; None for none. Other structures stay as they are.
        states: File of hidden states, for a model that reads one; see `load_model`.
        device: Device to load the models on; "auto" is the best one available.
        tokens: Maximum number of tokens in a batch, padding included.
        compile: Whether to compile the graph networks' layers first; pays off for many proteins.
        listener: Receives the progress, and a line on complexes that were cut.

    Returns:
        One row for each residue, or for each protein, with the columns of the verb's CSV file.
        `attrs["failed"]` has the reason for each input that failed, by input.

    Raises:
        StructureError: If a path or pattern matches no file.
        FetchError: If a structure is given by name, and cannot be fetched.
        CheckpointError: If the model was not trained, or does not fit its config.
        WeightsError: If the weights of the language model cannot be had here.
        ConfigError: For an input or model of a wrong type, a device that is not there, or nothing
            to compile with.
        ZooError: If no input could be predicted. If only some could, a `FailedInputsWarning` is
            given in its place.
    """
    taken, least = checked_scope(scope), checked_least(min_plddt)
    given = gather(inputs, listener.say)
    ensemble = opened(model, device, states, taken, compile=compile)
    if ensemble.random_plm:
        warnings.warn(RANDOM_WARNING, RandomWeightsWarning, stacklevel=2)
    outcome, names, found = Outcome(), list[str](), dict[str, Any]()
    estimator = Estimator(ensemble, outcome)
    with listener.progress("predicting", len(given)) as advance:
        for batch in batched(
            noted(read_all(given, outcome, cut=ensemble.cuts, min_plddt=least), names), tokens
        ):
            for protein, estimates in estimator.estimate(batch):
                found[protein.name] = as_plain(protein, estimates)
                outcome.written += 1
            advance(outcome.written + len(outcome.failed))
    if said := told(outcome.complexes, ensemble.scope, scope):
        listener.say(said)
    for line in left_out_residues(outcome, least):
        listener.say(line)
    failed = failures(outcome, "predicted")
    done = ((name, found[name]) for name in names if name in found)
    table = frame(
        done, ensemble.targets, several=len(ensemble.models) > 1, thresholds=ensemble.thresholds
    )
    table.attrs["failed"] = failed
    return table


def opened(
    model: Model,
    device: str,
    states: str | None = None,
    scope: Scope | None = None,
    *,
    compile: bool = False,
) -> Ensemble:
    """Return the models of a run by name, folder or record; an ensemble as it is.

    Raises:
        ConfigError: If it is something else, such as one model of a run, which lacks what the run
            adds: its other models, and the calibration.
    """
    if isinstance(model, Ensemble):
        if states is not None or scope is not None or compile:
            raise ConfigError(
                "states, scope and compile are for a model that is loaded here; give them to "
                "zoo.load_ensemble."
            )
        return model
    if isinstance(model, FusedModel):
        raise ConfigError(
            "A FusedModel is one model, without the other models and the calibration of its run. "
            'Give the name or folder that it was loaded from, such as "ppbs"; save a model of your '
            "own with `zoo.save_model` first."
        )
    if not isinstance(model, str | os.PathLike | Run):
        raise ConfigError(
            f"{model!r:.80} ({type(model).__name__}) is not a model. Valid: the name of a shipped "
            "model, the folder of a run, or what `zoo.train` or `zoo.load_ensemble` returned."
        )
    folder = model.folder if isinstance(model, Run) else os.fspath(model)
    if known := warning(folder_of(folder)):
        warnings.warn(f"{folder}: {known}", ModelWarning, stacklevel=3)
    return load_ensemble(folder, device, states, scope, compile=compile)

"""`zoo.embed`: the features that the verb of that name writes, in memory."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from zoo.errors import ConfigError, RandomWeightsWarning
from zoo.models.headroom import Headroom
from zoo.models.model import FusedModel
from zoo.models.runs import Run
from zoo.models.summary import RANDOM_WARNING
from zoo.prediction.attempts import attempted
from zoo.prediction.embedding import features_of, layer_index, names_of_each, of_each
from zoo.prediction.ensemble import within
from zoo.prediction.estimating import batched
from zoo.prediction.given import failures, gather, noted
from zoo.prediction.inputs import Outcome, read_all
from zoo.prediction.opening import open_model
from zoo.prediction.scope import checked_scope, told
from zoo.prediction.unsure import checked_least, left_out_residues
from zoo.proteins.given import Given
from zoo.settings.config import COMPLEX
from zoo.system.devices import choose_device
from zoo.system.listener import SILENT, Listener

if TYPE_CHECKING:
    from pandas import DataFrame


class Features(dict[str, Tensor]):
    """The features of each protein by its name: (nodes, width), or (width,) if they are pooled.

    Attributes:
        rows: Name of each row, "chain:number:letter" or "ligand", by the name of the protein; none
            if the features are pooled.
        failed: Reason for each input that failed, by input.
    """

    def __init__(
        self,
        found: Mapping[str, Tensor],
        rows: Mapping[str, list[str]],
        failed: Mapping[str, str],
    ) -> None:
        super().__init__(found)
        self.rows, self.failed = rows, failed

    def frame(self) -> DataFrame:
        """Return the features as a DataFrame with a column for each of them.

        The index is the protein, `id`; of features that are not pooled, `id` and `residue`.
        """
        import numpy as np
        import pandas as pd

        values = np.concatenate([np.atleast_2d(tensor.numpy()) for tensor in self.values()])
        if not self.rows:
            return pd.DataFrame(values, pd.Index(list(self), name="id"))
        pairs = [(name, row) for name in self for row in self.rows[name]]
        return pd.DataFrame(values, pd.MultiIndex.from_tuples(pairs, names=["id", "residue"]))


def embed(
    inputs: Given | Iterable[Given],
    model: str | os.PathLike[str] | Run | FusedModel,
    *,
    layer: str | int = "fused",
    pool: bool = False,
    scope: str | None = None,
    min_plddt: float | None = None,
    weights: str | None = None,
    states: str | None = None,
    device: str = "auto",
    tokens: int = 4096,
    listener: Listener = SILENT,
) -> Features:
    """Return the features of some proteins, as `zoo embed` writes them.

    The numbers equal those of its file bit for bit, for the same inputs and `tokens`.

    Examples:
        >>> features = embed("zoo/examples/1a8o.cif.gz", "ppbs")
        >>> features["1a8o"].shape, features.rows["1a8o"][0]
        (torch.Size([70, 64]), 'A:151:M')
        >>> table = embed("zoo/examples/1a8o.cif.gz", "plm_mini", layer=-1, pool=True).frame()

    Args:
        inputs: Path, folder or glob of structure or FASTA files, the name of a structure ("1abc",
            "1abc_A", "AF-P12345-F1", "P12345"), which is fetched, or a `Protein`; or a list of
            these.
        model: A model; or the folder of a run or saved model, the name of a shipped model, of a
            config or of a language model. Of a run with several models, the features are those of
            the first.
        layer: "fused", the number of a layer of the language model, or "raw", its last layer
            before the final norm.
        pool: Whether to return the mean over the nodes of each protein.
        scope: "chain" takes each chain of a complex alone, "complex" all together; None for what
            the model was trained on.
        min_plddt: pLDDT, 0 to 100, below which residues of predicted structures count as without
            coordinates; None for none. Other structures stay as they are.
        weights: For a config or language model: "pretrained" or "random" weights.
        states: File of hidden states, for a saved model that reads one.
        device: Device to run on; "auto" is the best one available. A model that is given
            is moved to it, and set to evaluation mode.
        tokens: Maximum number of tokens in a batch, padding included.
        listener: Receives the progress, and a line on a run of several models.

    Returns:
        The features in float32 on the CPU, by the names of the proteins, in the order of the
        inputs.

    Raises:
        StructureError: If a path or pattern matches no file.
        FetchError: If a structure is given by name, and cannot be fetched.
        ConfigError: For an input, model or layer that is not valid.
        CheckpointError: If a saved model does not fit its config.
        WeightsError: If the weights of the language model cannot be had here.
        ZooError: If no input could be embedded. If only some could, a `FailedInputsWarning` is
            given in its place.
    """
    device, taken, least = choose_device(device), checked_scope(scope), checked_least(min_plddt)
    given = gather(inputs, listener.say)
    if not isinstance(model, FusedModel):
        model = _opened(model, weights, states, listener)
    if layer != "fused":
        layer_index(model, str(layer))
    model = within(copy.copy(model.to(device).eval()), taken)  # the caller's keeps its scope
    outcome, names = Outcome(), list[str]()
    found, nodes = dict[str, Tensor](), dict[str, list[str]]()
    work = partial(features_of, Headroom(model, device), layers=[str(layer)])
    with listener.progress("embedding", len(given)) as advance:
        for batch in batched(noted(read_all(given, outcome, min_plddt=least), names), tokens):
            for some, rows in attempted(batch, work, outcome):
                for one, part, own in zip(
                    some, of_each(rows, pool), names_of_each(rows), strict=True
                ):
                    found[one.name], nodes[one.name] = part[str(layer)].float(), own
                outcome.written += len(some)
            advance(outcome.written + len(outcome.failed))
    if said := told(outcome.complexes, model.recipe.config.scope or COMPLEX, scope):
        listener.say(said)
    for line in left_out_residues(outcome, least):
        listener.say(line)
    failed = failures(outcome, "embedded")
    done = [name for name in names if name in found]
    return Features({name: found[name] for name in done}, {} if pool else nodes, failed)


def _opened(
    model: object, weights: str | None, states: str | None, listener: Listener
) -> FusedModel:
    if not isinstance(model, str | os.PathLike | Run):
        raise ConfigError(
            f"{model!r:.80} ({type(model).__name__}) is not a model. Valid: a model, the folder of "
            "a run or saved model, or the name of a shipped model, config or language model."
        )
    found = open_model(
        model.folder if isinstance(model, Run) else model, weights, states, listener.say
    )
    if found.recipe.random_plm:
        warnings.warn(RANDOM_WARNING, RandomWeightsWarning, stacklevel=3)
    return found

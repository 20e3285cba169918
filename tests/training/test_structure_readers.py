"""Language models that read the structure: what is stored, and what training and noise leave."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import shelf
from tests.training import runs
from zoo.data.samples import Sample
from zoo.models.create import build_model
from zoo.proteins.build_graph import GraphSpec
from zoo.proteins.protein import Protein
from zoo.proteins.reading import readings, unpaired
from zoo.proteins.threedi import structure_letters
from zoo.states.states import StateStore, key_of
from zoo.training.curves import CURVES, read_curves
from zoo.training.data import TrainingData
from zoo.training.disturbance import DisturbedExamples, Draw
from zoo.training.examples import VERSION, PreparedExamples
from zoo.training.fitting import train

in_both_ways = pytest.mark.parametrize("write_back", ["side", "deep"])
SPEC = GraphSpec(k=6)
SEQUENCE = shelf.ordinary(24, seed=1).chains[0].sequence


def folded(seed: int) -> Protein:
    """Return one sequence in a structure of its own."""
    made = shelf.ordinary(24, seed)
    chain = dataclasses.replace(made.chains[0], sequence=SEQUENCE)
    return shelf.protein(f"fold {seed}", chain)


@pytest.fixture(scope="module")
def saprot(tmp_path_factory: pytest.TempPathFactory) -> str:
    return shelf.save_saprot(tmp_path_factory.mktemp("plm") / "saprot")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return prepared data in which two samples have one sequence and two structures."""
    found = runs.samples(runs.BINDING)
    for at in (0, 1):
        found[at] = dataclasses.replace(
            found[at], protein=folded(at), targets={"binding_site": np.zeros(24, np.float32)}
        )
    return runs.prepare(tmp_path_factory.mktemp("data") / "ppbs", [runs.BINDING], found)


def examples(data: Path, **given: object) -> PreparedExamples:
    keys = [f"p{number:02}" for number in range(18)]
    bare = PreparedExamples(data, "1234", keys, [("A",)] * 18, [runs.BINDING], SPEC, None)
    chains = [tuple(c.sequence for c in s.protein.chains) for s in bare.samples(keys)]
    return PreparedExamples(data, "1234", keys, chains, [runs.BINDING], SPEC, None, **given)


def sample(made: PreparedExamples, key: str) -> Sample:
    (found,) = made.samples([key])
    return found


@in_both_ways
def test_two_structures_of_one_sequence_have_states_of_their_own(
    tmp_path: Path, saprot: str, write_back: str
) -> None:
    model = shelf.small_model(saprot, "gvp", "global", write_back=write_back)
    store = StateStore(
        tmp_path, model.seq, "saprot", "f00d", model.taps, torch.float32,
        every_token=write_back == "deep",
    )  # fmt: skip
    proteins = [folded(1), folded(2)]
    texts = [text for protein in proteins for text in readings(protein, "both")]
    assert len({key_of(text) for text in texts}) == 2
    assert store.fill(texts, budget=0, device="cpu", advance=lambda done: True)
    seen = []
    for protein, text in zip(proteins, texts, strict=True):
        batch = model.batch([protein])
        hidden, live = store.of_chains([[text]], batch.graph), model.tap(batch)
        assert all(torch.equal(hidden[k], live[k]) for k in live)
        with torch.no_grad():
            assert torch.equal(model.features(batch, hidden), model.features(batch))
        seen.append(hidden)
    assert not any(torch.equal(seen[0][k], seen[1][k]) for k in seen[0])


def test_keys_and_names_of_models_that_read_sequences_are_what_they_were(
    tmp_path: Path, data: Path
) -> None:
    assert key_of("MKV") == hashlib.sha256(b"MKV").hexdigest()[:32]
    spec = dataclasses.asdict(SPEC)
    text = json.dumps([VERSION, "1234", spec, ["binding_site"]], sort_keys=True)
    made = examples(data)
    assert made._name("1234") == hashlib.sha256(text.encode()).hexdigest()[:24]
    assert examples(data, reads="both")._name("1234") != made._name("1234")
    assert "structure" not in made[0]


def test_samples_are_read_as_live_and_from_the_store_of_graphs(tmp_path: Path, data: Path) -> None:
    made = examples(data, reads="both")
    expected = [readings(x.protein, "both") for x in made.samples(made.keys)]
    assert [made.read(at, made[at]) for at in range(len(made))] == expected
    assert list(made.readings()) == expected
    assert made.sequences[0] == made.sequences[1] and expected[0] != expected[1]


def test_each_run_says_that_no_3di_letter_is_known_also_from_stored_graphs(data: Path) -> None:
    made = examples(data, reads="both")
    stored = made[3] | {"structure": torch.full_like(made[3]["structure"], ord("#"))}
    with pytest.warns(UserWarning, match="in the place of each 3Di letter"):
        assert made.read(3, stored) == list(made.sequences[3])


def test_noise_moves_the_graph_and_not_what_the_language_model_reads(data: Path) -> None:
    made = examples(data, reads="both")
    ((_, found),) = DisturbedExamples(made, 1.0, 0.5, 0).__getitems__([Draw(0, 3)])
    assert made.read(3, found) == readings(sample(made, "p03").protein, "both")
    assert not torch.equal(found["node:pos"], made[3]["node:pos"])


def test_masked_types_are_in_no_structure_letter(data: Path) -> None:
    """3Di letters depend on where atoms are, and on no letter of the sequence."""
    protein = sample(examples(data), "p03").protein
    (chain,) = protein.chains
    hidden = dataclasses.replace(chain, sequence="X" * len(chain))
    masked = dataclasses.replace(protein, chains=(hidden,))
    assert structure_letters(masked) == structure_letters(protein)


@in_both_ways
def test_a_run_from_stored_states_is_the_live_run(
    tmp_path: Path, data: Path, saprot: str, write_back: str
) -> None:
    losses = []
    for store in ("float32", "none"):
        job = runs.job(
            data, saprot, tmp_path / store, tmp_path / f"store_{store}",
            **{"train.store": store, "fusion.write_back": write_back, "train.epochs": 2,
               "train.tokens": 30},
        )  # fmt: skip
        train(job)
        losses.append([row["val_loss"] for row in read_curves(job.folder / CURVES)])
    # Equal to rounding alone: a live batch is padded, a stored chain was computed by itself.
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_all_structures_are_stored_and_the_second_run_stores_nothing(
    tmp_path: Path, data: Path, saprot: str
) -> None:
    job = runs.job(data, saprot, tmp_path / "run", tmp_path / "store", **{"train.store": "float32"})
    for _ in range(2):
        made = TrainingData(job, build_model(job.blueprint))
        texts = made.sequences
        made.fill("cpu")
        assert made.states is not None and made.states.missing(texts) == []
    letters = [unpaired(text)[0] for text in texts]
    assert letters.count(SEQUENCE) == 2
    assert made.parts["train"].missing() == []

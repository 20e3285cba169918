"""Training with a second objective: letters of the structure, by heads that are not saved."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import shelf
from tests.pretraining.test_corpus import drawn
from tests.pretraining.test_loop import TINY, ignored, never
from tests.pretraining.test_loop import TOKENS as TOKENIZER
from zoo.errors import ConfigError
from zoo.pretraining.batches import batches
from zoo.pretraining.crops import IGNORED, draw, whole
from zoo.pretraining.letters import ALPHABETS, SECONDARY, UNKNOWN, Lettered, lettered
from zoo.pretraining.loop import CHECKPOINT, CURVES, Pretraining, Settings
from zoo.pretraining.structures import Structures


def chains(count: int, length: int = 40, seed: int = 0) -> list[Lettered]:
    return [
        one for at in range(count)
        for one in lettered(shelf.protein("p", shelf.chain(length, seed=seed + at)))
    ]  # fmt: skip


def known(count: int = 12) -> Structures:
    return Structures(chains(count), chains(3, seed=100), {"given": {"files": str(count)}})


def made(folder: Path, structures: Structures | None, **changed: object) -> Pretraining:
    stamp = "" if structures is None else structures.stamp
    settings = Settings(**{**TINY, "structures": stamp, **changed})  # type: ignore[arg-type]
    return Pretraining(settings, drawn(40), drawn(6, seed=1), folder, structures)


def test_letters_stand_at_their_residues_also_where_these_are_hidden() -> None:
    own = [Lettered("ACDEF" * 8, {kind: (x[0] + UNKNOWN + x[1]) * 13 + x[0] for kind, x in
           ALPHABETS.items()})]  # fmt: skip
    crops = draw(own, TOKENIZER, longest=60, budget=300, rng=np.random.default_rng(0))
    assert crops.batch.where.any()
    for table in crops.letters.values():
        assert table.shape == crops.batch.ids.shape
        assert table[0].tolist() == [IGNORED, *[0, IGNORED, 1] * 13, 0, IGNORED]


def test_a_crop_takes_its_own_letters() -> None:
    alphabet = ALPHABETS[SECONDARY]
    sequence = "".join("ACD"[at % 3] for at in range(200))
    letters = {kind: "".join(x[at % 3] for at in range(200)) for kind, x in ALPHABETS.items()}
    (crops,) = whole([Lettered(sequence, letters)], TOKENIZER, longest=50, budget=300,
                     rng=np.random.default_rng(1))  # fmt: skip
    ids = TOKENIZER(["ACD"]).ids[0, 1:4]
    assert crops.batch.ids.shape == (1, 52) and len(alphabet) == 3
    for table in crops.letters.values():
        assert torch.equal(ids[table[0, 1:-1]], crops.batch.ids[0, 1:-1])


def test_a_draw_keeps_to_the_budget_and_reaches_every_chain() -> None:
    own = [*chains(100, 30), *chains(20, 90, seed=200)]
    seen: set[int] = set()
    for step in range(200):
        crops = draw(own, TOKENIZER, longest=60, budget=200, rng=np.random.default_rng(step))
        assert crops.batch.ids.numel() <= 200
        seen |= {hash(tuple(x[x != IGNORED].tolist())) for x in crops.letters["3di"]}
    assert len(seen) > 100


def test_whole_shows_all_and_each_chain_once() -> None:
    looks = whole(chains(7), TOKENIZER, longest=60, budget=100, rng=np.random.default_rng(0))
    assert sum(len(crops.batch.ids) for crops in looks) == 7
    assert not any(crops.batch.where.any() for crops in looks)


def test_gradients_reach_the_heads_and_the_layers(tmp_path: Path) -> None:
    training = made(tmp_path, known())
    assert training.second is not None
    training.second.loss(training.model, 0).backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0
               for x in training.second.heads.parameters())  # fmt: skip
    assert all(x.grad is not None and x.grad.abs().sum() > 0
               for name, x in training.model.esm.named_parameters()
               if "word" in name or "attention" in name and "weight" in name)  # fmt: skip
    assert training.model.lm_head.dense.weight.grad is None


def test_a_step_trains_the_heads(tmp_path: Path) -> None:
    training = made(tmp_path, known())
    assert training.second is not None
    before = {name: x.clone() for name, x in training.second.heads.state_dict().items()}
    training.run(partial(next, iter([True])), ignored)
    for name, tensor in training.second.heads.state_dict().items():
        assert not torch.equal(tensor, before[name]), name


def test_the_sequences_and_the_hidden_residues_are_the_same_with_and_without(
    tmp_path: Path,
) -> None:
    found = [next(made(tmp_path, one)._stream()) for one in (None, known())]
    alone = next(batches(drawn(40), TOKENIZER, longest=60, budget=300, seed=2))
    for batch in found:
        assert torch.equal(batch.ids, alone.ids) and torch.equal(batch.where, alone.where)
    one, two = (made(tmp_path, x).model.state_dict() for x in (None, known()))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())


def test_letters_that_can_be_told_are_learned(tmp_path: Path) -> None:
    letters = {"A": 0, "C": 1, "D": 2}
    text = ["".join("ACD"[(at * k) % 3] for at in range(40)) for k in (1, 2)] * 6
    own = [Lettered(s, {k: "".join(x[letters[c]] for c in s) for k, x in ALPHABETS.items()})
           for s in text]  # fmt: skip
    structures = Structures(own, own[:2], {"given": {}})
    rows: list[dict[str, float]] = []
    made(tmp_path, structures, tokens=20000).run(never, rows.append)
    assert all(rows[-1][f"{kind}_accuracy"] == 1.0 for kind in ALPHABETS)
    assert rows[-1]["letters_loss"] < rows[0]["letters_loss"]
    header = (tmp_path / CURVES).read_text().splitlines()[0].split(",")
    assert header == list(rows[0]) and "validation_perplexity" in header


def test_a_stop_changes_nothing(tmp_path: Path) -> None:
    whole_run = made(tmp_path / "whole", known())
    assert whole_run.run(never, ignored)
    for stop in (1, 4, 11):
        answers = iter([*[False] * stop, True])
        assert not made(tmp_path / "parts", known()).run(partial(next, answers), ignored)
    rest = made(tmp_path / "parts", known())
    assert rest.run(never, ignored)
    for one, two in ((whole_run.model, rest.model), (whole_run.second, rest.second)):
        mine, other = (getattr(x, "heads", x).state_dict() for x in (one, two))
        assert all(torch.equal(tensor, other[name]) for name, tensor in mine.items())


def test_a_training_from_before_goes_on_as_it_did(tmp_path: Path) -> None:
    whole_run = made(tmp_path / "whole", None)
    assert whole_run.run(never, ignored)
    assert not made(tmp_path / "old", None).run(partial(next, iter([False] * 4 + [True])), ignored)
    path = tmp_path / "old" / CHECKPOINT
    held = torch.load(path, weights_only=True)
    del held["heads"]
    for name in ("structures", "structure_share", "structure_weight"):
        del held["settings"][name]
    torch.save(held, path)
    rest = made(tmp_path / "old", None)
    assert rest.run(never, ignored)
    for name, tensor in whole_run.model.state_dict().items():
        assert torch.equal(tensor, rest.model.state_dict()[name]), name


def test_other_structures_are_refused(tmp_path: Path) -> None:
    made(tmp_path, known()).save()
    for other in (None, known(5)):
        with pytest.raises(ConfigError, match="was trained with structures="):
            made(tmp_path, other)


def test_without_held_out_chains_no_accuracy_is_known(tmp_path: Path) -> None:
    alone = Structures(chains(4), [], {"given": {}})
    assert made(tmp_path, alone).accuracies() == {}

"""Training a small masked language model: batches, steps, stops."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from tests.pretraining.test_corpus import drawn
from zoo.backbones.residue_tokens import published
from zoo.errors import CheckpointError, ConfigError, ZooError
from zoo.pretraining.batches import FIRST_RESIDUE, MASK, RESIDUES, batches
from zoo.pretraining.loop import CHECKPOINT, Pretraining, Settings
from zoo.pretraining.muon import orthogonal
from zoo.pretraining.ngrams import perplexities

TOKENS = published("esm2")
TINY = dict(num_layers=2, width=16, num_heads=2, budget=300, longest=60, tokens=9000, every=3000)


def made(folder: Path, **changed: object) -> Pretraining:
    return Pretraining(Settings(**{**TINY, **changed}), drawn(40), drawn(6, seed=1), folder)  # type: ignore[arg-type]


def never() -> bool:
    return False


def ignored(row: dict[str, float]) -> None: ...


def test_a_pass_is_the_same_for_a_seed_and_keeps_to_the_budget() -> None:
    sequences = [*drawn(30, length=50), *drawn(10, length=300)]
    one, two = (list(batches(sequences, TOKENS, longest=100, budget=400, seed=3)) for _ in range(2))
    other = list(batches(sequences, TOKENS, longest=100, budget=400, seed=4))
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(one, two, strict=True))
    assert any(a.ids.shape != b.ids.shape or not torch.equal(a.ids, b.ids)
               for a, b in zip(one, other, strict=False))  # fmt: skip
    assert all(batch.ids.numel() <= 400 for batch in one)
    assert sum(len(batch.ids) for batch in one) == 40
    assert max(batch.ids.shape[1] for batch in one) == 102


def test_a_seventh_of_the_residues_are_hidden_and_no_special_token() -> None:
    found = list(batches(drawn(200), TOKENS, longest=100, budget=4000, seed=0))
    where = torch.cat([batch.where.flatten() for batch in found])
    shown = torch.cat([batch.ids[batch.where] for batch in found])
    truth = torch.cat([batch.truth for batch in found])
    share = int(where.sum()) / (200 * 80)
    assert 0.14 < share < 0.16
    assert 0.77 < float((shown == MASK).float().mean()) < 0.83
    assert 0.08 < float((shown == truth).float().mean()) < 0.13  # kept, and by chance
    assert int(truth.min()) >= FIRST_RESIDUE and int(truth.max()) < FIRST_RESIDUE + RESIDUES
    for batch in found:
        assert not (batch.where & ~batch.attend).any() and not batch.where[:, 0].any()


def test_what_is_not_hidden_is_shown_as_it_is() -> None:
    sequences = drawn(20)
    batch = next(batches(sequences, TOKENS, longest=100, budget=4000, seed=0))
    whole = batch.ids.clone()
    whole[batch.where] = batch.truth
    rows = {tuple(row.tolist()) for row in TOKENS(sequences).ids}
    assert {tuple(row.tolist()) for row in whole} == rows


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8)])
def test_muon_steps_along_every_direction_alike(shape: tuple[int, int]) -> None:
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert 0.5 < float(values.min()) and float(values.max()) < 1.3


def test_training_learns_more_than_frequencies(tmp_path: Path) -> None:
    text = ["ACDEFGHIKL" * 8] * 30
    training = Pretraining(Settings(**{**TINY, "tokens": 45000}), text, text[:4], tmp_path)  # type: ignore[arg-type]
    assert training.run(never, ignored)
    assert training.perplexity(training.validation) < 8.0  # ten letters, alike in number


def test_a_stop_changes_nothing(tmp_path: Path) -> None:
    whole = made(tmp_path / "whole")
    assert whole.run(never, ignored)
    for stop in (1, 4, 11):
        answers = iter([*[False] * stop, True])
        halted = made(tmp_path / "parts")
        assert not halted.run(partial(next, answers), ignored)
    rest = made(tmp_path / "parts")
    assert rest.at.step == 1 + 1 + 4 + 1 + 11 + 1
    assert rest.run(never, ignored)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, rest.model.state_dict()[name]), name
    assert whole.at.best == rest.at.best


def test_the_end_can_be_put_off_and_nothing_else(tmp_path: Path) -> None:
    made(tmp_path).run(never, ignored)
    longer = made(tmp_path, tokens=12000)
    assert longer.run(never, ignored) and longer.at.tokens >= 12000
    with pytest.raises(ConfigError, match="was trained with width=16, not 32"):
        made(tmp_path, width=32)


def test_no_gain_ends_it(tmp_path: Path) -> None:
    training = made(tmp_path, tokens=10**6, every=300, patience=2, rate=1e-12)
    rows: list[dict[str, float]] = []
    assert training.run(never, rows.append)
    assert training.at.tokens < 10**5 and training.at.stale == 2
    assert min(row["validation_perplexity"] for row in rows) == round(training.at.best, 4)


def test_a_gradient_that_is_not_finite_stops_it(tmp_path: Path) -> None:
    training = made(tmp_path)
    training.save()
    before = (tmp_path / CHECKPOINT).read_bytes()
    with torch.no_grad():
        training.model.esm.encoder.layer[0].output.dense.weight.fill_(float("nan"))
    with pytest.raises(ZooError, match="not finite at step 0"):
        training.run(never, ignored)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    training = made(tmp_path)
    training.save()
    before = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / f"{CHECKPOINT}.part").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match="No space left on device"):
        training.save()
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_counts_know_what_the_context_tells() -> None:
    text = ["ACDACDACDACD" * 6] * 5
    looks = list(batches(text, TOKENS, longest=100, budget=4000, seed=0))
    found = perplexities(text, looks, TOKENS)
    assert found["unigram"] == pytest.approx(3.0, rel=0.02)
    assert found["trigram"] < 1.3 and found["neighbours"] < 1.3


def test_counts_of_noise_tell_nothing() -> None:
    train, held = drawn(300), drawn(30, seed=7)
    looks = list(batches(held, TOKENS, longest=100, budget=4000, seed=0))
    found = perplexities(train, looks, TOKENS)
    assert min(found.values()) > 19.5

"""Stored states are the live ones, each computed once, whoever is killed meanwhile."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests import shelf
from tests.states.fillers import LetterModel, fill, open_store, sequences
from zoo.errors import ConfigError
from zoo.models.model import FusedModel
from zoo.proteins.batch import join
from zoo.proteins.protein import Protein
from zoo.states import filling, room, upkeep
from zoo.states.shard import shard_paths
from zoo.states.shards import StoreError, StoreWarning
from zoo.states.states import StateStore
from zoo.system.files import cache_root

WANTED = sequences(40)
PROTEINS = list(shelf.SHELF.values())
ALONE = [protein for protein in PROTEINS if len(protein.chains) == 1]
in_both_ways = pytest.mark.parametrize("write_back", ["side", "deep"])
of_every_kind = pytest.mark.parametrize("kind", shelf.PLM_KINDS)
EXACT, HALF = torch.float32, torch.bfloat16


def chains_of(proteins: Sequence[Protein]) -> list[list[str]]:
    return [[chain.sequence for chain in protein.chains] for protein in proteins]


def live(plm: LetterModel, sequence: str) -> dict[int, Tensor]:
    """Return what a model says of one sequence by itself."""
    found: dict[int, Tensor] = {}
    tokens = plm.tokenize([sequence])
    rows = slice(tokens.start, tokens.start + len(sequence))

    def keep(k: int, h: Tensor) -> Tensor:
        found[k] = h[0, rows].clone()
        return h

    with torch.no_grad():
        plm(tokens.ids, tokens.attend, keep)
    return found


@pytest.fixture
def plm() -> LetterModel:
    return LetterModel()


@pytest.fixture
def store(tmp_path: Path, plm: LetterModel) -> StateStore:
    return open_store(tmp_path / "root", plm)


# -------------------------------------------------------------------- stored equals live


def test_rows_are_those_of_the_sequence_alone(store, plm):
    assert fill(store, WANTED)
    reader = open_store(store.root, plm)
    for sequence in WANTED:
        expected = live(plm, sequence)
        assert all(torch.equal(reader.rows(sequence, k), expected[k]) for k in (1, 3))


def model_of(folder: str, write_back: str = "side", **given: object) -> FusedModel:
    """Return a model whose exchanges do something."""
    values = {"graph.ligands": True, "fusion.args.identity_start": False}
    return shelf.small_model(
        folder, "gvp", "global", write_back=write_back, values=values,
        fuse_after=[(2, 1), (3, 2)], **given,
    )  # fmt: skip


def stored(
    model: FusedModel, root: Path, proteins: list[Protein], dtype: torch.dtype
) -> StateStore:
    store = StateStore(
        root, model.seq, "tiny", model.recipe.fingerprint, model.taps, dtype,
        every_token=model.side is None,
    )  # fmt: skip
    assert fill(store, [chain.sequence for protein in proteins for chain in protein.chains])
    return store


@of_every_kind
@in_both_ways
def test_stored_equals_live_bit_for_bit_for_a_chain_alone(tmp_path, plm_folders, kind, write_back):
    """Unresolved residues, ligand atoms and unknown letters among them."""
    model = model_of(plm_folders[kind], write_back, task="ppbs")
    store = stored(model, tmp_path, ALONE, EXACT)
    for protein in ALONE:
        batch = model.batch([protein])
        hidden, tapped = store.of_chains(chains_of([protein]), batch.graph), model.tap(batch)
        assert hidden.keys() == tapped.keys()
        for k in hidden:
            assert torch.equal(hidden[k], tapped[k]), (protein.name, k)
        with torch.no_grad():
            assert torch.equal(model(batch, hidden), model(batch))


@of_every_kind
@in_both_ways
def test_stored_equals_live_in_a_padded_batch(tmp_path, plm_folders, kind, write_back):
    """To rounding: padding changes the order in which a live batch is summed."""
    model = model_of(plm_folders[kind], write_back, task="ppbs")
    store = stored(model, tmp_path, PROTEINS, EXACT)
    batch = model.batch(PROTEINS)
    hidden, tapped = store.of_chains(chains_of(PROTEINS), batch.graph), model.tap(batch)
    there = batch.node_token >= 0 if write_back == "side" else batch.attend
    for k in tapped:
        assert hidden[k].shape == tapped[k].shape
        shelf.assert_close(hidden[k][there], tapped[k][there])
        assert (hidden[k][~there] == 0).all()
    with torch.no_grad():
        shelf.assert_close(model(batch, hidden), model(batch))


@of_every_kind
def test_a_batch_of_several_has_the_rows_of_each_chain_alone(tmp_path, plm_folders, kind):
    """Bit for bit, in any order; through other code than the store's own."""
    model = model_of(plm_folders[kind])
    store = stored(model, tmp_path, PROTEINS, EXACT)
    proteins = PROTEINS[::-1]
    graph = model.batch(proteins).graph
    for k, found in store.of_chains(chains_of(proteins), graph).items():
        expected = torch.zeros_like(found)
        for number, protein in enumerate(proteins):
            rows = torch.cat([live(model.seq, chain.sequence)[k] for chain in protein.chains])
            for node in (graph.protein == number).nonzero()[:, 0].tolist():
                if (residue := int(graph.nodes["residue"][node])) >= 0:
                    expected[node] = rows[residue]
        assert torch.equal(found, expected)


@of_every_kind
@in_both_ways
def test_bfloat16_is_the_live_state_rounded(tmp_path, plm_folders, kind, write_back):
    model = model_of(plm_folders[kind], write_back, task="ppbs")
    store = stored(model, tmp_path, ALONE, HALF)
    for protein in ALONE:
        batch = model.batch([protein])
        hidden, tapped = store.of_chains(chains_of([protein]), batch.graph), model.tap(batch)
        for k in tapped:
            # Eight bits of significand: half a unit in the last place is 2^-9 of the value.
            assert ((hidden[k].float() - tapped[k]).abs() <= 2**-8 * tapped[k].abs()).all()
        with torch.no_grad():
            torch.testing.assert_close(model(batch, hidden), model(batch), rtol=0.05, atol=0.05)


@of_every_kind
def test_residues_and_tokens_are_kept_apart(tmp_path, plm_folders, kind):
    """Special tokens are rows of the second alone, and no room is lost or missed."""
    models = [model_of(plm_folders[kind], write_back) for write_back in ("side", "deep")]
    side, deep = (stored(model, tmp_path, ALONE, EXACT) for model in models)
    assert deep.folder != side.folder and deep.layers == (2,)
    (sequence,) = {chain.sequence for chain in shelf.ordinary().chains}
    special, start = models[1].seq.tokenizer.num_special, len(models[1].seq.tokenizer.before)
    rows = deep.rows(sequence, 2)
    assert len(rows) == len(sequence) + special
    assert torch.equal(rows[start : start + len(sequence)], side.rows(sequence, 2))
    assert deep.expected_bytes(["ACDE"]) == (4 + special) * shelf.PLM_WIDTH * 4
    found = {holding.name: holding for holding in upkeep.holdings(tmp_path)}
    names = [f"states/{store.folder.name}" for store in (side, deep)]
    assert [found[name].layers for name in names] == [[2, 3], [2]]
    assert found[names[1]].count() == found[names[0]].count() == (len(ALONE), 0)
    upkeep.remove(found[names[1]].shards, tmp_path)
    assert not deep.folder.exists() and side.missing([sequence]) == []


def test_a_batch_without_tokens_takes_stored_states(tmp_path, plm_folders):
    model = model_of(plm_folders["esm"], task="ppbs")
    store = stored(model, tmp_path, ALONE, EXACT)
    for protein in ALONE:
        batch, chains = model.batch([protein]), [[chain.sequence for chain in protein.chains]]
        bare = join(batch.graph, chains, None, batch.names)
        assert bare.tokens is None
        with torch.no_grad():
            assert torch.equal(model(bare, store.of_chains(chains, bare.graph)), model(batch))


def test_a_padded_batch_of_a_gpu_gives_each_its_own_rows(plm):
    """What runs on a GPU, run here: chains of several lengths in one batch."""
    device = torch.device("cpu")
    with torch.no_grad():
        found = filling.states(plm, WANTED, (1, 2, 3), EXACT, device)
        whole = filling.states(plm, WANTED, (1, 2, 3), EXACT, device, every_token=True)
    for k, rows in found.items():
        for sequence in WANTED:
            shelf.assert_close(rows[sequence], live(plm, sequence)[k])
            assert torch.equal(whole[k][sequence][1:-1], rows[sequence])
            assert len(whole[k][sequence]) == len(sequence) + 2


# ------------------------------------------------------------------------ computed once


def test_a_sequence_is_computed_once(store, plm):
    assert fill(store, [*WANTED, *WANTED])
    assert plm.seen == len(WANTED)
    assert fill(store, WANTED[::-1])
    assert fill(open_store(store.root, plm), WANTED)
    assert plm.seen == len(WANTED)
    assert store.missing([*WANTED, "NEW", "NEW"]) == ["NEW"]


def test_a_further_layer_is_added_without_writing_the_others_again(store, plm):
    fill(store, WANTED)
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.safetensors")}
    more = open_store(store.root, plm, layers=(1, 2, 3))
    assert more.missing(WANTED) == WANTED
    assert more.expected_bytes(WANTED) == sum(map(len, WANTED)) * plm.width * 4
    assert fill(more, WANTED)
    after = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.safetensors")}
    assert after.items() >= before.items()
    assert {path.parent.name for path in after.keys() - before.keys()} == {"layer_2"}
    assert torch.equal(more.rows(WANTED[0], 2), live(plm, WANTED[0])[2])


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({}, True),
        ({"fingerprint": "beef"}, False),
        ({"dtype": HALF}, False),
        ({"layers": (1,)}, True),
    ],
)
def test_other_weights_and_dtypes_lie_apart(store, plm, given, same):
    fill(store, WANTED)
    assert (open_store(store.root, plm, **given).missing(WANTED) == []) is same


def test_what_a_model_computes_in_counts(store, plm):
    assert re.match(r"letters-f00d-float32-float32-tf[\d.]+-[0-9a-f]{8}$", store.folder.name)
    assert open_store(store.root, plm.bfloat16()).folder != store.folder


def test_the_name_of_a_folder_or_hub_is_made_a_name_of_a_folder(tmp_path, plm):
    named = StateStore(tmp_path, plm, "/home/me/my plm (v2)", "f00d", (1,))
    assert named.folder.name.startswith("my_plm_v2_-f00d-float32-bfloat16-tf")


def before_tokens(store: StateStore) -> Path:
    """Return the folder that older versions kept the same states in, without their tokens."""
    return store.folder.with_name(re.sub("-[0-9a-f]{8}$", "", store.folder.name))


def test_another_tokenizer_under_the_same_weights_lies_apart(store):
    fill(store, WANTED)
    other = open_store(store.root, LetterModel(shift=1))
    assert other.folder != store.folder and other.missing(WANTED) == WANTED


def test_a_store_of_before_is_used_where_its_tokens_are_the_same(store, plm):
    fill(store, WANTED)
    store.folder.rename(before_tokens(store))
    again = open_store(store.root, plm)
    assert again.folder == before_tokens(store) and again.missing(WANTED) == []


def test_a_store_of_before_with_other_tokens_is_not(store):
    fill(store, WANTED)
    facts = json.loads((store.folder / "store.json").read_text())
    assert (facts["name"], facts["width"], facts["fingerprint"]) == ("letters", 8, "f00d")
    store.folder.rename(before_tokens(store))
    other = open_store(store.root, LetterModel(shift=1))
    assert other.folder != before_tokens(store) and other.missing(WANTED) == WANTED


def test_another_dtype_is_an_error(tmp_path, plm):
    with pytest.raises(ConfigError, match="Valid: bfloat16, float32"):
        open_store(tmp_path, plm, dtype=torch.float16)


def test_the_language_model_is_left_as_it_was(store, plm):
    plm.train()
    fill(store, WANTED)
    assert plm.training
    assert all(p.grad is None and p.requires_grad for p in plm.parameters())
    assert not store.rows(WANTED[0], 1).requires_grad


def test_a_state_that_is_not_finite_is_not_stored(store, plm):
    plm.letters.weight.data[ord("W")] = torch.inf
    with pytest.raises(StoreError, match="not finite"):
        fill(store, ["ACD", "AWD"])


def test_what_is_not_there_is_told(store):
    with pytest.raises(StoreError, match="no states of layer 3 for a sequence of 4 residues"):
        store.rows("ACDE", 3)


def test_another_process_gets_no_language_model(store, plm):
    fill(store, WANTED)
    plm.letters = torch.nn.Embedding(100_000, 8)
    data = pickle.dumps(store)
    assert len(data) < 2_000
    copy = pickle.loads(data)
    assert copy.missing(WANTED) == []
    assert torch.equal(copy.rows(WANTED[0], 3), store.rows(WANTED[0], 3))


# ------------------------------------------------------------------------------ batches


@given(st.lists(st.integers(1, 300), unique=True), st.integers(0, 1000))
@settings(deadline=None)
def test_batches_hold_each_once_longest_first_within_the_budget(lengths, budget):
    wanted = ["A" * n for n in lengths]
    runs = filling.batches(wanted, budget)
    flat = [sequence for run in runs for sequence in run]
    assert sorted(flat) == sorted(wanted)
    assert flat == sorted(flat, key=len, reverse=True)
    assert all(len(run) == 1 or len(run[0]) * len(run) <= budget for run in runs)


def test_the_longest_comes_first_and_the_others_in_an_order_of_ones_own():
    runs = [[str(i)] for i in range(50)]
    orders = [filling.own_order(runs) for _ in range(2)]
    assert orders[0] != orders[1]
    assert [order[0] for order in orders] == [runs[0]] * 2
    assert [sorted(order) for order in orders] == [sorted(runs)] * 2


# --------------------------------------------------------- interrupted, killed, shared


def test_stopping_keeps_what_is_done(store, plm):
    told: list[int] = []

    def advance(done: int) -> bool:
        told.append(done)
        return done < 15

    assert not fill(store, WANTED, advance=advance)
    assert told == list(range(1, 16))
    assert len(open_store(store.root, plm).missing(WANTED)) == len(WANTED) - 15
    assert fill(store, WANTED)
    assert plm.seen == len(WANTED)


def test_shards_are_written_on_the_way(store, monkeypatch):
    monkeypatch.setattr(filling, "SHARD_SEQUENCES", 10)
    counts: list[int] = []
    fill(store, WANTED, advance=lambda done: bool(counts.append(len(store.shards[1])) or True))
    assert counts == [10 * (done // 10) for done in range(1, 41)]
    for name in ("SHARD_BYTES", "SHARD_SECONDS"):
        other = open_store(store.root.with_name(name))
        monkeypatch.setattr(filling, "SHARD_SEQUENCES", 1000)
        monkeypatch.setattr(filling, name, 0)
        fill(other, WANTED)
        assert len(shard_paths(other.folder / "layer_3")) == len(WANTED)
        monkeypatch.undo()


def started(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.states.fillers", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_process_leaves_a_store_that_is_whole_and_goes_on(store, plm):
    wanted = sequences(400)
    with started("killed", store.root, *["fill"] * 8) as process:
        assert process.wait(60) == 0
    store.missing(())
    assert 0 < len(store.shards[1])
    assert all(shards.verify() == [] for shards in store.shards.values())
    left = store.missing(wanted)
    assert fill(store, wanted)
    assert plm.seen == len(left)
    assert all(torch.equal(store.rows(x, 3), live(plm, x)[3]) for x in wanted)


def test_two_processes_share_the_work(store, plm):
    wanted = sequences(80)
    store.root.mkdir()
    both = [started("together", store.root, len(wanted)) for _ in range(2)]
    deadline = time.monotonic() + 60
    while len(list(store.root.glob("ready *"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    (store.root / "go").touch()
    computed = [int(process.communicate(timeout=60)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(computed) < 1.6 * len(wanted)  # twice, if they did not share
    assert store.missing(wanted) == []
    assert all(shards.verify() == [] for shards in store.shards.values())
    assert all(torch.equal(store.rows(x, k), live(plm, x)[k]) for x in wanted for k in (1, 3))


def test_a_truncated_shard_is_computed_again(store, plm):
    fill(store, WANTED)
    (path,) = shard_paths(store.folder / "layer_1")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(StoreWarning, match="counts as missing"):
        again = open_store(store.root, plm)
    assert again.missing(WANTED) == WANTED
    assert fill(again, WANTED)
    assert all(torch.equal(again.rows(x, 1), live(plm, x)[1]) for x in WANTED)


def test_a_changed_byte_is_found_when_it_is_read(store, plm):
    fill(store, WANTED)
    (path,) = shard_paths(store.folder / "layer_1")
    data = bytearray(path.read_bytes())
    data[-1] ^= 64
    path.write_bytes(data)
    again = open_store(store.root, plm)
    with pytest.raises(StoreError, match="is not what was written"):
        for sequence in WANTED:
            again.rows(sequence, 1)


# --------------------------------------------------------------------------------- room


def test_what_does_not_fit_the_limit_is_refused_before_anything_is_done(store, plm):
    needed = store.expected_bytes(WANTED)
    assert needed == sum(map(len, WANTED)) * plm.width * 4 * 2
    with pytest.raises(ConfigError, match="limit") as caught:
        fill(store, WANTED, limit=needed - 1)
    for fix in ("zoo.store prune", "higher limit", "bfloat16", "fewer layers"):
        assert fix in str(caught.value)
    assert plm.seen == 0
    assert not store.root.exists()
    assert fill(store, WANTED, limit=needed)
    assert fill(store, WANTED, limit=0)  # nothing is missing


def test_what_else_the_root_holds_counts_towards_the_limit(store, plm):
    fill(open_store(store.root, plm, fingerprint="other"), WANTED)
    with pytest.raises(ConfigError, match="taken"):
        fill(store, WANTED, limit=store.expected_bytes(WANTED))


def test_what_does_not_fit_the_disk_is_refused(store, plm, monkeypatch):
    usage = shutil.disk_usage(store.root.parent)._replace(free=100)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ConfigError, match="free on its disk"):
        fill(store, WANTED)
    assert plm.seen == 0
    assert not store.root.exists()


def test_the_root_is_named_by_the_environment(monkeypatch):
    monkeypatch.setenv("ZOO_STORE", "~/elsewhere")
    assert cache_root() == Path.home() / "elsewhere"
    monkeypatch.delenv("ZOO_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_root() == Path("/cache/protein-model-zoo")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "protein-model-zoo"

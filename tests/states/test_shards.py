"""A folder of shards: what is put is got, and no kill, damage or neighbour changes that."""

from __future__ import annotations

import errno
import os
import pickle
import resource
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader

from tests.states.fillers import Entries
from zoo.errors import SaveError
from zoo.states.shard import shard_paths, stale_parts
from zoo.states.shards import Shards, StoreError, StoreWarning

DTYPES = [
    torch.bfloat16, torch.float16, torch.float32, torch.float64,
    torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool,
]  # fmt: skip


def same(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors are equal bit for bit, NaN included."""
    bits = [x.contiguous().reshape(-1).view(torch.uint8) for x in (a, b)]
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*bits)


def random_bits(dtype: torch.dtype, *shape: int) -> Tensor:
    if dtype == torch.bool:
        return torch.rand(shape) > 0.5
    size = torch.empty(shape, dtype=dtype).nbytes
    return torch.randint(0, 256, (size,), dtype=torch.uint8).view(dtype).reshape(shape)


@pytest.fixture(scope="module")
def after_kills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose writers were killed, twelve at random moments and one before the last step."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.states.fillers", "killed", str(folder)]
    subprocess.run([*command, *["write"] * 12, "die"], check=True, timeout=60)
    return folder


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    """Two shards of two keys each."""
    made = Shards(tmp_path / "some" / "folder")
    made.put(
        {"a": {"x": torch.arange(12.0).view(3, 4), "y": torch.ones(2)}, "b": {"x": torch.ones(5)}}
    )
    made.put({"c": {"x": torch.arange(7)}, "d": {"x": torch.zeros(0, 4), "y": torch.tensor(2.5)}})
    return made


# ---------------------------------------------------------------------------- put, get, share


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_is_put_is_got_bit_for_bit(tmp_path, dtype):
    shapes = [(3, 4), (1,), (0, 5), (), (2, 3, 1)]
    entry = {str(i): random_bits(dtype, *shape) for i, shape in enumerate(shapes)}
    entry |= {"turned": entry["0"].T, "part": entry["0"][1:, 2:], "again": entry["0"]}
    Shards(tmp_path).put({"key": entry})
    found = Shards(tmp_path).get("key")
    assert found.keys() == entry.keys()
    assert all(same(found[name], entry[name]) for name in entry)


def test_gradients_stay_behind(tmp_path):
    shards = Shards(tmp_path)
    shards.put({"key": {"x": torch.ones(3, requires_grad=True)}})
    assert not shards.get("key")["x"].requires_grad


@given(
    st.lists(
        st.dictionaries(
            st.text(),
            st.dictionaries(
                st.text().filter(lambda x: "/" not in x), st.integers(0, 9), max_size=3
            ),
            max_size=3,
        ),
        max_size=5,
    )
)
@settings(max_examples=40, deadline=None)
def test_a_folder_is_a_dictionary(puts):
    """Of keys to tensors that depend on the key, however they were put and by whom."""
    expected: dict[str, dict[str, Tensor]] = {}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        mine, other = Shards(Path(folder)), Shards(Path(folder))
        for number, entries in enumerate(puts):
            made = {
                key: {name: torch.full((n,), len(key)) for name, n in entry.items()}
                for key, entry in entries.items()
            } | {key: expected[key] for key in entries.keys() & expected.keys()}
            expected |= made
            (mine, other)[number % 2].put(made)
        for shards in (mine, other, Shards(Path(folder))):
            shards.refresh()
            assert shards.keys() == expected.keys()
            assert len(shards) == len(expected)
            assert "no such key" not in shards
            for key, entry in expected.items():
                found = shards.get(key)
                assert found.keys() == entry.keys()
                assert all(same(found[name], entry[name]) for name in entry)
            assert shards.verify() == []


def test_a_key_or_folder_that_is_not_there(tmp_path):
    shards = Shards(tmp_path / "none")
    assert len(shards) == 0 and shards.nbytes == 0 and shards.verify() == []
    shards.put({})
    assert not shards.folder.exists()
    with pytest.raises(KeyError):
        shards.get("a")
    with pytest.raises(ValueError, match="must not contain '/'"):
        shards.put({"a": {"x/y": torch.ones(1)}})


def test_a_shard_is_a_plain_safetensors_file(shards):
    found = [load_file(path) for path in shard_paths(shards.folder)]
    assert {name for file in found for name in file} == {"a/x", "a/y", "b/x", "c/x", "d/x", "d/y"}
    assert shards.nbytes == sum(f.stat().st_size for f in shards.folder.iterdir())


def test_reading_copies_nothing_and_writing_to_what_was_read_leaves_the_file(shards):
    before = {path: path.read_bytes() for path in shard_paths(shards.folder)}
    first, second = shards.get("a")["x"], shards.get("a")["x"]
    assert first.data_ptr() == second.data_ptr()
    other = Shards(shards.folder).get("a")["x"]
    first.fill_(-1.0)
    assert {path: path.read_bytes() for path in before} == before
    assert torch.equal(other, torch.arange(12.0).view(3, 4))
    assert shards.verify() == []


def test_reading_takes_no_memory(tmp_path):
    """What is mapped is the page cache's, also after every byte was read."""
    shards = Shards(tmp_path)
    shards.put({"key": {"x": torch.ones(8_000_000)}})
    reader = Shards(tmp_path)
    before = anonymous_memory()
    assert reader.get("key")["x"].sum() == 8e6
    assert anonymous_memory() - before < 8_000_000


def anonymous_memory() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc: memory cannot be told apart")
    (line,) = [x for x in status.read_text().splitlines() if x.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


def test_many_shards_take_no_file_handles(shards, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for number in range(300):
        shards.put({str(number): {"x": torch.tensor([number])}})
    before = len(os.listdir("/proc/self/fd"))
    reader = Shards(shards.folder)
    assert [int(reader.get(str(number))["x"]) for number in range(300)] == list(range(300))
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_others_write_is_seen_after_a_refresh(shards):
    other = Shards(shards.folder)
    other.put({"e": {"x": torch.ones(1)}})
    assert "e" not in shards
    shards.refresh()
    assert "e" in shards
    assert shards.get("e")["x"] == 1


def test_what_others_prune_is_gone_after_a_refresh(shards):
    mapped, unread = shards.get("a")["x"], Shards(shards.folder)
    for path in shard_paths(shards.folder):
        if any(name.startswith("a/") for name in load_file(path)):
            path.unlink()
    assert torch.equal(mapped, torch.arange(12.0).view(3, 4))
    with pytest.raises(KeyError):
        unread.get("b")
    shards.refresh()
    assert set(shards.keys()) == set(unread.keys()) == {"c", "d"}


def test_of_a_key_in_two_shards_either_will_do(shards):
    other = Shards(shards.folder)
    for each in (shards, other):
        each.put({"twice": {"x": torch.ones(3)}})
    reader = Shards(shards.folder)
    assert len(reader) == 5
    (first,) = [path for path in shard_paths(shards.folder) if "twice/x" in load_file(path)][:1]
    first.unlink()
    assert torch.equal(reader.get("twice")["x"], torch.ones(3))


def test_a_copy_for_another_process_is_the_name_of_the_folder(shards):
    shards.get("a")
    data = pickle.dumps(shards)
    assert len(data) < 500
    assert same(pickle.loads(data).get("a")["x"], shards.get("a")["x"])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Python 3.12, fork
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_a_data_loader_read(tmp_path, start):
    shards = Shards(tmp_path)
    shards.put({str(i): {"x": torch.full((i,), 2.0)} for i in range(6)})
    shards.get("3")
    loader = DataLoader(Entries(shards), num_workers=1, multiprocessing_context=start)
    assert [float(x) for x in loader] == [0, 2, 4, 6, 8, 10]


# ------------------------------------------------------------------------------------- damage


def shard_with(shards: Shards, name: str) -> Path:
    return next(p for p in shard_paths(shards.folder) if name in load_file(p))


@pytest.mark.parametrize("cut", ["nothing left", "in the header", "a byte short", "a byte more"])
def test_a_truncated_shard_counts_as_missing(shards, cut):
    path = shard_with(shards, "a/x")
    data = path.read_bytes()
    path.write_bytes({"nothing left": b"", "in the header": data[:50], "a byte short": data[:-1],
                      "a byte more": data + b"\0"}[cut])  # fmt: skip
    with pytest.warns(StoreWarning, match="prune --damaged"):
        reader = Shards(shards.folder)
    assert set(reader.keys()) == {"c", "d"}
    assert list(reader.damaged) == [path.name]
    assert [path.name in line for line in reader.verify()] == [True]
    reader.refresh()  # warns once only
    reader.put({"a": {"x": torch.ones(2)}})
    assert torch.equal(reader.get("a")["x"], torch.ones(2))
    path.unlink()
    reader.refresh()
    assert reader.damaged == {}
    assert reader.verify() == []


def test_a_changed_byte_of_data_is_found_when_it_is_read(shards):
    path = shard_with(shards, "a/x")
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert len(shards.verify()) == 1
    reader = Shards(shards.folder)
    hurt = [key for key in "abcd" if not readable(reader, key)]
    assert len(hurt) == 1
    assert Shards(shards.folder, check=False).get(hurt[0])


def readable(shards: Shards, key: str) -> bool:
    try:
        shards.get(key)
    except StoreError as error:
        assert "prune --damaged" in str(error)
        return False
    return True


@pytest.mark.filterwarnings("ignore::zoo.states.shards.StoreWarning")
def test_a_changed_byte_anywhere_is_found(shards):
    """In the header too: a name, a dtype, a shape or a place."""
    path = shard_with(shards, "d/x")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert shards.verify(), f"byte {place}: {whole[place : place + 1]!r}"


def test_what_is_not_ours_is_neither_read_nor_damage(shards):
    (shards.folder / "model.safetensors").write_bytes(b"something else")
    (shards.folder / "notes.part").write_text("mine")
    reader = Shards(shards.folder)
    assert set(reader.keys()) == set("abcd")
    assert reader.verify() == [] == stale_parts(shards.folder)


# -------------------------------------------------------------------------------------- kills


def test_a_killed_writer_leaves_whole_shards(after_kills):
    shards = Shards(after_kills)
    assert len(shards) > 0
    assert shards.verify() == []
    assert all((shards.get(key)["x"] == int(key) % 1000).all() for key in shards.keys())


def test_a_part_of_a_killed_writer_is_no_damage_and_garbage_after_an_hour(after_kills):
    shards, parts = Shards(after_kills), sorted(after_kills.glob("*.part"))
    assert parts
    assert "never" not in shards
    assert stale_parts(after_kills) == []  # they might still be written
    for part in parts:
        os.utime(part, (1, 1))
    assert stale_parts(after_kills) == parts
    shards.put({"never": {"x": torch.ones(1)}})
    assert "never" in shards


# --------------------------------------------------------------------------------- full disks


def no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_and_loses_nothing(shards, monkeypatch):
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StoreError, match="No space left") as caught:
        shards.put({"e": {"x": torch.ones(9)}})
    for part in (str(shards.folder), "written before is whole", "zoo.store prune", "ZOO_STORE"):
        assert part in str(caught.value)
    assert caught.value.exit_code == SaveError.exit_code
    assert list(shards.folder.glob("*.part")) == []
    assert set(Shards(shards.folder).keys()) == set("abcd")


def test_a_file_that_cannot_grow_is_taken_away(shards):
    """A real error half-way through a file, not one made up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StoreError, match="Cannot write to"):
            shards.put({"e": {"x": torch.ones(1_000_000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(shards.folder.iterdir())) == 2
    assert shards.verify() == []


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take away the right to write; root has it always, so be nobody for a while."""
    folder.chmod(0o555)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)
        folder.chmod(0o755)


def test_a_folder_that_cannot_be_written_to_is_told_and_can_be_read(shards):
    place = Path(tempfile.gettempdir()) / f"zoo-test-{uuid.uuid4().hex}"
    shutil.copytree(shards.folder, place)  # out of pytest's folder, which only its owner enters
    try:
        with read_only(place):
            reader = Shards(place)
            assert torch.equal(reader.get("c")["x"], torch.arange(7))
            with pytest.raises(StoreError, match="Make it writable") as caught:
                reader.put({"e": {"x": torch.ones(9)}})
        assert str(place) in str(caught.value)
    finally:
        shutil.rmtree(place)

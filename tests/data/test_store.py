"""Prepared data: a sample comes back as it was, and a killed run loses nothing that was written."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import shelf
from zoo.data import preparing
from zoo.data import store as stores
from zoo.data.layouts.base import Layout
from zoo.data.report import hash_of, leaks, summarise
from zoo.data.samples import ChainMatch, DroppedSample, Sample
from zoo.data.store import Store, pack, unpack
from zoo.errors import DataError, SaveError
from zoo.proteins.protein import from_sequence
from zoo.tasks import Target

TARGET = Target("label", "binary", "residue")


def sample(name: str, protein, **options) -> Sample:
    label = np.arange(len(protein)) % 2
    options.setdefault("matches", (ChainMatch("A", labelled=3, notes=("one note",)),))
    return Sample(name, protein, {"label": label.astype(np.float32)}, **options)


def same(a: object, b: object) -> None:
    """Assert that two records are equal, field by field."""
    if dataclasses.is_dataclass(a):
        assert type(a) is type(b)
        for field in dataclasses.fields(a):
            same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
        assert a.dtype.kind == b.dtype.kind
    elif isinstance(a, tuple | list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            same(a[key], b[key])
    else:
        assert a == b


class Toy(Layout):
    """Samples from memory; a name with "bad" in it is dropped."""

    task, needs, source = "toy", "nothing", "here"
    names = tuple(f"p{i}" for i in range(150)) + ("bad",)
    targets = (TARGET,)
    read_so_far: list[str]

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read_so_far = []

    @classmethod
    def detect(cls, root: Path) -> bool:
        return True

    def keys(self) -> list[str]:
        return list(self.names)

    def read(self, key: str) -> Sample:
        self.read_so_far.append(key)
        if key == "bad":
            raise DroppedSample("bad: no structure file")
        split = ("train", "test")[int(key[1:]) % 2]
        return sample(key, from_sequence(key, "ACDEFGHIKL"), split=split)

    def inputs(self) -> list[Path]:
        return sorted(self.root.glob("*.txt"))


@pytest.mark.parametrize("name", shelf.SHELF)
def test_a_sample_comes_back_as_it_was(name):
    whole = sample(
        name, shelf.SHELF[name], split="test", subset="70", group="g", weight=0.5, censored=-1
    )
    same(unpack(pack(whole)), whole)


@pytest.mark.parametrize("shape", [(), (3,), (40,), (40, 2)])
def test_a_target_keeps_its_shape(shape):
    whole = Sample("x", shelf.SHELF["ordinary"], {"t": np.full(shape, np.nan, np.float32)})
    assert unpack(pack(whole)).targets["t"].shape == shape


def test_a_stored_sample_is_found_by_key(tmp_path):
    with Store(tmp_path, write=True) as store:
        store.put({"a": ({"id": "a"}, pack(sample("a", shelf.SHELF["ordinary"])))})
        store.put({"b": ({"dropped": "why"}, None)})
    with Store(tmp_path) as store:
        assert store.keys() == ["a"]
        assert store.done() == {"a", "b"}
        assert len(store) == 1
        assert [found.id for found in store] == ["a"]
        with pytest.raises(KeyError):
            store["b"]


def test_the_store_grows_beyond_its_first_size(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.data.store.FIRST_SIZE", 2**16)
    record = pack(sample("a", shelf.SHELF["ordinary"]))
    with Store(tmp_path, write=True) as store:
        store.put({f"k{i}": ({}, record) for i in range(60)})
        assert len(store) == 60


def test_no_store_and_a_damaged_store_are_told(tmp_path):
    with pytest.raises(DataError, match=r"zoo\.prepare"):
        Store(tmp_path / "nothing")
    (tmp_path / "data.mdb").write_bytes(b"no lmdb at all")
    with pytest.raises(DataError, match="damaged"):
        Store(tmp_path)


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_store_that_was_cut_short_is_told(tmp_path, share, write):
    """LMDB maps the file, and the system kills a process that reads past its end."""
    proteins = [from_sequence(f"p{at}", "MKT" * 300) for at in range(40)]
    with Store(tmp_path / "store", write=True) as store:
        store.put({p.name: ({"id": p.name}, pack(sample(p.name, p))) for p in proteins})
    path = tmp_path / "store" / "data.mdb"
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(DataError, match=r"data\.mdb was cut short: .* bytes are there\. Delete"):
        Store(tmp_path / "store", write=write)


FILL = """
import resource, signal, sys
from pathlib import Path
from tests.data.test_store import Toy
from zoo.data.preparing import prepared
from zoo.errors import SaveError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    prepared(Toy(Path(sys.argv[1])), "toy", Path(sys.argv[1]) / "out", "way")
except SaveError as error:
    print(error.exit_code, error)
"""


def test_a_full_disk_keeps_the_samples_that_were_read(tmp_path):
    """A limit on the size of a file stands for the disk."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, tmp_path, "700000"], capture_output=True, text=True
    )
    assert done.stdout.startswith(f"5 {tmp_path / 'out'} cannot be written to: "), done.stderr
    assert "samples that were read before are kept" in done.stdout
    with Store(tmp_path / "out" / "store") as store:
        assert 0 < len(store) < 150
    layout = Toy(tmp_path)
    assert preparing.prepared(layout, "toy", tmp_path / "out", "way")["samples"] == 150
    assert len(layout.read_so_far) < 151


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(preparing, "write_json", refuse)
    with pytest.raises(SaveError, match=r"out cannot be written to: Permission denied\."):
        preparing.prepared(Toy(tmp_path), "toy", tmp_path / "out", "way")


def test_a_store_whose_last_pages_are_not_used_is_whole(tmp_path, monkeypatch):
    with Store(tmp_path, write=True) as store:
        store.put({"a": ({"id": "a"}, pack(sample("a", from_sequence("a", "MKT"))))})
    monkeypatch.setattr(stores, "cut_short", lambda *_: "1 of 2 bytes are there")
    with Store(tmp_path) as store:
        assert store["a"].id == "a"


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    first, second = Toy(tmp_path), Toy(tmp_path)
    assert not preparing.fill(first, tmp_path / "out", {"stamp": "x"}, lambda done, total: False)
    assert len(first.read_so_far) == preparing.BATCH
    assert preparing.fill(second, tmp_path / "out", {"stamp": "x"}, lambda done, total: True)
    assert not set(first.read_so_far) & set(second.read_so_far)
    with Store(tmp_path / "out" / "store") as store:
        assert store.done() == set(Toy.names)


def test_other_inputs_are_read_anew(tmp_path):
    layout = Toy(tmp_path)
    (tmp_path / "labels.txt").write_text("1")
    before = preparing.fingerprint(layout, "toy")
    (tmp_path / "labels.txt").write_text("12")
    assert preparing.fingerprint(layout, "toy") != before
    for inputs in ("x", "y"):
        preparing.fill(layout, tmp_path / "out", {"stamp": inputs}, lambda done, total: True)
    assert layout.read_so_far.count("p0") == 2


def test_the_hash_of_contents_is_the_same_on_every_machine(tmp_path):
    hashes = []
    for name, text, seconds in (("a", "1", 10**9), ("b", "1", 2 * 10**9), ("c", "2", 10**9)):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "labels.txt"
        path.write_text(text)
        os.utime(path, (seconds, seconds))
        hashes.append(preparing.contents(Toy(tmp_path / name)))
    assert hashes[0] == hashes[1] != hashes[2]


def index(tmp_path):
    preparing.fill(Toy(tmp_path), tmp_path / "out", {"stamp": "x"}, lambda done, total: True)
    with Store(tmp_path / "out" / "store") as store:
        return store.index()


def test_the_summary_counts_what_was_read(tmp_path):
    facts = summarise(index(tmp_path), (TARGET,))
    assert (facts["listed"], facts["samples"], facts["dropped"]) == (151, 150, 1)
    assert facts["parts"] == {"test": 75, "train": 75}
    assert facts["labels"]["label"]["train"] == {"known": 750, "positive": 0.5}
    assert facts["reasons"] == {"bad: no structure file": 1}
    assert facts["residues"]["labelled"] == 450


def test_equal_sequences_of_two_splits_are_a_leak(tmp_path):
    (leak,) = leaks(index(tmp_path), 0.9)
    assert leak["identity"] == 1.0
    assert leak["splits"] == ["test", "train"]


def test_a_hash_of_ids_does_not_depend_on_order():
    assert hash_of(["a", "b"]) == hash_of(["b", "a"]) != hash_of(["a", "c"])


@pytest.mark.slow
def test_a_record_is_read_faster_than_a_structure_file(tmp_path):
    from zoo.examples import example

    protein = example()
    record = pack(sample("x", protein))
    start = time.perf_counter()
    example()
    parse = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(20):
        unpack(record)
    assert (time.perf_counter() - start) / 20 < parse / 5

"""Foldcomp databases are read entry by entry; what is missing or damaged gets a sentence."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.verbs import call
from zoo.errors import ConfigError, StructureError
from zoo.examples.made_up import write_made_up
from zoo.prediction.parts.stream import check_beginnings, items
from zoo.prediction.paths import find_inputs
from zoo.proteins.files import foldcomp
from zoo.proteins.protein import Protein
from zoo.proteins.records import holds_many, read_proteins, read_records
from zoo.proteins.structure import read_structure

REAL = pytest.mark.skipif(
    importlib.util.find_spec("foldcomp") is None, reason="Foldcomp is not installed"
)
PACKED = foldcomp.MARK + b" packed "


@pytest.fixture
def structures(tmp_path: Path) -> list[Path]:
    """Return four structure files of made-up proteins."""
    return sorted((write_made_up(tmp_path / "made", proteins=4) / "structures").iterdir())


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what follows the mark for the text of an entry, whether Foldcomp is there or not."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: find("json" if name == "foldcomp" else name)
    )
    monkeypatch.setattr(
        foldcomp._Unpacker, "unpacked", lambda self, data: data.removeprefix(PACKED)
    )


def database(path: Path, texts: Sequence[bytes], keys: Sequence[int] | None = None) -> Path:
    """Write a database as Foldcomp does: index and lookup are sorted by key."""
    own = keys or range(len(texts))
    path.write_bytes(b"".join(texts))
    starts = np.cumsum([0, *map(len, texts)])
    lines = [(own[at], starts[at], len(text)) for at, text in enumerate(texts)]
    index = "".join(f"{key}\t{start}\t{length}\n" for key, start, length in sorted(lines))
    path.with_name(f"{path.name}.index").write_text(index)
    names = "".join(f"{key}\tAF-P{key}-F1-model_v4.pdb\t0\n" for key in sorted(own))
    path.with_name(f"{path.name}.lookup").write_text(names)
    path.with_name(f"{path.name}.dbtype").write_bytes(bytes([12, 0, 0, 0]))
    return path


def of_text(path: Path, files: Sequence[Path], keys: Sequence[int] | None = None) -> Path:
    return database(path, [PACKED + file.read_bytes() for file in files], keys)


def names(found: Sequence[Protein]) -> list[str]:
    return [protein.name for protein in found]


@pytest.mark.usefixtures("unpacked")
def test_entries_are_read_in_the_order_of_the_index_with_their_names(
    tmp_path: Path, structures: list[Path]
) -> None:
    path = of_text(tmp_path / "afdb", structures, [7, 3, 12, 5])
    found = list(read_proteins(path))
    assert names(found) == [f"AF-P{key}-F1-model_v4" for key in (3, 5, 7, 12)]
    expected = [read_structure(structures[at]) for at in (1, 3, 0, 2)]
    for one, other in zip(found, expected, strict=True):
        assert one.chains[0].sequence == other.chains[0].sequence
        np.testing.assert_array_equal(one.chains[0].coords, other.chains[0].coords)
    assert holds_many(path) and not holds_many(structures[0])


@pytest.mark.usefixtures("unpacked")
@pytest.mark.parametrize("order", ["more", "backwards"])
def test_a_lookup_may_name_more_entries_or_be_in_another_order(
    tmp_path: Path, structures: list[Path], order: str
) -> None:
    path = of_text(tmp_path / "afdb", structures, [2, 4, 6, 8])
    lookup = tmp_path / "afdb.lookup"
    lines = [*lookup.read_text().splitlines(), *(f"{key}\tother{key}\t0" for key in (1, 5, 9))]
    ordered = sorted(lines) if order == "more" else sorted(lines)[::-1]
    lookup.write_text("\n".join(ordered))
    assert names([*read_proteins(path)]) == [f"AF-P{key}-F1-model_v4" for key in (2, 4, 6, 8)]


@pytest.mark.usefixtures("unpacked")
def test_records_are_told_apart_without_being_unpacked(
    tmp_path: Path, structures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = of_text(tmp_path / "afdb", structures)
    monkeypatch.setattr(foldcomp, "_read", lambda *_: pytest.fail("unpacked"))
    marks = [(item.name, item.mark) for item in items(find_inputs([str(path)]), Counter())]
    assert len({*marks}) == 4


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _without_lookup(path: Path) -> None:
    path.with_name("afdb.lookup").unlink()


def _without_index(path: Path) -> None:
    path.with_name("afdb.index").unlink()


def _bad_index(path: Path) -> None:
    path.with_name("afdb.index").write_text("0\t0\t100\n1\tx\t5\n")


def _bad_lookup(path: Path) -> None:
    path.with_name("afdb.lookup").write_text("0\n")


def _other_lookup(path: Path) -> None:
    path.with_name("afdb.lookup").write_text("77\tx\t0\n")


@pytest.mark.usefixtures("unpacked")
@pytest.mark.parametrize(("damage", "words"), [
    (_cut, "was cut short: the entry 3 would end at byte"),
    (_without_lookup, "has no afdb.lookup beside it"),
    (_bad_index, "line 2 of afdb.index is not a key"),
    (_bad_lookup, "line 1 of afdb.lookup is not"),
    (_other_lookup, "afdb.lookup has no name for the entry 0"),
    (_without_index, "afdb.index, which says where each begins, is not beside it"),
])  # fmt: skip
def test_a_damaged_database_is_told_at_its_beginning(
    tmp_path: Path, structures: list[Path], damage: object, words: str
) -> None:
    path = of_text(tmp_path / "afdb", structures)
    assert callable(damage)
    damage(path)
    with pytest.raises(StructureError, match=words):
        next(read_proteins(path))
    if holds_many(path):
        with pytest.raises(StructureError, match=words):
            check_beginnings(find_inputs([str(path)]))


def test_without_foldcomp_one_sentence_says_what_to_do(
    tmp_path: Path, structures: list[Path], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "foldcomp" else find(name)
    )
    path, out = of_text(tmp_path / "afdb", structures), tmp_path / "out"
    with pytest.raises(ConfigError, match="`pip install foldcomp`"):
        next(read_proteins(path))
    done = call(capsys, "embed", path, "--model", "plm_mini", "--out", out, "--format", "parquet")
    assert done.code == 2 and "`pip install foldcomp`" in done.err and not out.exists()


@REAL
def test_what_foldcomp_packed_is_read_back_and_a_damaged_entry_is_a_failure(
    tmp_path: Path, structures: list[Path]
) -> None:
    from foldcomp import compress

    packed = [compress(file.stem, file.read_text()) for file in structures]
    bad = bytearray(packed[1])
    bad[4:40] = bytes([255]) * 36  # sizes and counts, at which Foldcomp ends its process
    found = list(read_records(database(tmp_path / "db", [packed[0], bytes(bad), *packed[2:]])))
    assert [isinstance(one, Protein) for one in found] == [True, False, True, True]
    assert "AF-P1-F1-model_v4.pdb: is damaged: Foldcomp cannot unpack it" in str(found[1])
    for one, file in zip(found, structures, strict=True):
        if isinstance(one, Protein):
            other = read_structure(file).chains[0]
            assert one.chains[0].sequence == other.sequence
            distances = np.linalg.norm(one.chains[0].coords - other.coords, axis=-1)
            assert np.nanmean(distances) < 1.0  # angles are rounded, and these have no ideal bonds


@REAL
def test_a_database_goes_into_parts(
    tmp_path: Path, structures: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow", reason="Parquet parts need pyarrow, of the extra `parquet`")
    from foldcomp import compress

    path = database(tmp_path / "db", [compress(x.stem, x.read_text()) for x in structures])
    for out, options in (("whole", []), ("shared", ["--shard", "2/2"]), ("shared", [])):
        done = call(capsys, "embed", path, "--model", "plm_mini", "--pool", "--format", "parquet",
                    "--part-size", 2, "--out", tmp_path / out, *options)  # fmt: skip
        assert done.code == 0, done.err
    for part in (tmp_path / "whole").glob("part-*"):
        assert part.read_bytes() == (tmp_path / "shared" / part.name).read_bytes()

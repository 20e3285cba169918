"""Files of many proteins: FASTA of any size, tar archives as AlphaFold DB ships them, tables."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import zoo
from zoo.errors import StructureError
from zoo.examples.made_up import write_made_up
from zoo.proteins.files import fasta
from zoo.proteins.files.fasta import fasta_records, parse_fasta
from zoo.proteins.files.unpack import unpacked
from zoo.proteins.protein import Protein
from zoo.proteins.records import read_proteins, read_records, records


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = write_made_up(tmp_path_factory.mktemp("made_up"), proteins=3) / "structures"
    return sorted(folder.glob("*.pdb"))


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def sequences(path: Path) -> list[tuple[str, str]]:
    return [(one.name, one.chains[0].sequence) for one in read_proteins(path)]


FASTA = b"\xef\xbb\xbf\r\n>a first\r\nMKT\r\nAY*\r\n>\r\nACD\r\n>c\rGG\r>d\nM-K\n>e >f\nWW"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_where_pieces_of_a_fasta_file_end_does_not_matter(size: int) -> None:
    pieces = (FASTA[at : at + size] for at in range(0, len(FASTA), size))
    found = [record.attempt() for record in fasta_records(pieces, "mine", "mine.fasta")]
    expected = list(parse_fasta(FASTA, "mine", "mine.fasta"))
    assert [str(one) if isinstance(one, StructureError) else one.name for one in found] == [
        "a", "mine_2", "c", str(expected[3]), "e"
    ]  # fmt: skip
    assert "characters that are not residues: ['-']" in str(found[3])
    whole = [one.chains[0].sequence for one in found if isinstance(one, Protein)]
    assert whole == ["MKTAY", "ACD", "GG", "WW"]


def test_a_record_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasta, "LONGEST", 10**5)
    endless = iter(lambda: b"A" * 10**4, b"")
    with pytest.raises(StructureError, match="has a record of more than 100,000 bytes"):
        list(fasta_records(iter([b">a\n", *(next(endless) for _ in range(20))]), "a", "a"))


@pytest.mark.parametrize("size", [1, 5, 10**6])
def test_a_gzip_stream_of_several_members_is_unpacked_whole(size: int) -> None:
    parts = [bytes([letter]) * 10**6 for letter in b"abc"]
    data = b"\0\0".join(gzip.compress(part) for part in parts) + b"\0"
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert b"".join(unpacked(pieces)) == b"".join(parts)
    with pytest.raises(ValueError, match="cut short"):
        list(unpacked([data[:-30]]))


def test_of_a_fasta_file_that_was_cut_short_only_whole_records_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.fasta.gz"
    lines = b"".join(b">p%d\n%s\n" % (i, b"ACDEFGHIKL"[: 1 + i % 10]) for i in range(10**5))
    path.write_bytes(gzip.compress(lines)[:-100])
    whole: list[str] = []
    with pytest.raises(StructureError, match=r"a\.fasta\.gz: is a gzip file that was cut short"):
        whole += (one.chains[0].sequence for one in read_proteins(path))
    assert [len(one) for one in whole] == [1 + i % 10 for i in range(len(whole))]


def peak(path: Path) -> int:
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_proteins(path)) > 0
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".fasta", ".fasta.gz", ".csv"])
def test_the_memory_of_reading_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    peaks = []
    for count in (3 * 10**4, 9 * 10**4):
        path = tmp_path / f"{count}{suffix}"
        mark, between, head = (",", ",", "id,sequence\n") if suffix == ".csv" else (">", "\n", "")
        text = head + "".join(
            f"{'' if head else mark}p{i}{between}{'ACDEFGHIKL' * 10}\n" for i in range(count)
        )
        data = text.encode()
        path.write_bytes(gzip.compress(data, 0) if suffix.endswith(".gz") else data)
        peaks.append(peak(path))
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_is_read_like_the_folder_that_it_was_made_of(
    tmp_path: Path, files: list[Path], mode: str
) -> None:
    packed = {f"./sub/{file.name}.gz": gzip.compress(file.read_bytes()) for file in files}
    path = write_tar(tmp_path / "all.tar", packed, mode)
    found = list(read_proteins(path))
    assert [one.name for one in found] == [f"sub/{file.stem}" for file in files]
    for one, file in zip(found, files, strict=True):
        own = zoo.read_structure(file)
        assert one.chains[0].sequence == own.chains[0].sequence
        assert (one.chains[0].coords == own.chains[0].coords).all()


def test_a_structure_in_two_formats_is_read_once_and_other_members_are_left_out(
    tmp_path: Path, files: list[Path]
) -> None:
    data = files[0].read_bytes()
    path = write_tar(
        tmp_path / "a.tar", {"x.pdb.gz": gzip.compress(data), "x.ent": data, "notes.md": b"hello",
                             "bad.pdb": b"nothing", "y.pdb": data},
    )  # fmt: skip
    found = list(records(path))
    assert [(one.name, one.left_out[:25]) for one in found] == [
        ("x", ""), ("x", "the same structure in ano"), ("notes.md", "a member of a tar archive"),
        ("bad", ""), ("y", ""),
    ]  # fmt: skip
    first, bad, last = read_records(path)
    assert isinstance(first, Protein) and isinstance(last, Protein)
    assert f"{path}: member bad.pdb: is not a PDB" in str(bad)


def test_an_archive_that_was_cut_short_gives_nothing(tmp_path: Path, files: list[Path]) -> None:
    path = write_tar(tmp_path / "a.tar", {file.name: file.read_bytes() for file in files})
    data = path.read_bytes()
    with tarfile.open(path) as archive:
        ends = [member.offset_data + -(-member.size // 512) * 512 for member in archive]
    for size in (600, ends[0], ends[0] + 100, ends[-1] - 2000, ends[-1]):
        path.write_bytes(data[:size])
        with pytest.raises(StructureError, match=r"a\.tar: is a tar archive that was cut short"):
            next(read_proteins(path))
    path.write_bytes(data[: ends[-1] + 512])
    assert len(list(read_proteins(path))) == len(files)


def test_a_packed_archive_that_was_cut_short_is_an_error_after_its_whole_members(
    tmp_path: Path, files: list[Path]
) -> None:
    path = write_tar(tmp_path / "a.tgz", {file.name: file.read_bytes() for file in files}, "w:gz")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(StructureError, match="cut short"):
        list(read_proteins(path))


def write_table(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        names = list(rows[0])
        lines = [names, *([str(row[name] or "") for name in names] for row in rows)]
        mark = "\t" if path.suffix == ".tsv" else ","
        path.write_text("".join(mark.join(line) + "\n" for line in lines))
    return path


TABLES = pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])


@TABLES
def test_a_table_has_sequences_and_structures(
    tmp_path: Path, files: list[Path], suffix: str
) -> None:
    (tmp_path / "s.pdb").write_bytes(files[0].read_bytes())
    path = write_table(
        tmp_path / f"t{suffix}",
        [{"label": 1, "id": "a", "sequence": "MKT", "structure": None, "chain": None},
         {"label": 2, "id": "b", "sequence": "ACD", "structure": "s.pdb", "chain": "A"},
         {"label": 3, "id": "c", "sequence": "M1", "structure": None, "chain": None},
         {"label": 4, "id": "d", "sequence": None, "structure": "no.pdb", "chain": None},
         {"label": 5, "id": "e", "sequence": None, "structure": "s.pdb", "chain": "Z"},
         {"label": 6, "id": None, "sequence": "MKT", "structure": None, "chain": None}],
    )  # fmt: skip
    a, b, *bad = read_records(path)
    assert isinstance(a, Protein) and isinstance(b, Protein)
    assert (a.name, a.chains[0].sequence, b.name) == ("a", "MKT", "b")
    assert (b.chains[0].coords == zoo.read_structure(files[0]).chains[0].coords).all()
    for at, (one, words) in enumerate(
        zip(bad, ("not residues", "does not exist", "Z", "has no id"), strict=True), start=3
    ):
        assert str(one).startswith(f"{path}: row {at}: ") and words in str(one)


def test_a_parquet_table_may_hold_the_structures_themselves(
    tmp_path: Path, files: list[Path]
) -> None:
    data = files[0].read_bytes()
    given: list[object] = [data.decode(), data, gzip.compress(data)]
    for at, structure in enumerate(given):
        path = write_table(tmp_path / f"{at}.parquet", [{"id": "x", "structure": structure}])
        (found,) = read_proteins(path)
        assert found.name == "x" and found.has_structure


@TABLES
def test_a_table_without_its_columns_says_which_it_has(tmp_path: Path, suffix: str) -> None:
    path = write_table(tmp_path / f"t{suffix}", [{"name": "a", "sequence": "MKT"}])
    with pytest.raises(StructureError, match="without the column `id`; it has name, sequence"):
        list(read_proteins(path))
    path = write_table(tmp_path / f"u{suffix}", [{"id": "a", "seq": "MKT"}])
    with pytest.raises(StructureError, match="`sequence` or `structure`; it has id, seq"):
        list(read_proteins(path))


def test_a_damaged_table_is_one_sentence(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.parquet", [{"id": "a", "sequence": "MKT"}])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StructureError, match="cannot be read as a Parquet file"):
        list(read_proteins(path))


def test_a_row_of_another_length_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,sequence\na,MKT\nb,MK,x\nc,ACD\n")
    a, bad, c = read_records(path)
    assert isinstance(a, Protein) and isinstance(c, Protein)
    assert "row 2: it has no id, or not as many cells" in str(bad)


def test_nothing_is_parsed_before_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.fasta"
    path.write_text(">a\nMKT\n>b\nM1\n")
    found: Iterator[object] = (record.name for record in records(path))
    assert [*found] == ["a", "b"]

"""Structures by name: which texts are names, and what comes of them, from a server of the test."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.proteins.files import mmcif, peptide
from tests.verbs import call
from zoo.errors import FetchError, StructureError
from zoo.prediction.paths import find_inputs
from zoo.proteins.databases import folder_of_structures, named, structure_file
from zoo.system import network

COMPS = ("MET", "LYS", "VAL", "LEU", "ALA", "GLY", "SER", "THR", "TRP", "PHE")


def entry(chains: str = "AB") -> bytes:
    """An mmCIF file of some chains of ten residues, side by side."""
    atoms = [
        atom
        for at, chain in enumerate(chains)
        for atom in peptide(*COMPS, place=100.0 * at, chain=chain)
    ]
    return mmcif(atoms).encode()


@dataclass
class Bank:
    """What the server has by path, and the paths that were asked for."""

    address: str
    files: dict[str, bytes | tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: int = 0
    wait: float = 0.0

    def has_models(self, accession: str, *names: str) -> None:
        rows = [{"entryId": name, "cifUrl": f"{self.address}/m/{name}.cif"} for name in names]
        self.files[f"/af/{accession}"] = json.dumps(rows).encode()
        self.files |= {f"/m/{name}.cif": entry("A") for name in names}


class Handler(BaseHTTPRequestHandler):
    bank: Bank

    def do_GET(self) -> None:  # noqa: N802
        self.bank.asked.append(self.path)
        time.sleep(self.bank.wait)
        found = self.bank.files.get(self.path, (404, ""))
        if isinstance(found, tuple):
            self.send_response(found[0])
            self.send_header("Location", found[1])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(found)))
        self.end_headers()
        self.wfile.write(found[: len(found) - self.bank.cut])

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bank]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Bank(f"http://127.0.0.1:{server.server_port}")
    made.files["/pdb/1abc.cif.gz"] = gzip.compress(entry())
    made.has_models("P12345", "AF-P12345-F1")
    Handler.bank = made
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZOO_PDB_URL", f"{made.address}/pdb")
    monkeypatch.setenv("ZOO_ALPHAFOLD_URL", f"{made.address}/af")
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    yield made
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("text, entry, chains", [
    ("1abc", "1abc", None), ("1ABC", "1abc", None), ("1abc_A", "1abc", "A"),
    ("1abc_b", "1abc", "b"), ("1abc:A,B", "1abc", "A,B"), ("1abc_A,B", "1abc", "A,B"),
    ("AF-P12345-F1", "AF-P12345-F1", None), ("AF-Q8WZ42-F12", "AF-Q8WZ42-F12", None),
    ("P12345", "P12345", None), ("A0A7G5XIH5", "A0A7G5XIH5", None),
])  # fmt: skip
def test_a_name_is_known_by_its_form(text: str, entry: str, chains: str | None) -> None:
    found = named(text)
    assert found is not None and (found.entry, found.chains) == (entry, chains)


@pytest.mark.parametrize("text", [
    "", "abc", "0abc", "1abcd", "1abc.cif", "dir/1abc", "1abc_", "1abc_A.pdb", "1abc_A,", "1abc\n",
    "p12345", "P1234", "P123456", "AF-P12345", "AF-P12345-F0", "AF-1abc-F1", "../1abc", "1a*c",
])  # fmt: skip
def test_another_text_is_no_name(text: str) -> None:
    assert named(text) is None


def test_an_entry_is_fetched_once_and_kept_whole(bank: Bank) -> None:
    said: list[str] = []
    (found,) = find_inputs(["1abc"], say=said.append)
    assert (found.name, found.chains) == ("1abc", None)
    assert found.path == folder_of_structures() / "1abc.cif.gz"
    assert [*zoo.read_structure(found.path).chains[0].sequence] == list("MKVLAGSTWF")
    assert len(said) == 1 and f"{bank.address}/pdb/1abc.cif.gz" in said[0]
    assert find_inputs(["1ABC"], say=said.append) == [found] and len(said) == 1
    assert bank.asked == ["/pdb/1abc.cif.gz"]
    assert [path.name for path in folder_of_structures().iterdir()] == ["1abc.cif.gz"]


def test_chains_of_an_entry_are_inputs_with_their_names(bank: Bank) -> None:
    found = find_inputs(["1abc_B", "1abc:A,B", "1abc"])
    assert [one.name for one in found] == ["1abc_B", "1abc_AB", "1abc"]
    assert [one.chains for one in found] == [("B",), ("A", "B"), None]
    assert len({one.path for one in found}) == 1 == len(bank.asked)


def test_a_model_is_fetched_from_where_alphafold_db_says(bank: Bank) -> None:
    found = find_inputs(["AF-P12345-F1", "P12345"])
    assert [one.name for one in found] == ["AF-P12345-F1", "P12345"]
    assert bank.asked == ["/af/P12345", "/m/AF-P12345-F1.cif"] * 2
    find_inputs(["P12345"])
    assert len(bank.asked) == 4


def test_a_file_of_the_name_wins(bank: Bank, tmp_path: Path) -> None:
    (tmp_path / "1abc").write_bytes(entry())
    (found,) = find_inputs(["1abc"])
    assert found.path == Path("1abc") and bank.asked == []


def test_a_protein_in_fragments_is_an_error_that_names_them(bank: Bank) -> None:
    bank.has_models("Q8WZ42", "AF-Q8WZ42-F1", "AF-Q8WZ42-F2", "AF-Q8WZ42-2-F1")
    with pytest.raises(StructureError, match="2 fragments.*AF-Q8WZ42-F1, AF-Q8WZ42-F2"):
        find_inputs(["Q8WZ42"])
    assert find_inputs(["AF-Q8WZ42-F2"])[0].name == "AF-Q8WZ42-F2"


@pytest.mark.parametrize("text, words", [
    ("9zzz", "the PDB has no entry"), ("O00000", "AlphaFold DB has no model"),
    ("AF-P12345-F2", "AlphaFold DB has no model"),
])  # fmt: skip
def test_a_name_of_nothing_is_told_in_a_sentence(bank: Bank, text: str, words: str) -> None:
    with pytest.raises(StructureError, match=words) as caught:
        find_inputs([text])
    assert caught.value.exit_code == 4


def test_what_is_no_name_either_is_told_all_forms() -> None:
    with pytest.raises(StructureError) as caught:
        find_inputs(["no-such"])
    assert all(form in str(caught.value) for form in ("@FILE", "1abc_A", "AF-P12345-F1", "P12345"))


def assert_nothing_kept(reason: str, name: str = "1abc") -> FetchError:
    with pytest.raises(FetchError, match=reason) as caught:
        find_inputs([name])
    folder = folder_of_structures()
    assert not folder.is_dir() or not any(folder.iterdir())
    assert caught.value.exit_code == 3
    assert f"python -m zoo.download {name} --out DIR" in str(caught.value)
    return caught.value


def test_a_file_that_breaks_off_is_not_kept(bank: Bank) -> None:
    bank.cut = 10
    assert_nothing_kept("broke off|cannot be reached")


def test_a_file_that_is_too_large_is_not_kept(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.proteins.databases.MOST", 100)
    assert_nothing_kept("more than the 100 bytes")


def test_a_host_that_sends_nothing_is_given_up_on(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.wait = 3.0
    monkeypatch.setattr(network, "SILENT", 0.2)
    start = time.monotonic()
    assert_nothing_kept("timed out")
    assert time.monotonic() - start < 2.0


def test_a_look_up_that_hangs_is_given_up_on(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "CONNECTING", 0.2)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(2))
    start = time.monotonic()
    assert_nothing_kept("did not answer within 0.2 s")
    assert time.monotonic() - start < 1.5


def test_a_page_in_place_of_a_structure_is_an_error(bank: Bank) -> None:
    bank.files["/pdb/1abc.cif.gz"] = b"<html>log in</html>"
    with pytest.raises(StructureError, match="HTML or XML page"):
        find_inputs(["1abc"])
    bank.files["/pdb/1abc.cif.gz"] = gzip.compress(entry())[:-20]
    with pytest.raises(StructureError, match="cut short"):
        find_inputs(["1abc"])
    assert not folder_of_structures().exists()
    bank.files["/af/P12345"] = b"[{}]"
    assert_nothing_kept("list of models", "P12345")


@pytest.mark.parametrize("address", ["http://example.org/pdb", "ftp://example.org", "file:///etc"])
def test_only_https_is_spoken_with_other_machines(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ZOO_PDB_URL", address)
    assert_nothing_kept("only https")
    bank.files["/af/P12345"] = json.dumps([{"entryId": "AF-P12345-F1", "cifUrl": address}]).encode()
    assert_nothing_kept("only https", "P12345")


def test_a_redirect_to_http_elsewhere_is_not_followed(bank: Bank) -> None:
    bank.files["/pdb/1abc.cif.gz"] = (302, "http://example.org/1abc.cif.gz")
    assert_nothing_kept("only https")
    bank.files |= {"/pdb/1abc.cif.gz": (302, "/other"), "/other": gzip.compress(entry())}
    assert find_inputs(["1abc"])[0].name == "1abc"


def test_another_machine_leads_to_none_of_this_one() -> None:
    with pytest.raises(FetchError, match="only https"):
        network.check_address("http://127.0.0.1/x", "https://example.org")


def test_a_list_says_of_each_name_why_it_fails(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.txt").write_text("1abc_A\n9zzz\nP12345\n")
    found = find_inputs(["list.txt"])
    assert [one.problem is None for one in found] == [True, False, True]
    with pytest.warns(UserWarning, match="9zzz"):
        table = zoo.predict("list.txt", "ppbs")
    assert set(table["id"]) == {"1abc_A", "P12345"}
    assert "the PDB has no entry" in table.attrs["failed"]["9zzz"]


def test_python_and_the_verbs_take_names(
    bank: Bank, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = zoo.predict(["1abc_A", "P12345"], "ppbs")
    assert list(table["id"].unique()) == ["1abc_A", "P12345"] and len(table) == 20
    assert list(zoo.embed("1abc_B", "ppbs")) == ["1abc_B"]
    done = call(capsys, "predict", "1abc_A", "--model", "ppbs", "--out", "found", "--offline")
    assert done.code == 0, done.err
    assert (tmp_path / "found" / "predictions.csv").read_text().count("1abc_A,") == 10
    done = call(capsys, "embed", "P12345", "--model", "ppbs", "--out", "f.h5", "--offline")
    assert done.code == 0, done.err
    done = call(capsys, "inspect", "1abc_B", "--json", "--offline")
    (protein,) = json.loads(done.out)
    assert [chain["name"] for chain in protein["chains"]] == ["B"]
    done = call(capsys, "explain", "1abc_B", "--model", "ppbs", "--out", "why", "--steps", "1",
                "--json", "--offline")  # fmt: skip
    assert done.code == 0, done.err


@pytest.mark.parametrize("verb", ["predict", "embed", "explain", "inspect"])
def test_without_a_network_a_verb_ends_at_once_with_code_3(
    bank: Bank, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("ZOO_PDB_URL", "http://127.0.0.1:9")
    more = () if verb == "inspect" else ("--model", "ppbs", "--out", "out")
    start = time.monotonic()
    done = call(capsys, verb, "1abc", *more)
    assert done.code == 3 and "cannot be reached" in done.err
    assert "python -m zoo.download 1abc --out DIR" in done.err
    assert time.monotonic() - start < 10.0  # the limit of 2 s is tested above; this loads libraries
    done = call(capsys, verb, "1abc", *more, "--offline")
    assert done.code == 3 and "--offline" in done.err
    assert bank.asked == []


def test_download_takes_structures_and_its_files_are_what_the_verbs_look_for(
    bank: Bank, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    done = call(capsys, "download", "1abc", "P12345", "--out", "away", "--json")
    assert done.code == 0, done.err
    assert [row["name"] for row in json.loads(done.out)] == ["1abc", "P12345"]
    asked = len(bank.asked)
    folder_of_structures().mkdir(parents=True)
    for path in (tmp_path / "away").iterdir():
        path.rename(folder_of_structures() / path.name)
    assert [one.name for one in find_inputs(["1abc", "P12345"])] == ["1abc", "P12345"]
    assert len(bank.asked) == asked
    done = call(capsys, "download", "1abc", "esm2_8m", "--out", "away")
    assert done.code == 2 and "--out takes one model, or structures" in done.err
    done = call(capsys, "download", "1abc", "--revision", "main", "--out", "away")
    assert done.code == 2 and "structures have none" in done.err


def test_a_folder_that_cannot_be_written_is_a_sentence(bank: Bank, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file in its place")
    with pytest.raises((zoo.errors.ZooError, OSError)):
        structure_file(named("1abc"))  # type: ignore[arg-type]

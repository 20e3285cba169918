"""What is fuzzed: for each reader the files to begin with, and what must hold of what it reads."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import zoo
from tests.conftest import REPOSITORY, data_path
from tests.data.benchmarks import (
    backbone,
    ieconv_fields,
    pdb_text,
    sdf,
    table,
    write_container,
    write_hdf5,
)
from zoo.data.layouts.base import find_layout
from zoo.data.reading.atom3d import Container
from zoo.data.reading.ieconv import read_ieconv
from zoo.data.reading.ligands import SUFFIXES, read_ligand
from zoo.data.samples import DroppedSample, Sample
from zoo.data.store import pack, unpack
from zoo.metrics.predictions import read_predictions
from zoo.models.checkpoint import load_model, save_model
from zoo.models.runs import read_run
from zoo.proteins.build_graph import GraphSpec, build_graph
from zoo.proteins.files.scores import scored_suffix, write_scored
from zoo.proteins.files.to_gemmi import all_atoms
from zoo.proteins.protein import Protein
from zoo.proteins.records import read_proteins
from zoo.proteins.scored import write_structure
from zoo.settings.config import Config, load_config
from zoo.states.shards import Shards

EXAMPLE = REPOSITORY / "zoo/examples/1a8o.cif.gz"
Read = Callable[[bytes, Path], None]


@dataclass(frozen=True)
class Reader:
    """One kind of input.

    Attributes:
        seeds: whole files.
        read: reads bytes, in a folder of its own; raises what the reader raises, and AssertionError
            for nonsense.
    """

    seeds: list[bytes]
    read: Read


def structures(*endings: str) -> list[bytes]:
    """Return the development data's raw files of these endings; the shipped one without them."""
    folder = data_path() / "raw_structures"
    found = [p for end in endings for p in sorted(folder.glob(f"*{end}"))]
    return [path.read_bytes() for path in found if path.stat().st_size < 3e6] or [
        EXAMPLE.read_bytes()
    ]


def check(protein: Protein, folder: Path | None = None) -> None:
    """Check that what was read makes sense, and so does its graph; written, it is read again."""
    assert protein.chains
    for chain in protein.chains:
        assert len(chain.sequence) == len(chain) == len(chain.coords)
        assert chain.sequence.isalpha() and chain.sequence.isupper()
        assert not np.isinf(chain.coords).any()
        assert np.abs(np.nan_to_num(chain.coords)).max(initial=0) <= 1e6
    if len(protein) > 3000 or not protein.has_structure:
        return
    graph = build_graph(protein, GraphSpec(k=8))
    for name, values in {**graph.nodes, **graph.edges}.items():
        if values.is_floating_point():
            assert torch.isfinite(values).all(), name
    if folder is not None:
        check_scored(protein, folder)
        check_written(protein, folder)


def check_written(protein: Protein, folder: Path) -> None:
    """Check that predicting could write this protein with scores, and what was then in the file."""
    scores = np.zeros(len(protein), np.float32)
    path = folder / f"written{scored_suffix(protein, scores)}"
    write_scored(path, protein, scores)
    (again,) = read_proteins(path)
    ends = np.cumsum([len(chain) for chain in protein.chains])
    held = set(np.searchsorted(ends, all_atoms(protein).residue, side="right").tolist())
    expected = [(c.name, c.sequence) for place, c in enumerate(protein.chains) if place in held]
    assert [(chain.name, chain.sequence) for chain in again.chains] == expected


def check_scored(protein: Protein, folder: Path) -> None:
    """Check that the file's own text, with scores as B-factors, is the same protein."""
    if len(protein) > 1000:  # it is read twice more, once as text without aligned columns
        return
    scores = np.zeros(len(protein))
    (again,) = read_proteins(write_structure(folder / "scored", protein, {}, scores)[0])
    known = [(chain.name, chain.sequence, chain.numbers) for chain in protein.chains]
    assert [(chain.name, chain.sequence, chain.numbers) for chain in again.chains] == known


def read_structures(data: bytes, folder: Path) -> None:
    path = folder / "a.pdb"  # the content decides the format
    path.write_bytes(data)
    for protein in read_proteins(path):
        check(protein, folder)


def read_hdf5(data: bytes, folder: Path) -> None:
    path = folder / "a.hdf5"
    path.write_bytes(data)
    check(read_ieconv(path, "a"))


def read_labels(data: bytes, folder: Path) -> None:
    if not (folder / "structures").exists():
        (folder / "structures").mkdir()
        (folder / "structures/1abc_A.pdb").write_text(pdb_text(backbone()))
    (folder / "labels_train.txt").write_bytes(data)
    _read_layout("ppbs", folder)


def read_table(data: bytes, folder: Path) -> None:
    if not (folder / "a.pdb").exists():
        (folder / "a.pdb").write_text(pdb_text(backbone()))
    (folder / "labels.csv").write_bytes(data)
    _read_layout("table", folder)


def _read_layout(task: str, folder: Path) -> None:
    layout = find_layout(task, folder)
    targets = layout.targets
    for key in layout.keys()[:3]:
        try:
            sample = layout.read(key)
        except DroppedSample:
            continue
        check(sample.protein)
        for target in targets:
            assert not np.isinf(sample.targets[target.name]).any()


def read_config(data: bytes, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_bytes(data)
    assert isinstance(load_config(str(path)), Config)


class OneItem(Container):
    """A container that holds these bytes."""

    format = "json"  # type: ignore[assignment]

    def __init__(self, data: bytes) -> None:
        super().__init__(Path("container"))
        self.data = data

    def _get(self, key: str) -> bytes | None:
        return self.data


def read_item(data: bytes, folder: Path) -> None:
    assert isinstance(OneItem(data).item(0), dict)


def read_container(data: bytes, folder: Path) -> None:
    (folder / "data.mdb").write_bytes(data)
    container = Container(folder)
    container.check()
    assert container.format in ("json", "msgpack")
    for index in range(min(len(container), 5)):
        try:
            assert isinstance(container.item(index), dict)
        except DroppedSample:
            continue


MOL2 = """@<TRIPOS>MOLECULE
x
 2 1 0 0 0
SMALL
NO_CHARGES
@<TRIPOS>ATOM
 1 C1 0.0 0.0 0.0 C.3 1 LIG 0.0
 2 N1 1.4 0.0 0.0 N.3 1 LIG 0.0
@<TRIPOS>BOND
 1 1 2 1
"""


def read_ligands(data: bytes, folder: Path) -> None:
    refused = []
    for suffix in SUFFIXES:
        path = folder / f"a{suffix}"
        path.write_bytes(data)
        try:
            ligand = read_ligand(path)
        except DroppedSample as error:
            refused.append(error)
            continue
        assert np.isfinite(ligand.atoms.pos).all() and len(ligand.atoms) > 0
    if len(refused) == len(SUFFIXES):
        raise refused[0]


def read_record(data: bytes, folder: Path) -> None:
    assert isinstance(unpack(data), Sample)


def read_shard(data: bytes, folder: Path) -> None:
    root = folder / "shards"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    (root / f"{0:032x}.safetensors").write_bytes(data)
    shards = Shards(root)
    for key in list(shards.keys()):
        assert torch.equal(shards.get(key)["x"], WRITTEN[key]["x"])  # never other numbers
    shards.verify()


WRITTEN = {"a": {"x": torch.arange(6.0)}, "b": {"x": torch.zeros(2, 3)}}


def _shard(root: Path) -> bytes:
    Shards(root).put(WRITTEN)
    (path,) = root.glob("*.safetensors")
    return path.read_bytes()


def read_table_of_predictions(data: bytes, folder: Path) -> None:
    (folder / "predictions.csv").write_bytes(data)
    for one in read_predictions(folder).values():
        assert len(one) > 0


def read_facts(data: bytes, folder: Path) -> None:
    for seed in range(3):  # members that have ended
        (folder / f"seed_{seed}").mkdir(exist_ok=True)
        (folder / f"seed_{seed}/model.safetensors").touch()
    (folder / "run.json").write_bytes(data)
    found = read_run(folder)
    _ = found.targets, found.data


def _saved(folder: Path) -> Path:
    model = zoo.create_model(
        "none", "gat", fusion="none", weights="random",
        values={"structure.args.head_dim": 4, "structure.args.num_layers": 1},
    )  # fmt: skip
    return save_model(model, folder)


def read_checkpoint(name: str) -> Read:
    def read(data: bytes, folder: Path) -> None:
        model = folder / "model"
        if not model.exists():
            _saved(model)
            (folder / "kept").mkdir()
            for path in model.iterdir():
                shutil.copy(path, folder / "kept" / path.name)
        for path in (folder / "kept").iterdir():
            shutil.copy(path, model / path.name)
        (model / name).write_bytes(data)
        load_model(model)

    return read


def readers(scratch: Path) -> dict[str, Reader]:
    """Return every reader by name.

    Args:
        scratch: folder to make the files in that the readers begin with.
    """
    model = _saved(scratch / "seed_model")
    hdf5 = write_hdf5(scratch / "seed.hdf5", ieconv_fields(backbone())).read_bytes()
    item = json.dumps({"id": "a", "atoms": table(backbone())}).encode()
    items = [{"id": name, "atoms": table(backbone())} for name in "abc"]
    container = write_container(scratch / "seed_container", items) / "data.mdb"
    protein = zoo.read_structure(EXAMPLE)
    sample = Sample(id="a", protein=protein, targets={}, split="train", subset="", group="",
                    weight=1.0)  # fmt: skip
    rows = "id,structure,chain,split,group,weight,pk,class\n"
    labels = ">1abc_A\n" + "".join(f"A {i} {x} {i % 2}\n" for i, x in enumerate("AGSKL", 1))
    predictions = (
        "id,group,subset,split,weight,residue,target,kind,level,censored,y_true,y_pred\n"
        + "".join(f"p{i},g,,test,1,-1,pk,regression,protein,0,{i},{i + 1}\n" for i in range(4))
    )
    facts = next((REPOSITORY / "zoo/pretrained").glob("*/run.json")).read_bytes()
    config = (REPOSITORY / "zoo_configs/ppbs_esm2_8m_gvp_global.yaml").read_bytes()
    return {
        "pdb": Reader(structures(".pdb", ".pdb.gz"), read_structures),
        "mmcif": Reader([*structures(".cif", ".cif.gz"), EXAMPLE.read_bytes()], read_structures),
        "bcif": Reader(structures(".bcif", ".bcif.gz"), read_structures),
        "fasta": Reader([b">a\nMKVL\n>b some\nACDEFG\nHIK*\n", b">a\n"], read_structures),
        "labels": Reader([labels.encode()], read_labels),
        "table": Reader(
            [f"{rows}a,a.pdb,A,train,g,1.0,5.2,1\nb,a.pdb,,test,h,,>6,0\n".encode()], read_table
        ),
        "ieconv": Reader([hdf5], read_hdf5),
        "atom3d": Reader([gzip.compress(item), item], read_item),
        "ligand": Reader(
            [sdf([(0, 0, 0), (1.4, 0, 0)]).encode(), MOL2.encode(), pdb_text(backbone()).encode()],
            read_ligands,
        ),
        "lmdb": Reader([container.read_bytes()], read_container),
        "record": Reader([pack(sample)], read_record),
        "shard": Reader([_shard(scratch / "seed_shards")], read_shard),
        "config": Reader([config], read_config),
        "facts": Reader([facts], read_facts),
        "predictions": Reader([predictions.encode()], read_table_of_predictions),
        "checkpoint_config": Reader(
            [(model / "config.yaml").read_bytes()], read_checkpoint("config.yaml")
        ),
        "checkpoint_weights": Reader(
            [(model / "model.safetensors").read_bytes()], read_checkpoint("model.safetensors")
        ),
    }

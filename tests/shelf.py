"""The shelf of awkward proteins, and tiny language models: synthetic and seeded."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.backbones import STRUCTURE_BACKBONES, residue_tokens, structure_tokens
from zoo.backbones.hf import HFBackbone
from zoo.backbones.message_passing import dgl_problem, numba_problem
from zoo.backbones.tokenizer import ResidueTokenizer
from zoo.fusion import FUSIONS
from zoo.models.create import create_model
from zoo.proteins.build_graph import GraphSpec
from zoo.proteins.feature_sets import FEATURE_SETS
from zoo.proteins.graph import VECTOR_FIELDS, Graph
from zoo.proteins.protein import Atoms, Chain, ChainReport, Ligand, Protein

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
#: Bond to the previous atom (angstrom) and angle there (degrees), for N CA C in turn.
BONDS, ANGLES = (1.33, 1.46, 1.52), (116.6, 121.7, 111.0)


# ------------------------------------------------------------------------------------ geometry


def backbone(length: int, seed: int = 0) -> NDArray[np.float64]:
    """Return (length, 4, 3) N CA C O of a chain of helix, strand and turn, all torsions noisy."""
    rng = np.random.default_rng(seed)
    means = np.array([(-60, -45), (-120, 130), (60, 40)])[rng.choice(3, length, p=(0.6, 0.3, 0.1))]
    phi, psi = np.radians(means + rng.normal(0, 8, means.shape)).T
    omega = np.radians(180 + rng.normal(0, 4, length))
    atoms = [np.zeros(3), np.array([1.46, 0, 0]), np.array([2.0, 1.42, 0])]
    for i in range(1, length):
        for kind, torsion in enumerate((psi[i - 1], omega[i - 1], phi[i])):
            atoms.append(_place(atoms[-3:], BONDS[kind], math.radians(ANGLES[kind]), torsion))
    trace = np.array(atoms).reshape(length, 3, 3)
    oxygen = [
        _place(list(trace[i]), 1.23, math.radians(120.5), psi[i] + math.pi) for i in range(length)
    ]
    return np.concatenate([trace, np.array(oxygen)[:, None]], axis=1)


def _place(last: Sequence[NDArray[Any]], bond: float, angle: float, torsion: float) -> Any:
    """Return the next atom of a chain, from its three last ones and internal coordinates."""
    a, b, c = last
    along = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, along)
    normal /= np.linalg.norm(normal)
    across = np.cross(normal, along)
    return c + bond * (
        -math.cos(angle) * along
        + math.sin(angle) * (math.cos(torsion) * across + math.sin(torsion) * normal)
    )


def rotation(seed: int = 0) -> NDArray[np.float64]:
    """Return a random rotation matrix."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def rotate(protein: Protein, matrix: NDArray[Any], shift: Sequence[float] = (0, 0, 0)) -> Protein:
    """Return the protein with every position x at `matrix` x + `shift`."""

    def move(x: NDArray[Any]) -> NDArray[np.float32]:
        return (x.astype(np.float64) @ np.asarray(matrix).T + shift).astype(np.float32)

    def moved(atoms: Atoms) -> Atoms:
        return dataclasses.replace(atoms, pos=move(atoms.pos))

    return dataclasses.replace(
        protein,
        chains=tuple(dataclasses.replace(c, coords=move(c.coords)) for c in protein.chains),
        atoms=moved(protein.atoms),
        ligands=tuple(dataclasses.replace(x, atoms=moved(x.atoms)) for x in protein.ligands),
    )


# ------------------------------------------------------------------------------------ proteins


def chain(
    length: int, *, seed: int = 0, name: str = "A", shift: Sequence[float] = (0, 0, 0)
) -> Chain:
    """Return a chain of random letters, fully resolved."""
    rng = np.random.default_rng(seed)
    return Chain(
        name=name,
        label=name,
        sequence="".join(rng.choice(list(LETTERS), length)),
        coords=(backbone(length, seed) + shift).astype(np.float32),
        bfactor=rng.uniform(10, 60, length).astype(np.float32),
        numbers=tuple(str(i + 1) for i in range(length)),
    )


def protein(name: str, *chains: Chain, ligands: tuple[Ligand, ...] = ()) -> Protein:
    """Return the record, with the atoms that the chains' coordinates hold."""
    return Protein(name, chains, _atoms(np.concatenate([c.coords for c in chains])), ligands)


def _atoms(coords: NDArray[np.float32]) -> Atoms:
    row, column = np.nonzero(np.isfinite(coords).all(-1))
    return Atoms(
        pos=coords[row, column],
        element=np.array([7, 6, 6, 8], np.uint8)[column],
        name=np.array(["N", "CA", "C", "O"])[column],
        residue=row.astype(np.int64),
    )


def without(chain: Chain, rows: Sequence[int], atoms: Sequence[int] = (0, 1, 2, 3)) -> Chain:
    """Return the chain with some atoms of some residues unknown."""
    coords = chain.coords.copy()
    coords[np.ix_(rows, atoms)] = np.nan
    return dataclasses.replace(chain, coords=coords)


def ordinary(length: int = 40, seed: int = 7) -> Protein:
    return protein("ordinary", chain(length, seed=seed))


def chain_break() -> Protein:
    whole = chain(14, seed=3)
    coords = whole.coords.copy()
    coords[8:] += 9.0
    return protein("chain break", dataclasses.replace(whole, coords=coords))


def unresolved() -> Protein:
    return protein("unresolved", without(chain(16, seed=5), [0, 1, 7, 8, 15]))


def ca_only() -> Protein:
    bare = without(chain(12, seed=6), range(12), (0, 2, 3))
    return protein("CA only", dataclasses.replace(bare, report=ChainReport(ca_only=True)))


def with_ligand() -> Protein:
    host = chain(12, seed=8)
    pos = host.coords[[2, 5, 9], 1] + np.array([[3, 1, 2]], np.float32)
    atoms = Atoms(
        pos=pos,
        element=np.array([6, 8, 30], np.uint8),
        name=np.array(["C1", "O1", "ZN"]),
        residue=np.full(3, -1, np.int64),
    )
    return protein("with ligand", host, ligands=(Ligand("LIG", "A", "301", atoms),))


def unknown_residue() -> Protein:
    whole = chain(10, seed=9)
    letters = whole.sequence[:4] + "X" + whole.sequence[5:]
    return protein("unknown residue", dataclasses.replace(whole, sequence=letters))


def two_chains() -> Protein:
    return protein("two chains", chain(9, seed=1), chain(7, seed=2, name="B", shift=(8, 3, -4)))


#: By name; sizes differ so that padding has something to do.
SHELF: dict[str, Protein] = {
    made.name: made
    for made in (
        protein("one residue", chain(1, seed=11)),
        protein("two residues", chain(2, seed=12)),
        protein("three residues", chain(3, seed=13)),
        protein("fewer than neighbours", chain(6, seed=14)),
        chain_break(),
        two_chains(),
        protein("missing atoms", without(without(chain(10, seed=4), [3], [0, 3]), [6], [2])),
        unknown_residue(),
        unresolved(),
        with_ligand(),
        ca_only(),
        ordinary(),
    )
}


# ------------------------------------------------------------------------------ language models

PLM_KINDS = ("esm", "bert", "t5")
#: Kinds that have code of their own in the sequence branch.
SEQUENCE_KINDS = (*PLM_KINDS, "esmc")
NUM_PLM_LAYERS, PLM_WIDTH = 3, 32
#: Tokens that the tiny models have positions for.
PLM_POSITIONS = 64
_BERT_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"LAGVESIKRDTPNQFYMHCWXUBZO"]


def plm_config(kind: str) -> Any:
    """Return the architecture of a tiny language model; its dropout shows if ever it is on."""
    import transformers

    shared = {"num_hidden_layers": NUM_PLM_LAYERS, "num_attention_heads": 4, "hidden_size": 32}
    shared |= {"intermediate_size": 48, "initializer_range": 0.2}
    if kind == "esm":
        return transformers.EsmConfig(
            vocab_size=33, mask_token_id=32, pad_token_id=1, position_embedding_type="rotary",
            max_position_embeddings=PLM_POSITIONS + 2, token_dropout=True, hidden_dropout_prob=0.1,
            emb_layer_norm_before=False, **shared,
        )  # fmt: skip
    if kind == "bert":
        return transformers.BertConfig(
            vocab_size=len(_BERT_VOCABULARY), max_position_embeddings=PLM_POSITIONS, **shared
        )
    if kind == "esmc":
        return transformers.EsmcConfig(
            vocab_size=64, max_position_embeddings=PLM_POSITIONS, attention_dropout=0.1, **shared
        )
    config = transformers.T5Config(
        vocab_size=128, d_model=PLM_WIDTH, d_kv=8, d_ff=48, num_layers=NUM_PLM_LAYERS, num_heads=4,
        relative_attention_num_buckets=8, initializer_factor=1.0,
    )  # fmt: skip
    config.n_positions = PLM_POSITIONS
    return config


def plm_module(kind: str, seed: int = 0) -> Any:
    """Return the bare `transformers` encoder."""
    from transformers import BertModel, EsmcModel, EsmModel, T5EncoderModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "t5":
            return T5EncoderModel(plm_config(kind))
        if kind == "esmc":
            return EsmcModel(plm_config(kind))
        made = {"esm": EsmModel, "bert": BertModel}[kind](plm_config(kind), add_pooling_layer=False)
    made.contact_head = None  # ESM's; hidden states do not pass through it
    return made


def plm_tokenizer(kind: str) -> ResidueTokenizer:
    """Return the letters' ids without any file."""
    if kind != "bert":
        return residue_tokens.published("esm2" if kind == "esm" else kind)
    known = {*_BERT_VOCABULARY} - {*"UZOB"}  # letters that ProtBert never learnt
    letters = (letter if letter in known else "X" for letter in ascii_uppercase)
    table = np.array([[_BERT_VOCABULARY.index(letter)] for letter in letters])
    return ResidueTokenizer(table, before=(2,), after=(3,), pad=0)


def tiny_plm(kind: str, *, seed: int = 0, frozen: bool = True) -> HFBackbone:
    """Return a random language model of three layers, width 32, in evaluation mode."""
    return HFBackbone(plm_module(kind, seed), plm_tokenizer(kind), frozen=frozen).eval()


def save_plm(kind: str, folder: Path, *, seed: int = 0, weights: bool = True) -> str:
    """Write what `--seq FOLDER` takes; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if weights:
        plm_module(kind, seed).save_pretrained(folder)
    else:
        plm_config(kind).save_pretrained(folder)
    _save_tokenizer(kind, folder)
    return str(folder)


def save_saprot(folder: Path, seed: int = 0) -> str:
    """Write a tiny random model of SaProt's shape, with its tokens in `vocab.txt`."""
    from transformers import EsmConfig, EsmModel

    config = plm_config("esm").to_dict() | {"vocab_size": 446, "mask_token_id": 4}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        EsmModel(EsmConfig(**config), add_pooling_layer=False).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(structure_tokens.SAPROT))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "EsmTokenizer"}')
    return str(folder)


def _save_tokenizer(kind: str, folder: Path) -> None:
    from transformers import EsmcTokenizer, T5Tokenizer

    if kind == "esmc":
        EsmcTokenizer().save_pretrained(folder)
        return
    if kind == "t5":
        words = residue_tokens._PROT_T5
        pieces = [(w if len(w) > 1 else "\u2581" + w, 0.0) for w in words]
        T5Tokenizer(vocab=pieces, extra_ids=100).save_pretrained(folder)
        return
    words = [*residue_tokens._ESM2, ".", "-", "<null_1>", "<mask>"]
    words = _BERT_VOCABULARY if kind == "bert" else words
    (folder / "vocab.txt").write_text("\n".join(words))
    name = "BertTokenizer" if kind == "bert" else "EsmTokenizer"
    settings = {"tokenizer_class": name, "do_lower_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


# ---------------------------------------------------------------------------------- comparisons


def assert_close(a: Tensor, b: Tensor, dtype: torch.dtype | None = None, *, scale: float = 1.0):
    """Assert equality to what rounding allows in a dtype, `scale` times over."""
    tolerance = scale * {torch.float32: 2e-5, torch.float64: 1e-11}[dtype or a.dtype]
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


# --------------------------------------------------------------------------------------- graphs


def turned(graph: Graph, matrix: Tensor, shift: Sequence[float] = (0, 0, 0)) -> Graph:
    """Return the graph of a protein that was turned and moved, its vectors with it."""
    nodes = {k: x @ matrix.T if k in VECTOR_FIELDS else x for k, x in graph.nodes.items()}
    nodes["pos"] = nodes["pos"] + torch.tensor(shift, dtype=nodes["pos"].dtype)
    edges = {k: x @ matrix.T if k in VECTOR_FIELDS else x for k, x in graph.edges.items()}
    return Graph(graph.src, graph.dst, graph.num_nodes, nodes, edges)


def permuted(graph: Graph, order: Tensor) -> Graph:
    """Return the graph with node `order[i]` as node i."""
    place = torch.argsort(order)
    src, dst = place[graph.src], place[graph.dst]
    by_destination = torch.argsort(dst, stable=True)
    return Graph(
        src[by_destination],
        dst[by_destination],
        graph.num_nodes,
        {k: x[order] for k, x in graph.nodes.items()},
        {k: x[by_destination] for k, x in graph.edges.items()},
    )


# --------------------------------------------------------------------------------------- models

ENGINES = [
    "torch",
    pytest.param(
        "dgl",
        marks=pytest.mark.skipif(dgl_problem() is not None, reason=f"no DGL: {dgl_problem()}"),
    ),
    pytest.param(
        "numba",
        marks=pytest.mark.skipif(
            numba_problem() is not None, reason=f"no Numba: {numba_problem()}"
        ),
    ),
]
#: Keywords that make a registered class small; one without an entry is tested at its own size.
SMALL: dict[str, dict[str, Any]] = {
    "gvp": {"scalars": 12, "vectors": 4, "edge_scalars": 8, "edge_vectors": 2, "type_width": 5},
    "schnet": {"hidden": 12, "num_filters": 10, "num_gaussians": 9},
    "gat": {"num_heads": 2, "head_dim": 6},
    "egnn": {"hidden": 12},
    "gearnet": {"hidden": 12},
    "mpnn": {"hidden": 12},
    "pronet": {"hidden": 12, "middle": 8, "num_radial": 3},
    "cdconv": {"hidden": 12, "inner": 6, "kernel_channels": 5},
    "global": {"num_heads": 2, "head_dim": 6},
    "cross": {"num_heads": 2, "head_dim": 6},
    "local": {"width": 12, "gate_width": 8},
}
#: Further keyword sets of a backbone that take other paths through its code.
OPTIONS: dict[str, dict[str, Any]] = {
    "gvp": {"vector_gate": True},
    "gat": {"edge_values": False},
    "gearnet": {"edge_messages": True, "edge_hidden": 7},
    "mpnn": {"log_odds": True},
}
#: Weights that act on zeros, and take no gradient, unless an exchange precedes the first layer.
ON_ZEROS: dict[str, set[str]] = {
    "mpnn": {f"struct.nodes.0.message.{end}.weight" for end in ("source", "destination")},
}
NUM_STRUCT_LAYERS = 3
SPECS = {
    "residue": GraphSpec(k=6, ligands=True),
    "atom": GraphSpec(kind="atom", radius=4.0, ligands=True),
    "all features": GraphSpec(k=6, ligands=True, features=tuple(FEATURE_SETS)),
}


def backbone_cases() -> list[tuple[str, dict[str, Any]]]:
    """Return (name, keywords) of every registered graph network, and of its options."""
    plain = [(name, SMALL.get(name, {})) for name in STRUCTURE_BACKBONES]
    optional = [(name, {**SMALL.get(name, {}), **OPTIONS[name]}) for name in OPTIONS]
    return [
        (name, {"num_layers": NUM_STRUCT_LAYERS, **keywords}) for name, keywords in plain + optional
    ]


def case_id(case: tuple[str, dict[str, Any]]) -> str:
    name, keywords = case
    return "-".join([name, *(f"{key}={x}" for key, x in keywords.items() if isinstance(x, bool))])


def exchanging() -> list[str]:
    """Return the registered fusions that exchange anything."""
    return [name for name in FUSIONS if FUSIONS[name].placement(3, 3)]


def small_model(seq: str, struct: str = "gvp", fusion: str | None = None, **given: Any) -> Any:
    """Return `create_model` of small parts; "section.key" keywords go into `values`."""
    values = given.pop("values", {})
    for section, name in (("structure", struct), ("fusion", fusion)):
        for key, value in SMALL.get(name or "", {}).items():
            values.setdefault(f"{section}.args.{key}", value)
    if struct != "none":
        values.setdefault("structure.args.num_layers", NUM_STRUCT_LAYERS)
    values.setdefault("structure.weights", "random")  # published ones fit no small network
    values.setdefault("fusion.side_width", 10)
    values.setdefault("graph.k", 6)
    return create_model(seq, struct, fusion=fusion, values=values, **given)

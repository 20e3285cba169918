"""The bridge between tokens and nodes, and what is read and written across it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import shelf
from zoo.proteins.batch import Batch, collate, gather_rows, write_rows
from zoo.proteins.build_graph import GraphSpec
from zoo.proteins.features import letter_types

SPECS = {
    "residue": GraphSpec(ligands=True),
    "atom": GraphSpec(kind="atom", ligands=True),
    "none": GraphSpec(kind="none"),
}
PROTEINS = list(shelf.SHELF.values())
of_every_kind = pytest.mark.parametrize("kind", SPECS)
for_every_plm = pytest.mark.parametrize("plm", shelf.PLM_KINDS)


def batch_of(plm: str, kind: str, proteins: list = PROTEINS) -> Batch:
    return collate(proteins, shelf.plm_tokenizer(plm), SPECS[kind])


@for_every_plm
@of_every_kind
def test_every_node_points_at_the_token_of_its_own_residue(plm: str, kind: str) -> None:
    tokenizer, batch = shelf.plm_tokenizer(plm), batch_of(plm, kind)
    ids = batch.tokens.flatten()
    letters = ["".join(c.sequence for c in p.chains) for p in PROTEINS]
    rows = zip(batch.graph.protein, batch.graph.nodes["residue"], batch.node_token, strict=True)
    for protein, residue, token in rows:
        if residue < 0:
            assert token == -1
        else:
            assert ids[token] == tokenizer.table[ord(letters[protein][residue]) - ord("A"), 0]


@for_every_plm
@of_every_kind
def test_no_two_residues_share_a_token_and_none_is_special_or_padding(plm: str, kind: str) -> None:
    batch = batch_of(plm, kind)
    linked = batch.node_token >= 0
    residues = torch.stack([batch.graph.protein, batch.graph.nodes["residue"]])[:, linked]
    tokens = batch.node_token[linked].unique()
    assert len(tokens) == residues.unique(dim=1).shape[1]
    assert batch.attend.flatten()[tokens].all()
    tokenizer = shelf.plm_tokenizer(plm)
    special = torch.tensor([*tokenizer.before, *tokenizer.after, tokenizer.pad])
    assert not torch.isin(batch.tokens.flatten()[tokens], special).any()


@of_every_kind
def test_a_graph_in_a_batch_is_the_graph_alone(kind: str) -> None:
    batch = batch_of("esm", kind)
    single = batch_of("esm", kind, PROTEINS[-1:])
    count = single.graph.total_nodes
    assert torch.equal(batch.graph.nodes["residue"][-count:], single.graph.nodes["residue"])
    assert batch.names == tuple(shelf.SHELF)


def test_without_a_language_model_there_are_no_tokens() -> None:
    batch = collate(PROTEINS, None)
    assert batch.tokens is None and batch.attend is None
    letters = "".join(chain.sequence for protein in PROTEINS for chain in protein.chains)
    linked = batch.node_token >= 0
    assert torch.equal(linked, batch.graph.nodes["residue"] >= 0)
    types = letter_types("".join(letters[row] for row in batch.node_token[linked]))
    assert torch.equal(types, batch.graph.nodes["node_type"][linked])


def test_a_batch_moves_as_a_whole() -> None:
    batch = batch_of("esm", "residue").to("meta")
    found = [batch.graph.src, batch.graph.nodes["pos"], batch.node_token, batch.tokens]
    assert {x.device.type for x in (*found, batch.attend)} == {"meta"}


@of_every_kind
def test_gather_undoes_write(kind: str) -> None:
    batch = batch_of("esm", kind)
    h = torch.randn(*batch.tokens.shape, 5)
    one_row_a_token = torch.randn(h.shape[:2].numel(), 5)
    rows = one_row_a_token[batch.node_token.clamp(min=0)]
    rows = rows.masked_fill((batch.node_token < 0)[:, None], 0.0)
    written = write_rows(h, batch.node_token, rows)
    shelf.assert_close(gather_rows(written, batch.node_token), rows)


@of_every_kind
def test_tokens_without_a_node_stay_bit_for_bit(kind: str) -> None:
    batch = batch_of("bert", kind)
    h = torch.randn(*batch.tokens.shape, 5)
    written = write_rows(h, batch.node_token, torch.randn(len(batch.node_token), 5))
    linked = torch.zeros(h.shape[:2].numel(), dtype=torch.bool)
    linked[batch.node_token[batch.node_token >= 0]] = True
    assert torch.equal(written.flatten(0, 1)[~linked], h.flatten(0, 1)[~linked])
    assert not torch.isclose(written.flatten(0, 1)[linked], h.flatten(0, 1)[linked]).any(1).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 7), max_size=20), st.integers(0, 10**6))
def test_several_nodes_of_a_token_write_their_mean(tokens: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn((2, 4, 3), generator=generator, dtype=torch.float64)
    rows = torch.randn((len(tokens), 3), generator=generator, dtype=torch.float64)
    written = write_rows(h, torch.tensor(tokens, dtype=torch.long), rows).flatten(0, 1)
    for token in range(8):
        mine = [i for i, t in enumerate(tokens) if t == token]
        expected = rows[mine].mean(0) if mine else h.flatten(0, 1)[token]
        shelf.assert_close(written[token], expected)


def test_nodes_without_a_token_gather_zero() -> None:
    rows = gather_rows(torch.ones(1, 3, 2), torch.tensor([-1, 0, 2, -1]))
    assert rows.tolist() == [[0, 0], [1, 1], [1, 1], [0, 0]]

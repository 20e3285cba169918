"""The model: two branches, the exchanges between them, and a head on the fused features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zoo.backbones.base import SequenceBackbone, Start, StructureBackbone, run_until
from zoo.errors import ConfigError
from zoo.fusion.base import Fused, Fusion, Pairs
from zoo.fusion.side import SideStream
from zoo.fusion.units import fuse_in_units
from zoo.models.heads import ProteinHead, ResidueHead
from zoo.models.revisions import Revision
from zoo.proteins.batch import Batch, collate, gather_rows, write_rows
from zoo.proteins.build_graph import GraphSpec
from zoo.proteins.given import Given, given_proteins

if TYPE_CHECKING:
    from zoo.models.create import Recipe


@dataclass(frozen=True)
class Change:
    """How much one exchange changed each branch: the size of the change over that of the state.

    Sizes are root mean squares over all rows of the batch.

    Attributes:
        after: (layer of the language model, layer of the graph network).
        seq: a number for the sequence branch.
        struct: a number for the structure branch.
    """

    after: tuple[int, int]
    seq: Tensor
    struct: Tensor


@dataclass(frozen=True)
class Explanation:
    """How one exchange weighed its rows.

    Attributes:
        after: (layer of the language model, layer of the graph network).
        weights: one tensor a protein, see `fusion.base.Fused`.
    """

    after: tuple[int, int]
    weights: tuple[Tensor, ...]


class FusedModel(nn.Module):
    """A language model and a graph network that exchange at several depths, in both directions.

    Args:
        seq: The language model; None for a model of the structure alone.
        struct: The graph network; None for a model of the sequence alone.
        exchanges: One fusion for each pair of `fuse_after`.
        fuse_after: Pairs (layer of the language model, layer of the graph network) after which the
            branches exchange, both ascending.
        graph_spec: The kind of graph that the graph network was built for.
        revision: How exchanges are computed.
        side: The side stream that carries the sequence branch (write-back "side"); None for "deep",
            where fused rows re-enter the language model and its remaining layers run on with them.
        head: Turns features into predictions; None for a model that returns features only.
    """

    recipe: Recipe
    """How the model was made; set by `create_model` and `load_model`, and saved with it."""

    def __init__(
        self,
        *,
        seq: SequenceBackbone | None,
        struct: StructureBackbone | None,
        exchanges: Sequence[Fusion],
        fuse_after: Pairs,
        graph_spec: GraphSpec,
        revision: Revision,
        side: SideStream | None = None,
        head: ResidueHead | ProteinHead | None = None,
    ) -> None:
        super().__init__()
        self.seq, self.struct, self.side, self.head = seq, struct, side, head
        self.exchanges = nn.ModuleList(exchanges)
        self.fuse_after = fuse_after
        self.graph_spec, self.revision = graph_spec, revision

    @property
    def width(self) -> int:
        """Columns of the features: those of the sequence branch, then those of the structure."""
        sequence = self.side or self.seq
        width = sequence.width if sequence is not None else 0
        return width + (self.struct.out_width if self.struct is not None else 0)

    @property
    def taps(self) -> tuple[int, ...]:
        """Layers of the language model whose outputs stay constant during training; see `tap`.

        With write-back "side" these are all layers that the side stream reads: those that exchange,
        and the last. With "deep" it is the first layer that exchanges (the last one, if none does),
        because no trained weight acts before it. There are none if the language model is trained.
        """
        if self.seq is None:
            return ()
        places = [k for k, _ in self.fuse_after]
        if self.side is not None:
            return tuple(sorted({*places, self.seq.num_layers}))
        trained = any(p.requires_grad for p in self.seq.parameters())
        if trained or not self.seq.can_start_midway:
            return ()
        return (min(places, default=self.seq.num_layers),)

    def batch(self, proteins: Given | Iterable[Given]) -> Batch:
        """Return what the model takes for some proteins, on the CPU.

        Args:
            proteins: Path of a structure or FASTA file, or a `Protein`; or a list of these.

        Raises:
            ConfigError: If something is neither a path nor a protein.
            StructureError: If a file cannot be read, or the model needs coordinates and a protein
                has none.
            ValueError: If there are no proteins.
        """
        proteins = given_proteins(proteins)
        if self.seq is None:
            return collate(proteins, None, self.graph_spec)
        return collate(proteins, self.seq.tokenize, self.graph_spec, self.seq.reads)

    def forward(
        self,
        batch: Batch,
        hidden: Mapping[int, Tensor] | None = None,
        changes: list[Change] | None = None,
    ) -> Tensor:
        """Return predictions without activation: (nodes, outputs) or (proteins, outputs).

        The arguments are those of `features`.
        """
        if self.head is None:
            raise RuntimeError("the model has no head; create it with task=, or use features()")
        features = self.features(batch, hidden, changes)
        out: Tensor = self.head(batch.graph, features)
        return out

    def features(
        self,
        batch: Batch,
        hidden: Mapping[int, Tensor] | None = None,
        changes: list[Change] | None = None,
    ) -> Tensor:
        """Return (nodes, d_seq + d_struct), the fused representation.

        Args:
            batch: Batch that `self.batch` made.
            hidden: Layer outputs that `tap` returned for this batch, for example from the store,
                in any precision. With write-back "side" the language model then does not run; with
                "deep" it runs from that layer on. Without them the whole language model runs.
            changes: A list to which each exchange adds how much it changed the branches.

        Raises:
            ValueError: if `hidden` lacks a layer of `taps`, or the model takes no stored states.
        """
        return self._run(_Run(self, batch, changes=changes), hidden)

    def explain(self, batch: Batch) -> list[Explanation]:
        """Return the gates or attention weights of every exchange, in evaluation mode."""
        modes = {module: module.training for module in self.modules()}
        self.eval()
        try:
            with torch.no_grad():
                run = _Run(self, batch, explain=True)
                self._run(run, None)
            return run.explanations
        finally:
            for module, training in modes.items():
                module.training = training

    @torch.no_grad()
    def tap(self, batch: Batch) -> dict[int, Tensor]:
        """Return the layer outputs that stay constant during training, by the numbers of `taps`.

        They can be computed once and stored. With write-back "side" each is (nodes, d_seq); with
        "deep" it is (chains, tokens, d_seq), because the layers that follow also attend to special
        tokens and unresolved residues.
        """
        return self.tap_with_gradient(batch)

    def tap_with_gradient(self, batch: Batch) -> dict[int, Tensor]:
        """Return what `tap` returns, with gradients to the language model's input (attribution)."""
        rows: dict[int, Tensor] = {}
        taps = self.taps

        def keep(k: int, h: Tensor) -> Tensor:
            if k in taps:
                rows[k] = h if self.side is None else gather_rows(h, batch.node_token)
            return h

        assert self.seq is not None and batch.tokens is not None and batch.attend is not None
        if taps:
            run_until(self.seq, batch.tokens, batch.attend, keep, max(taps))
        return rows

    def _run(self, run: _Run, hidden: Mapping[int, Tensor] | None) -> Tensor:
        if hidden is not None and not (self.taps and hidden.keys() >= set(self.taps)):
            given, taken = sorted(hidden), list(self.taps)
            raise ValueError(f"hidden states of layers {given} given; the model takes {taken}")
        if self.side is not None:
            rows = hidden if hidden is not None else self.tap(run.batch)
            parts = [self._side_rows(run, rows)]
        else:
            parts = [self._deep_rows(run, hidden)] if self.seq is not None else []
        if self.struct is not None:
            parts.append(run.finish())
        return torch.cat(parts, dim=-1)

    def _deep_rows(self, run: _Run, hidden: Mapping[int, Tensor] | None) -> Tensor:
        """Run the language model; fused rows re-enter it where exchanges are."""
        start: Start | None = None
        if hidden is not None:
            (k,) = self.taps
            start = k, hidden[k]
        node_token, places = run.batch.node_token, [k for k, _ in self.fuse_after]
        late = self._after_the_end

        def exchange(k: int, h: Tensor) -> Tensor:
            if k not in places or places.index(k) in late:
                return h
            rows = gather_rows(h, node_token).to(run.dtype)
            return write_rows(h, node_token, run.exchange(places.index(k), rows))

        assert self.seq is not None
        assert run.batch.tokens is not None and run.batch.attend is not None
        h = self.seq(run.batch.tokens, run.batch.attend, exchange, start)
        rows = gather_rows(h, node_token).to(run.dtype)
        for index in late:
            rows = run.exchange(index, rows)
        return rows

    @property
    def _after_the_end(self) -> tuple[int, ...]:
        """Numbers of the exchanges that see the language model's output, behind its final norm."""
        assert self.seq is not None
        return tuple(
            index
            for index, (k, _) in enumerate(self.fuse_after)
            if self.revision.takes_output
            and k == self.seq.num_layers
            and self.exchanges[index].one_way
        )

    def _side_rows(self, run: _Run, hidden: Mapping[int, Tensor]) -> Tensor:
        """Carry the side stream past every tap; the language model's rows are only read."""
        places = [k for k, _ in self.fuse_after]
        assert self.side is not None
        unlinked = (run.batch.node_token < 0)[:, None]
        stream: Tensor | None = None
        for tap, k in enumerate(self.taps):
            rows = hidden[k].to(run.dtype)
            stream = self.side.enter(tap, stream, rows).masked_fill(unlinked, 0.0)
            if k in places:
                stream = run.exchange(places.index(k), stream)
        assert stream is not None  # the last layer is always tapped
        return stream


class _Run:
    """One forward pass of the graph network, stepped up to wherever an exchange needs it."""

    def __init__(
        self,
        model: FusedModel,
        batch: Batch,
        *,
        changes: list[Change] | None = None,
        explain: bool = False,
    ) -> None:
        if not isinstance(batch, Batch):
            raise ConfigError(
                f"{batch!r:.80} ({type(batch).__name__}) is not a batch. Give the model what "
                "model.batch(...) returns for paths or proteins."
            )
        self.model, self.batch, self.changes, self.explain = model, batch, changes, explain
        self.linked = batch.linked
        self.protein = batch.graph.protein[self.linked]
        self.explanations: list[Explanation] = []
        self.done = 0
        self.dtype = next((p.dtype for p in self._own_parameters()), torch.float32)
        if model.struct is not None:
            self.state = model.struct.embed(batch.graph)

    def _own_parameters(self) -> list[nn.Parameter]:
        """Parameters of everything but the language model, which may run in half precision."""
        named = self.model.named_parameters()
        return [p for name, p in named if not name.startswith("seq.")]

    def exchange(self, index: int, rows: Tensor) -> Tensor:
        """Fuse sequence rows (nodes, d) with the graph network's; return the new rows."""
        self._advance(self.model.fuse_after[index][1])
        fusion: Any = self.model.exchanges[index]
        fuse = partial(fuse_in_units, fusion) if self.model.revision.in_units else fusion
        seq, struct = rows[self.linked], self.state.s[self.linked]
        known = {"counts": self.batch.linked_counts} if fusion.takes_counts else {}
        fused: Fused = fuse(seq, struct, self.protein, explain=self.explain, **known)
        after = self.model.fuse_after[index]
        if self.changes is not None:
            change = Change(after, _share(seq, fused.seq), _share(struct, fused.struct))
            self.changes.append(change)
        if fused.weights is not None and self.explain:
            self.explanations.append(Explanation(after, fused.weights))
        s = self.state.s.index_copy(0, self.linked, fused.struct.to(self.state.s.dtype))
        self.state = type(self.state)(s, self.state.v, self.state.edge)
        return rows.index_copy(0, self.linked, fused.seq.to(rows.dtype))

    def finish(self) -> Tensor:
        """Run the remaining layers; return (nodes, d_struct)."""
        assert self.model.struct is not None
        self._advance(self.model.struct.num_layers)
        return self.model.struct.finish(self.state)

    def _advance(self, stop: int) -> None:
        assert self.model.struct is not None
        if stop > self.done:
            self.state = self.model.struct.run(self.batch.graph, self.state, self.done, stop)
            self.done = stop


def _share(before: Tensor, after: Tensor) -> Tensor:
    """Return the size of a change over that of the state that is changed, both of all rows."""
    state, change = before.detach().float(), after.detach().float() - before.detach().float()
    return change.norm() / state.norm().clamp(min=torch.finfo(torch.float32).tiny)

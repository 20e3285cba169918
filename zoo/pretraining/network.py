"""The small language model, with the architecture and vocabulary of ESM-2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.pretraining.batches import Batch
from zoo.pretraining.local import look_nearby
from zoo.pretraining.muon import Muon

VOCABULARY = (
    "<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null_1> <mask>"
)


def network(*, num_layers: int, width: int, num_heads: int) -> Any:
    """Return a `transformers.EsmForMaskedLM` with random weights, half of its heads local."""
    from transformers import EsmConfig, EsmForMaskedLM
    from transformers.models.esm import modeling_esm

    # The same function; the one in `transformers` takes five passes over memory, a quarter of the
    # training time.
    modeling_esm.gelu = nn.functional.gelu
    config = EsmConfig(
        vocab_size=33, mask_token_id=32, pad_token_id=1, hidden_size=width,
        num_hidden_layers=num_layers, num_attention_heads=num_heads, intermediate_size=4 * width,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, max_position_embeddings=1026,
        layer_norm_eps=1e-5, position_embedding_type="rotary", emb_layer_norm_before=False,
        token_dropout=True,
    )  # fmt: skip
    model: Any = EsmForMaskedLM(config)
    model.esm.contact_head = None  # its weights are not trained by the masked loss
    look_nearby(model)
    return model


def states(model: Any, batch: Batch) -> Tensor:
    """Return the last states (chains, tokens, width) of a batch, after the final norm."""
    found: Tensor = model.esm(
        input_ids=batch.ids, attention_mask=batch.attend.long()
    ).last_hidden_state
    return found


def loss(model: Any, batch: Batch) -> tuple[Tensor, int]:
    """Return the summed negative log-likelihood of the hidden tokens in nats, and their number."""
    logits = model.lm_head(states(model, batch)[batch.where]).float()
    return nn.functional.cross_entropy(logits, batch.truth, reduction="sum"), len(batch.truth)


def optimizers(model: nn.Module, rate: float, decay: float) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers, and AdamW for all other parameters.

    Muon needs about half as many steps as AdamW alone (arXiv:2502.16982).
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inner = parameter.ndim == 2 and "embeddings" not in name and "decoder" not in name
        (matrices if inner else others).append(parameter)
    return [
        Muon(matrices, lr=rate, weight_decay=decay),
        torch.optim.AdamW(others, lr=rate, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def rounded(model: nn.Module) -> None:
    """Round the weights to bfloat16 in place, so that the shipped weights are the scored ones."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())


def save(model: Any, folder: Path) -> None:
    """Write config, tokenizer and bfloat16 weights to a folder that `transformers` can load."""
    from transformers import EsmTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY.split()))
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    state = {name: x.bfloat16() for name, x in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=state)

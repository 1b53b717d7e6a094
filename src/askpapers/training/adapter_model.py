"""The model that the answer adapter is trained on: the GGUF in torch, with LoRA on every layer.

LoRA: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1:
h = W x + (alpha / r) B A x, with A drawn at random and B zero at the start.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from askpapers.errors import MismatchError, ModelDamaged

if TYPE_CHECKING:
    import torch

RANK = 16
ALPHA = 32.0


def load_base(gguf: Path, *, dtype: str = "bfloat16") -> tuple[Any, Any]:
    """Return the dequantized model (frozen, on the CPU) and its tokenizer.

    Args:
        gguf: a Llama-architecture GGUF with its tokenizer.
        dtype: name of the torch type of the weights.

    Raises:
        ModelDamaged: transformers cannot read the file.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent),
            gguf_file=gguf.name,
            # Packed weights, the default of transformers 5, cannot be trained through.
            quantization_config=GgufConfig(dequantize=True),
            dtype=getattr(torch, dtype),
            # Plain matrix products use bf16 tiles; the fused kernel's backward pass does not.
            attn_implementation="eager",
        )
    except (OSError, ValueError) as exc:
        raise ModelDamaged(f"transformers cannot read {str(gguf)!r}: {exc}.") from exc
    model.requires_grad_(False)
    return model, tokenizer


def add_lora(blocks: Any, *, seed: int, rank: int = RANK, alpha: float = ALPHA) -> None:
    """Put a LoRA beside every linear layer of these blocks of a model, in place.

    The seven weights of a block (q, k, v, o, gate, up, down) keep their type; A and B are
    float32 and are cast to the activations' type in the forward pass.
    """
    import torch
    from torch.nn import functional

    class LoraLinear(torch.nn.Module):
        """A frozen linear layer plus its low-rank update; x (..., in) -> (..., out)."""

        def __init__(self, weight: torch.Tensor) -> None:
            super().__init__()
            outputs, inputs = weight.shape
            self.weight = weight
            self.scale = alpha / rank
            self.lora_a = torch.nn.Parameter(torch.empty(rank, inputs, dtype=torch.float32))
            self.lora_b = torch.nn.Parameter(torch.zeros(outputs, rank, dtype=torch.float32))
            torch.nn.init.kaiming_uniform_(self.lora_a, a=5**0.5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            low = functional.linear(x, self.lora_a.to(x.dtype))
            update = functional.linear(low, (self.lora_b * self.scale).to(x.dtype))
            return functional.linear(x, self.weight) + update

    torch.manual_seed(seed)
    for block in blocks:
        for part in list(block.modules()):
            for name, child in list(part.named_children()):
                if isinstance(child, torch.nn.Linear):
                    setattr(part, name, LoraLinear(child.weight))


def lora_tensors(model: Any) -> dict[str, torch.Tensor]:
    """Return the trainable tensors by name, e.g. `layers.0.self_attn.q_proj.lora_a`."""
    return {
        name.removeprefix("model."): parameter.detach()
        for name, parameter in _lora_parameters(model)
    }


def set_lora_tensors(model: Any, tensors: dict[str, torch.Tensor]) -> None:
    """Copy `tensors` (as `lora_tensors` returned them) into `model`.

    Raises:
        ModelDamaged: the names differ from the model's.
    """
    own = dict(_lora_parameters(model))
    if {name.removeprefix("model.") for name in own} != set(tensors):
        raise ModelDamaged("The checkpoint holds other LoRA tensors than the model.")
    for name, parameter in own.items():
        parameter.data.copy_(tensors[name.removeprefix("model.")])


def save_state(
    path: Path, step: int, model: Any, optimizer: Any, recipe: Mapping[str, object]
) -> None:
    """Write how far a training has come; an existing state is replaced only by a whole one."""
    import torch

    part = path.with_suffix(".part")
    state = {"step": step, "recipe": dict(recipe), "lora": lora_tensors(model)}
    torch.save({**state, "optimizer": optimizer.state_dict()}, part)
    os.replace(part, path)


def restore_state(path: Path, model: Any, optimizer: Any, recipe: Mapping[str, object]) -> int:
    """Load the state at `path` and return the steps done; 0 when there is none.

    Raises:
        MismatchError: it belongs to another recipe.
    """
    import torch

    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if state["recipe"] != dict(recipe):
        raise MismatchError(
            f"The state at {str(path)!r} belongs to another recipe.", hint=f"rm {path}"
        )
    set_lora_tensors(model, state["lora"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


class Schedule(Protocol):
    """The part of a recipe that decides the learning rate."""

    @property
    def learning_rate(self) -> float:
        """The highest rate."""
        ...

    @property
    def warmup_steps(self) -> int:
        """After so many steps it is reached."""
        ...

    @property
    def final_share(self) -> float:
        """The share of it that the last steps have."""
        ...


def learning_rate_at(step: int, steps: int, recipe: Schedule) -> float:
    """Return the rate of a step: linear warm-up, then linearly down to `final_share`."""
    left = max(recipe.final_share, 1 - step / steps)
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup_steps) * left


def answer_logits(model: Any, tokens: torch.Tensor, rows: Any, columns: Any) -> torch.Tensor:
    """Return float32 logits (n, vocabulary) at the given positions only.

    The output layer is a quarter of the model's work over whole prompts, and only the answer's
    tokens are learned. Rows are padded on the right: under the causal mask no position sees it.

    Args:
        model: as `load_base` returned it.
        tokens: int64 (batch, length).
        rows: n row numbers.
        columns: n column numbers; the logits there predict the next column's token.
    """
    hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
    logits: torch.Tensor = model.lm_head(hidden[rows, columns]).float()
    return logits


def token_losses(
    model: Any, texts: Sequence[tuple[Sequence[int], int]], padding: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses in nats, float32 (n,), of the learned tokens, and the row of each.

    Args:
        model: as `load_base` returned it.
        texts: token numbers, and the place from which on they are learned (at least 1).
        padding: the token that fills shorter rows.
    """
    import torch

    # Lengths in steps of 8 keep the number of shapes, and with it recompilations, small.
    length = 8 * math.ceil(max(len(ids) for ids, _ in texts) / 8)
    tokens = torch.full((len(texts), length), padding, dtype=torch.long)
    rows: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    for row, (ids, start) in enumerate(texts):
        tokens[row, : len(ids)] = torch.tensor(ids)
        rows += [row] * (len(ids) - start)
        columns += range(start - 1, len(ids) - 1)
        targets += ids[start:]
    logits = answer_logits(model, tokens, rows, columns)
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(targets), reduction="none")
    return losses, torch.tensor(rows)


def _lora_parameters(model: Any) -> Iterator[tuple[str, Any]]:
    for name, parameter in model.named_parameters():
        if name.endswith((".lora_a", ".lora_b")):
            yield name, parameter

"""A low-rank adapter: small matrices that are added to a network's linear layers when it opens.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, section 4.1.
A file holds, for a layer called `name`, `name.down` (r, in) and `name.up` (out, r), float16; the
layer's weight becomes `weight + up @ down`, scaling included in `up`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from askpapers.errors import ModelDamaged, ModelMissing

DOWN, UP = ".down", ".up"


def merge_adapter(network: Any, path: Path) -> None:
    """Add an adapter's matrices to the weights of `network`, a torch module.

    Raises:
        ModelMissing: there is no such file.
        ModelDamaged: it cannot be read, or doesn't fit the network.
    """
    _merge(network, _read_layers(path), path)


def branch_off(network: Any, path: Path) -> Any:
    """Return a copy of `network` with an adapter merged; other weights are shared by both.

    Raises:
        ModelMissing: there is no such file.
        ModelDamaged: it cannot be read, or doesn't fit the network.
    """
    layers = _read_layers(path)
    touched = {f"{name}.weight" for name in layers}
    shared = {id(p): p for name, p in network.named_parameters() if name not in touched}
    branch = copy.deepcopy(network, shared)
    _merge(branch, layers, path)
    return branch


def _read_layers(path: Path) -> dict[str, tuple[Any, Any]]:
    """Return the matrices by layer: down (r, in) and up (out, r), None where one is missing."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelMissing(f"There is no adapter at {str(path)!r}.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as exc:
        raise ModelDamaged(f"The adapter {str(path)!r} cannot be read: {exc}.") from exc
    names = sorted({name.removesuffix(DOWN).removesuffix(UP) for name in tensors})
    return {name: (tensors.get(name + DOWN), tensors.get(name + UP)) for name in names}


def _merge(network: Any, layers: Mapping[str, tuple[Any, Any]], path: Path) -> None:
    import torch

    weights = dict(network.named_parameters())
    with torch.no_grad():
        for name, (down, up) in layers.items():
            weight = weights.get(f"{name}.weight")
            if down is None or up is None or weight is None:
                raise ModelDamaged(f"The adapter {str(path)!r} doesn't fit the model at {name!r}.")
            fits = down.ndim == up.ndim == 2 and up.shape[1] == down.shape[0]
            if not fits or (up.shape[0], down.shape[1]) != weight.shape:
                raise ModelDamaged(f"The adapter {str(path)!r} has the wrong shape at {name!r}.")
            weight += up.float() @ down.float()

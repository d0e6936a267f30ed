"""What moves the weights: Muon for matrices between features, AdamW for all else.

Muon makes every step of a matrix an orthogonal one, so that no direction of it waits for others
(Jordan et al. 2024). On a convolution that is as good as its matrix of outputs by all else.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

_DECAY = 0.01
_NARROW = 16  # outputs or inputs, below which a matrix has too few directions to be worth it


class Muon(torch.optim.Muon):
    """PyTorch's, for the weights of convolutions, too.

    Args:
        weights: parameters of two or four dimensions, which must not move to other memory later.
        rate: as for AdamW, whose size of a step it keeps.

    Raises:
        ValueError: a weight is not channels-last.
    """

    def __init__(self, weights: Sequence[nn.Parameter], rate: float):
        self.weights = weights
        matrices = [_matrix(weight.detach()) for weight in weights]
        if any(m.data_ptr() != w.data_ptr() for m, w in zip(matrices, weights, strict=True)):
            raise ValueError("weights must be channels-last: of others copies would be moved")
        super().__init__(matrices, rate, _DECAY, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure=None):
        """One step along the gradients that the weights have."""
        for weight, matrix in zip(self.weights, self.param_groups[0]["params"], strict=True):
            matrix.grad = None if weight.grad is None else _matrix(weight.grad)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the weights."""
        for weight in self.weights:
            weight.grad = None


def _matrix(weight: Tensor) -> Tensor:
    """A view (outputs, all else) of a weight that is channels-last in memory."""
    return weight if weight.dim() == 2 else weight.permute(0, 2, 3, 1).flatten(1)


def hidden(module: nn.Module) -> list[nn.Parameter]:
    """Weights of a module that take many features to many."""
    return [
        weight
        for weight in module.parameters()
        if weight.dim() in (2, 4) and min(weight.shape[0], weight[0].numel()) >= _NARROW
    ]


def optimisers(module: nn.Module, between: Sequence[nn.Parameter], rate: float) -> list[Optimizer]:
    """Muon for the weights `between` features, AdamW for what else a module has."""
    taken = {id(weight) for weight in between}
    rest = [weight for weight in module.parameters() if id(weight) not in taken]
    both: list[Optimizer] = [AdamW(rest, rate, weight_decay=_DECAY)]
    return [*both, Muon(between, rate)] if between else both

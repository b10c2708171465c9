"""Optimizers, and which parameters they decay. The loop sets the learning rate of every step (engine.schedule)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

Groups = list[dict]
Clip = Callable[[Iterable[nn.Parameter]], Tensor | None]


def parameter_groups(
    model: nn.Module, *, weight_decay: float, norm_weight_decay: float = 0.0, zero_1d: bool = False
) -> Groups:
    """The trainable parameters of a model in at most three groups, each with its weight decay.

    Args:
        model: its frozen parameters are left out.
        weight_decay: of the weights.
        norm_weight_decay: of the scales and shifts of normalisation layers.
        zero_1d: no decay of any other parameter of one dimension (biases). The slopes of a PReLU never decay (He et
            al. 2015, section 2.1: decay pushes them to the plain ReLU).
    """
    decay: dict[str, float] = {"weights": weight_decay, "norm": norm_weight_decay, "undecayed": 0.0}
    members: dict[str, list[nn.Parameter]] = {name: [] for name in decay}
    seen: set[int] = set()
    for module in model.modules():
        kind = type(module).__name__.lower()
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen or not parameter.requires_grad:
                continue
            seen.add(id(parameter))
            flat = zero_1d and (parameter.ndim <= 1 or name == "bias")
            group = "undecayed" if "prelu" in kind else "norm" if "norm" in kind else "undecayed" if flat else "weights"
            members[group].append(parameter)
    if not seen:
        raise ValueError("no parameter of the model is trainable: everything is frozen; freeze less")
    return [{"name": name, "params": m, "weight_decay": decay[name]} for name, m in members.items() if m]


def freeze(model: nn.Module, names: Sequence[str]) -> int:
    """Stop training the named parts of a model, their norms' statistics too; returns the number of frozen values.

    Args:
        names: dotted names of modules, whole (`slow.res2`) or their end (`res2`: of every pathway).

    Raises:
        ValueError: a name that no module has.
    """
    frozen: dict[int, int] = {}
    for name in names:
        parts = [module for path, module in model.named_modules() if f".{path}".endswith(f".{name}")]
        if not parts or not name:
            known = ", ".join([path for path, _ in model.named_modules() if path and path.count(".") < 2][:30])
            raise ValueError(f"cannot freeze {name!r}: the model has no part of that name; it has {known}")
        for parameter in (parameter for part in parts for parameter in part.parameters()):
            parameter.requires_grad_(False)
            frozen[id(parameter)] = parameter.numel()
    return sum(frozen.values())


def train_mode(model: nn.Module) -> None:
    """Training mode, except for norms whose own parameters are all frozen: they keep their statistics."""
    model.train()
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and "norm" in type(module).__name__.lower() and not any(p.requires_grad for p in own):
            module.eval()


def sgd(
    groups: Groups, *, momentum: float = 0.9, dampening: float = 0.0, nesterov: bool = True
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum."""
    if nesterov and (momentum <= 0 or dampening != 0):
        raise ValueError(f"nesterov needs momentum > 0 and dampening 0, got {momentum} and {dampening}")
    return torch.optim.SGD(groups, lr=0.0, momentum=momentum, dampening=dampening, nesterov=nesterov)


def adam(groups: Groups, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> torch.optim.Optimizer:
    """Adam; its weight decay is an L2 term of the loss."""
    return torch.optim.Adam(groups, lr=0.0, betas=tuple(betas), eps=eps)


def adamw(groups: Groups, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""
    return torch.optim.AdamW(groups, lr=0.0, betas=tuple(betas), eps=eps)


def lars(groups: Groups, *, momentum: float = 0.9, trust: float = 0.001) -> torch.optim.Optimizer:
    """Layer-wise adaptive rate scaling for large batches."""
    return Lars(groups, momentum=momentum, trust=trust)


class Lars(torch.optim.Optimizer):
    """LARS (You, Gitman & Ginsburg 2017): the step of each layer is in proportion to the norm of its weights.

    With w a weight of two or more dimensions and g its gradient plus weight decay, the momentum sums
    lr * trust * |w| / |g| * g; vectors (biases, norms) take the plain gradient.
    """

    def __init__(self, groups: Groups, *, momentum: float = 0.9, trust: float = 0.001) -> None:
        super().__init__(groups, {"lr": 0.0, "momentum": momentum, "trust": trust, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update; `closure` re-computes the loss, as in torch."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)
        return loss

    def _update(self, weight: Tensor, group: dict) -> None:
        gradient = weight.grad.add(weight, alpha=group["weight_decay"])
        if weight.ndim > 1:
            length, slope = weight.norm(), gradient.norm()
            ratio = group["trust"] * length / slope
            gradient = gradient * torch.where((length > 0) & (slope > 0), ratio, torch.ones_like(ratio))
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        state["momentum_buffer"].mul_(group["momentum"]).add_(gradient, alpha=group["lr"])
        weight.sub_(state["momentum_buffer"])


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group the learning rate of this step."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def clipping(*, norm: float | None = None, value: float | None = None) -> Clip | None:
    """A function that clips the gradients of parameters, by their total L2 norm (it returns the norm before) or each
    element by its value; None where neither is asked for."""
    if norm is not None and value is not None:
        raise ValueError(f"clip gradients by norm ({norm}) or by value ({value}), not both")
    limit = norm if norm is not None else value
    if limit is not None and limit <= 0:
        raise ValueError(f"a limit for gradients must be above 0, got {limit}")
    if norm is not None:
        return lambda parameters: nn.utils.clip_grad_norm_(parameters, norm)
    if value is not None:
        return lambda parameters: nn.utils.clip_grad_value_(parameters, value)
    return None


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Total L2 norm of the gradients, which stay as they are."""
    return torch.stack([parameter.grad.norm() for parameter in parameters if parameter.grad is not None]).norm()

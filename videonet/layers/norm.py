"""Policies of batch norms, chosen after construction: frozen, sub-batch, synchronised; keys are those of plain ones.

A conversion changes the class of a norm in place: the module, its parameters and its statistics stay the objects that
they were, so that an optimizer, a checkpoint and a converted copy all fit.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

MODES = ("train", "frozen", "sub", "sync")


class _Frozen:
    """A batch norm that stays in evaluation mode: its statistics are constants, and convert_norms stops its weights."""

    def train(self, mode: bool = True) -> nn.Module:
        return super().train(False)


class _Sub:
    """A batch norm over `splits` parts of the batch, each with statistics of its own (sub-batch norm).

    With `base` the parts are as many as `parts_of` says, whatever the batch (multigrid training).
    Clip i belongs to part i modulo `splits`, as in PySlowFast. The running statistics are those of the whole batch, so
    that nothing is left to fold for a checkpoint or for testing.
    """

    splits, base = 1, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        splits = parts_of(x.shape[0], self.base) if self.base else self.splits
        if not self.training or splits == 1:
            return super().forward(x)
        self._check_input_dim(x)
        if x.shape[0] % splits:
            raise ValueError(f"sub-batch norm: a batch of {x.shape[0]} does not divide into {splits} parts")
        parts = x.reshape(x.shape[0] // splits, splits * x.shape[1], *x.shape[2:])
        weight, bias = self.weight.repeat(splits), self.bias.repeat(splits)
        mean, var = torch.zeros_like(weight), torch.ones_like(weight)
        out = F.batch_norm(parts, mean, var, weight, bias, training=True, momentum=1.0, eps=self.eps)
        self.track(mean.view(splits, -1), var.view(splits, -1), parts.numel() // parts.shape[1])
        return out.reshape(x.shape)

    @torch.no_grad()
    def track(self, means: torch.Tensor, variances: torch.Tensor, count: int) -> None:
        """Move the running statistics towards the batch's, from those of its parts (of `count` values each)."""
        total = count * len(means)
        biased = variances.mean(0) * (count - 1) / count + means.var(0, correction=0)
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked.item()
        self.running_mean.lerp_(means.mean(0), share)
        self.running_var.lerp_(biased * total / (total - 1), share)


def parts_of(batch: int, base: int) -> int:
    """The most parts of equal size, of at least `base` clips each, that a batch divides into; 1 for a smaller batch."""
    return next((parts for parts in range(batch // base, 1, -1) if batch % parts == 0), 1)


class _Sum(torch.autograd.Function):
    """The sum over all processes, of values and of gradients."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: torch.Tensor) -> torch.Tensor:
        grad = grad.contiguous().clone()
        dist.all_reduce(grad)
        return grad


class SyncBatchNorm(nn.BatchNorm3d):
    """Batch norm with statistics over all processes, on GPUs and CPUs, for vectors, images and clips.

    Torch's own works on GPUs alone, and its DistributedDataParallel refuses it elsewhere.
    """

    def _check_input_dim(self, x: torch.Tensor) -> None:
        pass

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) -> the same shape, by two sums over the processes: of values, then of squared distances."""
        alone = not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1
        if alone or not self.training:
            return super().forward(x)
        rows = x.transpose(0, 1).flatten(1).float()
        sums = _Sum.apply(torch.cat([rows.sum(1), rows.new_tensor([rows.shape[1]])]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        var = _Sum.apply((rows - mean[:, None]).square().sum(1)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * count / (count - 1), self.momentum)
        shape = (1, -1, *(1,) * (x.dim() - 2))
        scale = self.weight * torch.rsqrt(var + self.eps)
        return (x * scale.view(shape) + (self.bias - mean * scale).view(shape)).to(x.dtype)


class FrozenBatchNorm1d(_Frozen, nn.BatchNorm1d):
    """Batch norm of vectors with constant statistics."""


class FrozenBatchNorm2d(_Frozen, nn.BatchNorm2d):
    """Batch norm of images with constant statistics."""


class FrozenBatchNorm3d(_Frozen, nn.BatchNorm3d):
    """Batch norm of clips with constant statistics."""


class SubBatchNorm1d(_Sub, nn.BatchNorm1d):
    """Batch norm of vectors over parts of the batch."""


class SubBatchNorm2d(_Sub, nn.BatchNorm2d):
    """Batch norm of images over parts of the batch."""


class SubBatchNorm3d(_Sub, nn.BatchNorm3d):
    """Batch norm of clips over parts of the batch."""


KINDS: dict[str, dict[type, type]] = {
    "train": {nn.BatchNorm1d: nn.BatchNorm1d, nn.BatchNorm2d: nn.BatchNorm2d, nn.BatchNorm3d: nn.BatchNorm3d},
    "frozen": {
        nn.BatchNorm1d: FrozenBatchNorm1d,
        nn.BatchNorm2d: FrozenBatchNorm2d,
        nn.BatchNorm3d: FrozenBatchNorm3d,
    },
    "sub": {nn.BatchNorm1d: SubBatchNorm1d, nn.BatchNorm2d: SubBatchNorm2d, nn.BatchNorm3d: SubBatchNorm3d},
    "sync": dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), SyncBatchNorm),
}


def convert_norms(model: nn.Module, mode: str, *, splits: int = 1, base: int = 0) -> int:
    """Give every batch norm of a model one policy, in place; the number of norms. Other norms stay as they are.

    mode: "train" (plain), "frozen" (constant statistics and weights), "sub" (statistics over `splits` parts of the
    batch, or over parts of `base` clips, see `parts_of`), "sync" (over all processes). A model can be converted again
    at any time, to another mode or other splits.
    """
    if mode not in MODES:
        raise ValueError(f"norm mode is {mode!r}; it must be one of {', '.join(MODES)}")
    if splits < 1 or (splits > 1 and mode != "sub"):
        raise ValueError(f"norm mode {mode!r} with {splits} splits; splits are for mode 'sub', and at least 1")
    if base < 0 or (base and (mode != "sub" or splits > 1)):
        raise ValueError(f"norm mode {mode!r}, {splits} splits, base {base}; a base of clips is for mode 'sub' alone")
    norms = [
        module for module in model.modules() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d))
    ]
    for norm in norms:
        convert(norm, mode, splits, base)
    return len(norms)


def convert(norm: nn.Module, mode: str, splits: int, base: int) -> None:
    """Give one batch norm a policy."""
    plain = norm.__dict__.get("plain") or type(norm)
    if plain not in KINDS[mode]:
        raise ValueError(f"a {plain.__name__} cannot become mode {mode!r}; it must be a BatchNorm1d, 2d or 3d")
    thawed = isinstance(norm, _Frozen) and mode != "frozen"
    training = norm.training
    norm.plain, norm.__class__ = plain, KINDS[mode][plain]
    norm.splits, norm.base = splits, base
    if mode == "frozen":
        norm.requires_grad_(False)
        norm.eval()
    elif thawed:
        norm.requires_grad_(True)
    else:
        norm.train(training)

"""Top-k accuracy of one label an item."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


class TopK:
    """Share of items whose label is among the k highest scores, in percent, and what is missing to 100 (`top1_err`).

    Of more than there are classes, k is the number of classes: with 3 classes, 5 gives `top3`. A score equal to the
    label's counts as higher where its class comes first, so that a constant model does not score 100 %.
    """

    def __init__(self, ks: Sequence[int] = (1, 5)) -> None:
        if not ks or min(ks) < 1:
            raise ValueError(f"top-k needs k >= 1, got {list(ks)}")
        self.ks = tuple(ks)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._correct: dict[int, int] = {}
        self._count = 0

    def update(self, scores: Tensor, target: Tensor, index: Tensor | None = None) -> None:
        """Add items: scores (N, classes), label (N,)."""
        classes = scores.shape[1]
        places = rank(scores, target)
        for k in sorted({min(k, classes) for k in self.ks}):
            self._correct[k] = self._correct.get(k, 0) + int((places < k).sum())
        self._count += len(target)

    def compute(self) -> dict[str, float]:
        """top1, top5 ... and top1_err, top5_err ...; empty where no item came."""
        if not self._count:
            return {}
        right = {f"top{k}": 100 * correct / self._count for k, correct in self._correct.items()}
        return {**right, **{f"{name}_err": 100 - value for name, value in right.items()}}


def rank(scores: Tensor, target: Tensor) -> Tensor:
    """How many classes come before the label: scores (N, classes), label (N,) -> int64 (N,)."""
    label = target.view(-1, 1)
    own = scores.gather(1, label)
    first = scores.new_tensor(range(scores.shape[1])) < label
    return ((scores > own) | ((scores == own) & first)).sum(1)

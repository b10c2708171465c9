"""Augmentations of colour and content: on uint8 clips in the worker, one draw for all frames, and on whole batches.

A clip is uint8 (T, H, W, 3). Random choices come from the numpy generator handed in; torchvision's own draws are seeded
from it without touching the global generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import one_hot
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

# Principal components of ImageNet's RGB values (AlexNet, section 4.1), and how far PySlowFast shifts along each: nearly
# alike, where ImageNet's deviations are 0.2175, 0.0188, 0.0045 (fb.resnet.torch).
PCA_VALUES = (0.225, 0.224, 0.229)
PCA_VECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


@dataclass(frozen=True)
class Chain:
    """Augmentations (frames, rng) -> frames, one after the other; what `TrainClips` takes as its `augment`."""

    steps: tuple[Callable[[torch.Tensor, np.random.Generator], torch.Tensor], ...]

    def __call__(self, frames: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        for step in self.steps:
            frames = step(frames, rng)
        return frames


def colour_jitter(
    frames: torch.Tensor,
    rng: np.random.Generator,
    *,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
    hue: float = 0.0,
    grey: float = 0.0,
) -> torch.Tensor:
    """Brightness, contrast, saturation and hue changed by up to the given share, in random order."""
    clip = frames.permute(0, 3, 1, 2)
    changes = [
        (functional.adjust_brightness, brightness, 1.0),
        (functional.adjust_contrast, contrast, 1.0),
        (functional.adjust_saturation, saturation, 1.0),
        (functional.adjust_hue, hue, 0.0),
    ]
    for i in rng.permutation(len(changes)):
        change, strength, neutral = changes[i]
        if strength:
            clip = change(clip, neutral + rng.uniform(-strength, strength))
    if grey and rng.uniform() < grey:
        clip = functional.rgb_to_grayscale(clip, num_output_channels=3)
    return clip.permute(0, 2, 3, 1).contiguous()


def lighting(
    frames: torch.Tensor, rng: np.random.Generator, *, std: float = 0.1, values: tuple[float, ...] = PCA_VALUES
) -> torch.Tensor:
    """Colour shifted along the principal components of ImageNet (AlexNet, section 4.1), by a normal of `std` times
    each one's value."""
    shift = np.array(PCA_VECTORS) @ (rng.normal(0, std, 3) * np.array(values)) * 255
    return (frames + torch.from_numpy(shift).float()).round_().clamp_(0, 255).to(torch.uint8)


def random_erasing(
    frames: torch.Tensor,
    rng: np.random.Generator,
    *,
    chance: float = 0.25,
    area: tuple[float, float] = (0.02, 1 / 3),
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
    mode: str = "pixel",
    mean: float = 0.45,
    std: float = 0.225,
) -> torch.Tensor:
    """A rectangle of all frames filled: noise per `pixel`, a `rand` colour, the `const` mean (arXiv 1708.04896)."""
    if mode not in ("pixel", "rand", "const"):
        raise ValueError(f"unknown random erasing mode {mode!r}; one of pixel, rand, const")
    if rng.uniform() >= chance:
        return frames
    length, height, width, _ = frames.shape
    for _ in range(10):
        target = rng.uniform(*area) * height * width
        ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        h, w = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < h < height and 0 < w < width:
            y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            shape = {"pixel": (length, h, w, 3), "rand": (3,), "const": (1,)}[mode]
            noise = rng.standard_normal(shape) if mode != "const" else np.zeros(shape)
            fill = torch.from_numpy(((mean + std * noise) * 255).round().clip(0, 255).astype(np.uint8))
            frames = frames.clone()
            frames[:, y : y + h, x : x + w] = fill
            break
    return frames


def rand_augment(
    frames: torch.Tensor, rng: np.random.Generator, *, ops: int = 2, magnitude: float = 9.0, spread: float = 0.5
) -> torch.Tensor:
    """RandAugment (arXiv 1909.13719): `ops` random operations at `magnitude` (of 10) +- a normal `spread`."""
    level = float(np.clip(rng.normal(magnitude, spread), 0, 10))
    operation = v2.RandAugment(num_ops=ops, magnitude=round(level * 3), num_magnitude_bins=31)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**62)))
        return operation(frames.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).contiguous()


def soft_labels(label: torch.Tensor, classes: int, smoothing: float = 0.0) -> torch.Tensor:
    """One-hot labels with `smoothing` of the weight spread over all classes (arXiv 1512.00567). (B,) -> (B, classes)"""
    return one_hot(label, classes) * (1 - smoothing) + smoothing / classes


def mixup(
    clip: torch.Tensor, target: torch.Tensor, rng: np.random.Generator, alpha: float = 0.8
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each clip (B, C, ..., H, W) blended with its opposite in the batch, and so the targets (arXiv 1710.09412)."""
    share = float(rng.beta(alpha, alpha))
    return share * clip + (1 - share) * clip.flip(0), share * target + (1 - share) * target.flip(0)


def cutmix(
    clip: torch.Tensor, target: torch.Tensor, rng: np.random.Generator, alpha: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """A rectangle of each clip (B, C, ..., H, W) from its opposite in the batch; targets by area (arXiv 1905.04899)."""
    height, width = clip.shape[-2:]
    side = math.sqrt(1 - float(rng.beta(alpha, alpha)))
    y, x = int(rng.integers(height)), int(rng.integers(width))
    half_h, half_w = int(height * side) // 2, int(width * side) // 2
    top, bottom = max(y - half_h, 0), min(y + half_h, height)
    left, right = max(x - half_w, 0), min(x + half_w, width)
    clip = clip.clone(memory_format=torch.preserve_format)
    clip[..., top:bottom, left:right] = clip.flip(0)[..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return clip, share * target + (1 - share) * target.flip(0)


def mix(
    clip: torch.Tensor,
    target: torch.Tensor,
    rng: np.random.Generator,
    *,
    mixup_alpha: float = 0.8,
    cutmix_alpha: float = 1.0,
    chance: float = 1.0,
    cutmix_share: float = 0.5,
) -> tuple[torch.Tensor, torch.Tensor]:
    """MixUp or CutMix of a float batch and its soft targets (B, classes), drawn per batch; alpha 0 switches one off."""
    cut = cutmix_alpha > 0 and (mixup_alpha <= 0 or rng.uniform() < cutmix_share)
    if (not cut and mixup_alpha <= 0) or rng.uniform() >= chance:
        return clip, target
    return cutmix(clip, target, rng, cutmix_alpha) if cut else mixup(clip, target, rng, mixup_alpha)

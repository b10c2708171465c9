"""How the named networks were published to be fed: frames, rate, crops and normalisation, as settings of a config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from videonet.models.network import Variant

HALF = ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))  # mean and std of red, green and blue in 0..1
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# names of which the pattern holds -> frames from one to the next at 30 frames a second, side of the test crop
FEEDING: tuple[tuple[str, int, int], ...] = (
    (r"x3d_xs", 12, 182),
    (r"x3d_s", 6, 182),
    (r"x3d_m", 5, 256),
    (r"x3d_x?l", 5, 356),
    (r"i[rp]_csn_", 2, 256),
    (r"r2plus1d_50", 4, 256),
    (r"r2plus1d_34_mmaction2", 8, 128),
    (r"(r2plus1d|r3d|mc3)_", 2, 128),
)


def settings(name: str, variant: Variant, num_classes: int = 0) -> dict[str, Any]:
    """Config keys (dotted) of a named network: what it is, and the clips, crops and pixels that it was published with.

    num_classes: 0 for the published number.
    """
    video = variant.dims == 3
    frames, train_crop = variant.input[1] if video else 1, variant.input[-1]
    rate, crop = feeding(name, frames) if video else (1, train_crop)
    mean, std = HALF if video else IMAGENET
    return {
        "MODEL.NAME": name,
        "MODEL.NUM_CLASSES": num_classes or variant.num_classes,
        "DATA.NUM_FRAMES": frames,
        "DATA.SAMPLING_RATE": rate,
        "DATA.TRAIN_CROP_SIZE": train_crop,
        "DATA.TEST_CROP_SIZE": crop,
        "DATA.MEAN": list(mean),
        "DATA.STD": list(std),
    }


def source_settings(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Config keys of what a weight file's source is known for (`Report.facts`): normalisation, epsilon of the norms."""
    keys = {"mean": "DATA.MEAN", "std": "DATA.STD", "bn_eps": "BN.EPS"}
    return {key: list(facts[name]) if name != "bn_eps" else facts[name] for name, key in keys.items() if name in facts}


def feeding(name: str, frames: int) -> tuple[int, int]:
    """(sampling rate, test crop); of `AxB` in a name A frames of the slow pathway are B apart."""
    for pattern, rate, crop in FEEDING:
        if re.match(pattern, name):
            return rate, crop
    slow = re.search(r"(\d+)x(\d+)", name)
    return (int(slow[1]) * int(slow[2]) // frames if slow else 2), 256

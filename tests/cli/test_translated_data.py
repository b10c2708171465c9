"""PySlowFast's configs of AVA, Charades, Something-Something V2 and ImageNet read data in the published layouts."""

import json
from pathlib import Path
from typing import Any

import made_sets
import numpy as np
import pytest
from PIL import Image

from videonet import build, config
from videonet.cli.translate import translate_sources
from videonet.source import Source

SMALL = {"TRAIN.BATCH_SIZE": 2, "DATA_LOADER.NUM_WORKERS": 0, "DATA.NUM_FRAMES": 4, "DATA.TRAIN_CROP_SIZE": 32}
SMALL |= {"DATA.TEST_CROP_SIZE": 40, "DATA.TRAIN_JITTER_SCALES": [36, 44]}
PREDICTED = {"AVA.TRAIN_PREDICT_BOX_LISTS": ["ava_train_v2.2.csv", "ava_train_predicted_boxes.csv"]}
PREDICTED |= {"AVA.TEST_PREDICT_BOX_LISTS": ["ava_val_predicted_boxes.csv"]}


def ava(root: Path) -> dict[str, Any]:
    made_sets.write_ava(root, {"train": 3, "val": 3})
    folders = {"FRAME": "frames", "FRAME_LIST": "frame_lists", "ANNOTATION": "annotations"}
    return PREDICTED | {f"AVA.{key}_DIR": str(root / folder) for key, folder in folders.items()}


def charades(root: Path) -> dict[str, Any]:
    made_sets.write_charades(root, {"train": 2, "val": 2})
    return {"DATA.PATH_TO_DATA_DIR": str(root), "DATA.PATH_PREFIX": str(root / "frames"), "MODEL.NUM_CLASSES": 4}


def ssv2(root: Path) -> dict[str, Any]:
    made_sets.write_ssv2(root, {"train": 2, "validation": 2})
    return {"DATA.PATH_TO_DATA_DIR": str(root), "MODEL.NUM_CLASSES": 4}


def imagenet(root: Path) -> dict[str, Any]:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 60, 3), np.uint8)
    for place in ("train/n01", "train/n02", "val/n01", "val/n02"):
        (root / place).mkdir(parents=True)
        Image.fromarray(pixels).save(root / place / "0.png")
    return {"DATA.PATH_TO_DATA_DIR": str(root), "MODEL.NUM_CLASSES": 2}


@pytest.mark.parametrize(
    "name, write, clip",
    [
        ("configs/AVA/SLOW_8x8_R50_SHORT.yaml", ava, (4, 32, 32, 3)),
        ("configs/AVA/c2/SLOWFAST_32x2_R50.yaml", ava, (4, 32, 32, 3)),
        ("configs/Charades/SLOWFAST_16x8_R50.yaml", charades, (4, 32, 32, 3)),
        ("configs/Charades/pytorchvideo/SLOW_8x8_R50.yaml", charades, (4, 32, 32, 3)),
        ("configs/SSv2/SLOWFAST_16x8_R50.yaml", ssv2, (4, 32, 32, 3)),
        ("configs/ImageNet/RES_R50.yaml", imagenet, (32, 32, 3)),
    ],
)
def test_a_config_reads_its_data(shared: Path, tmp_path: Path, name: str, write: Any, clip: tuple[int, ...]) -> None:
    theirs = Source()
    found = json.loads((shared / "facts" / "pyslowfast_configs.json").read_text())[name]["set_in_yaml"]
    for key, value in {**found, **SMALL, **write(tmp_path)}.items():
        theirs.put(key, value, name)
    cfg = config.assemble([translate_sources([theirs])[0]], build.tables_of)
    train, val = build.build_split(cfg, "train"), build.build_split(cfg, "val")
    batch = next(iter(build.build_train_loader(cfg, train).batches(0)))
    assert tuple(batch["clip"].shape) == (2, *clip)
    task = build.build_task(cfg)
    assert batch[task.target].shape[0] == (len(batch["boxes"]) if "boxes" in batch else 2)
    loader = build.build_eval_loader(cfg, val, views=True)
    assert len(list(loader.batches())) > 0 and not loader.missing and len(val) >= 2

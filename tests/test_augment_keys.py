"""The AUG and MIXUP keys of a config, in the training data of images and clips; evaluation never sees them."""

import numpy as np
import pytest
import torch

from videonet import build
from videonet.data.demo import write_demo

SETTINGS = """
MODEL: {NUM_CLASSES: 8}
DATA: {NAME: @NAME@, NUM_FRAMES: 3, SAMPLING_RATE: 1, TRAIN_CROP_SIZE: 20, TEST_CROP_SIZE: 20,
  TRAIN_JITTER_SCALES: [20, 24]}
DATA_LOADER: {NUM_WORKERS: 0}
TRAIN: {BATCH_SIZE: 4}
TEST: {NUM_ENSEMBLE_VIEWS: 1, BATCH_SIZE: 6}
"""
ON = {
    "AUG.COLOR_JITTER": 0.4,
    "AUG.LIGHTING": 0.5,
    "AUG.RAND_AUGMENT": "2-9",
    "AUG.ERASE": 1.0,
}


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """Folders of packed images and of short videos."""
    images = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{part}.bin" for part in range(1, 6)), "test_batch.bin"):
        rows = rng.integers(0, 256, (4, 1 + 3072), dtype=np.uint8)
        rows[:, 0] = np.arange(4)
        (images / name).write_bytes(rows.tobytes())
    clips = tmp_path_factory.mktemp("clips")
    write_demo(clips, train=8, val=8, size=32, workers=1)
    return {"images": str(images), "clips": str(clips)}


@pytest.fixture(params=["images", "clips"])
def load(request, places, tmp_path):
    """load(KEY=value, ...) -> the config of a data set with these keys."""
    path = tmp_path / "run.yaml"
    path.write_text(SETTINGS.replace("@NAME@", "imagenet" if request.param == "images" else "kinetics"))

    def load(**keys):
        overrides = [part for key, value in keys.items() for part in (key, value)]
        return build.load_config(path, ["DATA.PATH_TO_DATA_DIR", places[request.param], *overrides])

    return load


def batch_of(cfg) -> dict:
    """The first training batch."""
    return next(build.build_train_loader(cfg, build.build_split(cfg, "train")).batches())


def test_without_keys_nothing_is_changed(load):
    assert build.build_augment(load()) is None


@pytest.mark.parametrize("key", ON)
def test_a_key_changes_training_pixels_the_same_way_each_time_and_nothing_else(load, key):
    plain, changed, again = batch_of(load()), batch_of(load(**{key: ON[key]})), batch_of(load(**{key: ON[key]}))
    assert changed["clip"].dtype == torch.uint8 and changed["clip"].shape == plain["clip"].shape
    assert not torch.equal(changed["clip"], plain["clip"])
    assert torch.equal(changed["clip"], again["clip"])
    assert torch.equal(changed["label"], plain["label"]) and torch.equal(changed["flip"], plain["flip"])


def test_every_item_of_a_batch_has_a_draw_of_its_own(load):
    plain = batch_of(load())["clip"].float()
    changed = batch_of(load(**{"AUG.LIGHTING": 2.0}))["clip"].float()
    shifts = {tuple((b - a).flatten(0, -2).mean(0).round().int().tolist()) for a, b in zip(plain, changed)}
    assert len(shifts) > 1


def test_evaluation_is_never_augmented_or_mixed(load):
    plain, on = load(), load(**ON, **{"MIXUP.ALPHA": 0.8, "MIXUP.CUTMIX_ALPHA": 1.0})
    task = build.build_task(on)
    for views in (False, True):
        shown = []
        for cfg in (plain, on):
            loader = build.build_eval_loader(cfg, build.build_split(cfg, "val"), views=views)
            batch = next(loader.dataset.batches(loader.batches(), 4, "cpu"))
            shown.append(build.build_prepare(cfg, torch.device("cpu"), task)(batch))
        assert torch.equal(shown[0][0][0], shown[1][0][0])
        assert torch.equal(shown[0][1], shown[1][1])


@pytest.mark.parametrize("keys", [{"MIXUP.ALPHA": 0.8}, {"MIXUP.CUTMIX_ALPHA": 1.0}])
def test_mixing_gives_soft_targets_that_the_loss_takes(load, keys):
    cfg = load(**keys, **{"TASK.LABEL_SMOOTHING": 0.1})
    batch, task = batch_of(cfg), build.build_task(cfg)
    prepare = build.build_prepare(cfg, torch.device("cpu"), task, classes=8)
    np.random.seed(1)
    (clip,), target = prepare(batch)
    (plain,), _ = build.build_prepare(load(), torch.device("cpu"), task)(batch)
    assert target.shape == (4, 8) and torch.allclose(target.sum(1), torch.ones(4))
    assert not torch.equal(clip, plain)
    assert torch.isfinite(task.loss(torch.zeros(4, 8), target))
    np.random.seed(1)
    assert torch.equal(prepare(batch)[0][0], clip)


@pytest.mark.parametrize("value", ["nine", "2-", "2-11", "a-3"])
def test_a_randaugment_that_is_none_says_how_one_is_written(load, value):
    with pytest.raises(ValueError, match="N-M, M up to 10"):
        build.build_augment(load(**{"AUG.RAND_AUGMENT": value}))


def test_boxes_are_neither_mixed_nor_moved(load):
    for keys in ({"MIXUP.ALPHA": 0.8}, {"MIXUP.CUTMIX_ALPHA": 1.0}, {"AUG.RAND_AUGMENT": "2-9"}):
        with pytest.raises(ValueError, match="leave them off for detection"):
            build.build_augment(load(**keys, **{"TASK.NAME": "action_detection"}))
    assert build.build_augment(load(**{"AUG.ERASE": 0.5, "TASK.NAME": "action_detection"})) is not None


def test_a_test_takes_several_images_at_once_but_one_video(load):
    cfg = load(**{"TEST.NUM_SPATIAL_CROPS": 3})
    loader = build.build_eval_loader(cfg, build.build_split(cfg, "val"), views=True)
    sizes = [len(batch["items"]) for batch in loader.batches()]
    assert sizes == ([2, 2] if cfg.DATA.NAME == "imagenet" else [1] * 8)
    shown = list(loader.dataset.batches(loader.batches(), 6, "cpu"))
    seen = torch.cat([torch.stack([part["index"], part["view"]], 1) for part in shown])
    assert seen.tolist() == [[item, view] for item in range(len(loader.dataset)) for view in range(3)]

"""Colour and content: one draw for all frames, repeatable from the generator, targets that match what is shown."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch

from videonet.data import augmentation

CHANGES = {
    "chain": augmentation.Chain((augmentation.lighting, partial(augmentation.colour_jitter, hue=0.1))),
    "jitter": partial(augmentation.colour_jitter, hue=0.1, grey=0.3),
    "lighting": partial(augmentation.lighting, std=0.5),
    "erase": partial(augmentation.random_erasing, chance=1.0, mode="rand"),
    "mean": partial(augmentation.random_erasing, chance=1.0, mode="const"),
    "randaugment": partial(augmentation.rand_augment, ops=4),
}


@pytest.fixture
def still():
    picture = torch.randint(0, 256, (1, 24, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return picture.repeat(4, 1, 1, 1)


@pytest.mark.parametrize("name", CHANGES)
def test_one_draw_for_all_frames(name, still):
    before, state = still.clone(), torch.get_rng_state()
    results = [CHANGES[name](still, np.random.default_rng(seed)) for seed in range(8)]
    for result in results:
        assert result.dtype == torch.uint8
        assert result.shape == still.shape
        assert torch.equal(result, result[:1].expand_as(result))
    assert len({result.numpy().tobytes() for result in results}) > 1
    assert torch.equal(CHANGES[name](still, np.random.default_rng(3)), results[3])
    assert torch.equal(still, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_chain_goes_in_order_and_to_workers(still):
    steps = (partial(augmentation.random_erasing, chance=1.0), augmentation.lighting)
    chain = pickle.loads(pickle.dumps(augmentation.Chain(steps)))
    rng = np.random.default_rng(4)
    expect = augmentation.lighting(steps[0](still, rng), rng)
    assert torch.equal(chain(still, np.random.default_rng(4)), expect)


def test_nothing_asked_nothing_changed(still):
    rng = np.random.default_rng(0)
    assert torch.equal(augmentation.colour_jitter(still, rng, brightness=0, contrast=0, saturation=0), still)
    assert torch.equal(augmentation.lighting(still, rng, std=0), still)
    assert torch.equal(augmentation.random_erasing(still, rng, chance=0), still)
    assert torch.equal(augmentation.rand_augment(still, rng, ops=0), still)


def test_jitter_stays_within_its_strength():
    grey = torch.full((1, 8, 8, 3), 100, dtype=torch.uint8)
    values = [
        augmentation.colour_jitter(grey, np.random.default_rng(seed), contrast=0, saturation=0)[0, 0, 0, 0].item()
        for seed in range(200)
    ]
    assert 60 <= min(values) < 64
    assert 136 < max(values) <= 140


def test_lighting_shifts_along_each_principal_colour_by_its_value():
    grey, values = torch.full((1, 1, 1, 3), 128, dtype=torch.uint8), (0.2175, 0.0188, 0.0045)
    rng = np.random.default_rng(0)
    shifts = [augmentation.lighting(grey, rng, std=1.0, values=values)[0, 0, 0] - 128.0 for _ in range(500)]
    along = torch.stack(shifts).double() @ torch.tensor(augmentation.PCA_VECTORS).double()
    torch.testing.assert_close(along.std(0) / 255, torch.tensor(values).double(), rtol=0.15, atol=0)


def test_erasing_fills_a_rectangle_of_the_area_asked_for(still):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        erased = augmentation.random_erasing(still, rng, chance=1.0, area=(0.1, 0.3), mode="pixel")
        changed = (erased != still).any(-1).any(0)
        rows, columns = changed.any(1).sum().item(), changed.any(0).sum().item()
        assert 0.05 <= rows * columns / changed.numel() <= 0.35
        assert changed.sum() >= 0.95 * rows * columns
    with pytest.raises(ValueError, match="pixel, rand, const"):
        augmentation.random_erasing(still, np.random.default_rng(0), mode="black")


def test_soft_labels_sum_to_one():
    target = augmentation.soft_labels(torch.tensor([2, 0]), 4, 0.1)
    assert torch.allclose(target.sum(1), torch.ones(2))
    assert target[0].tolist() == pytest.approx([0.025, 0.025, 0.925, 0.025])


@pytest.mark.parametrize("shape", [(4, 1, 3, 16, 20), (4, 1, 16, 20)])
def test_mixed_targets_match_the_mixed_pixels(shape):
    clip = torch.arange(4.0).view(-1, *[1] * (len(shape) - 1)).expand(shape).contiguous()
    target = torch.eye(4)
    kept = clip.clone()
    for seed in range(20):
        for function in (augmentation.mixup, augmentation.cutmix, augmentation.mix):
            mixed, soft = function(clip, target, np.random.default_rng(seed))
            assert torch.allclose(soft.sum(1), torch.ones(4))
            shown = mixed.flatten(1).mean(1)
            assert torch.allclose(shown, soft @ torch.arange(4.0), atol=1e-5)
    assert torch.equal(clip, kept)


def test_mix_switches():
    clip, target = torch.rand(2, 3, 2, 8, 8), torch.eye(2)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert augmentation.mix(clip, target, rng, chance=0)[0] is clip
        assert augmentation.mix(clip, target, rng, mixup_alpha=0, cutmix_alpha=0)[0] is clip
        only_cut = augmentation.mix(clip, target, rng, mixup_alpha=0)[0]
        assert ((only_cut == clip) | (only_cut == clip.flip(0))).all()

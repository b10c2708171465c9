"""FPN: sizes, what each level sees, the published cost; Faster R-CNN on it learns to find shapes."""

import drawn_shapes
import image_cases as cases
import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.ops import FeaturePyramidNetwork as Theirs
from torchvision.ops import box_iou
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

from videonet.layers.nd import Nd
from videonet.models.count import count_params
from videonet.models.fpn import FeaturePyramid, faster_rcnn
from videonet.models.image import VARIANTS
from videonet.models.pathway import Pathway

SIZES = ((12, 19), (6, 10), (3, 5))


def maps(dims: int = 2) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return [torch.randn(2, 4 * 2**i, *(2,)[3 - dims :], *size, generator=rng) for i, size in enumerate(SIZES)]


def rename(key: str) -> str:
    """torchvision's name of a weight as ours."""
    key = key.replace("inner_blocks", "lateral").replace("layer_blocks", "output")
    key = key.replace("extra_blocks.p6", "extra.0").replace("extra_blocks.p7", "extra.1")
    return key.replace(".0.weight", ".weight").replace(".0.bias", ".bias") if "extra" not in key else key


@pytest.mark.parametrize("extra, block", [("none", None), ("pool", LastLevelMaxPool()), ("conv", LastLevelP6P7(8, 8))])
def test_torchvision_gives_the_same_levels(extra, block):
    theirs = Theirs([4, 8, 16], 8, extra_blocks=block)
    ours = FeaturePyramid(Nd(2), [4, 8, 16], 8, extra=extra)
    ours.load_state_dict({rename(key): value for key, value in theirs.state_dict().items()})
    wanted = list(theirs({str(i): x for i, x in enumerate(maps())}).values())
    found = ours(maps())
    assert len(found) == len(wanted) == ours.levels
    for a, b in zip(found, wanted):
        torch.testing.assert_close(a, b)


def test_a_still_clip_has_the_levels_of_its_image():
    flat, long = (FeaturePyramid(Nd(dims), [4, 8, 16], 8, extra="conv") for dims in (2, 3))
    assert list(flat.state_dict()) == list(long.state_dict())
    long.load_state_dict({k: v.unsqueeze(2) if v.dim() == 4 else v for k, v in flat.state_dict().items()})
    clips = [x.unsqueeze(2).repeat(1, 1, 3, 1, 1) for x in maps()]
    for image, clip in zip(flat(maps()), long(clips)):
        torch.testing.assert_close(clip, image.unsqueeze(2).expand_as(clip))


@pytest.mark.parametrize("source", range(3))
def test_a_level_sees_the_coarser_maps_and_not_the_finer(source):
    fpn, inputs = FeaturePyramid(Nd(2), [4, 8, 16], 8, extra="none"), maps()
    before = fpn(inputs)
    inputs[source] = inputs[source] + 1
    changed = [not torch.equal(a, b) for a, b in zip(before, fpn(inputs))]
    assert changed == [level <= source for level in range(3)]


def test_the_published_neck_has_its_parameters_and_biases_of_zero():
    fpn = FeaturePyramid(Nd(2), [256, 512, 1024, 2048])
    assert count_params(fpn) == 3_344_384
    assert not any(m.bias.any() for m in fpn.modules() if isinstance(m, nn.Conv2d))


def test_wrong_maps_are_explained():
    with pytest.raises(ValueError, match="takes 3 maps, and there are 2"):
        FeaturePyramid(Nd(2), [4, 8, 16], 8)(maps()[:2])
    with pytest.raises(ValueError, match="extra is 'P6'"):
        FeaturePyramid(Nd(2), [4], extra="P6")
    with pytest.raises(ValueError, match="objects in images"):
        faster_rcnn(VARIANTS["cifar_resnet20"].backbone(Nd(3)), 3)


def detector(name: str = "resnet18", side: int = 96) -> FasterRCNN:
    """A narrow detector for small images."""
    torch.manual_seed(0)
    nd = Nd(2, norm_policy="group")
    backbone = VARIANTS[name].backbone(nd, pathway=Pathway(scale=1 / 4))
    stages = ("train", "test")
    proposals = {f"rpn_{when}_nms_top_n_{stage}": 100 for when in ("pre", "post") for stage in stages}
    sizes = {"width": 64, "hidden": 128, "min_size": side, "max_size": side, "box_batch_size_per_image": 64}
    scale = {"anchor_scale": 4, "image_mean": [0.4] * 3, "image_std": [0.3] * 3}
    return faster_rcnn(backbone, drawn_shapes.CLASSES, **sizes, **scale, **proposals)


def train(model: FasterRCNN, steps: int, batches, rate: float = 2e-3) -> None:
    """Some steps of AdamW on what `batches(step)` gives."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    for step in range(steps):
        images, targets = zip(*batches(step))
        loss = sum(model(list(images), list(targets)).values())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("name", ["resnet18", "preact_resnet18", "densenet121", "prelunet_14", "cifar_wrn16_4"])
def test_any_backbone_carries_a_detector(name):
    model = detector(name, side=64)
    losses = model([cases.draw(1, 64)[0]], [{"boxes": torch.tensor([[8.0, 8, 40, 40]]), "labels": torch.tensor([1])}])
    sum(losses.values()).backward()
    silent = [key for key, p in model.backbone.fpn.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent and model.backbone.backbone.stem.conv.weight.grad.any()
    assert set(model.eval()([cases.draw(1, 64)[0]])[0]) == {"boxes", "labels", "scores"}


def test_a_detector_learns_two_images_by_heart():
    model, data = detector(), drawn_shapes.examples(2, seed=3)
    train(model, 40, lambda step: data)
    for image, target in data:
        with torch.no_grad():
            found = model.eval()([image])[0]
        sure = found["scores"] > 0.5
        overlap = box_iou(target["boxes"], found["boxes"][sure])
        best, which = overlap.max(1)
        assert (best > 0.6).all() and sure.sum() == len(best)
        assert torch.equal(found["labels"][sure][which], target["labels"])


@pytest.mark.nightly
def test_a_detector_finds_shapes_that_it_has_not_seen():
    model = detector()
    train(model, 400, lambda step: drawn_shapes.examples(8, seed=1000 + step))
    precision, loose = drawn_shapes.average_precision(model, drawn_shapes.examples(100, seed=1))
    assert precision > 0.8 and loose > 0.95

"""Grad-CAM: it finds the corner that decides, its mean is the logit, and pathways add up."""

import pytest
import torch
from torch import nn

from videonet import networks
from videonet.models.heads import Classify
from videonet.models.network import Network
from videonet.visualize.grad_cam import GradCam, evidence


class Corners(nn.Module):
    """A backbone whose channel k is the brightness of corner k and nothing else."""

    channels, strides = [4], [8]

    def forward(self, clip):
        blocks = nn.functional.avg_pool3d(clip.mean(1, keepdim=True), (2, 8, 8))
        maps = torch.zeros(len(clip), 4, *blocks.shape[2:])
        for corner in range(4):
            y, x = -(corner // 2), -(corner % 2)
            maps[:, corner, :, y, x] = blocks[:, 0, :, y, x]
        return [maps]


def looking_at(corner):
    head = Classify([4], 2, dropout=0.0)
    nn.init.zeros_(head.fc.weight)
    head.fc.weight.data[1, corner] = 1
    return Network(Corners(), head).eval()


@pytest.mark.parametrize("corner", range(4))
def test_a_network_that_looks_at_one_corner_lights_that_corner(corner):
    heat = GradCam(looking_at(corner))(torch.rand(2, 3, 4, 32, 32) + 0.1, 1)
    y, x = 3 * (corner // 2), 3 * (corner % 2)
    assert heat.shape == (2, 2, 4, 4) and (heat[:, :, y, x] > 0).all()
    heat[:, :, y, x] = 0
    assert not heat.any()


def test_evidence_is_what_each_position_adds():
    torch.manual_seed(0)
    model = networks.create("slowfast_8x8_r50", num_classes=3, scale=0.125, depth=18).eval()
    clip = torch.randn(2, 3, 8, 64, 64)
    heat = GradCam(model)(clip, 2)
    assert heat.shape == (2, 8, 2, 2)
    torch.nn.init.normal_(model.head.fc.bias)
    logits = model(clip) - model.head.fc.bias
    torch.testing.assert_close(heat.mean((1, 2, 3)), logits[:, 2] - logits.mean(1), rtol=1e-4, atol=1e-5)
    model.activation = "sigmoid"
    torch.testing.assert_close(GradCam(model)(clip, 2).mean((1, 2, 3)), logits[:, 2], rtol=1e-4, atol=1e-5)
    model.activation = "softmax"
    both = GradCam(model, "res5")(clip, 2)
    torch.testing.assert_close(both, heat)
    alone = GradCam(model, "slow.res5")(clip, 2) + 0 * heat[:, ::4]
    assert alone.shape == (2, 2, 2, 2) and alone.abs().sum() > 0


def test_images_have_one_frame_and_other_layers_other_sizes():
    model = networks.create("cifar_resnet20", num_classes=3).eval()
    assert GradCam(model)(torch.randn(1, 3, 32, 32), 0).shape == (1, 1, 8, 8)
    assert GradCam(model, "res2")(torch.randn(1, 3, 32, 32), 0).shape == (1, 1, 32, 32)
    assert evidence(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3, 3)).eq(18).all()
    with pytest.raises(ValueError, match="no layer 'res7'"):
        GradCam(model, "res7")

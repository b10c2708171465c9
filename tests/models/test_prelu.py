"""PReLU networks: the slope, the initialisation that keeps a signal alive, the pyramid of any map size."""

import image_cases as cases
import pytest
import torch
from torch import nn

from videonet.engine.optim import parameter_groups
from videonet.layers.nd import Nd
from videonet.models.image import VARIANTS
from videonet.models.image.prelu import prelunet
from videonet.models.network import Network
from videonet.models.spp import SppHead

PLAIN = Nd(2, norm_policy="none", init="fan_in")
SMALL = {"depths": (2, 2), "widths": (8, 8), "pools": (2, 2), "stem_width": 8}


@pytest.mark.parametrize("act, slopes", [("prelu", 8), ("prelu_shared", 1), ("relu", 0)])
def test_a_slope_a_channel_or_a_layer_begins_at_a_quarter(act, slopes):
    backbone = prelunet(PLAIN, act=act, **SMALL)
    prelus = [m for m in backbone.modules() if isinstance(m, nn.PReLU)]
    assert [m.weight.numel() for m in prelus] == [slopes] * 5 * (slopes > 0)
    assert all((m.weight == 0.25).all() for m in prelus)


def test_slopes_do_not_decay():
    model = prelunet(PLAIN, **SMALL)
    decayed = {id(p): g["weight_decay"] for g in parameter_groups(model, weight_decay=1.0) for p in g["params"]}
    for name, parameter in model.named_parameters():
        assert decayed[id(parameter)] == (0.0 if ".act." in name else 1.0), name


@torch.no_grad()
def spread(init: str) -> float:
    """How much 24 layers scale a signal's second moment."""
    torch.manual_seed(0)
    nd = Nd(2, norm_policy="none", init=init)
    backbone = prelunet(nd, depths=(12, 12), widths=(64, 64), pools=(1, 1), stem_width=64, stem_stride=1)
    start, *_, end = (backbone.stem(cases.draw(4, 16)), *backbone(cases.draw(4, 16)))
    inner = end[:, :, 4:-4, 4:-4]
    return (inner.square().mean() / start.square().mean()).item()


def test_he_initialisation_keeps_the_signal_and_xavier_loses_it():
    assert 0.1 < spread("fan_in") < 10
    assert spread("xavier") < 1e-4


def test_a_bias_is_there_only_without_norms():
    for policy, biased in (("none", True), ("batch", False), ("group", False)):
        backbone = prelunet(Nd(2, norm_policy=policy), **SMALL)
        assert all((m.bias is not None) == biased for m in backbone.modules() if isinstance(m, nn.Conv2d))


def test_even_kernels_keep_the_size_two_by_two():
    backbone = prelunet(PLAIN, kernel=2, depths=(4, 6), widths=(8, 8), pools=(3, 2), end_pool=2, stem_width=8)
    x = cases.draw(1, 224)
    assert [y.shape[2] for y in backbone(x)] == [37, 9]
    assert backbone.strides == [6, 24]
    sizes = []
    for conv in backbone.res2:
        conv.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[2]))
    backbone(x)
    assert sizes == [38, 37, 38, 37]


@pytest.mark.parametrize(
    "name, layers", [("prelunet_14", 14), ("prelunet_30", 30), ("prelunet_a", 19), ("prelunet_c", 22)]
)
def test_networks_have_their_layers(name, layers):
    model = cases.on_meta(name)
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules()) == layers
    assert sum(isinstance(m, nn.PReLU) for m in model.modules()) == layers - 1


def head(channels: tuple[int, ...] = (4,)) -> SppHead:
    torch.manual_seed(0)
    return SppHead(channels, 5, bins=(3, 2, 1), hidden=16).eval()


def test_a_pyramid_holds_the_maximum_of_every_bin():
    x = torch.arange(36.0).reshape(1, 1, 6, 6).expand(1, 4, 6, 6)
    pooled = head().pyramid(x).reshape(1, -1)
    assert pooled.shape == (1, 4 * 14)
    assert pooled[0, :9].tolist() == [7, 9, 11, 19, 21, 23, 31, 33, 35]
    assert pooled[0, -1] == 35


@pytest.mark.parametrize("size", [(6, 6), (9, 5), (3, 3)])
def test_maps_of_any_size_and_clips_give_logits(size):
    x = torch.randn(2, 4, *size)
    assert head()([x]).shape == (2, 5)
    torch.testing.assert_close(head()([x.unsqueeze(2).repeat(1, 1, 3, 1, 1)]), head()([x]))


def test_dense_is_the_head_on_every_window():
    x = torch.randn(2, 4, 7, 8)
    found = head().dense([x], 6)
    windows = [x[:, :, i : i + 6, j : j + 6] for i in range(2) for j in range(3)]
    torch.testing.assert_close(found, torch.stack([head()([w]) for w in windows], 1))
    torch.testing.assert_close(head().dense([x], 9), head()([x]).unsqueeze(1))


def test_two_pathways_share_a_head():
    both = [torch.randn(2, 4, 2, 6, 6), torch.randn(2, 3, 8, 6, 6)]
    assert head((4, 3))(both).shape == (2, 5)
    assert head((4, 3)).dense(both, 5).shape == (2, 4, 5)


def test_a_gradient_reaches_the_whole_network():
    torch.manual_seed(0)
    model = Network(prelunet(PLAIN, **SMALL), SppHead([8], 5, hidden=16))
    model(cases.draw(2, 64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_stages_must_agree():
    with pytest.raises(ValueError, match="one number for each of 1 to 4 stages"):
        prelunet(PLAIN, depths=(2, 2), widths=(8,), pools=(2, 2))
    assert VARIANTS["prelunet_a"].nd.norm_policy == "none"

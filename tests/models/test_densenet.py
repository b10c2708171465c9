"""DenseNet: a stage's map is all its layers' maps in a row, and recomputing changes nothing but memory."""

import copy

import image_cases as cases
import pytest
import torch
from torch import nn

from videonet.layers.nd import Nd
from videonet.models.image.densenet import cifar_densenet, densenet

SMALL = {"blocks": (2, 3, 2, 2), "growth": 4}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("bottleneck", [True, False])
def test_a_stage_keeps_every_map_that_its_layers_made(dims, bottleneck):
    stage = densenet(Nd(dims), bottleneck=bottleneck, **SMALL).res3.eval()
    made = []
    for layer in stage.layers:
        layer.register_forward_hook(lambda module, inputs, output: made.append((list(inputs[0]), output)))
    x = torch.randn(1, 16, *(2, 8, 6)[3 - dims :])
    found = stage(x)
    first = stage.transition(x)
    torch.testing.assert_close(found, torch.cat([first, *(output for _, output in made)], 1))
    for i, (inputs, _) in enumerate(made):
        torch.testing.assert_close(torch.cat(inputs, 1), found[:, : 8 + 4 * i])


@pytest.mark.parametrize("policy", ["batch", "group", "none"])
def test_a_stage_leaves_the_map_before_it_as_it_was(policy):
    stage = densenet(Nd(2, norm_policy=policy), **SMALL).res3
    x = torch.randn(1, 16, 8, 6)
    before = x.clone()
    stage(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("compression, widths", [(0.5, [16, 20, 18, 17]), (1.0, [16, 28, 36, 44])])
def test_channels_grow_by_growth_and_a_transition_keeps_its_part(compression, widths):
    backbone = densenet(Nd(2), compression=compression, **SMALL)
    assert backbone.channels == widths
    assert [x.shape[1] for x in backbone(cases.draw(1, 64))] == widths


@pytest.mark.parametrize("build, settings", [(densenet, SMALL), (cifar_densenet, {"depth": 13, "growth": 4})])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_recomputing_changes_no_bit_of_outputs_gradients_and_statistics(build, settings, dropout):
    plain = build(Nd(2), dropout=dropout, **settings).train()
    thrifty = build(Nd(2), dropout=dropout, memory_efficient=True, **settings).train()
    thrifty.load_state_dict(copy.deepcopy(plain.state_dict()))
    results = []
    for backbone in (plain, thrifty):
        for _ in range(2):
            torch.manual_seed(3)
            backbone(cases.draw(2, 32))[-1].square().sum().backward()
        results.append([*backbone.state_dict().values(), *(p.grad for p in backbone.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results))
    assert plain.state_dict()["end.bn.num_batches_tracked"] == 2


def test_a_compiled_network_may_recompute_too():
    plain = densenet(Nd(2), memory_efficient=True, blocks=(2, 1, 1, 1), growth=4).train()
    compiled = copy.deepcopy(plain)
    for run in (plain, torch.compile(compiled, backend="aot_eager")):
        run(cases.draw(2, 32))[-1].square().sum().backward()
    torch.testing.assert_close(compiled.state_dict(), plain.state_dict())
    torch.testing.assert_close([p.grad for p in compiled.parameters()], [p.grad for p in plain.parameters()])


def saved_values(backbone: nn.Module) -> int:
    """How many numbers a forward pass keeps for the backward pass."""
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
        backbone.train()(cases.draw(1, 64))
    return sum(sizes)


def test_recomputing_keeps_fewer_maps():
    plain, thrifty = (densenet(Nd(2), memory_efficient=m, blocks=(16, 1, 1, 1), growth=8) for m in (False, True))
    assert saved_values(thrifty) < 0.6 * saved_values(plain)


def test_dropout_follows_every_convolution_but_the_first():
    backbone = densenet(Nd(2), dropout=0.2, **SMALL)
    drops = [name for name, m in backbone.named_modules() if isinstance(m, nn.Dropout)]
    assert len(drops) == 2 + 3 + 2 + 2 + 3
    assert all(m.p == 0.2 for m in backbone.modules() if isinstance(m, nn.Dropout))


def test_the_plain_cifar_net_starts_with_16_maps_and_bc_with_twice_the_growth():
    plain = cifar_densenet(Nd(2), depth=40, growth=12)
    bc = cifar_densenet(Nd(2), depth=40, growth=12, bottleneck=True, compression=0.5)
    assert (plain.stem_channels, bc.stem_channels) == (16, 24)
    assert [len(stage.layers) for stage in plain.stages] == [12] * 3
    assert [len(stage.layers) for stage in bc.stages] == [6] * 3


@pytest.mark.parametrize("time_at, conv", [("pointwise", "conv1"), ("spatial", "conv2")])
def test_time_enters_one_convolution_of_a_layer(time_at, conv):
    with torch.device("meta"):
        backbone = cases.VARIANTS["densenet121"].backbone(
            Nd(3), time_at=time_at, pathway=cases.Pathway(t=(1, 3, 1, 1), t_blocks=(0, 2, 0, 0))
        )
    longer = [name for name, m in backbone.named_modules() if isinstance(m, nn.Conv3d) and m.kernel_size[0] > 1]
    assert longer == [f"res3.layers.{i}.{conv}" for i in (0, 1)]


@pytest.mark.parametrize(
    "build, settings, message",
    [
        (densenet, {"depth": 120}, "121, 161, 169, 201, 264"),
        (densenet, {"compression": 0}, "compression is 0"),
        (cifar_densenet, {"depth": 41}, "3n \\+ 4"),
        (cifar_densenet, {"depth": 43, "bottleneck": True}, "6n \\+ 4"),
    ],
)
def test_impossible_settings_are_explained(build, settings, message):
    with pytest.raises(ValueError, match=message):
        build(Nd(2), **settings)

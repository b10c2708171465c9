"""Res2Net-DLA: every block of a tree reaches its root, and the published networks with and without unused weights."""

from pathlib import Path

import pytest
import torch
from reference import build, check_counts, reference_shapes, shapes

from videonet.layers.nd import Nd
from videonet.models.aggregation import Tree
from videonet.models.blocks import Basic
from videonet.models.image.res2net_dla import VARIANTS, pool_shortcut

TIMM = {"res2net_dla60": "timm:dla60_res2net", "res2next_dla60": "timm:dla60_res2next"}


def tree(levels: int, dims: int = 2, **settings: object) -> tuple[Tree, list[Basic]]:
    torch.manual_seed(0)
    nd, blocks = Nd(dims), []

    def leaf(c_in: int, c_out: int) -> Basic:
        stride = 1 if blocks else 2
        blocks.append(Basic(nd, c_in, c_out, c_out, stride=stride, shortcut=pool_shortcut))
        return blocks[-1]

    made = Tree(nd, levels, iter([leaf] * 2**levels), 4, 6, stride=2, join_input=True, **settings)
    return made.eval(), blocks


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_tree_has_a_power_of_two_of_blocks_and_all_reach_its_root(levels: int, dims: int) -> None:
    module, blocks = tree(levels, dims)
    assert len(blocks) == 2**levels
    outputs: list[torch.Tensor] = []
    for block in blocks:
        block.register_forward_hook(lambda *call: outputs.append(call[2]))
    y = module(torch.randn(2, 4, *(2, 9, 7)[3 - dims :]))
    assert y.shape == (2, 6, *(2, 5, 4)[3 - dims :])
    assert len(outputs) == len(blocks)
    gradients = torch.autograd.grad(y.square().sum(), outputs)
    assert all(g.abs().sum() > 0 for g in gradients)


def test_the_last_root_joins_two_blocks_the_input_and_the_first_halves_above() -> None:
    module, _ = tree(3)
    root = module.tree2.tree2.root
    assert root.conv.in_channels == 2 * 6 + 4 + 6 + 6
    seen: list[torch.Tensor] = []
    root.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 4, 8, 8)
    module(x)
    first, second = module.tree1(x), module.tree2.tree1(module.tree1(x))
    expected = [torch.nn.functional.max_pool2d(x, 2), first, second]
    torch.testing.assert_close(seen[0][:, 12:], torch.cat(expected, 1))


def test_unused_projections_change_nothing_and_are_not_trained() -> None:
    kept, plain = tree(3, keep_unused=True)[0], tree(3)[0]
    extra = set(kept.state_dict()) - set(plain.state_dict())
    assert extra and all(".unused." in f".{key}" for key in extra)
    plain.load_state_dict({k: v for k, v in kept.state_dict().items() if k not in extra})
    x = torch.randn(1, 4, 8, 8)
    assert torch.equal(kept(x), plain(x))
    assert [n for n, p in kept.named_parameters() if not p.requires_grad] == extra_parameters(kept)


def extra_parameters(module: Tree) -> list[str]:
    """The parameters under a projection that nothing reads."""
    return [name for name, _ in module.named_parameters() if ".unused." in f".{name}"]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_published_networks(shared: Path, name: str) -> None:
    model = build(VARIANTS[name])
    check_counts(shared, model, f"res2net_ref:{name}")
    assert shapes(model) == reference_shapes(shared, f"res2net_ref:{name}")
    check_counts(shared, build(VARIANTS[name], keep_unused=False), TIMM[name])

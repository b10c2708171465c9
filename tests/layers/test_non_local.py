"""Laws of non-local blocks: the definition, pair by pair; identity at the start; groups see only themselves."""

import pytest
import torch

from videonet.layers.nd import Nd
from videonet.layers.non_local import MODES, NonLocal

SHAPES = {2: (2, 6, 4, 6), 3: (2, 6, 4, 4, 2)}


def block(mode: str, dims: int = 3, **settings) -> NonLocal:
    torch.manual_seed(0)
    made = NonLocal(Nd(dims), 6, 4 if mode != "gaussian" else 3, mode=mode, **settings).eval()
    torch.nn.init.ones_(made.bn.weight)
    return made


def by_pairs(made: NonLocal, x: torch.Tensor) -> torch.Tensor:
    """Equation 1 and sections 3.2, 3.3, one pair of positions at a time."""
    pooled = made.pool(x)
    theta, phi = (made.theta(x), made.phi(pooled)) if made.embeds else (x, pooled)
    theta, phi, g = theta.flatten(2), phi.flatten(2), made.g(pooled).flatten(2)
    seen = torch.zeros(x.shape[0], g.shape[1], theta.shape[2])
    for b in range(x.shape[0]):
        for i in range(theta.shape[2]):
            pairs = [(theta[b, :, i], phi[b, :, j]) for j in range(phi.shape[2])]
            if made.mode == "concatenation":
                f = torch.stack([made.relation(torch.cat(pair)).relu()[0] for pair in pairs])
            else:
                f = torch.stack([one @ other for one, other in pairs])
            if made.mode in ("softmax", "gaussian"):
                f = (f / (theta.shape[1] ** 0.5 if made.mode == "softmax" else 1)).exp()
                f = f / f.sum()
            else:
                f = f / len(pairs)
            seen[b, :, i] = (g[b] * f).sum(1)
    return x + made.bn(made.out(seen.view(x.shape[0], -1, *x.shape[2:])))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dims", SHAPES)
@pytest.mark.parametrize("space", [1, 2])
def test_the_output_is_the_definition_pair_by_pair(mode: str, dims: int, space: int) -> None:
    made = block(mode, dims, pool=(1, space, space))
    x = torch.randn(SHAPES[dims])
    with torch.no_grad():
        torch.testing.assert_close(made(x), by_pairs(made, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_new_block_is_the_identity_and_has_the_same_keys_for_images_and_clips(mode: str) -> None:
    made = NonLocal(Nd(3), 6, 4 if mode != "gaussian" else 6, mode=mode).eval()
    x = torch.randn(SHAPES[3])
    assert torch.equal(made(x), x)
    assert list(made.state_dict()) == list(NonLocal(Nd(2), 6, 4 if mode != "gaussian" else 6, mode=mode).state_dict())


def test_groups_of_frames_see_only_themselves() -> None:
    x = torch.randn(SHAPES[3])
    alone, grouped = block("softmax"), block("softmax", groups=2)
    with torch.no_grad():
        halves = torch.cat([alone(x[:, :, :2]), alone(x[:, :, 2:])], 2)
        torch.testing.assert_close(grouped(x), halves)
        assert not torch.allclose(alone(x), halves, atol=1e-4)


def test_a_pool_over_time_joins_frames() -> None:
    made = block("dot_product", pool=(2, 2, 2))
    x = torch.randn(SHAPES[3])
    with torch.no_grad():
        torch.testing.assert_close(made(x), by_pairs(made, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"mode": "cosine"}, "mode is 'cosine'"),
        ({"pool": (1, 2)}, "frames, rows, columns"),
        ({"pool": (1, 2, 3)}, "the last two equal"),
        ({"groups": 0}, "groups is 0"),
    ],
)
def test_settings_that_do_not_exist_are_errors(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        NonLocal(Nd(3), 6, 4, **settings)
    with pytest.raises(ValueError, match="4 frames do not split into 3"):
        block("softmax", groups=3)(torch.randn(SHAPES[3]))

"""Laws over all named image networks: the published sizes, pinned keys, one definition for images and clips."""

from dataclasses import replace

import image_cases as cases
import pytest
import torch
from torch import nn

from videonet.layers.nd import Nd
from videonet.models.count import count_macs, count_params
from videonet.models.image import VARIANTS, resnet50
from videonet.models.pathway import Pathway
from videonet.models.video.resnet3d import VIDEO, resnet3d
from videonet.models.video.slowfast import slowfast

NAMES = sorted(VARIANTS)
KINDS = cases.kinds()
FUSIONS = dict.fromkeys(
    ("cifar_ghost_resnet56", "cifar_preact_resnet110", "cifar_resnet20"), ("sum",)
)  # option A: no more channels in than out


def test_every_network_has_its_facts_on_file():
    assert sorted(cases.FACTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_parameters_multiply_adds_and_keys(name):
    facts, model = cases.FACTS[name], cases.on_meta(name)
    size = tuple(map(int, facts["input"].split("x")))
    macs = count_macs(model, size)
    assert VARIANTS[name].input == size
    assert count_params(model) == int(facts["params"])
    assert macs.total / 1e9 == pytest.approx(float(facts["gmacs"]), rel=1e-5, abs=1e-6)
    assert sum(macs.stages.values()) == macs.total
    assert cases.digest(model) == facts["keys"], "keys or shapes changed: files that users saved no longer load"


def test_facts_are_the_published_ones(shared):
    published = cases.read_csv(shared / "golden/image_names.csv")
    for name, row in published.items():
        assert cases.FACTS[name]["params"] == row["params"], name
        assert float(cases.FACTS[name]["gmacs"]) == pytest.approx(float(row["gmacs_conv_linear"]), rel=5e-3), name
        assert row["input"] == f"1x{cases.FACTS[name]['input']}", name


@pytest.mark.parametrize("name", [n if n in KINDS else pytest.param(n, marks=pytest.mark.nightly) for n in NAMES])
def test_images_and_clips_have_the_same_keys(name):
    image, clip = (cases.on_meta(name, dims).state_dict() for dims in (2, 3))
    assert list(image) == list(clip)
    for key, value in clip.items():
        flat = value.squeeze(2) if value.dim() == 5 else value
        assert flat.shape == image[key].shape, key


@pytest.mark.parametrize("name", KINDS)
def test_maps_are_what_channels_and_strides_say(name):
    backbone, size = cases.on_meta(name).backbone, (75, 101)
    maps = backbone(torch.empty(1, 3, *size, device="meta"))
    assert len(maps) == len(backbone.channels) == len(backbone.strides) == len(backbone.stages)
    for x, channels, stride in zip(maps, backbone.channels, backbone.strides):
        assert x.shape[:2] == (1, channels)
        assert all(abs(side - whole / stride) < 1 + 1e-9 for side, whole in zip(x.shape[2:], size))
    assert cases.on_meta(name).head([maps[-1]]).shape == (1, VARIANTS[name].num_classes)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("name", KINDS)
def test_a_gradient_reaches_every_parameter(name, norm):
    nd, batch = Nd(2, norm_policy=norm, init=VARIANTS[name].nd.init), 3 if norm == "batch" else 1
    silent = set(cases.narrow(name, nd).state_dict())
    for seed in range(10):  # the one or two hidden units of a narrow gate may all be off in one draw
        torch.manual_seed(seed)
        backbone = cases.narrow(name, nd)
        last = backbone(cases.draw(batch, cases.image_size(name)))[-1]
        (last * torch.randn_like(last)).sum().backward()
        trained = {key: p for key, p in backbone.named_parameters() if p.requires_grad}
        silent &= {key for key, p in trained.items() if p.grad is None or not p.grad.any()}
        if not silent:
            break
    assert not silent


@pytest.mark.parametrize("name", KINDS)
def test_group_norm_has_the_parameters_of_batch_norm_and_no_statistics(name):
    with torch.device("meta"):
        model = VARIANTS[name](norm="group")
    groups = [m for m in model.modules() if isinstance(m, nn.GroupNorm)]
    assert groups and all(m.num_channels % m.num_groups == 0 and m.num_groups <= 32 for m in groups)
    assert not list(model.buffers())
    if VARIANTS[name].nd.norm_policy == "batch":
        assert count_params(model) == count_params(cases.on_meta(name))


@pytest.mark.parametrize("name", KINDS)
def test_a_network_of_each_kind_is_a_slow_network_and_both_pathways_of_slowfast(name):
    with torch.device("meta"):
        slow = resnet3d(VIDEO, family=name, t=(1, 1, 3, 3)).eval()
        joined = [slowfast(VIDEO, family=name, fusion=fusion).eval() for fusion in FUSIONS.get(name, ("concat", "sum"))]
        clip = torch.empty(1, 3, 8, 75, 101)
    assert [x.shape[1:3] for x in slow(clip)] == [(channels, 8) for channels in slow.channels]
    assert slow.channels == cases.on_meta(name).backbone.channels
    for network in joined:
        for (first, second), (slow_channels, fast_channels) in zip(network(clip), network.channels):
            assert first.shape[:3] == (1, slow_channels, 2)
            assert second.shape[:3] == (1, fast_channels, 8)


@pytest.mark.parametrize("name", KINDS)
def test_a_pathway_sets_time_dilation_and_context(name):
    settings = {
        "stem_t": 5,
        "t": (3, (3, 1), (3, 1), (1, 3)),
        "t_strides": (1, 2, 1, 1),
        "pool_t": 2,
        "output_stride": 16,
        "context_at": ((), (0,), (), ()),
        "context": lambda nd, channels, stage: nd.conv(channels, channels, 1),
    }
    with torch.device("meta"):
        plain, network = (VARIANTS[name].backbone(VIDEO, pathway=p) for p in (Pathway(), Pathway(**settings)))
        maps = network(torch.empty(2, 3, 16, 128, 128))
    assert [x.shape[2] for x in maps] == [16, 4, 4, 4][: len(maps)]
    assert network.strides == [min(stride, 16) if len(maps) == 4 else stride for stride in plain.strides]
    assert [x.shape[3] for x in maps] == [128 // stride for stride in network.strides]
    assert (
        set(network.state_dict()) - set(plain.state_dict())
        == {key for key in network.state_dict() if ".context." in key}
        != set()
    )
    longer = [k for k, v in network.state_dict().items() if v.dim() == 5 and v.shape[2] > 1]
    assert longer and all(v.shape[2] == 1 for v in plain.state_dict().values() if v.dim() == 5)


BY_ARGUMENTS = [  # parameters of variants that have no name of their own
    ("resnet18", {"shortcut": "A"}, 11_515_688),
    ("resnet34", {"shortcut": "A"}, 21_623_848),
    ("resnet50", {"norm": "group"}, 25_557_032),
    ("cifar_preact_resnet110", {"shortcut": "B"}, 1_730_522),
    ("cifar_preact_resnet1001", {"num_classes": 100}, 10_350_836),
    ("resnext101_32x4d", {"groups": 2, "group_width": 64}, 84_198_184),
    ("resnext101_32x4d", {"groups": 1, "group_width": 100}, 85_611_336),
    ("cifar_resnext29_8x64d", {"se_ratio": 16}, 34_948_506),
    ("wide_resnet34_2", {"widen": 1}, 21_797_672),
    ("densenet264", {"growth": 48}, 72_686_632),
    ("densenet161", {"blocks": (6, 12, 48, 48)}, 55_570_984),
    ("cifar_densenetbc_L100_k12", {"depth": 40, "growth": 60}, 4_261_690),
]


@pytest.mark.parametrize("name, settings, params", BY_ARGUMENTS)
def test_variants_without_a_name_are_reached_by_arguments(name, settings, params):
    with torch.device("meta"):
        assert count_params(VARIANTS[name](**settings)) == params


def test_without_classes_there_is_only_the_backbone():
    backbone = resnet50(num_classes=None)
    maps = backbone(torch.zeros(1, 3, 64, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [(256, 16, 16), (512, 8, 8), (1024, 4, 4), (2048, 2, 2)]
    assert (backbone.channels, backbone.strides) == ([256, 512, 1024, 2048], [4, 8, 16, 32])


@pytest.mark.parametrize("name", sorted(FUSIONS))
def test_a_zero_padded_shortcut_says_why_it_takes_no_concatenated_laterals(name):
    with pytest.raises(ValueError, match='fusion "sum"'):
        slowfast(VIDEO, family=name)


@pytest.mark.parametrize("classes", [0, -1, 2.0, "ten"])
def test_a_number_of_classes_that_is_none_names_the_backbone(classes):
    with pytest.raises(ValueError, match=f"num_classes is {classes!r}; it must be 1 or more, None for the backbone"):
        VARIANTS["resnet18"](classes)


@pytest.mark.parametrize(
    "name, settings, words",
    [
        ("resnet18", {"width": 0}, "a width of 0 channels"),
        ("wide_resnet50_2", {"widen": -1}, "a width of -64 channels"),
        ("ghostnet_1.0x", {"scale": 0}, "a width of 0 channels"),
        ("densenet121", {"blocks": (2, 2, 2)}, r"blocks is \[2, 2, 2\]; it must be 4 numbers above 0"),
        ("densenet121", {"blocks": (2,) * 5}, "it must be 4 numbers above 0"),
        ("mgic_resnet18", {"depths": (1, 2, 0, 1)}, r"depths is \[1, 2, 0, 1\]; it must be 4 numbers above 0"),
        ("shufflenet_g3_1.0x", {"depths": (2, 4)}, "depths is .*; it must be 3 numbers above 0"),
        ("se_resnet50", {"se_ratio": 0}, "the ratio of a squeeze-and-excitation is 0; it must be at least 1"),
        ("sknet50", {"ratio": 0}, "2 branches and a ratio of 0; both must be at least 1"),
        ("sda_resnet50", {"ratio": 0}, "the ratio of the depth attention is 0; it must be at least 1"),
        ("mgic_resnet18", {"group_size": 0}, "group_size is 0; it must be at least 1"),
        ("ghost_resnet50", {"cheap_kernel": 4}, "the cheap kernel of a Ghost module is 4; it must be odd"),
    ],
)
def test_numbers_that_no_network_has_are_errors(name, settings, words):
    with pytest.raises(ValueError, match=words), torch.device("meta"):
        VARIANTS[name](**settings)


def test_an_image_network_says_what_it_takes():
    with pytest.raises(ValueError, match=r"\(B, C, H, W\)"):
        cases.on_meta("resnet18")(torch.empty(1, 3, 8, 64, 64, device="meta"))
    with pytest.raises(ValueError, match="dims is 4"):
        replace(Nd(2), dims=4)

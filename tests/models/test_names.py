"""Every table of names against the keys of the network it is for: each tensor finds its place, by name and shape."""

import json
from pathlib import Path

import pytest
import torch

from videonet.models.image import VARIANTS as IMAGES
from videonet.models.names import TABLES
from videonet.models.video import VARIANTS as VIDEOS
from videonet.models.weights import Report, match_state

OTHER_NAMES = {
    "res2net_ref:res2net50_v1b": ("res2net50_v1b_26w_4s", {}),
    "res2net_ref:res2net101_v1b": ("res2net101_v1b_26w_4s", {}),
    "sda_ref:sda_resnet152": ("sda_resnet50", {"depth": 152}),
    "sda_ref:sda_senet50": ("sda_senet86", {"depth": 50}),
    "sda_ref:sda_senet101": ("sda_senet86", {"depth": 101}),
    "sda_ref:sda_res2net50_26w_4s": ("sda_res2net86_26w_4s", {"depth": 50}),
    "sda_ref:sda_res2net101_26w_4s": ("sda_res2net86_26w_4s", {"depth": 101}),
} | {
    f"megvii:shufflenet_v1_g{groups}_{scale}x": (
        f"shufflenet_g{groups}_1.0x",
        {"scale": float(scale), "stem": 48 if scale == "2.0" else 12 if (groups, scale) == (3, "0.5") else 0},
    )
    for groups in (3, 8)
    for scale in ("0.5", "1.0", "1.5", "2.0")
}
FAMILIES = ("ghostnet_ref", "g_ghost_ref", "res2net_ref", "sda_ref", "megvii")
TORCHVISION = [f"resnet{d}" for d in (18, 34, 50, 101, 152)] + [
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    *(f"densenet{d}" for d in (121, 161, 169, 201)),
]
TIMM = {
    "resnet50": ("resnet50", {}),
    "seresnet50": ("se_resnet50", {}),
    "legacy_seresnet50": ("se_resnet50", {}),
    "legacy_seresnext50_32x4d": ("se_resnext50_32x4d", {}),
    "legacy_senet154": ("senet154", {}),
    "skresnext50_32x4d": ("sknet50", {}),
    "res2net50_26w_4s": ("res2net50_26w_4s", {}),
    "res2net50d": ("res2net50_v1b_26w_4s", {}),
    "res2next50": ("res2next50", {}),
    "dla60_res2net": ("res2net_dla60", {}),
    "ghostnet_100": ("ghostnet_1.0x", {}),
    "densenet121": ("densenet121", {}),
}


def match(name: str, state: dict, **settings) -> Report:
    variant = {**IMAGES, **VIDEOS}[name]
    with torch.device("meta"):
        model = variant(**settings)
        state = {k: torch.empty(getattr(v, "shape", v)) for k, v in state.items()}
    return match_state(model, state)[1]


def references(shared: Path) -> dict:
    return json.loads((shared / "golden" / "image_reference_keys.json").read_text())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_authors_files_fit_whole(shared: Path, family: str) -> None:
    tried = 0
    for key, reference in references(shared).items():
        name, settings = OTHER_NAMES.get(key, (key.partition(":")[2], {}))
        if key.startswith(family) and name in IMAGES:
            report = match(name, reference["state_dict"], **settings)
            assert not report.problems(), (key, report.problems()[:5])
            tried += 1
    assert tried >= 2


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_files_fit_whole(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        peer = getattr(models, name)()
    report = match(name, peer.state_dict())
    assert not report.problems() and report.source == "torchvision or timm"


def test_the_oldest_densenet_files_have_dots_in_their_names() -> None:
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        state = models.densenet121().state_dict()
    old = {k.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): v for k, v in state.items()}
    assert old.keys() != state.keys() and not match("densenet121", old).problems()


@pytest.mark.parametrize("theirs, ours", TIMM.items())
def test_timm_files_fit_whole(theirs: str, ours: tuple[str, dict]) -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        peer = timm.create_model(theirs)
    report = match(ours[0], peer.state_dict(), **ours[1])
    assert not report.problems()


@pytest.mark.parametrize("kind", ["state_dict_vmz", "state_dict_mmaction2"])
@pytest.mark.parametrize("name", [f"{k}_csn_{d}" for k in ("ir", "ip") for d in (50, 101, 152)])
def test_csn_files_fit_whole(shared: Path, name: str, kind: str) -> None:
    state = json.loads((shared / "golden" / "csn.json").read_text())[name][kind]
    assert not match(name, state).problems()


R2PLUS1D = {
    "vmz_r2plus1d_34": "r2plus1d_34",
    "vmz_r2plus1d_152_nopool": "r2plus1d_152",
    "torchvision_r2plus1d_18": "r2plus1d_18",
    "mmaction2_r2plus1d_34": "r2plus1d_34_mmaction2",
}


@pytest.mark.parametrize("file, name", R2PLUS1D.items())
def test_r2plus1d_files_fit_whole(shared: Path, file: str, name: str) -> None:
    report = match(name, json.loads((shared / "golden" / "r2plus1d.json").read_text())[file]["keys"])
    assert not report.problems() and report.source.split()[0].lower() in (*file.split("_"), "torchvision")


def test_every_table_is_used_by_some_test(shared: Path) -> None:
    """A mark that nothing matches would be a table that nobody has tried."""
    files = [r["state_dict"] for r in references(shared).values()]
    files += [json.loads(p.read_text())["state_dict"] for p in (shared / "golden/pyslowfast").glob("*__pytorch*.json")]
    seen = {table.source for table in TABLES for keys in files if table.matches(keys)}
    assert {"pytorchvideo", "SDA", "ShuffleNet", "G-Ghost", "GhostNet or timm", "Res2Net or timm"} <= seen

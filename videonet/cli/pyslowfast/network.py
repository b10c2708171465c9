"""The network of a PySlowFast config: its MODEL, RESNET, NONLOCAL, SLOWFAST and X3D sections as our MODEL."""

from __future__ import annotations

from collections.abc import Callable

from videonet.cli.pyslowfast.settings import Ours, Theirs, same
from videonet.models.image.resnet import DEPTHS


def model(theirs: Theirs) -> Ours:
    """MODEL: the family and its settings."""
    name, arch = theirs.read("MODEL.MODEL_NAME"), theirs.read("MODEL.ARCH")
    if (name, arch) not in NETWORKS:
        pairs = sorted({f"{n} with ARCH {a}" for n, a in NETWORKS})
        raise theirs.refuse(
            "MODEL.MODEL_NAME", f"with ARCH {arch!r} that is no network here; there are {', '.join(pairs)}"
        )
    channels = theirs.read("DATA.INPUT_CHANNEL_NUM")
    if any(c != 3 for c in channels):
        raise theirs.refuse("DATA.INPUT_CHANNEL_NUM", "the networks here see 3 channels")
    settings = NETWORKS[name, arch](theirs)
    frozen = ["backbone"] if theirs.read("MODEL.DETACH_FINAL_FC") else []
    if frozen:
        theirs.warn("MODEL.DETACH_FINAL_FC", "the backbone is frozen, its norms' statistics too (MODEL.FREEZE)")
    return {f"MODEL.{key}": value for key, value in settings.items()} | {"MODEL.FREEZE": frozen}


def trunk(theirs: Theirs, family: str) -> Ours:
    """What ResNet, SlowFast and their pathways share."""
    depth, width = theirs.read("RESNET.DEPTH"), theirs.read("RESNET.WIDTH_PER_GROUP")
    block = "basic_transform" if depth < 50 else "bottleneck_transform"
    if theirs.read("RESNET.TRANS_FUNC") != block:
        raise theirs.refuse("RESNET.TRANS_FUNC", f"a ResNet-{depth} has {block} here")
    if depth not in DEPTHS:
        raise theirs.refuse("RESNET.DEPTH", f"it must be one of {', '.join(map(str, DEPTHS))}")
    settings = {"NAME": family, "DEPTH": depth, "SCALE": width / 64, "OUTPUT_STRIDE": output_stride(theirs)}
    return settings | non_local(theirs)


def temporal_blocks(theirs: Theirs) -> Ours:
    """T_BLOCKS of RESNET.NUM_BLOCK_TEMP_KERNEL, where it is not every block."""
    blocks = theirs.read("RESNET.NUM_BLOCK_TEMP_KERNEL")
    depths = DEPTHS[theirs.read("RESNET.DEPTH")]
    if all(n >= depth for stage, depth in zip(blocks, depths) for n in stage):
        return {}
    return {"T_BLOCKS": [stage[0] if len(set(stage)) == 1 else list(stage) for stage in blocks]}


def output_stride(theirs: Theirs) -> int:
    """32, or 16 where res5 keeps its size and is dilated."""
    strides, dilations = theirs.read("RESNET.SPATIAL_STRIDES"), theirs.read("RESNET.SPATIAL_DILATIONS")
    found = tuple((s, d) for stage in zip(strides, dilations) for s, d in zip(*stage))
    pathways = len(found) // 4
    for stride, last in ((32, (2, 1)), (16, (1, 2))):
        if found == tuple(pair for pair in ((1, 1), (2, 1), (2, 1), last) for _ in range(pathways)):
            return stride
    raise theirs.refuse(
        "RESNET.SPATIAL_STRIDES",
        f"with SPATIAL_DILATIONS {dilations} that is no network here; res5 may have stride 2, or 1 and dilation 2",
    )


def non_local(theirs: Theirs) -> Ours:
    """NON_LOCAL of the NONLOCAL section, where it has blocks."""
    at = theirs.read("NONLOCAL.LOCATION")
    pools, groups, mode = (theirs.read(f"NONLOCAL.{key}") for key in ("POOL", "GROUP", "INSTANTIATION"))
    if any(stage[1:] and any(stage[1:]) for stage in at):
        raise theirs.refuse("NONLOCAL.LOCATION", "non-local blocks stand in the slow pathway alone")
    used = [i for i, stage in enumerate(at) if stage[0]]
    if not used:
        return {}
    chosen = {}
    for key, values in (("POOL", [pools[i][0] for i in used]), ("GROUP", [groups[i][0] for i in used])):
        if any(not same(value, values[0]) for value in values):
            raise theirs.refuse(f"NONLOCAL.{key}", "all stages with non-local blocks have the same here")
        chosen[key] = values[0]
    settings = {"at": [list(stage[0]) for stage in at], "mode": mode, "pool": list(chosen["POOL"])}
    return {"NON_LOCAL": {**settings, "groups": chosen["GROUP"]}}


def resnet(family: str, pool: bool = True) -> Callable[[Theirs], Ours]:
    """C2D, I3D and Slow; pool: over time behind res2, where the family has it."""
    return lambda theirs: trunk(theirs, family) | temporal_blocks(theirs) | ({} if pool else {"POOL_T": 1})


def image(theirs: Theirs) -> Ours:
    """The image ResNet, which PySlowFast builds as clips of one frame."""
    settings = trunk(theirs, "resnet")
    for key in ("NON_LOCAL", "OUTPUT_STRIDE"):
        if settings.pop(key, 32) != 32:
            raise theirs.refuse("MODEL.ARCH", f"an image network has no {key} here")
    theirs.read("RESNET.NUM_BLOCK_TEMP_KERNEL")
    return {"NAME": "resnet", "DEPTH": settings["DEPTH"], "WIDTH": round(64 * settings["SCALE"])}


def slowfast(theirs: Theirs) -> Ours:
    """SlowFast."""
    return (
        trunk(theirs, "slowfast")
        | temporal_blocks(theirs)
        | {
            "ALPHA": theirs.read("SLOWFAST.ALPHA"),
            "BETA_INV": theirs.read("SLOWFAST.BETA_INV"),
            "FUSION_RATIO": theirs.read("SLOWFAST.FUSION_CONV_CHANNEL_RATIO"),
            "FUSION_KERNEL": theirs.read("SLOWFAST.FUSION_KERNEL_SZ"),
        }
    )


def x3d(bare: bool) -> Callable[[Theirs], Ours]:
    """X3D; pytorchvideo's leaves one norm out."""

    def settings(theirs: Theirs) -> Ours:
        theirs.read("RESNET.TRANS_FUNC")
        factors = {key: theirs.read(f"X3D.{key}_FACTOR") for key in ("WIDTH", "DEPTH", "BOTTLENECK")}
        return {"NAME": "x3d", **factors, "BASE_WIDTH": theirs.read("X3D.DIM_C1"), "BARE_SHORTCUT": bare}

    return settings


def csn(theirs: Theirs) -> Ours:
    """pytorchvideo's ir-CSN."""
    return {"NAME": "csn", "DEPTH": theirs.read("RESNET.DEPTH"), "INTERACTIONS": "reduced"}


def r2plus1d(theirs: Theirs) -> Ours:
    """pytorchvideo's R(2+1)D-50."""
    return {
        "NAME": "r2plus1d",
        "DEPTH": theirs.read("RESNET.DEPTH"),
        "MIDDLE": "same",
        "STEM_MIDDLE": 0,
        "STRIDES": [2, 2, 2, 2],
        "T_STRIDES": [1, 1, 2, 2],
        "TIME_FIRST": True,
    }


NETWORKS: dict[tuple[str, str], Callable[[Theirs], Ours]] = {
    **{("ResNet", arch): resnet(arch) for arch in ("c2d", "i3d", "slow")},
    **{("PTVResNet", arch): resnet(arch) for arch in ("c2d", "i3d", "slow")},
    ("ResNet", "2d"): image,
    ("ResNet", "slow_c2d"): resnet("c2d", pool=False),
    ("ResNet", "slow_i3d"): resnet("i3d", pool=False),
    ("ResNet_nopool", "c2d"): resnet("c2d", pool=False),
    ("SlowFast", "slowfast"): slowfast,
    ("PTVSlowFast", "slowfast"): slowfast,
    ("X3D", "x3d"): x3d(False),
    ("PTVX3D", "x3d"): x3d(True),
    ("PTVCSN", "csn"): csn,
    ("PTVR2plus1D", "r2plus1d"): r2plus1d,
}

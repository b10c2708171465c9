"""Image networks as their authors released them: GhostNet, G-Ghost, ShuffleNet, Res2Net-DLA, SDA."""

from __future__ import annotations

import re
from collections.abc import Iterable

from videonet.models.names.images import HEAD, HIERARCHICAL, STEM
from videonet.models.names.table import IMAGENET, Table

GHOST = (
    (r"^conv_stem\.", "stem.conv."),
    (r"^bn1\.", "stem.bn."),
    (r"^blocks\.0\.0\.", "stem.blocks.0."),
    (r"^blocks\.1\.0\.", "res2.0."),
    (r"^blocks\.2\.0\.", "res2.1."),
    (r"^blocks\.3\.0\.", "res3.0."),
    (r"^blocks\.4\.0\.", "res3.1."),
    (r"^blocks\.5\.0\.", "res4.0."),
    (r"^blocks\.6\.(\d)\.", "res4.<1+1>."),
    (r"^blocks\.7\.0\.", "res5.0."),
    (r"^blocks\.8\.(\d)\.", "res5.<1+1>."),
    (r"^blocks\.9\.0\.conv\.", "end.conv."),
    (r"^blocks\.9\.0\.bn1\.", "end.bn."),
    (r"\.primary_conv\.0\.", ".primary.conv."),
    (r"\.primary_conv\.1\.", ".primary.bn."),
    (r"\.cheap_operation\.0\.", ".cheap.conv."),
    (r"\.cheap_operation\.1\.", ".cheap.bn."),
    (r"\.conv_dw\.", ".down.conv."),
    (r"\.bn_dw\.", ".down.bn."),
    (r"\.se\.conv_reduce\.", ".gate.fc1."),
    (r"\.se\.conv_expand\.", ".gate.fc2."),
    (r"\.shortcut\.([01])\.(weight|bias|running_\w+)$", r".shortcut.0.\1.\2"),
    (r"\.shortcut\.([23])\.(weight|bias|running_\w+)$", r".shortcut.1.<1-2>.\2"),
    (r"\.shortcut\.(\d)\.0\.", r".shortcut.\1.conv."),
    (r"\.shortcut\.(\d)\.1\.", r".shortcut.\1.bn."),
    (r"^conv_head\.", "head.lin."),
    (r"^classifier\.", "fc."),
)
G_GHOST = (
    (r"^layer(\d)\.base\.", "res<1+1>.0."),
    (r"^layer(\d)\.layers\.(\d+)\.", "res<1+1>.<2+1>."),
    (r"^layer(\d)\.", "res<1+1>."),
    (r"\.downsample\.0\.", ".shortcut.conv."),
    (r"\.downsample\.1\.", ".shortcut.bn."),
    (r"\.merge\.1\.", ".merge.0.fc."),
    (r"\.merge\.2\.", ".merge.0.bn."),
    (r"\.merge\.4\.", ".merge.1.fc."),
    (r"\.merge\.5\.", ".merge.1.bn."),
    (r"\.cheap\.0\.", ".cheap.conv."),
    (r"\.cheap\.1\.", ".cheap.bn."),
)
SHUFFLE = (
    (r"^first_conv\.0\.", "stem.conv."),
    (r"^first_conv\.1\.", "stem.bn."),
    (r"^features\.([0-3])\.", r"res3.\1."),
    (r"^features\.([4-9]|1[01])\.", "res4.<1-4>."),
    (r"^features\.(1[2-5])\.", "res5.<1-12>."),
    (r"\.branch_main_1\.0\.", ".conv1."),
    (r"\.branch_main_1\.1\.", ".bn1."),
    (r"\.branch_main_1\.3\.", ".conv2."),
    (r"\.branch_main_1\.4\.", ".bn2."),
    (r"\.branch_main_2\.0\.", ".conv3."),
    (r"\.branch_main_2\.1\.", ".bn3."),
    (r"^classifier\.0\.", "fc."),
)
SHUFFLE_NOTE = (
    "",
    "the authors' ShuffleNet weights are for the inverse shuffle behind the depthwise convolution "
    "(order='inverse', shuffle_at='depthwise'; the 2x network has stem=48)",
)
DLA = (  # of a node whose first branch is a tree, nothing reads the projection
    (r"^base_layer\.0\.", "stem.0.conv."),
    (r"^base_layer\.1\.", "stem.0.bn."),
    (r"^level([01])\.0\.", "stem.<1+1>.conv."),
    (r"^level([01])\.1\.", "stem.<1+1>.bn."),
    (r"^level(\d)\.", r"res\1."),
    (r"^(res[25]|res3\.tree\d|res4\.tree\d\.tree\d)\.project\.", r"\1.tree1.shortcut.project."),
    (r"^(res[34](?:\.tree\d)*)\.project\.", r"\1.unused."),
    (r"\.(project|unused)\.0\.", r".\1.conv."),
    (r"\.(project|unused)\.1\.", r".\1.bn."),
)
DEPTH_ATTENTION = (
    (r"^stage(\d)\.layers\.", "res<1+1>."),
    (r"^stage(\d)\.fc\.0\.", "res<1+1>.attention.squeeze.fc."),
    (r"^stage(\d)\.fc\.1\.", "res<1+1>.attention.squeeze.bn."),
    (r"^stage(\d)\.fcs\.", "res<1+1>.attention.select."),
    (r"^layer(\d)\.", "res<1+1>."),
    (r"(\.\d+)\.fc([12])\.", r"\1.gate.fc\2."),
    (r"^bn2\.", "head.bn."),
)
PYRAMID = (
    (r"\.conv2\.conv2_(\d)\.", ".mix.convs.<1-1>."),
    (r"\.conv2\.weight$", ".mix.convs.0.weight"),
    (r"\.bn2\.", ".mix.bn."),
)
SHORTCUT = ((r"\.downsample\.0\.", ".shortcut.conv."), (r"\.downsample\.1\.", ".shortcut.bn."))
POOLED_SHORTCUT = ((r"\.downsample\.1\.", ".shortcut.conv."), (r"\.downsample\.2\.", ".shortcut.bn."))


class GhostStages(Table):
    """G-Ghost's table: the stage's last block has a name of its own, and its number is how many come before it."""

    def rename_all(self, keys: Iterable[str]) -> dict[str, str | None]:
        """Our name of every key."""
        keys = list(keys)
        found = (re.match(r"layer(\d)\.layers\.(\d+)\.", key) for key in keys)
        last: dict[str, int] = {}
        for match in filter(None, found):
            last[match[1]] = max(last.get(match[1], 0), int(match[2]))

        def place(match: re.Match[str]) -> str:
            return f"layer{match[1]}.layers.{last.get(match[1], -1) + 1}."

        return {key: self.rename(re.sub(r"^layer(\d)\.end\.", place, key)) for key in keys}


TABLES = (
    Table("GhostNet or timm", mark=r"\.ghost1\.primary_conv\.", rules=(*GHOST, *HEAD), facts=IMAGENET),
    GhostStages("G-Ghost", mark=r"^layer\d\.cheap\.0\.", rules=(*STEM, *G_GHOST, *HEAD), facts=IMAGENET),
    Table(
        "ShuffleNet",
        mark=r"\.branch_main_1\.",
        rules=(*SHUFFLE, *HEAD),
        zeros=r"^head\.fc\.bias$",
        notes=(SHUFFLE_NOTE,),
    ),
    Table("Res2Net or timm", mark=r"^base_layer\.0\.", rules=(*DLA, *HIERARCHICAL, *HEAD), facts=IMAGENET),
    Table(
        "SDA",
        mark=r"^stage1\.fcs\.0\.",
        not_mark=r"\.conv2_1\.",
        rules=(*STEM, *DEPTH_ATTENTION, *HIERARCHICAL, *SHORTCUT, *HEAD),
        facts=IMAGENET,
    ),
    Table(
        "SDA",
        mark=r"\.conv2\.conv2_1\.",
        rules=(*STEM, *DEPTH_ATTENTION, *PYRAMID, *POOLED_SHORTCUT, *HEAD),
        facts=IMAGENET,
    ),
)

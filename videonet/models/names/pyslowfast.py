"""PySlowFast's `.pyth` files: ResNet, SlowFast, X3D and their detection networks."""

from __future__ import annotations

from videonet.models.names.table import GREY, Table

BLOCK = (
    (r"\.branch1_bn\.", ".shortcut.bn."),
    (r"\.branch1\.", ".shortcut.conv."),
    (r"\.branch2\.a\.", ".conv1."),
    (r"\.branch2\.b\.", ".conv2."),
    (r"\.branch2\.c\.", ".conv3."),
    (r"\.branch2\.a_bn\.", ".bn1."),
    (r"\.branch2\.b_bn\.", ".bn2."),
    (r"\.branch2\.c_bn\.", ".bn3."),
    (r"\.branch2\.se\.fc([12])\.", r".gate2.fc\1."),
    (r"\.conv_(theta|phi|g|out)\.", r".\1."),
)
PLACE = (
    (r"^backbone\.(?=s\d[._])", ""),  # of contrastive pre-training
    (r"^s1\.pathway0_stem\.conv_xy\.", "backbone.stem.conv_xy."),
    (r"^s1\.(pathway\d)_stem\.", r"\1.stem."),
    (r"^s(\d)\.(pathway\d)_res(\d+)\.", r"\2.res\1.\3."),
    (r"^s(\d)\.(pathway\d)_nonlocal(\d+)\.", r"\2.res\1.\3.context."),
    (r"^head\.projection\.", "head.fc."),
)
SLOWFAST = (
    *PLACE,
    *BLOCK,
    (r"^s(\d)_fuse\.conv_f2s\.", r"backbone.lateral.<1-1>.conv."),
    (r"^s(\d)_fuse\.bn\.", r"backbone.lateral.<1-1>.bn."),
    (r"^pathway0\.", "backbone.slow."),
    (r"^pathway1\.", "backbone.fast."),
)
SINGLE = (*PLACE, *BLOCK, (r"^pathway0\.", "backbone."))
X3D = (
    PLACE[0],
    (r"^s1\.pathway0_stem\.conv\.", "backbone.stem.conv_t."),
    (r"^head\.conv_5\.", "backbone.end.conv."),
    (r"^head\.conv_5_bn\.", "backbone.end.bn."),
    (r"^head\.lin_5\.", "head.lin."),
    *SINGLE,
)

NAME = "PySlowFast"
TWO, STEM = r"^(backbone\.)?s\d\.pathway1_", r"^(backbone\.)?s1\.pathway0_stem\."

TABLES = (
    Table(NAME, mark=TWO, rules=SLOWFAST, facts=GREY),
    Table(NAME, mark=rf"{STEM}conv_xy\.", rules=X3D, facts=GREY),
    Table(NAME, mark=STEM, not_mark=rf"({TWO}|{STEM}conv_xy\.)", rules=SINGLE, facts=GREY),
)

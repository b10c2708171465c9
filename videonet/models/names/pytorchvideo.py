"""pytorchvideo's hub files and PySlowFast's `PTV*` networks, whose keys have `model.` before them."""

from __future__ import annotations

from videonet.models.names.table import GREY, Table

BLOCK = (
    (r"^(?:model\.)?blocks\.", "blocks."),
    (r"^detection_head\.proj\.", "head.fc."),
    (r"\.branch1_conv\.", ".shortcut.conv."),
    (r"\.branch1_norm\.", ".shortcut.bn."),
    (r"\.branch2\.conv_a\.", ".conv1."),
    (r"\.branch2\.norm_a\.", ".bn1."),
    (r"\.branch2\.conv_c\.", ".conv3."),
    (r"\.branch2\.norm_c\.", ".bn3."),
)
PLAIN = ((r"\.branch2\.conv_b\.", ".conv2."), (r"\.branch2\.norm_b\.", ".bn2."))
FACTORED = (
    (r"\.branch2\.conv_b\.conv_t\.", ".mix.conv.time."),
    (r"\.branch2\.conv_b\.conv_xy\.", ".mix.conv.space."),
    (r"\.branch2\.conv_b\.norm\.", ".mix.conv.bn."),
    (r"\.branch2\.norm_b\.", ".mix.bn."),
)
GATED = (
    (r"\.branch2\.conv_b\.", ".conv2."),
    (r"\.branch2\.norm_b\.0\.", ".bn2."),
    (r"\.branch2\.norm_b\.1\.block\.0\.", ".gate2.fc1."),
    (r"\.branch2\.norm_b\.1\.block\.2\.", ".gate2.fc2."),
)
STEM = ((r"^blocks\.0\.conv\.", "backbone.stem.conv."), (r"^blocks\.0\.norm\.", "backbone.stem.bn."))
STAGES = (*STEM, (r"^blocks\.([1-4])\.res_blocks\.", "backbone.res<1+1>."), (r"^blocks\.5\.proj\.", "head.fc."))
POOLED_STAGES = (  # a pool between res2 and res3 is block 2
    *STEM,
    (r"^blocks\.1\.res_blocks\.", "backbone.res2."),
    (r"^blocks\.([3-5])\.res_blocks\.", r"backbone.res\1."),
    (r"^blocks\.6\.proj\.", "head.fc."),
)
X3D_ENDS = (  # the stem's conv_t is over space and its conv_xy over time
    (r"^blocks\.0\.conv\.conv_t\.", "backbone.stem.conv_xy."),
    (r"^blocks\.0\.conv\.conv_xy\.", "backbone.stem.conv_t."),
    (r"^blocks\.5\.pool\.pre_conv\.", "backbone.end.conv."),
    (r"^blocks\.5\.pool\.pre_norm\.", "backbone.end.bn."),
    (r"^blocks\.5\.pool\.post_conv\.", "head.lin."),
)
SLOWFAST = (
    (r"^blocks\.0\.multipathway_blocks\.(\d)\.conv\.", r"pathway\1.stem.conv."),
    (r"^blocks\.0\.multipathway_blocks\.(\d)\.norm\.", r"pathway\1.stem.bn."),
    (r"^blocks\.(\d)\.multipathway_blocks\.(\d)\.res_blocks\.", r"pathway\2.res<1+1>."),
    (r"^blocks\.(\d)\.multipathway_fusion\.conv_fast_to_slow\.", r"backbone.lateral.\1.conv."),
    (r"^blocks\.(\d)\.multipathway_fusion\.norm\.", r"backbone.lateral.\1.bn."),
    (r"^blocks\.6\.proj\.", "head.fc."),
    (r"^pathway0\.", "backbone.slow."),
    (r"^pathway1\.", "backbone.fast."),
)
EFFICIENT_X3D = (
    (r"\.kernel\.", "."),
    (r"^s1\.pathway0_stem_conv_xy\.conv\.", "backbone.stem.conv_xy."),
    (r"^s1\.pathway0_stem_conv\.conv\.", "backbone.stem.conv_t."),
    (r"^s1\.pathway0_stem_conv\.bn\.", "backbone.stem.bn."),
    (r"^s(\d)\.pathway0_res(\d+)\.", r"backbone.res\1.\2."),
    (r"\._res_proj\.", ".shortcut."),
    (r"\.layers\.conv_(\d)\.(conv|bn)\.", r".\2<1+1>."),
    (r"\.layers\.se\.se\.block\.0\.", ".gate2.fc1."),
    (r"\.layers\.se\.se\.block\.2\.", ".gate2.fc2."),
    (r"^head\.conv_5\.", "backbone.end."),
    (r"^head\.lin_5\.conv\.", "head.lin."),
    (r"^projection\.model\.", "head.fc."),
)
NAME = "pytorchvideo"
UNALIGNED = (
    (r"^detection_head\.", "pytorchvideo's detection networks align boxes without the half pixel: aligned=False"),
)
BARE = (("", "pytorchvideo's X3D has no norm on the first shortcut of res2: bare_shortcut=True"),)

TABLES = (
    Table(NAME, mark=r"\.multipathway_blocks\.", rules=(*BLOCK, *PLAIN, *SLOWFAST), notes=UNALIGNED, facts=GREY),
    Table(NAME, mark=r"\.norm_b\.0\.", rules=(*BLOCK, *GATED, *X3D_ENDS, *STAGES), notes=BARE, facts=GREY),
    Table(NAME, mark=r"\.conv_b\.conv_xy\.", rules=(*BLOCK, *FACTORED, *STAGES), facts=GREY),
    Table(NAME, mark=r"blocks\.5\.res_blocks\.", rules=(*BLOCK, *PLAIN, *POOLED_STAGES), facts=GREY),
    Table(NAME, mark=r"blocks\.4\.res_blocks\.", rules=(*BLOCK, *PLAIN, *STAGES), notes=UNALIGNED, facts=GREY),
    Table(NAME, mark=r"^s1\.pathway0_stem_conv_xy\.kernel\.", rules=EFFICIENT_X3D, facts=GREY),
)

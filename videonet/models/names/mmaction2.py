"""mmaction2's files (and mmcv's non-local blocks in them): ResNet3d, SlowFast, X3D, CSN, R(2+1)D."""

from __future__ import annotations

from videonet.models.names.table import IMAGENET, Table

HEADS = (
    (r"^cls_head\.fc_cls\.", "head.fc."),
    (r"^cls_head\.fc1\.", "head.lin."),
    (r"^cls_head\.fc2\.", "head.fc."),
    (r"^roi_head\.bbox_head\.fc_cls\.", "head.fc."),
    (r"^(conv1|layer\d)", r"backbone.\1"),
)
BLOCK = (
    (r"\.downsample\.", ".shortcut."),
    (r"\.se_module\.fc(\d)\.", r".gate2.fc\1."),
    (r"\.non_local_block\.(theta|phi|g)\.(?:0\.)?conv\.", r".context.\1."),
    (r"\.non_local_block\.conv_out\.conv\.", ".context.out."),
    (r"\.non_local_block\.conv_out\.bn\.", ".context.bn."),
    (r"\.non_local_block\.concat_project\.conv\.", ".context.relation."),
)
PLAIN = ((r"(\.layer\d\.\d+)\.conv(\d)\.(conv|bn)\.", r"\1.\3\2."),)
STEM = (
    (r"\.conv1_s\.conv\.", ".stem.conv_xy."),
    (r"\.conv1_t\.conv\.", ".stem.conv_t."),
    (r"\.conv1_t\.bn\.", ".stem.bn."),
    (r"^backbone\.conv5\.", "backbone.end."),
    (r"^(backbone|pathway\d)\.conv1\.", r"\1.stem."),
)
STAGE = ((r"\.layer(\d)\.", ".res<1+1>."),)
PATHWAYS = (
    (r"^backbone\.slow_path\.conv1_lateral\.", "backbone.lateral.0."),
    (r"^backbone\.slow_path\.layer(\d)_lateral\.", r"backbone.lateral.\1."),
    (r"^backbone\.slow_path\.", "pathway0."),
    (r"^backbone\.fast_path\.", "pathway1."),
)
PATHWAYS_BACK = ((r"^pathway0\.", "backbone.slow."), (r"^pathway1\.", "backbone.fast."))
REDUCED = ((r"\.conv2\.0\.conv\.", ".conv2."), (r"\.conv2\.0\.bn\.", ".bn2."))
PRESERVED = (
    (r"\.conv2\.0\.conv\.", ".mix.conv1."),
    (r"\.conv2\.0\.bn\.", ".mix.bn1."),
    (r"\.conv2\.1\.conv\.", ".mix.conv2."),
    (r"\.conv2\.1\.bn\.", ".mix.bn2."),
)
FACTORED = (
    (r"(\.layer\d\.\d+)\.conv(\d)\.bn\.", r"\1.bn\2."),
    (r"^backbone\.conv1\.conv\.conv_s\.", "backbone.stem.conv.space."),
    (r"^backbone\.conv1\.conv\.bn_s\.", "backbone.stem.conv.bn."),
    (r"^backbone\.conv1\.conv\.conv_t\.", "backbone.stem.conv.time."),
    (r"\.conv_s\.", ".space."),
    (r"\.bn_s\.", ".bn."),
    (r"\.conv_t\.", ".time."),
    (r"\.conv(\d)\.conv\.(space|bn|time)\.", r".conv\1.\2."),
)
NAME = "mmaction2"
VMZ = {**IMAGENET, "bn_eps": 1e-3}  # of CSN and R(2+1)D; files that were ported from VMZ have its mean and std
STRIDES = (("", "mmaction2's I3D and C2D may stride over time in the stem and its pool, which no weight file says"),)
LATERALS = (
    (
        "",
        "mmaction2's SlowFast has laterals without norm and ReLU, and takes frames 0, alpha, 2 alpha ... for the slow "
        "pathway: its weights do not give its outputs here; take PySlowFast's or pytorchvideo's",
    ),
)
ONE = (*HEADS, *BLOCK)
END = (*STEM, *STAGE)

TABLES = (
    Table(
        NAME,
        mark=r"^backbone\.slow_path\.",
        rules=(*PATHWAYS, *ONE, *PLAIN, *STEM, *STAGE, *PATHWAYS_BACK),
        notes=LATERALS,
        facts=IMAGENET,
    ),
    Table(NAME, mark=r"\.conv2\.1\.conv\.", rules=(*ONE, *PRESERVED, *PLAIN, *END), facts=VMZ),
    Table(
        NAME,
        mark=r"\.conv2\.0\.conv\.",
        not_mark=r"\.conv2\.1\.conv\.",
        rules=(*ONE, *REDUCED, *PLAIN, *END),
        facts=VMZ,
    ),
    Table(NAME, mark=r"\.conv_s\.", rules=(*ONE, *FACTORED, *END), facts=VMZ),
    Table(
        NAME,
        mark=r"layer\d\.\d+\.conv\d\.conv\.",
        not_mark=r"(slow_path|\.conv_s\.|\.conv2\.0\.)",
        rules=(*ONE, *PLAIN, *END),
        notes=STRIDES,
        facts=IMAGENET,
    ),
)

"""Image networks of torchvision and timm, and of the repositories whose keys they took over."""

from __future__ import annotations

from videonet.models.names.table import IMAGENET, Table

HEAD = ((r"^fc\.", "head.fc."), (r"^(?!head\.)", "backbone."))
PLAIN_SHORTCUT = ((r"\.downsample\.0\.", ".shortcut.conv."), (r"\.downsample\.1\.", ".shortcut.bn."))
POOLED_SHORTCUT = ((r"\.downsample\.1\.", ".shortcut.conv."), (r"\.downsample\.2\.", ".shortcut.bn."))
STAGES = ((r"^layer(\d)\.", "res<1+1>."),)
STEM = ((r"^conv1\.", "stem.conv."), (r"^bn1\.", "stem.bn."))
DEEP_STEM = (
    (r"^conv1\.0\.", "stem.conv1."),
    (r"^conv1\.1\.", "stem.bn1."),
    (r"^conv1\.3\.", "stem.conv2."),
    (r"^conv1\.4\.", "stem.bn2."),
    (r"^conv1\.6\.", "stem.conv3."),
    (r"^bn1\.", "stem.bn3."),
)
HIERARCHICAL = (
    (r"\.convs\.(\d)\.weight$", r".mix.convs.\1.conv.weight"),
    (r"\.bns\.(\d)\.", r".mix.convs.\1.bn."),
)
GATES = ((r"\.se_module\.", ".gate."), (r"\.se\.fc(\d)\.", r".gate.fc\1."))
LEGACY = (
    (r"^layer0\.(conv|bn)1\.", r"stem.\1."),
    *STAGES,
    *PLAIN_SHORTCUT,
    *GATES,
    (r"^last_linear\.", "fc."),
)
SENET = ((r"^layer0\.", "stem."), *STAGES, *PLAIN_SHORTCUT, *GATES, (r"^last_linear\.", "fc."))
SELECTIVE = (
    (r"\.conv2\.paths\.", ".mix.branches."),
    (r"\.conv2\.attn\.fc_reduce\.", ".mix.squeeze.fc."),
    (r"\.conv2\.attn\.bn\.", ".mix.squeeze.bn."),
    (r"\.conv2\.attn\.fc_select\.", ".mix.select."),
    (r"\.conv(\d)\.(conv|bn)\.", r".\2\1."),
)
DENSENET = (
    (r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2."),  # the names of the oldest files
    (r"^features\.conv0\.", "stem.conv."),
    (r"^features\.norm0\.", "stem.bn."),
    (r"^features\.norm5\.", "end.bn."),
    (r"^features\.denseblock(\d)\.denselayer(\d+)\.", "res<1+1>.layers.<2-1>."),
    (r"^features\.transition(\d)\.", "res<1+2>.transition."),
    (r"\.norm(\d?)\.", r".bn\1."),
    (r"^classifier\.", "fc."),
)
NAME = "torchvision or timm"
STRIDES = (
    (
        "",
        "Cadene's SE-ResNets stride the first 1x1 (stride_on: pointwise), its SE-ResNeXts the 3x3 (spatial), which no "
        "weight file says",
    ),
)
NEWER = (
    (
        r"\.se\.fc1\.",
        "timm's newer SE networks stride the 3x3 and pad the max pool, which no weight file says: they are a resnext "
        "with se_ratio 16 (groups 1 and group_width 64 for seresnet50), not an se_resnet",
    ),
)

TABLES = (
    Table(
        NAME,
        mark=r"^layer1\.0\.conv1\.weight$",
        not_mark=r"(\.convs\.|^layer0\.|^conv1\.0\.)",
        rules=(*STEM, *STAGES, *PLAIN_SHORTCUT, *GATES, *HEAD),
        notes=NEWER,
        facts=IMAGENET,
    ),
    Table(
        "Res2Net or timm",
        mark=r"\.convs\.\d\.weight$",
        not_mark=r"(^conv1\.0\.|^base_layer\.|^stage1\.)",
        rules=(*STEM, *STAGES, *PLAIN_SHORTCUT, *GATES, *HIERARCHICAL, *HEAD),
        facts=IMAGENET,
    ),
    Table(
        "Res2Net or timm",
        mark=r"^conv1\.0\.weight$",
        not_mark=r"^stem\.",
        rules=(*DEEP_STEM, *STAGES, *POOLED_SHORTCUT, *GATES, *HIERARCHICAL, *HEAD),
        facts=IMAGENET,
    ),
    Table(
        "timm",
        mark=r"\.conv2\.attn\.fc_select\.",
        rules=(*STEM, *STAGES, *PLAIN_SHORTCUT, *SELECTIVE, *HEAD),
        facts=IMAGENET,
    ),
    Table("Cadene or timm", mark=r"^layer0\.conv3\.", rules=(*SENET, *HEAD), facts=IMAGENET),
    Table(
        "Cadene or timm",
        mark=r"^layer0\.",
        not_mark=r"^layer0\.conv3\.",
        rules=(*LEGACY, *HEAD),
        notes=STRIDES,
        facts=IMAGENET,
    ),
    Table(NAME, mark=r"^features\.denseblock1\.", rules=(*DENSENET, *HEAD), facts=IMAGENET),
)

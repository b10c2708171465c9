"""How the image networks of torchvision and timm call their weights, as tables of renamings."""

from __future__ import annotations

from videonet.models.names.table import Table

RESNET = (
    (r"^conv1\.", "stem.conv."),
    (r"^bn1\.", "stem.bn."),
    (r"^layer(\d)\.", r"res<1+1>."),
    (r"\.downsample\.0\.", ".shortcut.conv."),
    (r"\.downsample\.1\.", ".shortcut.bn."),
)
LEGACY = (
    (r"^layer0\.(conv|bn)1\.", r"stem.\1."),
    *RESNET,
    (r"\.se_module\.", ".gate."),
    (r"^last_linear\.", "head.fc."),
)
SENET = ((r"^layer0\.", "stem."), *LEGACY)
DENSENET = (
    (r"^features\.conv0\.", "stem.conv."),
    (r"^features\.norm0\.", "stem.bn."),
    (r"^features\.norm5\.", "end.bn."),
    (r"^features\.denseblock(\d)\.denselayer(\d+)\.", r"res<1+1>.layers.<2-1>."),
    (r"^features\.transition(\d)\.", r"res<1+2>.transition."),
    (r"\.norm(\d?)\.", r".bn\1."),
    (r"^classifier\.", "head.fc."),
)
HEAD = ((r"^fc\.", "head.fc."), (r"^(?!head\.)", "backbone."))

TABLES = {
    "resnet": Table("torchvision", mark=r"^layer1\.", rules=(*RESNET, *HEAD)),
    "legacy": Table("timm", mark=r"^layer0\.", rules=(*LEGACY, *HEAD)),
    "senet": Table("timm", mark=r"^layer0\.conv3\.", rules=(*SENET, *HEAD)),
    "densenet": Table("torchvision", mark=r"^features\.denseblock", rules=(*DENSENET, *HEAD)),
}

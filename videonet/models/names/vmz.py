"""torchvision's video networks and VMZ's (R(2+1)D, CSN), which are built on them; and VMZ's Caffe2 files."""

from __future__ import annotations

import re
from collections.abc import Iterable

from videonet.models.names.table import KINETICS, Table

ENDS = (
    (r"^layer(\d)\.", "backbone.res<1+1>."),
    (r"\.downsample\.0\.", ".shortcut.conv."),
    (r"\.downsample\.1\.", ".shortcut.bn."),
    (r"^fc\.", "head.fc."),
)
STEM = ((r"^stem\.0\.", "backbone.stem.conv."), (r"^stem\.1\.", "backbone.stem.bn."))
FACTORED_STEM = (
    (r"^stem\.0\.", "backbone.stem.conv.space."),
    (r"^stem\.1\.", "backbone.stem.conv.bn."),
    (r"^stem\.3\.", "backbone.stem.conv.time."),
    (r"^stem\.4\.", "backbone.stem.bn."),
)
PLAIN = ((r"\.conv(\d)\.0\.weight$", r".conv\1.weight"), (r"\.conv(\d)\.1\.", r".bn\1."))
PRESERVED = (
    (r"\.conv2\.0\.0\.", ".mix.conv1."),
    (r"\.conv2\.0\.1\.", ".mix.bn1."),
    (r"\.conv2\.0\.2\.", ".mix.conv2."),
    (r"\.conv2\.1\.", ".mix.bn2."),
    *PLAIN,
)
FACTORED_BASIC = (
    (r"\.conv(\d)\.0\.0\.", r".conv\1.space."),
    (r"\.conv(\d)\.0\.1\.", r".conv\1.bn."),
    (r"\.conv(\d)\.0\.3\.", r".conv\1.time."),
    (r"(\.res\d\.\d+)\.conv(\d)\.1\.", r"\1.bn\2."),
)
FACTORED_BOTTLENECK = (
    (r"\.conv2\.0\.0\.", ".mix.conv.space."),
    (r"\.conv2\.0\.1\.", ".mix.conv.bn."),
    (r"\.conv2\.0\.3\.", ".mix.conv.time."),
    (r"\.conv2\.1\.", ".mix.bn."),
    *PLAIN,
)
NAME = "torchvision or VMZ"
VMZ = {**KINETICS, "bn_eps": 1e-3}


class CountedBlocks(Table):
    """A table for Caffe2 files that count their blocks through the whole network: a projection begins each stage."""

    def rename_all(self, keys: Iterable[str]) -> dict[str, str | None]:
        """Our name of every key."""
        keys = list(keys)
        found = (re.match(r"shortcut_projection_(\d+)_w$", key) for key in keys)
        starts = sorted(int(match[1]) for match in found if match)

        def place(match: re.Match[str]) -> str:
            block = int(match[2])
            stage = max([i for i, start in enumerate(starts) if start <= block], default=0)
            return f"res{stage + 2}.{block - starts[stage]}.{match[1]}."

        placed = {key: re.sub(r"^(comp|shortcut_projection)_(\d+)_", place, key) if starts else key for key in keys}
        return {key: self.rename(name) for key, name in placed.items()}


CAFFE2 = (
    (r"^conv1_w$", "stem.conv.weight"),
    (r"^conv1_spatbn_relu_(\w+)$", r"stem.bn.\1"),
    (r"\.shortcut_projection\.w$", ".shortcut.conv.weight"),
    (r"\.shortcut_projection\.spatbn_(\w+)$", r".shortcut.bn.\1"),
    (r"\.comp\.conv_(\d)(_middle)?_w$", r".comp.conv_\1\2.weight"),
    (r"\.comp\.spatbn_(\d)(_middle)?_(\w+)$", r".comp.bn_\1\2.\3"),
    (r"\.s$", ".weight"),
    (r"\.b$", ".bias"),
    (r"\.rm$", ".running_mean"),
    (r"\.riv$", ".running_var"),
    (r"^last_out_L\d+_w$", "head.fc.weight"),
    (r"^last_out_L\d+_b$", "head.fc.bias"),
    (r"^(stem|res\d)\.", r"backbone.\1."),
)
CAFFE2_REDUCED = (
    *CAFFE2,
    (r"\.comp\.(conv|bn)_1\.", r".\g<1>1."),
    (r"\.comp\.(conv|bn)_3\.", r".\g<1>2."),
    (r"\.comp\.(conv|bn)_4\.", r".\g<1>3."),
)
CAFFE2_PRESERVED = (
    *CAFFE2,
    (r"\.comp\.(conv|bn)_1\.", r".\g<1>1."),
    (r"\.comp\.(conv|bn)_2_middle\.", r".mix.\g<1>1."),
    (r"\.comp\.(conv|bn)_2\.", r".mix.\g<1>2."),
    (r"\.comp\.(conv|bn)_3\.", r".\g<1>3."),
)
BLOBS = r"(^lr$|^model_iter|_momentum$|_grad$)"

TABLES = (
    Table(
        NAME, mark=r"^stem\.3\.", not_mark=r"\.conv3\.", rules=(*ENDS, *FACTORED_STEM, *FACTORED_BASIC), facts=KINETICS
    ),
    Table(NAME, mark=r"^stem\.3\.", rules=(*ENDS, *FACTORED_STEM, *FACTORED_BOTTLENECK), facts=VMZ),
    Table(NAME, mark=r"\.conv2\.0\.2\.", rules=(*ENDS, *STEM, *PRESERVED), facts=VMZ),
    Table(
        NAME, mark=r"^stem\.1\.", not_mark=r"(^stem\.3\.|\.conv2\.0\.2\.)", rules=(*ENDS, *STEM, *PLAIN), facts=KINETICS
    ),
    CountedBlocks("VMZ (Caffe2)", mark=r"_middle_w$", rules=CAFFE2_PRESERVED, drop=BLOBS, facts=VMZ),
    CountedBlocks("VMZ (Caffe2)", mark=r"^comp_0_", rules=CAFFE2_REDUCED, drop=BLOBS, facts=VMZ),
)

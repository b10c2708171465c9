"""The Caffe2 `.pkl` files that PySlowFast's model zoo was ported from: ResNet, SlowFast, non-local blocks."""

from __future__ import annotations

from videonet.models.names.table import GREY, Table

ENDINGS = (
    (r"_bn_s$", ".bn.weight"),
    (r"_bn_b$", ".bn.bias"),
    (r"_bn_rm$", ".bn.running_mean"),
    (r"_bn_riv$", ".bn.running_var"),
    (r"_w$", ".weight"),
    (r"_b$", ".bias"),
)
LATERALS = (
    (r"^t_pool1_subsample\.(weight|bias)$", r"backbone.lateral.0.conv.\1"),
    (r"^t_pool1_subsample\.bn\.", "backbone.lateral.0.bn."),
    (r"^t_res(\d)_\d+_branch2\w_bn_subsample\.(weight|bias)$", r"backbone.lateral.<1-1>.conv.\2"),
    (r"^t_res(\d)_\d+_branch2\w_bn_subsample\.bn\.", "backbone.lateral.<1-1>.bn."),
)
PLACES = (
    (r"^(t_)?conv1\.", r"\1stem.conv."),
    (r"^(t_)?res_conv1\.bn\.", r"\1stem.bn."),
    (r"^(t_)?nonlocal_conv(\d)_(\d+)\.bn\.", r"\1res\2.\3.context.bn."),
    (r"^(t_)?nonlocal_conv(\d)_(\d+)_(theta|phi|g|out)\.", r"\1res\2.\3.context.\4."),
    (r"^(t_)?res(\d)_(\d+)_branch1\.bn\.", r"\1res\2.\3.shortcut.bn."),
    (r"^(t_)?res(\d)_(\d+)_branch1\.", r"\1res\2.\3.shortcut.conv."),
    (r"_branch2a\.bn\.", ".bn1."),
    (r"_branch2b\.bn\.", ".bn2."),
    (r"_branch2c\.bn\.", ".bn3."),
    (r"_branch2a\.", ".conv1."),
    (r"_branch2b\.", ".conv2."),
    (r"_branch2c\.", ".conv3."),
    (r"^(t_)?res(\d)_(\d+)\.", r"\1res\2.\3."),
    (r"^pred\.", "head.fc."),
)
RULES = (*ENDINGS, *LATERALS, *PLACES)
BLOBS = r"(^lr$|^model_iter|_momentum$|_grad$)"

TABLES = (
    Table(
        "Caffe2",
        mark=r"^t_res2_0_branch2a_w$",
        rules=(*RULES, (r"^t_(stem|res)", r"backbone.fast.\1"), (r"^(stem|res\d)\.", r"backbone.slow.\1.")),
        drop=BLOBS,
        facts=GREY,
    ),
    Table(
        "Caffe2",
        mark=r"^res2_0_branch2a_w$",
        not_mark=r"^t_res2_0_branch2a_w$",
        rules=(*RULES, (r"^(stem|res\d)\.", r"backbone.\1.")),
        drop=BLOBS,
        facts=GREY,
    ),
)

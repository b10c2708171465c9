"""Against the published networks: parameters, keys and multiply-adds exactly, outputs within 1e-4 of their scale."""

from pathlib import Path

import golden
import pytest
import torch
from golden import CASES, Case

from videonet.models.weights import load_weights, match_state

SUITE = ("Kinetics__C2D_8x8_R50", "Kinetics__SLOWFAST_8x8_R50")
OUTPUTS = [
    pytest.param(case, kind, id=f"{case.file}-{kind}", marks=() if quick else pytest.mark.nightly)
    for case in CASES
    for kind in ("small_spec", "small_fanin", "full_fanin")
    for quick in [case.file in SUITE and kind == "small_fanin"]
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_parameters_keys_and_multiply_adds_are_the_published_ones(shared: Path, case: Case) -> None:
    figures = golden.need(shared, case)
    with torch.device("meta"):
        model = case.build(figures["output_shape"][1])
        state = {k: torch.empty(shape) for k, shape in figures["state_dict"].items()}
    assert sum(p.numel() for p in model.parameters()) == figures["param_count"]
    placed, report = match_state(model, state)
    assert not report.problems()
    assert len(set(report.renamed.values())) == len(report.loaded) == len(placed)
    counted = golden.multiply_adds(model, figures["input_shapes"][-1])
    assert counted == golden.published_multiply_adds(figures)


@pytest.mark.parametrize("case, kind", OUTPUTS)
def test_outputs_are_the_published_ones(shared: Path, case: Case, kind: str) -> None:
    figures = golden.need(shared, case)
    cases = {c["name"]: c for c in figures.get("cases", [])}
    if kind not in cases or not cases[kind]["logits"]["finite"]:
        pytest.skip("no outputs on file")
    published, fill = cases[kind], golden.load_fill(shared)
    crop = published["cfg_overrides"].get("DATA.TRAIN_CROP_SIZE")
    model = case.build(figures["output_shape"][1], **({"crop": crop} if crop else {}))
    load_weights(model, fill.make_state_dict(figures["state_dict"], published["fill_mode"]))
    clip = fill.golden_input(published["full_input_shape"])
    clip = clip.flip(1) if figures["reverse_input_channel"] else clip
    with torch.no_grad():
        logits = model.head.dense(model.pathways(clip), model.window)
        scores = model.scores(clip)
    logits_found, scores_found = fill.check(logits, published["logits"]), fill.check(scores, published["output"])
    assert logits_found["ok"], logits_found
    assert scores_found["ok"], scores_found

"""Laws of X3D's expansion: what it tries, keeps and cuts, and that a run goes on where it stopped."""

import json
import math
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from videonet.data.demo import write_demo

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "projects" / "x3d"
sys.path.insert(0, str(FOLDER))

import expand  # noqa: E402
from expansion import AXES, TIMES, TOLERANCE, Factors, Trial, candidates, choose, contract, gain, ladder, search  # noqa: E402

MAY_CHANGE = {
    "duration": {"frames"},
    "frame rate": {"frames", "rate"},
    "space": {"size"},
    "width": {"width"},
    "bottleneck": {"bottleneck"},
    "depth": {"depth"},
}
PLACES = [
    Factors(1, 8, 32, 1.0, 1.0, 1.0),
    Factors(4, 2, 40, 1.0, 2.25, 1.0),
    Factors(5, 3, 48, 1.19, 1.0, 2.09),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A few clips: enough for lists, classes and a training of one step."""
    root = tmp_path_factory.mktemp("demo")
    write_demo(root, train=8, val=8, size=32, workers=1)
    return root


@pytest.fixture(scope="module")
def networks(demo) -> expand.Candidates:
    """The candidates of the demo's expansion."""
    return expand.Candidates(FOLDER / "demo.yaml", ["DATA.PATH_TO_DATA_DIR", str(demo)])


def changed(before: Factors, after: Factors) -> set[str]:
    return {f.name for f in fields(Factors) if getattr(before, f.name) != getattr(after, f.name)}


def product(f: Factors) -> float:
    """Multiply-adds as they would be without rounding."""
    return f.frames * (f.size / 32) ** 2 * f.width**2 * f.bottleneck * f.depth / 1000


@pytest.fixture
def cheap(monkeypatch):
    """Multiply-adds by the formula, so that a whole path is measured at once."""
    monkeypatch.setattr(expand.build, "describe_config", lambda cfg: {"params": 1, "gmacs": product(place_of(cfg)) / 4})


def place_of(cfg) -> Factors:
    clip = cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE, cfg.DATA.TRAIN_CROP_SIZE
    return Factors(*clip, cfg.MODEL.WIDTH, cfg.MODEL.BOTTLENECK, cfg.MODEL.DEPTH)


@pytest.mark.parametrize("place", PLACES[:1], ids=lambda f: f.name)
def test_every_candidate_doubles_the_multiply_adds_of_the_network_along_one_axis(networks, place):
    found = candidates(place, lambda f: networks.measure(f)[1])
    assert set(found) == set(AXES)
    for axis, expanded in found.items():
        ratio = networks.measure(expanded)[1] / networks.measure(place)[1]
        assert TIMES / (1 + TOLERANCE) <= ratio <= TIMES * (1 + TOLERANCE), axis
        assert changed(place, expanded) <= MAY_CHANGE[axis] and expanded != place


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("place", PLACES, ids=lambda f: f.name)
def test_a_ladder_starts_at_the_network_and_costs_ever_more(place, axis):
    rungs = ladder(place, axis)
    costs = [product(rung) for rung in rungs]
    assert rungs[0] == place and len(rungs) == len(set(rungs)) > 1 and costs == sorted(costs)
    assert costs[-1] >= TIMES * costs[0] or axis == "frame rate"


@pytest.mark.parametrize("place", PLACES, ids=lambda f: f.name)
def test_a_higher_frame_rate_keeps_the_duration_and_a_longer_clip_the_rate(place):
    for rung in ladder(place, "frame rate")[1:]:
        assert rung.rate < place.rate and rung.frames > place.frames
        assert rung.duration / place.duration == pytest.approx(1, abs=TOLERANCE)
    assert {rung.rate for rung in ladder(place, "duration")} == {place.rate}


def test_an_axis_at_its_end_is_no_candidate():
    assert ladder(Factors(16, 1, 32, 1.0, 1.0, 1.0), "frame rate") == [Factors(16, 1, 32, 1.0, 1.0, 1.0)]
    assert "frame rate" not in candidates(Factors(16, 1, 32, 1.0, 1.0, 1.0), product)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_contraction_is_the_most_along_the_last_axis_that_meets_the_target(axis, share):
    before = Factors(8, 8, 64, 1.0, 1.0, 1.0)
    after = candidates(before, product)[axis]
    target = product(before) * (product(after) / product(before)) ** share
    cut = contract(before, axis, product, target)
    assert product(cut) <= target and changed(before, cut) <= MAY_CHANGE[axis]
    assert all(product(rung) <= product(cut) or product(rung) > target for rung in ladder(before, axis))


def trial(axis: str, gmacs: float, score: float) -> Trial:
    return Trial(axis, PLACES[0], 1, gmacs, score)


def test_the_trial_with_most_score_for_its_multiply_adds_is_kept():
    before = trial("", 1.0, 20.0)
    assert gain(before, trial("width", 4.0, 30.0)) == pytest.approx(5.0)
    cheap, dear = trial("space", 1.8, 29.0), trial("depth", 2.4, 30.0)
    assert choose(before, [dear, cheap]) is cheap
    assert choose(before, [trial("space", 2.1, 20.0), trial("depth", 1.9, 20.0)]).axis == "depth"
    assert choose(before, [trial("space", 2.0, 10.0), trial("depth", 2.0, 12.0)]).axis == "depth"


def walk(score, target: float, steps: int = 20):
    return list(search(PLACES[0], lambda f: (1, product(f)), score, target=target, steps=steps))


def test_the_path_grows_one_axis_a_step_doubles_each_time_and_ends_at_the_target():
    steps = walk(lambda f: f.frames + f.width, target=0.0117)
    kinds = [step.kind for step in steps]
    assert kinds == ["base", *["forward"] * (len(steps) - 2), "backward"]
    for before, step in zip(steps[:-2], steps[1:-1]):
        assert (
            step.kept in step.trials and changed(before.kept.factors, step.kept.factors) <= MAY_CHANGE[step.kept.axis]
        )
        assert math.log2(step.kept.gmacs / before.kept.gmacs) == pytest.approx(1, abs=math.log2(1 + TOLERANCE))
    last, cut = steps[-2].kept, steps[-1].kept
    assert steps[-3].kept.gmacs < 0.0117 < last.gmacs and cut.gmacs <= 0.0117 and cut.axis == last.axis


def test_steps_bound_the_path_and_a_target_below_the_base_is_refused():
    assert [step.kind for step in walk(lambda f: f.size, target=1e9, steps=2)] == ["base", "forward", "forward"]
    with pytest.raises(ValueError, match="above the base"):
        walk(lambda f: f.size, target=1e-9)


@pytest.fixture
def stubbed(monkeypatch):
    """Train and test without any training; the list of folders that were trained."""
    trained = []

    def train(cfg) -> bool:
        trained.append(Path(cfg.OUTPUT_DIR).name)
        folder = Path(cfg.OUTPUT_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(expand.config.dump(cfg))
        return len(trained) != stop["at"]

    def test(cfg) -> dict:
        result = {"metric": {"top1": 10.0 * cfg.DATA.NUM_FRAMES + cfg.MODEL.BOTTLENECK}}
        (Path(cfg.OUTPUT_DIR) / "result.json").write_text(json.dumps(result))
        return result

    stop = {"at": 0}
    monkeypatch.setattr(expand.run, "train", train)
    monkeypatch.setattr(expand.run, "test", test)
    return trained, stop


def start(demo: Path, folder: Path, *overrides) -> list:
    given = ["DATA.PATH_TO_DATA_DIR", str(demo), "OUTPUT_DIR", str(folder), *overrides]
    networks = expand.Candidates(FOLDER / "demo.yaml", given)
    return expand.expand(networks, target=3.3 * networks.measure(networks.start())[1], steps=3)


def test_nothing_is_trained_twice_and_the_path_comes_out_the_same(demo, tmp_path, stubbed, cheap):
    trained, stop = stubbed
    stop["at"] = 4
    with pytest.raises(KeyboardInterrupt):
        start(demo, tmp_path)
    path = start(demo, tmp_path)
    text = (tmp_path / "path.jsonl").read_text()
    assert len(trained) == len(set(trained)) + 1, "only the one that was stopped is started again"
    before = len(trained)
    assert start(demo, tmp_path, "LOG_PERIOD", 7) == path and len(trained) == before
    assert (tmp_path / "path.jsonl").read_text() == text and (tmp_path / "path.png").stat().st_size > 1000
    rows = [json.loads(line) for line in text.splitlines()]
    assert {"step", "kind", "axis", "factors", "params", "gmacs", "top1", "kept"} == set(rows[0])
    assert [row["kind"] for row in rows if row["kept"]] == ["base", "forward", "forward", "backward"]
    assert 2 * rows[0]["gmacs"] < rows[-1]["gmacs"] <= 3.3 * rows[0]["gmacs"]


def test_candidates_of_another_recipe_are_refused_by_the_key(demo, tmp_path, stubbed, cheap):
    start(demo, tmp_path)
    with pytest.raises(ValueError, match="SOLVER.MAX_EPOCH was .* give another OUTPUT_DIR"):
        start(demo, tmp_path, "SOLVER.MAX_EPOCH", 99)


def test_a_network_without_the_factors_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no WIDTH to expand"):
        expand.Candidates(ROOT / "configs" / "Demo" / "C2D_DEMO.yaml")


def test_crops_and_scale_jitter_grow_together(networks):
    before, after = networks.base.DATA, networks.config(Factors(2, 4, 72, 1.0, 1.0, 1.0)).DATA
    by = 72 / before.TRAIN_CROP_SIZE
    assert after.TRAIN_CROP_SIZE == 72 and before.TEST_CROP_SIZE * by == after.TEST_CROP_SIZE
    for small, large in zip(before.TRAIN_JITTER_SCALES, after.TRAIN_JITTER_SCALES):
        assert large == pytest.approx(small * by, abs=0.5)


def test_a_real_candidate_trains_is_tested_and_scores_the_same_again(demo, tmp_path):
    given = ["DATA.PATH_TO_DATA_DIR", str(demo), "SOLVER.MAX_EPOCH", 1, "TRAIN.BATCH_SIZE", 4, "DEVICE", "cpu"]
    given += ["SOLVER.WARMUP_EPOCHS", 0.0, "DATA_LOADER.NUM_WORKERS", 0, "BN.USE_PRECISE_STATS", False]
    scores = []
    for name in ("once", "again"):
        networks = expand.Candidates(FOLDER / "demo.yaml", [*given, "OUTPUT_DIR", str(tmp_path / name)])
        scores.append(networks.train(Factors(2, 4, 32, 1.0, 1.0, 1.0)))
    assert scores[0] == scores[1] and 0 <= scores[0] <= 100
    saved = [p.read_text() for p in sorted(tmp_path.glob("*/candidates/*/predictions.csv"))]
    assert len(saved) == 2 and saved[0] == saved[1]

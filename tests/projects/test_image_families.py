"""The image families' tables: every row is a config that builds, and the README shows what the code counts."""

import gzip
import json
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from videonet import build, run
from videonet.data.imagenet import read_images

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "projects" / "image"
sys.path.insert(0, str(FOLDER))

import measure  # noqa: E402

TABLES = yaml.safe_load((FOLDER / "rows.yaml").read_text())
README = (FOLDER / "README.md").read_text()
ROWS = [(table, row) for table, rows in TABLES.items() for row in rows]
LINE = re.compile(r"^\| `(.+)` \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| (\d+) \|$", re.M)


@pytest.fixture
def fashion(tmp_path) -> Path:
    """A folder like Fashion-MNIST's: six training images of each of ten classes, three to test."""
    folder, rng = tmp_path / "source", np.random.default_rng(0)
    folder.mkdir()
    for part, each in (("train", 6), ("t10k", 3)):
        labels = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), each))
        pixels = rng.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte.gz", pixels), (f"{part}-labels-idx1-ubyte.gz", labels)):
            head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / name).write_bytes(gzip.compress(head + array.tobytes()))
    return folder


@pytest.mark.parametrize("row", sorted({row for _, row in ROWS}))
def test_every_row_is_a_config_that_builds(row) -> None:
    config, *overrides = row.split()
    cfg = build.load_config(FOLDER / config, overrides)
    assert build.describe_config(cfg)["params"] > 0 and cfg.MODEL.NUM_CLASSES == 10


def test_the_readme_has_every_row_with_the_counts_of_the_code() -> None:
    for table, rows in TABLES.items():
        part = README.partition(f"<!-- {table} -->\n")[2].partition("<!-- end -->")[0]
        lines = [match.groups() for match in LINE.finditer(part)]
        assert [line[0] for line in lines] == rows
        for row, params, mmacs, top1, error, seed in lines:
            config, *overrides = row.split()
            cfg = build.load_config(FOLDER / config, overrides)
            found = build.describe_config(cfg)
            assert (params, mmacs) == (f"{found['params']:,}", f"{1000 * found['gmacs']:.1f}"), row
            assert 10 <= float(top1) <= 100 and 0 <= float(error) <= 100 and int(seed) == cfg.SEED


def test_lists_have_as_many_images_of_each_class(fashion, tmp_path) -> None:
    measure.write_lists(tmp_path / "lists", fashion, 4)
    for split, each in (("train", 4), ("val", 3)):
        records = read_images(tmp_path / "lists", split, prefix=str(fashion))
        assert np.bincount(records.labels.numpy()).tolist() == [each] * 10
        assert records.classes[0] == "T-shirt"
    whole = read_images(fashion, "train")
    first = {whole[n].path: whole[n].label for n in range(len(whole))}
    listed = read_images(tmp_path / "lists", "train", prefix=str(fashion))
    assert all(first[listed[n].path] == listed[n].label for n in range(len(listed)))
    with pytest.raises(SystemExit, match="apt-get install dataset-fashion-mnist"):
        measure.write_lists(tmp_path / "lists", tmp_path / "nowhere", 4)


def test_a_row_is_trained_tested_and_written_into_its_table(fashion, tmp_path) -> None:
    row = "plain.yaml MODEL.DEPTH 20 MODEL.WIDTH 4 SOLVER.MAX_EPOCH 1 TRAIN.BATCH_SIZE 20 LOG_PERIOD 1"
    measure.write_lists(tmp_path / "lists", fashion, 4)
    config, *overrides = row.split()
    place = ["OUTPUT_DIR", str(tmp_path / measure.folder_of(row)), "DATA.PATH_TO_DATA_DIR", str(tmp_path / "lists")]
    assert measure.measured(row, tmp_path) is None
    run.run(build.load_config(FOLDER / config, [*overrides, *place, "DATA.PATH_PREFIX", str(fashion)]))
    found = measure.measured(row, tmp_path)
    assert found["params"] > 0 and 0 <= found["top1"] <= 100 and 0 <= found["err"] <= 100
    readme = tmp_path / "README.md"
    readme.write_text("Before.\n<!-- small -->\n<!-- end -->\nAfter.\n")
    measure.write_tables({"small": [row, "resnet20.yaml"]}, tmp_path, readme)
    text = readme.read_text()
    assert text.startswith("Before.\n<!-- small -->\n| config") and text.endswith("<!-- end -->\nAfter.\n")
    assert [line.groups()[0] for line in LINE.finditer(text)] == [row], "what was not run has no line"
    measure.write_tables({"small": [row]}, tmp_path, readme)
    assert readme.read_text() == text
    with pytest.raises(SystemExit, match="no marks"):
        measure.write_tables({"other": [row]}, tmp_path, readme)


@pytest.mark.parametrize("config", TABLES["families"])
def test_a_network_of_every_family_trains_and_is_tested(config, fashion, tmp_path) -> None:
    measure.write_lists(tmp_path / "lists", fashion, 2)
    place = ["OUTPUT_DIR", str(tmp_path / "run"), "DATA.PATH_TO_DATA_DIR", str(tmp_path / "lists")]
    short = ["SOLVER.MAX_EPOCH", 1, "TRAIN.BATCH_SIZE", 10, "DATA.PATH_PREFIX", str(fashion)]
    run.run(build.load_config(FOLDER / config, [*place, *short]))
    assert json.loads((tmp_path / "run" / "result.json").read_text())["evaluated"] == 30


def test_rows_have_folders_of_their_own() -> None:
    rows = {row for _, row in ROWS}
    assert len({measure.folder_of(row) for row in rows}) == len(rows)
    assert all(not re.search(r"[\s\[\]]", measure.folder_of(row)) for row in rows)

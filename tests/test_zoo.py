"""MODEL_ZOO.md says what the code gives: every network, its sizes, its config, and the tests of its weights' names."""

import re
from pathlib import Path

import pytest
import torch

from videonet.build import build_model, load_config
from videonet.models.names import TABLES
from videonet.networks import NETWORKS, describe, list_models, measure

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "MODEL_ZOO.md").read_text()
NUMBER = r"\d+(\.\d+)?"


def section(title: str) -> list[dict[str, str]]:
    """The rows of the table under a heading, by the names of its columns."""
    body = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)[1]
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in body.splitlines() if line[:1] == "|"
    ]
    head, _, *rows = lines
    assert rows and all(len(row) == len(head) for row in rows), title
    return [dict(zip(head, row)) for row in rows]


VIDEO, IMAGE = section("Video networks"), section("Image networks")
WEIGHTS = section("Weights of video networks") + section("Weights of image networks")
TESTS = {row["letter"]: row["test"].strip("`") for row in section("Tests of the conversions")}


def network(row: dict[str, str]) -> str:
    return re.match(r"`([^`]+)`", row["network"])[1]


def test_every_network_has_one_row_in_the_table_of_its_kind() -> None:
    assert sorted(map(network, VIDEO)) == [n for n in list_models() if NETWORKS[n].dims == 3]
    assert sorted(map(network, IMAGE)) == [n for n in list_models() if NETWORKS[n].dims == 2]


@pytest.mark.parametrize("row", VIDEO + IMAGE, ids=network)
def test_counts_are_those_of_the_code(row: dict[str, str]) -> None:
    found = describe(network(row))
    assert int(row["parameters"].replace(",", "")) == found["params"]
    assert row["GMACs"] == f"{found['gmacs']:.3f}"
    assert row["input"] == " x ".join(map(str, found["input"][1:]))


def test_accuracies_name_their_source() -> None:
    for row in VIDEO + IMAGE:
        top1, top5 = (row.get(k) or row[f"{k} error"] for k in ("top-1", "top-5"))
        assert re.fullmatch(f"{NUMBER}|-", top1) and re.fullmatch(f"{NUMBER}|-", top5)
        assert (top1 == "-") == (row["reported by"] == "-"), row
        assert top5 == "-" or top1 != "-"
        better, worse = (top5, top1) if "top-1" in row else (top1, top5)
        assert "-" in (better, worse) or float(better) > float(worse), row


def test_times_are_measured_beside_a_network_of_the_table() -> None:
    assert all(re.fullmatch(NUMBER, row["time"]) for row in VIDEO)
    assert next(float(row["time"]) for row in VIDEO if network(row) == "slow_8x8_r50") == pytest.approx(1, abs=0.1)


def test_configs_are_those_of_the_networks() -> None:
    linked = [(row, re.fullmatch(r"\[(.+)\]\((.+)\)", row["config"])) for row in VIDEO if row["config"] != "-"]
    assert len(linked) > 25
    for row, link in linked:
        cfg, variant = load_config(ROOT / link[2]), NETWORKS[network(row)]
        assert Path(link[2]).stem == link[1]
        assert (3, cfg.DATA.NUM_FRAMES, *[cfg.DATA.TRAIN_CROP_SIZE] * 2) == variant.input, row
        with torch.device("meta"):
            found = measure(build_model(cfg), variant.input)
        assert f"{found['params']:,}" == row["parameters"] and f"{found['gmacs']:.3f}" == row["GMACs"], row


def test_published_numbers_of_configs_are_those_of_the_zoo() -> None:
    for row in VIDEO:
        link = re.fullmatch(r"\[.+\]\((.+)\)", row["config"])
        said = link and re.search(r"published top-1 ([\d.]+)", (ROOT / link[1]).read_text())
        assert not link or (said[1] if said else "-") == row["top-1"], row


def test_weights_are_of_networks_and_read_by_tables_that_tests_try() -> None:
    sources = {table.source for table in TABLES}
    assert len(WEIGHTS) > 80
    for row in WEIGHTS:
        assert network(row) in NETWORKS, row
        assert re.fullmatch(r"https://[\w./?=&!~%-]+", row["file"]), row
        assert set(row["names"].split(" / ")) <= sources, row
        assert row["test"] in TESTS, row


def test_the_tests_of_the_conversions_exist_and_are_all_used() -> None:
    for place in TESTS.values():
        file, _, name = place.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.M), place
    assert set(TESTS) == {row["test"] for row in WEIGHTS}

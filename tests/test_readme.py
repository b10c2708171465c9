"""Every command and snippet of the README runs: as it stands, but on a small demo and for a step or two."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from videonet.cli import main as cli
from videonet.data.demo import write_demo

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(bash|python|yaml)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for kind, block in BLOCKS
    if kind == "bash"
    for line in block.splitlines()
    if line.strip() and not line.startswith("#")
]
SHORT = ["SOLVER.MAX_EPOCH", "2", "DATA_LOADER.NUM_WORKERS", "0", "BN.USE_PRECISE_STATS", "false"]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder that looks like the repository, with a small demo in it and one trained checkpoint."""
    root = tmp_path_factory.mktemp("readme")
    for name in ("configs", "tools", "setup.py", "Makefile", "pyproject.toml"):
        (root / name).symlink_to(ROOT / name)
    write_demo(root / "data" / "demo", train=16, val=8, size=80, workers=1)
    for name in ("left", "right"):
        for letter, video in zip("abc", sorted((root / "data" / "demo" / "videos").glob(f"train_*_{name}.mp4"))):
            (root / "my_videos" / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(video, root / "my_videos" / name / f"{letter}.mp4")
    done = invoke("python tools/run_net.py --cfg configs/Demo/SLOWFAST_DEMO.yaml", root)
    assert done.returncode == 0, done.stderr
    return root


def invoke(command: str, place: Path) -> subprocess.CompletedProcess:
    """Run one command line of the README in `place`, training runs cut short."""
    words = shlex.split(command)
    if "run_net.py" in command or words[:2] in (["videonet", "train"], ["videonet", "test"]):
        words += [*SHORT, *(["TRAIN.BATCH_SIZE", "2"] if "lists" in words else [])]
    if words[:3] == ["videonet", "bench", "data"]:
        words += ["--workers", "0", "--seconds", "0.1", "--files", "1", "--rounds", "1"]
    if words[:3] == ["videonet", "bench", "eval"]:
        words += ["--share", "0.001"]
    if words[0] == "videonet":
        words = [sys.executable, "-m", "videonet.cli.main", *words[1:]]
    elif words[0] == "python":
        words[0] = sys.executable
    elif words[0] == "torchrun":
        words = [sys.executable, "-m", "torch.distributed.run", *words[1:]]
    elif words[0] == "make":
        words.insert(1, "-n")  # `make demo` takes minutes: that its recipe can be made is what is checked here
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, timeout=300)


def test_the_readme_has_commands():
    assert len(COMMANDS) > 10 and any(kind == "python" for kind, _ in BLOCKS)


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("git ") and " demo --out" not in c])
def test_commands_run(place, command):
    done = invoke(command, place)
    assert done.returncode == 0, done.stderr[:4000]


def test_snippets_run(place):
    code = "\n".join(block for kind, block in BLOCKS if kind == "python")
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[:4000]


def test_every_verb_has_help_with_an_example(capsys):
    for verb in cli.VERBS:
        text = cli.parser_of(verb).format_help()
        assert f"videonet {verb}" in text and "example" in text, verb


def test_linked_files_exist():
    for target in re.findall(r"\]\(([\w./-]+)\)", TEXT):
        assert (ROOT / target).exists(), target


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_demo_line_reads_a_result(place):
    words = [sys.executable, "tools/demo_line.py", "configs/Demo/SLOWFAST_DEMO.yaml"]
    line = subprocess.run(words, cwd=place, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"demo: top1 [\d.]+ % on 8 clips \(chance 12\.5 %\), report in output/demo/\n", line)

"""videonet doctor: what works on this machine, what does not, and why."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from textwrap import shorten

EXAMPLES = {"doctor": "examples:\n  videonet doctor\n  videonet doctor clip.mp4 --json"}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """[VIDEO ...]"""
    parser.add_argument("video", nargs="*", help="say what each decoder makes of these files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report; 0 if at least one decoder works and reads each of the files."""
    from videonet.data.decoders.backends import available_backends, diagnose

    report = {"machine": machine(), "decoders": available_backends(), "videos": {v: diagnose(v) for v in args.video}}
    works = all(any(row["ok"] for row in rows) for rows in report["videos"].values())
    if args.json:
        print(json.dumps(report, indent=1, default=str))
        return 0 if works else 2
    for key, value in report["machine"].items():
        print(f"{key:<14} {value}")
    for backend, value in report["decoders"].items():
        print(f"{backend:<14} {shorten(' '.join(value.split()), 160, placeholder=' ... (--json has all of it)')}")
    for name, rows in report["videos"].items():
        print(name)
        for row in rows:
            print(f"  {row['backend']:<12} {read(row)}")
    return 0 if works else 2


def read(row: dict) -> str:
    """What one decoder made of a file, for people."""
    if not row["ok"]:
        return f"NO  {row['error']}"
    shape = f"{row['frames']} frames {row['width']}x{row['height']} at {row['fps']:.2f} fps"
    return f"ok  {shape}, 16 of them in {row['ms']:.0f} ms, {row['errors']} errors, {row['missing']} missing"


def machine() -> dict[str, object]:
    """Versions of everything that a run depends on, and the devices."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    packages = ("videonet", "torch", "torchvision", "numpy", "av", "fvcore", "matplotlib", "tensorboard")
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "cores": os.cpu_count(),
        **{name: of(name) for name in packages},
        "gpus": ", ".join(gpus) or "none",
        "mps": torch.backends.mps.is_available(),
        "bf16 on cpu": torch.ops.mkldnn._is_mkldnn_bf16_supported() if torch.backends.mkldnn.is_available() else False,
    }

"""Reading weight files: tensors and plain data, never code, and one clear line for what is not a checkpoint."""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

WRAPPERS = ("model_state", "state_dict", "model_state_dict", "model", "net", "blobs")
SAFE: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): lambda text, encoding: bytes(text, {"latin1": "latin1"}[encoding]),
}
ARRAY_PARTS = {  # numpy's own functions, wherever its releases keep them
    "_reconstruct": np.zeros(0).__reduce__()[0],
    "scalar": np.float32(0).__reduce__()[0],
    "_frombuffer": np.zeros(1).__reduce_ex__(5)[0],
}


class WeightsError(ValueError):
    """A weight file that cannot be read, or that does not fit the network; one line."""


def read_weights(path: str | Path) -> dict[str, Any]:
    """What a weight file holds, as written: `.pth`, `.pyth`, `.pt`, `.pth.tar`, `.safetensors`, Caffe2's `.pkl`."""
    path = Path(path)
    check_file(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if path.suffix == ".pkl":
        return read_pickle(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises nearly anything
        raise WeightsError(unreadable(path, error)) from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds a {type(content).__name__}; a checkpoint is a dict of tensors")
    return dict(content)


def unreadable(path: Path, error: Exception) -> str:
    """Why a file is not read, in one line: it names an object that is no tensor, or it is no whole checkpoint."""
    named = re.search(r"(?:GLOBAL|names) (\S+)", str(error))
    if isinstance(error, pickle.UnpicklingError) and named:
        return (
            f"{path} holds more than tensors and plain data ({named[1]}), and loading that could run code: refused; "
            f"save its state dict alone where you trust it, and load that"
        )
    size, detail = path.stat().st_size, first_line(error)
    detail = "not written by torch.save" if detail.startswith("Weights only load failed") else detail
    return f"{path} is not a whole checkpoint ({size} bytes; {detail}): cut short or damaged; get it again"


def check_file(path: Path) -> None:
    """A clear error for what is no file, is empty, or is the page that a failed download leaves."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    with open(path, "rb") as file:
        start = file.read(512)
    if not start:
        raise WeightsError(f"{path} is empty (0 bytes); get it again")
    text = start.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise WeightsError(f"{path} is a web page, not a checkpoint; the download gave an error page; get it again")
    if text.startswith(b"version https://git-lfs"):
        raise WeightsError(f"{path} is a Git LFS pointer, not a checkpoint; run `git lfs pull`")


def first_line(error: Exception) -> str:
    """The first line of an error's text, without its end."""
    return str(error).strip().split("\n")[0][:120] or type(error).__name__


class ArrayUnpickler(pickle.Unpickler):
    """A pickle reader that knows numpy arrays and plain containers, and refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        """The object of that name, if it is one of the few that an array needs."""
        if module.startswith("numpy.") and name in ARRAY_PARTS:
            return ARRAY_PARTS[name]
        if (module, name) not in SAFE:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return SAFE[module, name]


def read_pickle(path: Path) -> dict[str, Any]:
    """A Caffe2 pickle of arrays, `{"blobs": {name: array}}`, read without running anything in it."""
    try:
        with open(path, "rb") as file:
            content = ArrayUnpickler(file, encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise WeightsError(unreadable(path, error)) from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds a {type(content).__name__}; a Caffe2 file is a dict of arrays")
    return dict(content)


def read_safetensors(path: Path) -> dict[str, Any]:
    """A safetensors file; needs the package of that name."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise WeightsError(f"{path}: reading it needs the package safetensors; pip install safetensors") from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path} is cut short or damaged ({first_line(error)}); get it again") from error


def state_of(content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a file's content: unwrapped, without a wrapper's `module.` or `_orig_mod.` before the keys.

    A checkpoint of ours gives the moving average of the weights where it has one: what was evaluated.
    """
    if str(content.get("format", "")).startswith("videonet") and content.get("ema"):
        return state_of({k: v for k, v in content["ema"].items() if k != "n_averaged"})
    for name in WRAPPERS:
        if isinstance(content.get(name), Mapping):
            return state_of(content[name])
    tensors = {
        str(k): torch.from_numpy(np.ascontiguousarray(v)) if isinstance(v, np.ndarray) else v
        for k, v in content.items()
        if isinstance(v, torch.Tensor) or (isinstance(v, np.ndarray) and v.dtype.kind in "fiu")
    }
    if not tensors:
        raise WeightsError(f"no tensors in it; its keys are {', '.join(map(str, list(content)[:5])) or 'none'}")
    for prefix in ("module.", "_orig_mod."):
        if all(k.startswith(prefix) for k in tensors):
            return state_of({k[len(prefix) :]: v for k, v in tensors.items()})
    return tensors

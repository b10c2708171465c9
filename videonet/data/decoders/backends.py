"""The table of decoders, which of them work here, and what each makes of a file."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module, metadata
from io import BytesIO

import numpy as np

from videonet.data.decoders.error import VideoError
from videonet.data.decoders.frames import FramesReader
from videonet.data.decoders.reader import Reader
from videonet.data.decoders.source import Source, locate

_READERS = {"pyav": "PyavReader", "torchcodec": "TorchcodecReader", "decord": "DecordReader"}
DEFAULT = "pyav"
_FFMPEG = re.compile(r"lib(av|sw|postproc)")


def open_reader(video: str | os.PathLike | bytes, backend: str = DEFAULT) -> Reader:
    """A reader of a video by a backend of the table; PyAV, with a warning, where that one does not work here."""
    if backend not in _READERS:
        raise ValueError(f"there is no decoder {backend!r}; the decoders are {', '.join(_READERS)}")
    source = locate(video)
    if source.folder:
        return FramesReader(source)
    return _reader_of(backend)(source)


@cache
def _reader_of(backend: str) -> Callable[[Source], Reader]:
    """The reader class of a backend. Looked up once a process, so the warning comes once."""
    if backend != DEFAULT:
        try:
            works(backend)
        except Exception as error:  # whatever a foreign library raises while it loads
            warnings.warn(
                f"decoder {backend} does not work here ({root_cause(error)}); reading with {DEFAULT} instead, "
                f"`videonet doctor` shows the whole error",
                RuntimeWarning,
                stacklevel=2,
            )
            return _reader_of(DEFAULT)
    return getattr(import_module(f"videonet.data.decoders.{backend}"), _READERS[backend])


@lru_cache
def _probe_clip() -> bytes:
    """A clip of two frames, made here, that any working decoder reads."""
    import av

    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for shade in (0, 255):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), shade, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def works(backend: str) -> str:
    """The version of a backend that decodes a made clip rightly; raises what is wrong with it."""
    reader_class = getattr(import_module(f"videonet.data.decoders.{backend}"), _READERS[backend])
    reader = reader_class(locate(_probe_clip()))
    try:
        means = reader.read_many([(np.array([1, 0]), None)])[0].float().mean((1, 2, 3))
    finally:
        reader.close()
    if not means[0] > 200 > 50 > means[1]:
        raise RuntimeError(f"{backend} decodes a made clip wrongly: mean shades {means.tolist()}, not 255 and 0")
    return version_of(backend)


def version_of(backend: str) -> str:
    """Version of the library behind a backend."""
    return metadata.version({"pyav": "av"}.get(backend, backend))


def root_cause(error: BaseException) -> str:
    """The line that says why a library does not load: loaders that try several FFmpeg releases bury it."""
    error = _deepest(error)
    text = str(error) or type(error).__name__
    lines = dict.fromkeys(re.findall(r"^\w*(?:Error|Exception): (.+)$", text, re.MULTILINE))
    causes = [line for line in lines if not line.startswith("Could not load")]
    other = [line for line in causes if not _FFMPEG.search(line)]
    if causes and not other:
        return "no FFmpeg shared libraries on this system: " + ", ".join(line.split(":")[0] for line in causes)
    return other[0] if other else f"{type(error).__name__}: {text.strip().splitlines()[0]}"


def _deepest(error: BaseException) -> BaseException:
    """The error that an error was raised from, and so on."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def available_backends() -> dict[str, str]:
    """Each backend with its version, or with the whole error that keeps it from working here."""
    found = {}
    for backend in _READERS:
        try:
            found[backend] = works(backend)
        except Exception as error:  # a report of whatever is wrong
            error = _deepest(error)
            found[backend] = f"{type(error).__name__}: {error}"
    return found


def diagnose(video: str | os.PathLike | bytes) -> list[dict[str, object]]:
    """What each backend makes of a video: one row each, for `videonet doctor`.

    A row has backend, ok, version, ffmpeg, frames, fps, height, width, missing, errors, ms (a clip of 16 frames spread
    over the video), error ("" where ok). A backend that does not work changes its own row only.
    """
    return [_row(backend, video) for backend in _READERS]


def _row(backend: str, video: str | os.PathLike | bytes) -> dict[str, object]:
    row: dict[str, object] = {"backend": backend, "ok": False, "version": "", "ffmpeg": "", "error": ""}
    try:
        row["version"], row["ffmpeg"] = works(backend), _ffmpeg_of(backend)
    except Exception as error:  # a report of whatever is wrong
        return {**row, "error": root_cause(error)}
    try:
        source = locate(video)
        module = import_module(f"videonet.data.decoders.{backend}")
        reader_class = FramesReader if source.folder else getattr(module, _READERS[backend])
        begin = time.perf_counter()
        reader = reader_class(source)
        try:
            indices = np.linspace(0, reader.num_frames - 1, 16).round().astype(np.int64)
            reader.read_many([(indices, None)])
            row["ms"] = 1e3 * (time.perf_counter() - begin)
            row.update(frames=reader.num_frames, fps=reader.fps, height=reader.shape[0], width=reader.shape[1])
            row.update(missing=reader.missing, errors=reader.errors, ok=True)
        finally:
            reader.close()
    except VideoError as error:
        row["error"] = str(error)
    return row


def _ffmpeg_of(backend: str) -> str:
    """The FFmpeg release that a backend decodes with, where it tells."""
    if backend == "pyav":
        import av

        return getattr(av, "ffmpeg_version_info", "")
    if backend == "torchcodec":
        from torchcodec import ffmpeg_major_version

        return str(ffmpeg_major_version)
    return ""

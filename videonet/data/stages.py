"""What the time of reading goes into: CPU time of the steps from a file to a batch on the device."""

from __future__ import annotations

import cProfile
import time
from collections.abc import Callable, Iterable, Mapping
from types import CodeType

from videonet.data.augmentation import Chain
from videonet.data.decoders.decoder import Decoder
from videonet.data.decoders.long import LongFilm, film_of
from videonet.data.decoders.projector import Projector
from videonet.data.decoders.stream import Stream
from videonet.data.loader import TrainLoader, collate

# stage -> the functions that do it; none of them calls one of another stage
STAGES: dict[str, tuple[Callable, ...]] = {
    "open": (Stream.__init__,),
    "demux": (film_of, LongFilm.sections),
    "decode": (Decoder.feed,),
    "convert": (Projector.finish,),
    "augment": (Chain.__call__,),
    "collate": (collate,),
}


def stages(loader: TrainLoader, prepare: Callable[[Mapping], object], batches: int = 4) -> dict[str, float]:
    """CPU milliseconds a row by stage, from training batches that this process reads itself (no workers).

    prepare: moves a batch to the device and normalises it, which is the stage "copy". "other" is what no stage has:
    drawing the clip, and reading what is no video. One batch is read before, to be warm.
    """
    if loader.workers.count:
        raise ValueError(f"stages are measured without workers, the loader has {loader.workers.count}")
    profile = cProfile.Profile(time.process_time)
    stream = loader.batches()
    prepare(next(stream))
    seen = loader.seen
    begin = time.process_time()
    for _ in range(batches):
        prepare(next(stream))
    plain = time.process_time() - begin
    rows = loader.seen - seen
    profile.enable()
    begin = time.process_time()
    for _ in range(batches):
        prepare(next(stream))
    watched = time.process_time() - begin
    profile.disable()
    shares = {name: spent(profile, functions) / watched for name, functions in {**STAGES, "copy": (prepare,)}.items()}
    shares["other"] = max(0.0, 1 - sum(shares.values()))
    return {name: 1e3 * share * plain / rows for name, share in shares.items()}


def spent(profile: cProfile.Profile, functions: Iterable[Callable]) -> float:
    """Seconds in some functions and what they called."""
    codes = {function.__code__ for function in functions}
    found = (entry for entry in profile.getstats() if isinstance(entry.code, CodeType) and entry.code in codes)
    return sum(entry.totaltime for entry in found)


def speed(loader: TrainLoader, seconds: float) -> float:
    """Rows a second of training batches over at least so long, after what the workers had ready."""
    ready = 1 + loader.workers.count * loader.workers.prefetch
    begin = seen = 0.0
    for number, _ in enumerate(loader.batches(), 1):
        if number == ready:
            begin, seen = time.monotonic(), loader.seen
        elif number > ready and time.monotonic() - begin >= seconds:
            break
    return (loader.seen - seen) / (time.monotonic() - begin)

"""Trained networks in use: a checkpoint opened with its class names, and videos scored as the test of its config."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from fvcore.common.config import CfgNode

from videonet import build, config, distributed, networks, published
from videonet.data import transforms
from videonet.data.clips import ClipShape, ViewClips, view_clips
from videonet.data.decoders.screen import Screen
from videonet.data.kinetics import read_classes
from videonet.data.playback import Playback
from videonet.data.records import Records
from videonet.data.spans import Span, spans
from videonet.data.video import Video
from videonet.models.checkpoint import read_weights, state_of
from videonet.models.network import Network
from videonet.models.weights import Report, load_weights
from videonet.source import Source, read_overrides, read_yaml
from videonet.suggest import suggest

FORMATS = {2: torch.channels_last, 3: torch.channels_last_3d}
JOIN = {"sum": lambda scores: scores.mean(0), "max": lambda scores: scores.amax(0)}


@dataclass(frozen=True)
class Trained:
    """A network with its weights, the names of its classes, and the config that says how its clips are made.

    classes: () where nobody knows them. report: what became of every tensor of the file.
    """

    path: Path
    cfg: CfgNode
    model: Network
    classes: tuple[str, ...]
    device: torch.device
    report: Report

    @property
    def images(self) -> bool:
        """Whether it is an image network, which sees the frames of a clip one by one."""
        return networks.VARIANTS[self.cfg.MODEL.NAME].dims == 2

    @property
    def shape(self) -> ClipShape:
        """Frames, rate and size of a clip; an image network's has one frame."""
        data = self.cfg.DATA
        return ClipShape(1 if self.images else data.NUM_FRAMES, data.SAMPLING_RATE, data.TEST_CROP_SIZE)

    @property
    def seconds(self) -> float:
        """Length of a clip; where its rate counts frames of any video, at 30 a second."""
        return self.shape.frames * self.shape.rate / (self.cfg.DATA.TARGET_FPS or 30.0)

    def clips(self, views: int = 0, crops: int = 0, how: str = "") -> ViewClips:
        """How the test of the config reads a video, or with other numbers of clips and crops and another spread."""
        views, crops = views or self.cfg.TEST.NUM_ENSEMBLE_VIEWS, crops or self.cfg.TEST.NUM_SPATIAL_CROPS
        sample = partial(build.build_rules(self.cfg, how).test, views=views)
        return ViewClips(Records.pack([], []), self.shape, sample=sample, crops=crops, scale=self.cfg.DATA.TEST_SCALE)

    def open(self, video: str) -> Video:
        """A video, by the decoder of the config."""
        return Video(video, self.cfg.DATA.DECODING_BACKEND)

    def spans(self, playback: Playback, *, window: float, stride: float, views: int = 0) -> Iterator[Span]:
        """Spans of a long video, sampled in clips of the network's length that lie from the first frame to the last.

        views: clips of a span; 0 takes as many as fit end to end.
        """
        clips = self.clips(views or max(1, round(window / self.seconds)), how="to_end")
        size = transforms.whole(*playback.shape, clips.scale)
        return spans(
            playback,
            lambda total, fps: clips.sample(total, fps, self.shape.frames, self.shape.rate),
            Screen(size, playback.shape).show,
            window=window,
            stride=stride,
        )

    def views(self, span: Span, crops: int = 1) -> Iterator[torch.Tensor]:
        """The clips of a span in crops of the network's size, as the test of a video forms them. uint8 batches"""
        size = self.shape.size
        offsets = torch.from_numpy(transforms.crop_offsets(*span.frames.shape[1:3], size, crops))
        item = {"frames": span.frames, "positions": span.positions, "offsets": offsets, "size": size, "index": 0}
        return view_clips(item, self.cfg.TEST.BATCH_SIZE, self.device)

    def prepare(self, clip: torch.Tensor) -> torch.Tensor:
        """uint8 (B, T, H, W, 3) as the network takes it, on its device; an image network's clips have one frame."""
        data = self.cfg.DATA
        clip = clip[:, 0] if self.images else clip
        return transforms.prepare(
            clip.to(self.device), None, data.MEAN, data.STD, reverse_channels=data.REVERSE_INPUT_CHANNEL
        )

    @torch.inference_mode()
    def scores(self, clips: Iterable[torch.Tensor]) -> torch.Tensor:
        """Probabilities of uint8 batches (B, T, H, W, 3), one row a clip, on the CPU. (clips, classes)"""
        return torch.cat([self.model.scores(self.prepare(clip)).float().cpu() for clip in clips])

    def join(self, scores: torch.Tensor) -> torch.Tensor:
        """The scores of all views of a video (views, classes) as one row, as TEST.ENSEMBLE_METHOD says."""
        return JOIN[self.cfg.TEST.ENSEMBLE_METHOD](scores)

    def top(self, scores: torch.Tensor, k: int) -> list[dict[str, object]]:
        """The k best classes of a row of scores: class (name), label (number), score."""
        values, labels = scores.topk(min(k, len(scores)))
        rows = zip(labels.tolist(), values.tolist())
        return [{"class": self.classes[label], "label": label, "score": round(value, 6)} for label, value in rows]

    def label(self, name: str) -> int:
        """The number of a class."""
        if name not in self.named().classes:
            raise ValueError(f"{self.path} has no class {name!r}{suggest(name, self.classes)}")
        return self.classes.index(name)

    def named(self) -> Trained:
        """Itself; ValueError where nobody knows the names of the classes."""
        if not self.classes:
            raise ValueError(f"{self.path} has no class names: give them by --classes FILE, one name a line")
        return self


def open_trained(
    path: str | Path,
    *,
    name: str = "",
    cfg: CfgNode | None = None,
    classes: str = "",
    overrides: Sequence[Any] = (),
    device: str = "",
) -> Trained:
    """A checkpoint of ours, or weights of another source for the network `name` or that of a config.

    classes: file with one name a line, in place of the names in the checkpoint. overrides: `KEY VALUE` pairs over the
    checkpoint's config. With a `name`, frames are normalised as the source of the weights did, unless overrides say so.
    """
    content = read_weights(path)
    names = read_names(classes) if classes else tuple(content.get("classes", ()))
    given = cfg
    cfg = given or config_of(path, content, name, len(names), overrides)
    model, report = load(path, cfg, count_classes(state_of(content)) or len(names))
    if name and not given:
        known = published.source_settings(report.facts)
        cfg = config_of(path, content, name, len(names), overrides, known)
        if known.get("BN.EPS", cfg.BN.EPS) not in epsilons(model):
            model, report = load(path, cfg, len(names))
    count = count_classes(model.state_dict())
    if names and count and count != len(names):
        raise ValueError(f"{classes or path}: {len(names)} class names, but the weights have {count} classes")
    place = distributed.device(device or cfg.DEVICE)
    return Trained(Path(path), cfg, ready(cfg, model, place), names, place, report)


def ready(cfg: CfgNode, model: Network, device: torch.device) -> Network:
    """The network as it is used: on its device, in the memory format of the config, without what only training does."""
    model = model.eval().to(device)
    if not cfg.MODEL.CHANNELS_LAST:
        return model
    return model.to(memory_format=FORMATS[networks.VARIANTS[cfg.MODEL.NAME].dims])


def load(path: str | Path, cfg: CfgNode, num_classes: int) -> tuple[Network, Report]:
    """The network of a config with the weights of a file, and what became of them."""
    model = build.build_model(cfg, num_classes)
    return model, load_weights(model, path)


def epsilons(model: torch.nn.Module) -> set[float]:
    """The epsilons of the batch norms."""
    return {m.eps for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)}


def open_fresh(
    *, name: str = "", cfg: CfgNode | None = None, overrides: Sequence[Any] = (), device: str = ""
) -> Trained:
    """The network of a name or of a config as it is built, with random weights: to measure or to export it."""
    cfg = cfg or config_of("", {}, name, 0, overrides)
    model = build.build_model(cfg, cfg.MODEL.NUM_CLASSES or networks.VARIANTS[cfg.MODEL.NAME].num_classes)
    place = distributed.device(device or cfg.DEVICE)
    return Trained(Path(name), cfg, ready(cfg, model, place), (), place, Report("random weights"))


def read_names(path: str | Path) -> tuple[str, ...]:
    """Class names of a file, one a line."""
    names = read_classes(path)
    if names is None:
        raise ValueError(f"{path}: there is no such file of class names")
    return names


def config_of(
    path: str | Path,
    content: Mapping[str, Any],
    name: str,
    num_classes: int,
    overrides: Sequence[Any],
    known: Mapping[str, Any] | None = None,
) -> CfgNode:
    """The config of a checkpoint: its own, or how the network `name` was published to be fed.

    known: dotted settings that hold for the source of the weights, over the published ones.
    """
    if "config" in content:
        if name:
            raise ValueError(f"{path} is a checkpoint of ours and says which network it is; leave the name {name} out")
        settings = read_yaml(content["config"], f"{path} (its config)")
    elif name:
        settings = Source()
        fed = published.settings(name, networks.find_network(name), num_classes)
        for key, value in {**fed, **(known or {})}.items():
            settings.put(key, value, f"network {name}")
    else:
        raise ValueError(
            f"{path} is no checkpoint of ours, so it does not say which network it is: give --model NAME "
            f"(`videonet info '*'` lists them) or --cfg FILE"
        )
    return config.assemble([settings, read_overrides(overrides)], build.tables_of)


def count_classes(state: Mapping[str, torch.Tensor]) -> int:
    """Outputs of the head of a network of ours, from its weights; 0 where they are another source's."""
    return len(state["head.fc.weight"]) if "head.fc.weight" in state else 0

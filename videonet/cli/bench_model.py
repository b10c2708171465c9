"""videonet bench model: what a network costs here, measured: clips a second, memory, stages, the slowest layers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from videonet.inference import Trained


def arguments(parser: argparse.ArgumentParser) -> None:
    """NAME or --cfg FILE."""
    parser.add_argument("name", nargs="?", default="", help="a network's name")
    parser.add_argument("--cfg", default="", metavar="FILE", help="a config in place of a name")
    parser.add_argument("--opts", nargs="+", default=[], metavar="KEY VALUE", help="override keys of the config")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="clips that go through at once (1)")
    parser.add_argument("--size", type=int, default=0, metavar="PIXELS", help="side of the clips; default: train crop")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="measurements to take the median of (5)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads; default: as torch chooses")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "fp16"))
    parser.add_argument("--device", default="", help="auto, cpu, cuda or mps; default: as the config says")
    parser.add_argument("--find-batch", action="store_true", help="say the largest batches that fit this GPU")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    import torch

    if bool(args.name) == bool(args.cfg):
        raise ValueError("bench model needs a NAME or --cfg FILE; `videonet info '*'` shows every network")
    if min(args.batch, args.repeats) < 1:
        raise ValueError("--batch and --repeats must be at least 1")
    if args.threads:
        torch.set_num_threads(args.threads)
    result = find_batch(args) if args.find_batch else measure(args)
    print(json.dumps(result, indent=1) if args.json else table(result))
    return 0


def built(args: argparse.Namespace) -> Trained:
    """The network as a run would place it."""
    from videonet.cli.configs import load_config
    from videonet.inference import open_fresh
    from videonet.run import place

    cfg = load_config(args.cfg, args.opts) if args.cfg else None
    fresh = open_fresh(name=args.name, cfg=cfg, overrides=args.opts, device=args.device)
    place(fresh.cfg, fresh.model, fresh.device)
    return fresh


def clips_of(fresh: Trained, batch: int, side: int) -> torch.Tensor:
    """Random clips as the loader and `prepare` give them."""
    import torch

    shape, size = fresh.shape, side or fresh.cfg.DATA.TRAIN_CROP_SIZE
    return fresh.prepare(torch.randint(0, 256, (batch, shape.frames, size, size, 3), dtype=torch.uint8))


def inference(fresh: Trained, clip: torch.Tensor, precision: str) -> Callable[[], object]:
    """One forward pass without gradients."""
    import torch

    from videonet.engine.precision import autocast

    def work() -> None:
        fresh.model.eval()
        with torch.no_grad(), autocast(precision, clip.device):
            fresh.model(*inputs_of(fresh, clip))

    return work


def training(fresh: Trained, clip: torch.Tensor, precision: str) -> Callable[[], object]:
    """One step: forward, loss, backward, update, with the task and the optimizer of the config."""
    import torch

    from videonet import build
    from videonet.engine.precision import autocast, grad_scaler

    task = build.build_task(fresh.cfg)
    optimizer = build.build_optimizer(fresh.cfg, fresh.model)
    scaler = grad_scaler(precision, clip.device)
    with torch.no_grad():
        rows, classes = fresh.model.eval()(*inputs_of(fresh, clip)).shape
    target = torch.zeros(rows, dtype=torch.long, device=clip.device)
    if task.target == "box_label" or fresh.cfg.TASK.NAME == "multi_label":
        target = torch.zeros(rows, classes, device=clip.device)

    def work() -> None:
        fresh.model.train()
        with autocast(precision, clip.device):
            logits = fresh.model(*inputs_of(fresh, clip))
        scaler.scale(task.loss(logits, target)).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    return work


def inputs_of(fresh: Trained, clip: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The clip, and for a detection network one box an item."""
    import torch

    from videonet.models.heads import Roi

    if not isinstance(fresh.model.head, Roi):
        return (clip,)
    side = clip.shape[-1]
    boxes = torch.tensor([[item, side / 4, side / 4, side / 2, side / 2] for item in range(len(clip))])
    return clip, boxes.to(clip.device)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything that is printed."""
    import torch

    from videonet.models.count import count_macs, count_params
    from videonet.models.timing import medians, peak_memory

    fresh = built(args)
    clip = clips_of(fresh, args.batch, args.size)
    counted = fresh.model.backbone if len(inputs_of(fresh, clip)) > 1 else fresh.model  # boxes have no published cost
    about = {"name": args.name or fresh.cfg.MODEL.NAME, "params": count_params(fresh.model)}
    about |= {"gmacs": count_macs(counted, clip.shape[1:]).total / 1e9, "input": list(clip.shape[1:])}
    about |= {"batch": args.batch, "precision": args.precision}
    about |= {"device": str(fresh.device), "threads": torch.get_num_threads()}
    other, why_not = peer(fresh, clip, args.precision)
    works = {"infer": inference(fresh, clip, args.precision)} | ({"peer": other} if other else {})
    with peak_memory(fresh.device) as peak:
        times = medians(works, fresh.device, args.repeats)
        result = {"infer": speed(times["infer"], args.batch, peak())}
    if other:
        result["peer"] = {"name": "pytorchvideo", **speed(times["peer"], args.batch, None)}
        result["peer"]["ours_is_faster_by"] = round(times["peer"] / times["infer"], 3)
    elif why_not:
        result["peer"] = {"name": "pytorchvideo", "why_not": why_not}
    result |= parts(fresh, clip, args.repeats)
    with peak_memory(fresh.device) as peak:
        step = medians({"train": training(fresh, clip, args.precision)}, fresh.device, args.repeats)["train"]
        result["train"] = speed(step, args.batch, peak())
    return {**about, **result}


def parts(fresh: Trained, clip: torch.Tensor, repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Milliseconds of a forward pass, and their share of it: of every stage, and of the ten slowest layers."""
    from videonet.models.count import stage_names
    from videonet.models.timing import leaves, module_times

    model, inputs = fresh.model.eval(), inputs_of(fresh, clip)
    names = [part for name in stage_names(model) for part in called(model, name)]
    stages = module_times(model, inputs, names, repeats)
    layers = module_times(model, inputs, leaves(model), repeats)
    total = sum(stages.values())

    def row(name: str, seconds: float) -> dict[str, Any]:
        kind = type(model.get_submodule(name)).__name__
        name = name.removeprefix("backbone.")
        return {"name": name, "type": kind, "ms": round(1e3 * seconds, 3), "share": round(seconds / total, 4)}

    slowest = sorted(layers.items(), key=lambda pair: -pair[1])[:10]
    return {"stages": [row(*pair) for pair in stages.items()], "layers": [row(*pair) for pair in slowest]}


def called(model: torch.nn.Module, name: str) -> list[str]:
    """The modules of a stage that are called: its parts if it is a list, none if it does nothing."""
    from torch import nn

    module = model.get_submodule(name)
    if isinstance(module, nn.ModuleList):
        return [f"{name}.{number}" for number in range(len(module))]
    return [] if isinstance(module, nn.Identity) else [name]


def speed(seconds: float, batch: int, peak: int | None) -> dict[str, float | None]:
    """The figures of a pass."""
    gigabytes = None if peak is None else round(peak / 2**30, 3)
    return {"ms": round(1e3 * seconds, 2), "clips_per_s": round(batch / seconds, 3), "peak_gb": gigabytes}


def peer(fresh: Trained, clip: torch.Tensor, precision: str) -> tuple[Callable[[], object] | None, str]:
    """A pass of pytorchvideo's network, or why there is none ("" where it has no such network)."""
    import torch

    from videonet.cli.peer import peer_of
    from videonet.engine.precision import autocast

    found = peer_of(fresh.cfg.MODEL.NAME)
    if not found:
        return None, ""
    model, packed = found
    model.eval().to(fresh.device)
    given = packed(clip.contiguous())

    def work() -> None:
        with torch.no_grad(), autocast(precision, clip.device):
            model(list(given) if isinstance(given, list) else given)  # it puts its maps into the list

    try:
        work()
    except RuntimeError as error:  # its heads take certain sizes only
        return None, f"it does not run at this size: {str(error).splitlines()[0]}"
    return work, ""


def find_batch(args: argparse.Namespace) -> dict[str, Any]:
    """The largest batches that fit the GPU, one for training and one for inference."""
    import torch

    from videonet.models.timing import largest

    fresh = built(args)
    if fresh.device.type != "cuda":
        raise ValueError(f"--find-batch needs a CUDA GPU, the device is {fresh.device}; on a CPU look at peak_gb")

    def fits(work: Callable[..., Callable[[], object]], batch: int) -> bool:
        try:
            work(fresh, clips_of(fresh, batch, args.size), args.precision)()
        except torch.OutOfMemoryError:
            return False
        finally:
            fresh.model.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
        return True

    found = {f"{name}_batch": largest(lambda n, w=work: fits(w, n)) for name, work in WORKS.items()}
    about = {"name": args.name or fresh.cfg.MODEL.NAME, "device": torch.cuda.get_device_name(fresh.device)}
    return {**about, "precision": args.precision, **found}


WORKS = {"train": training, "infer": inference}


def table(result: dict[str, Any]) -> str:
    """The result for people."""
    if "train_batch" in result:
        return "\n".join(f"{key:<14} {value}" for key, value in result.items())
    size = " x ".join(map(str, result["input"]))
    lines = [
        f"{result['name']}: {result['params']:,} parameters, {result['gmacs']:.3f} GMACs at {size}; "
        f"batch {result['batch']}, {result['precision']}, {result['device']}, {result['threads']} threads"
    ]
    for name in ("infer", "train", "peer"):
        row = result.get(name, {})
        if "ms" in row:
            peak = f"  peak {row['peak_gb']:.2f} GB" if row["peak_gb"] is not None else ""
            ratio = f"  ours is {row['ours_is_faster_by']:.2f} x as fast as {row['name']}" if name == "peer" else ""
            lines.append(f"{name:<6} {row['clips_per_s']:10.3f} clips/s {row['ms']:10.2f} ms a batch{peak}{ratio}")
        elif row:
            lines.append(f"{name:<6} {row['name']} was not measured: {row['why_not']}")
    for title, key in (("stage", "stages"), ("slowest layers", "layers")):
        lines.append(f"{title:<44} {'ms':>9} {'share':>7}")
        for row in result[key]:
            name = f"{row['name']} ({row['type']})"
            lines.append(f"  {name:<42} {row['ms']:9.2f} {100 * row['share']:6.1f}%")
    return "\n".join(lines)

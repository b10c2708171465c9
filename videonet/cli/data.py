"""videonet data: make, check and look at data. The work is in videonet.data; here are the words for it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

EXAMPLES = {
    "data": "examples:\n  videonet data demo --out data/demo\n  videonet data from-folders my_videos --out lists\n"
    "  videonet data check lists/train.csv --bad bad.csv\n"
    "  videonet data show --cfg configs/Demo/SLOWFAST_DEMO.yaml clip.mp4 --out sheet.png\n"
    "  videonet data resize lists/train.csv --out small --short-side 256\n"
    "  videonet data kinetics --annotations k400_train.csv k400_val.csv --videos /data/k400 --out lists\n"
    "  videonet data ssv2 /data/ssv2 --videos /data/ssv2/20bn-something-something-v2"
}
Run = Callable[[argparse.Namespace], int]
SHOWN = 10  # lines of what is missing, where there may be a hundred thousand


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """One sub-verb for each thing that is done to data."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    add_making(verbs)
    add_looking(verbs)
    add_official(verbs)
    add_inventories(verbs)


def add(verbs: argparse._SubParsersAction, name: str, run: Run, help_: str) -> argparse.ArgumentParser:
    """A sub-verb with `--json`."""
    parser = verbs.add_parser(name, help=help_, description=help_)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    return parser


def add_making(verbs: argparse._SubParsersAction) -> None:
    """demo, from-folders, resize."""
    demo = add(verbs, "demo", run_demo, "write the demo: small H.264 files of eight motions, lists and class names")
    demo.add_argument("--out", required=True, metavar="DIR", help="folder to write; done before, it is left alone")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--train", type=int, default=640, help="clips to train on")
    demo.add_argument("--val", type=int, default=160, help="clips to validate and test on")
    demo.add_argument("--size", type=int, default=80, help="pixels of a side")
    folders = add(verbs, "from-folders", run_folders, "lists and class names of ROOT/CLASS/video files")
    folders.add_argument("root", metavar="ROOT", help="folder of class folders, or of train/, val/, test/ with them")
    folders.add_argument("--out", required=True, metavar="DIR", help="folder of the lists")
    folders.add_argument("--val-fraction", type=float, default=0.2, help="part of each class that val gets")
    folders.add_argument("--seed", type=int, default=0, help="of that choice")
    resize = add(verbs, "resize", run_resize, "a smaller copy of all videos that decodes faster; can be interrupted")
    resize.add_argument("source", metavar="LIST_OR_FOLDER")
    resize.add_argument("--out", required=True, metavar="DIR")
    resize.add_argument("--short-side", type=int, default=256, metavar="PIXELS")
    resize.add_argument("--gop", type=int, default=32, help="frames from one keyframe to the next")
    resize.add_argument("--crf", type=int, default=20, help="quality of x264, lower is better")
    resize.add_argument("--workers", "-j", type=int, default=1)


def add_looking(verbs: argparse._SubParsersAction) -> None:
    """check, show."""
    check = add(
        verbs, "check", run_check, "decode every video of a list and say what is wrong with it; exit 2 if any is"
    )
    check.add_argument("list", metavar="LIST")
    check.add_argument("--task", choices=("clips", "boxes"), help="of the list; default: boxes if its header says so")
    check.add_argument("--bad", metavar="FILE", help="also write the bad rows to this csv")
    check.add_argument("--prefix", default="", help="folder that relative paths start from")
    check.add_argument("--separator", default=" ", help="between path and label")
    check.add_argument("--num-classes", type=int, default=0, help="labels must be below; default: of classes.txt")
    check.add_argument("--clip", metavar="FRAMESxRATE", help="also find videos shorter than such a clip, e.g. 32x2")
    check.add_argument("--workers", "-j", type=int, default=1)
    show = add(verbs, "show", run_show, "frames and seconds of each view and pathway of a video, and a contact sheet")
    show.add_argument("video", metavar="VIDEO")
    show.add_argument("--cfg", required=True, metavar="FILE")
    show.add_argument("--out", metavar="PNG", help="write a contact sheet")
    show.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="override keys of the config")


def add_official(verbs: argparse._SubParsersAction) -> None:
    """kinetics, ucf101, hmdb51."""
    kinetics = add(verbs, "kinetics", run_kinetics, "lists of Kinetics 400/600/700 from its official csv files")
    kinetics.add_argument("--annotations", required=True, nargs="+", metavar="CSV")
    for name in ("ucf101", "hmdb51"):
        parser = add(verbs, name, run_splits, f"lists of {name.upper()} from its official split files")
        parser.add_argument("--splits", required=True, metavar="DIR", help="folder of the split files")
        parser.add_argument("--fold", type=int, default=1, choices=(1, 2, 3))
        add_places(parser)
    add_places(kinetics)


def add_inventories(verbs: argparse._SubParsersAction) -> None:
    """ssv2, charades, ava."""
    sets = {"ssv2": "Something-Something V2", "charades": "Charades", "ava": "AVA"}
    for name, title in sets.items():
        parser = add(
            verbs, name, run_inventory, f"which videos of {title} are there, and its classes; exit 2 if not all"
        )
        parser.add_argument(
            "folder", metavar="FOLDER", help="of the official files: what DATA.PATH_TO_DATA_DIR will be"
        )
        parser.add_argument("--videos", default="", metavar="DIR", help="videos or images, if they are elsewhere")
        parser.add_argument("--missing", metavar="FILE", help="write what is not there, a line each")
        if name == "ava":
            parser.add_argument("--version", default="2.2", choices=("2.1", "2.2"), help="of the annotations")
            parser.add_argument("--start", type=float, default=900, help="second at which films of --videos begin")
            parser.add_argument("--workers", "-j", type=int, default=1)


def add_places(parser: argparse.ArgumentParser) -> None:
    """Where the videos are and where the lists go."""
    parser.add_argument("--videos", required=True, metavar="DIR")
    parser.add_argument("--out", required=True, metavar="DIR")


def tell(args: argparse.Namespace, facts: dict) -> int:
    """Print what was done, for people or as JSON."""
    if args.json:
        print(json.dumps(facts, indent=1))
    else:
        print("\n".join(f"{key:<12} {value}" for key, value in facts.items() if not isinstance(value, (list, dict))))
        for key, value in facts.items():
            if isinstance(value, dict):
                print(f"{key:<12} " + "  ".join(f"{k}={v}" for k, v in value.items()))
    return 0


def run_demo(args: argparse.Namespace) -> int:
    """Write the demo clips."""
    from videonet.data.demo import write_demo

    new = write_demo(args.out, args.seed, train=args.train, val=args.val, size=args.size)
    return tell(args, {"folder": args.out, "train": args.train, "val": args.val, "written": new})


def run_folders(args: argparse.Namespace) -> int:
    """Make lists of class folders."""
    from videonet.data.lists import from_folders

    return tell(args, from_folders(args.root, args.out, val_fraction=args.val_fraction, seed=args.seed))


def run_resize(args: argparse.Namespace) -> int:
    """Write the smaller copy; exit 2 where a video could not be copied."""
    from videonet.data.resize import resize

    facts = resize(args.source, args.out, size=args.short_side, gop=args.gop, crf=args.crf, workers=args.workers)
    tell(args, facts if args.json else {key: value for key, value in facts.items() if key != "faster"})
    if facts["faster"] and not args.json:
        print(f"a training clip is read {facts['faster']:.2f} times as fast from the copies (CPU time)")
    return 2 if facts.get("failed") else 0


def run_check(args: argparse.Namespace) -> int:
    """Classify every row; exit 2 if one is bad."""
    from videonet.data.check import check
    from videonet.data.check_boxes import check_boxes, is_box_list

    given = {"prefix": args.prefix, "bad": args.bad, "workers": args.workers}
    if args.task == "boxes" or (not args.task and Path(args.list).is_file() and is_box_list(args.list)):
        found = check_boxes(args.list, **given)
    else:
        clip = clip_of(args.clip) if args.clip else None
        found = check(args.list, separator=args.separator, num_classes=args.num_classes, clip=clip, **given)
    if not args.json:
        for row in found["bad"]:
            path = f"{row['path']}: " if row["path"] else ""
            print(f"{args.list}:{row['line']}: {path}{row['problem']}")
    tell(args, found)
    return 2 if found["bad"] else 0


def clip_of(text: str) -> tuple[int, float, float]:
    """(frames, rate, target fps) of a text such as 32x2."""
    frames, _, rate = text.partition("x")
    if not frames.isdecimal() or not rate.isdecimal():
        raise ValueError(f"--clip is {text!r}; it must be FRAMESxRATE, such as 32x2")
    return int(frames), float(rate), 30.0


def run_show(args: argparse.Namespace) -> int:
    """Say which frames the views of a config take from a video."""
    from videonet.cli.configs import load_config
    from videonet.cli.views import show_views

    facts = show_views(load_config(args.cfg, args.overrides), args.video, args.out)
    if args.json:
        print(json.dumps(facts, indent=1))
        return 0
    print(f"{args.video}: {facts['num_frames']} frames, {facts['fps']:.3f} fps, {facts['width']} x {facts['height']}")
    for view in facts["views"]:
        print(f"{view['name']:<22} {view['start_s']:.3f} - {view['end_s']:.3f} s  frames {view['frames']}")
    return 0


def run_kinetics(args: argparse.Namespace) -> int:
    """Make the lists of Kinetics."""
    from videonet.data.official import kinetics

    return tell(args, kinetics(args.annotations, args.videos, args.out))


def run_splits(args: argparse.Namespace) -> int:
    """Make the lists of UCF101 or HMDB51."""
    from videonet.data import official

    return tell(args, getattr(official, args.what)(args.splits, args.videos, args.out, fold=args.fold))


def run_inventory(args: argparse.Namespace) -> int:
    """Say what of a set is there; exit 2 if anything is not, or a row of its annotations is broken."""
    from videonet.data import inventory

    more = {key: getattr(args, key) for key in ("version", "start", "workers") if hasattr(args, key)}
    found = getattr(inventory, args.what)(args.folder, args.videos, **more)
    if args.missing:
        Path(args.missing).write_text("".join(f"{what}\n" for what in found["missing_names"]), encoding="utf-8")
    if not args.json:
        for name, key in (("broken", "broken_rows"), ("missing", "missing_names")):
            print("".join(f"{name}: {what}\n" for what in found[key][:SHOWN]), end="")
            if len(found[key]) > SHOWN:
                print(f"{name}: and {len(found[key]) - SHOWN} more, see --json")
    tell(args, found)
    return 2 if found["missing"] or found["broken"] else 0

"""What is there of Something-Something V2, Charades and AVA: their official files against the videos or images on disk.

The datasets read those files as they are, so nothing is written. Each function returns reads ("videos" or "frame
lists"), counts of each split, extra (videos, or folders of images, that no list names), how much is missing or broken,
classes and their sha256, settings (of a config that reads this), and as lists missing_names, broken_rows (annotations
that mean nothing) and class_names. ValueError where an annotation file is not there, or another kind of file.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from videonet.data import ava as ava_files
from videonet.data import charades as charades_files
from videonet.data import ssv2 as ssv2_files
from videonet.data.annotation import video_files
from videonet.data.box_splits import ava_videos
from videonet.data.boxes import Boxes
from videonet.data.check_boxes import ends
from videonet.data.clip_splits import charades_names, official_json, rooted
from videonet.data.frame_list import FrameLists, read_frame_list
from videonet.data.keyframes import frame_index
from videonet.data.split import Reading

SPLITS = ("train", "val")
DETECTED = "person_box_67091280_iou90/ava_detection_"  # the boxes of PySlowFast's person detector
AVA = {  # version: label map, exclusions, and boxes of the detector, as the configs name them
    "2.1": (
        "ava_action_list_v2.1_for_activitynet_2018.pbtxt",
        "ava_val_excluded_timestamps_v2.1.csv",
        f"{DETECTED}val_boxes_and_labels.csv",
    ),
    "2.2": (
        "ava_action_list_v2.2_for_activitynet_2019.pbtxt",
        "ava_val_excluded_timestamps_v2.2.csv",
        f"{DETECTED}val_boxes_and_labels.csv",
        f"{DETECTED}train_boxes_and_labels_include_negative_v2.2.csv",
    ),
}
Lost = dict[str, tuple[str, list[float]]]  # video -> why it is lost ("" if not), the moments that are


def ssv2(folder: str | Path, videos: str | Path = "", *, num_classes: int = ssv2_files.NUM_CLASSES) -> dict:
    """Something-Something V2: a folder with the JSON files; videos: of ID.webm, or of the images that train.csv lists.

    The default of `videos` is the folder, as everywhere here.
    """
    folder, broken = Path(folder), []
    classes = ssv2_files.read_templates(official_json(folder, "labels"), num_classes=num_classes)
    files = dict(zip(SPLITS, (official_json(folder, part) for part in ("train", "validation"))))
    names = {split: ssv2_files.read_labels(file, classes, problems=broken)[0] for split, file in files.items()}
    lists = {}
    if (folder / "train.csv").is_file():
        lists = {split: read_frame_list(folder / f"{split}.csv", problems=broken) for split in SPLITS}
    return _clips(folder, videos, names, lists, classes, broken)


def charades(folder: str | Path, videos: str | Path = "", *, num_classes: int = charades_files.NUM_CLASSES) -> dict:
    """Charades: a folder with frame lists, or Charades_v1_train.csv and _test.csv; videos: of images, or of ID.mp4."""
    folder, broken = Path(folder), []
    given = {"num_classes": num_classes, "problems": broken}
    classes = charades_names(folder) or ()
    if classes and len(classes) != num_classes:
        raise ValueError(f"{folder}: {len(classes)} class names, expected {num_classes}")
    if (folder / "train.csv").is_file():
        lists = {split: charades_files.read_charades_frames(folder / f"{split}.csv", **given) for split in SPLITS}
        names = {split: list(found.rows) for split, found in lists.items()}
        return _clips(folder, videos, names, lists, classes, broken)
    files = dict(zip(SPLITS, ("Charades_v1_train.csv", "Charades_v1_test.csv")))
    names = {split: list(charades_files.read_actions(folder / name, **given)) for split, name in files.items()}
    return _clips(folder, videos, names, {}, classes, broken)


def ava(
    folder: str | Path,
    videos: str | Path = "",
    *,
    version: str = "2.2",
    start: float = ava_files.FIRST_SECOND,
    num_classes: int = ava_files.NUM_CLASSES,
    workers: int = 1,
) -> dict:
    """AVA: a folder with annotations/, and frame_lists/ with frames/, or videos. Each annotated moment is looked for.

    videos: of the images, or of films that begin at second `start`. Films are opened, by `workers` processes.
    """
    folder, broken, counts, used, on_disk = Path(folder), [], {}, set(), set()
    notes = folder / "annotations"
    needed = [notes / name for name in AVA[version]]
    missing = [f"file {path}" for path in needed if not path.is_file()]
    known = ava_files.read_label_map(needed[0]) if needed[0].is_file() else {}
    for split in SPLITS:
        path = notes / f"ava_{split}_v{version}.csv"
        moments = _moments(ava_files.read_annotated_boxes(path, num_classes=num_classes, problems=broken))
        place, _ = ava_videos(folder, "frame_lists", split, Reading(prefix=str(videos)), start)
        if "frames" in place:
            lost = _lost_images(place["frames"], moments)
            on_disk |= _folders(place["frames"])
            used |= {os.path.dirname(place["frames"].paths(row, [0])[0]) for row in range(len(place["frames"]))}
        else:
            files = video_files(place["videos"])
            lost = _lost_films(files, moments, place["start"], workers)
            on_disk |= set(files.values())
            used |= {files[name] for name in moments if name in files}
        total, gone = sum(map(len, moments.values())), sum(len(seconds) for _, seconds in lost.values())
        found = len(moments) - sum(bool(why) for why, _ in lost.values())
        counts[split] = {"videos": len(moments), "found": found, "keyframes": total, "keyframes_found": total - gone}
        for name, (why, seconds) in lost.items():
            missing += [f"{split} {name}: {why}"] if why else [f"{split} {name}@{second:g}" for second in seconds]
    classes = [known.get(number, f"action {number}") for number in range(1, num_classes + 1)]
    reads = "frame lists" if "frames" in place else "videos"
    facts = {"reads": reads, **counts, "extra": len(on_disk - used), "evaluated": len(known)}
    return _report(folder, videos, facts, classes, missing, broken)


def _clips(
    folder: Path,
    videos: str | Path,
    names: Mapping[str, Sequence[str]],
    lists: Mapping[str, FrameLists],
    classes: Sequence[str],
    broken: list[str],
) -> dict:
    """The report of labelled videos: files below `videos`, or those of frame lists."""
    files = {} if lists else video_files(videos or folder)
    missing, counts, used, on_disk = [], {}, set(), set(files.values())
    for split, wanted in names.items():
        there = lists[split].rows if lists else files
        absent = [name for name in wanted if name not in there]
        missing += [f"{split} {name}" for name in absent]
        counts[split] = {"videos": len(wanted), "found": len(wanted) - len(absent)}
        if lists:
            images = rooted(lists[split], str(videos))
            gone = images.missing()
            missing += [f"{split} {path}" for path in gone]
            counts[split] |= {"images": int(images.counts.sum()), "images_missing": len(gone)}
            on_disk |= _folders(images)
            used |= {os.path.dirname(images.paths(row, [0])[0]) for row in range(len(images))}
        else:
            used |= {files[name] for name in wanted if name in files}
    facts = {"reads": "frame lists" if lists else "videos", **counts, "extra": len(on_disk - used)}
    return _report(folder, videos, facts, classes, missing, broken)


def _report(
    folder: Path, videos: str | Path, facts: dict, classes: Sequence[str], missing: list[str], broken: list[str]
) -> dict:
    settings = f"DATA.PATH_TO_DATA_DIR {folder}" + (f" DATA.PATH_PREFIX {videos}" if str(videos) else "")
    absent = max(1 - facts[split]["found"] / max(facts[split]["videos"], 1) for split in SPLITS)
    if absent:
        settings += f" DATA.MAX_BAD {math.ceil(100 * absent) / 100:g}"  # to go on without them
    return {
        **facts,
        "missing": len(missing),
        "broken": len(broken),
        "classes": len(classes),
        "classes_sha256": hashlib.sha256("\n".join(classes).encode()).hexdigest() if classes else "",
        "settings": settings,
        "missing_names": missing,
        "broken_rows": broken,
        "class_names": list(classes),
    }


def _moments(boxes: Boxes) -> dict[str, list[float]]:
    """Video -> the seconds at which it has boxes."""
    found: dict[str, set[float]] = {}
    names = boxes.names()
    for number, second in zip(boxes.video.tolist(), boxes.time.tolist()):
        found.setdefault(names[number], set()).add(second)
    return {name: sorted(seconds) for name, seconds in found.items()}


def _lost_images(lists: FrameLists, moments: Mapping[str, list[float]]) -> Lost:
    """What of the moments has no image."""
    absent, lost = set(lists.missing()), {}
    for name, seconds in moments.items():
        row = lists.rows.get(name)
        paths = [] if row is None else lists.paths(row)
        shown = frame_index(seconds, ava_files.FIRST_SECOND, ava_files.FPS).tolist()
        gone = [s for s, image in zip(seconds, shown) if image >= len(paths) or paths[image] in absent]
        why = "not in the frame list" if row is None else "no image of it" if absent.issuperset(paths) else ""
        lost[name] = why, gone
    return lost


def _lost_films(files: Mapping[str, str], moments: Mapping[str, list[float]], start: float, workers: int) -> Lost:
    """What of the moments is in no film: it is not there, cannot be read, or is shorter."""
    until, lost = ends({name: files[name] for name in moments if name in files}, workers), {}
    for name, seconds in moments.items():
        end = until.get(name, "missing")
        if isinstance(end, str):
            lost[name] = end, seconds
        else:
            lost[name] = "", [second for second in seconds if not 0 <= second - start < end]
    return lost


def _folders(lists: FrameLists) -> set[str]:
    """The folders beside those of the images that are listed, and these, as far as they are there."""
    firsts = {os.path.dirname(lists.paths(row, [0])[0]) for row in range(len(lists))}
    around = {os.path.dirname(folder) or "." for folder in firsts}
    entries = (entry for folder in around if os.path.isdir(folder) for entry in os.scandir(folder))
    return {entry.path for entry in entries if entry.is_dir()}

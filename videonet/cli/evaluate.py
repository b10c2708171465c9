"""videonet evaluate: the mean average precision of detections in a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from videonet.data import ava, box_list
from videonet.data.boxes import Boxes
from videonet.data.kinetics import read_classes
from videonet.evaluation.ava import AVA_GROUPS, PROTOCOLS, Detections, Truth, evaluate, find_protocol
from videonet.evaluation.match_statistics import explain

EXAMPLES = {
    "evaluate": "examples:\n  videonet evaluate ava --gt ava_val_v2.2.csv --pred detections.csv \\\n"
    "    --labels ava_action_list_v2.2_for_activitynet_2019.pbtxt --excluded ava_val_excluded_timestamps_v2.2.csv\n"
    "  videonet evaluate ava --gt boxes.csv --pred scored.csv --labels classes.txt --json"
}
PROTOCOL_HELP = (
    "official: the ActivityNet script (50 scores a keyframe, keyframes without annotations and exclusions ignored); "
    "slowfast: PySlowFast (the rows of a keyframe are not sorted by score); mmaction2: its ava_eval (classes that are "
    "never detected are left out of the mean); recommended: sorted, with exclusions, every class and keyframe counted, "
    "and the same for any order of the rows"
)


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """ava --gt F --pred F --labels F [--excluded F] [--protocol P] [--json]."""
    kinds = parser.add_subparsers(dest="what", required=True, metavar="ava")
    boxes = kinds.add_parser(
        "ava",
        help="action detection: boxes of people with scored actions, at an IoU of 0.5",
        epilog=EXAMPLES["evaluate"],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    boxes.add_argument("--gt", required=True, metavar="FILE", help="annotations: AVA's csv, or a plain box list")
    boxes.add_argument("--pred", required=True, metavar="FILE", help="detections in the same form, with scores")
    boxes.add_argument("--labels", required=True, metavar="FILE", help="AVA's label map, or one class name a line")
    boxes.add_argument("--excluded", metavar="FILE", help="timestamps to leave out: `video,second` rows")
    boxes.add_argument("--protocol", default="recommended", choices=list(PROTOCOLS), help=PROTOCOL_HELP)
    boxes.add_argument("--json", action="store_true", help="print JSON: mAP, per_class, per_group, statistics, reasons")
    boxes.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print."""
    result = evaluate_files(args.gt, args.pred, args.labels, args.excluded, args.protocol)
    print(json.dumps(result, indent=1) if args.json else table(result))
    return 0


def evaluate_files(
    gt: str | Path,
    pred: str | Path,
    labels: str | Path,
    excluded: str | Path | None = None,
    protocol: str = "recommended",
) -> dict:
    """What `videonet.evaluation.ava.evaluate` gives for files, with `protocol` and the `reasons` of a low result.

    gt and pred are AVA's csv files (labels: a label map), or plain box lists (labels: one class name a line). A file
    that breaks a rule raises ValueError, with the line.
    """
    rules = find_protocol(protocol)
    if _is_label_map(labels):
        classes, groups = ava.read_label_map(labels), AVA_GROUPS
        truth, found = ava.read_truth(gt), read_ava_detections(pred, classes)
    else:
        names = read_classes(labels)
        classes, groups = dict(enumerate(names)), {}
        truth, found = box_list.read_box_list(gt, classes=names), box_list.read_box_list(pred, classes=names)
    ids = np.empty(0, np.int64) if excluded is None else ava.read_exclusions(excluded)
    result = evaluate(_truth(truth), _detections(found), classes, ids.tolist(), protocol=rules, groups=groups)
    videos, seen = set(truth.names()), set(found.names())
    counts = {
        "videos_with_truth": len(videos),
        "videos_with_detections": len(seen),
        "videos_with_both": len(videos & seen),
    }
    result["statistics"] = counts | result["statistics"]
    reasons = explain(result["statistics"])
    if len(ids) and rules.excluded == "none":
        reasons.append(f"the {protocol} protocol knows no exclusions: {len(ids)} excluded timestamps were not left out")
    return {"protocol": protocol, **result, "reasons": reasons}


def read_ava_detections(path: str | Path, classes: Mapping[int, str]) -> Boxes:
    """Detections in AVA's form, or in a plain box list with the names of a label map, as a test of ours leaves them."""
    with ava.open_annotation(path) as file:
        if not file.readline().decode(errors="replace").startswith(box_list.HEADER):
            return ava.read_detections(path)
    found = box_list.read_box_list(path, classes=list(classes.values()))
    return replace(found, label=np.array([*classes, -1], np.int32)[found.label])


def _is_label_map(path: str | Path) -> bool:
    with ava.open_annotation(path) as file:
        return any(line.lstrip().startswith(b"name:") for line in file)


def _truth(boxes: Boxes) -> Truth:
    return Truth(boxes.frame[boxes.row], boxes.box[boxes.row], boxes.label, boxes.empty)


def _detections(boxes: Boxes) -> Detections:
    return Detections(boxes.frame, boxes.box, boxes.row, boxes.label, boxes.score)


def table(result: dict) -> str:
    """The result for people: a line a class, the groups, what was matched, and why it may be low."""
    s, show = result["statistics"], _percent
    lines = [f"{'AP':>6}  {'annotated':>9} {'detected':>9} {'matched':>9}  class"]
    for c in result["per_class"]:
        lines.append(f"{show(c['ap'])}  {c['truth']:>9} {c['detections']:>9} {c['matched']:>9}  {c['id']} {c['name']}")
    lines += [f"{show(value)}  {name}" for name, value in result["per_group"].items() if value is not None]
    matched = show(s["truth_boxes_matched"] / s["truth_boxes"] if s["truth_boxes"] else None).strip()
    lines += [
        f"videos with annotations {s['videos_with_truth']}, with detections {s['videos_with_detections']}, "
        f"with both {s['videos_with_both']}",
        f"keyframes with annotations {s['keyframes_with_truth']}, with detections {s['keyframes_with_detections']}, "
        f"with both {s['keyframes_with_both']}",
        f"annotated boxes {s['truth_boxes']}, of these matched at IoU >= 0.5 by a detected box: {matched} %",
        *(f"{key.replace('_', ' ')}: {count}" for key, count in s.items() if key.startswith("detections_") and count),
        *(f"note: {reason}" for reason in result["reasons"]),
        f"mAP {show(result['mAP']).strip()} ({result['protocol']} protocol)",
    ]
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "     -" if value is None else f"{100 * value:6.2f}"

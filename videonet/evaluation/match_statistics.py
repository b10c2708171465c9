"""Counts that tell why a detection result is low, and what they say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from videonet.evaluation.overlap import match


def match_statistics(truth_frame: np.ndarray, truth_box: np.ndarray, frame: np.ndarray, box: np.ndarray) -> dict:
    """How many keyframes and annotated people (boxes, whatever their classes) the detected boxes find."""
    frames = np.unique(np.concatenate([truth_frame, frame]), return_inverse=True)[1]
    known, seen = frames[: len(truth_frame)], frames[len(truth_frame) :]
    people = np.unique(np.column_stack([known, truth_box]), axis=0)
    best = match(people[:, 0], people[:, 1:], seen, box)
    swapped = match(people[:, 0], people[:, 1:], seen, box[:, [1, 0, 3, 2]])
    return {
        "keyframes_with_truth": len(np.unique(known)),
        "keyframes_with_detections": len(np.unique(seen)),
        "keyframes_with_both": len(np.intersect1d(known, seen)),
        "truth_boxes": len(people),
        "truth_boxes_matched": len(np.unique(best[best >= 0])),
        "truth_boxes_matched_if_xy_swapped": len(np.unique(swapped[swapped >= 0])),
        "detected_boxes": len(frame),
        "largest_coordinate": float(box.max(initial=0)),
    }


def explain(statistics: Mapping) -> list[str]:
    """The reasons that the statistics give for a low result, a sentence each."""
    s, reasons = statistics, []
    if not s["truth"]:
        reasons.append("no annotation that counts is of a class of the label map: is it the map of these annotations?")
    if s["keyframes_with_both"] < 0.9 * s["keyframes_with_truth"]:
        share = f"only {s['keyframes_with_both']} of {s['keyframes_with_truth']} annotated keyframes have detections"
        reasons.append(f"{share}: are the video names and seconds those of the annotations?")
    if s["largest_coordinate"] > 2:
        reasons.append(f"boxes reach to {s['largest_coordinate']:g}: they look like pixels, not fractions of the frame")
    if s["truth_boxes_matched_if_xy_swapped"] > max(2 * s["truth_boxes_matched"], 0.5 * s["truth_boxes"]):
        reasons.append("more boxes match as y1,x1,y2,x2: the order is x1,y1,x2,y2")
    if s["detections_of_class_0"]:
        reasons.append("detections have class 0: ids count from 1, so all may be one too low")
    if s["detections_unlisted"] > 0.5 * (s["detections"] + s["detections_unlisted"]):
        reasons.append(f"{s['detections_unlisted']} detections are of classes that the label map does not list")
    if s["classes_never_detected"]:
        never = f"{s['classes_never_detected']} of {s['classes_with_truth']}"
        reasons.append(f"{never} annotated classes are never detected")
    return reasons

"""The `videonet` command: finds the verb's file and runs it. Exit 0 done, 2 the user's mistake, 1 our failure;
130 and 143 interrupted and asked to stop."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence

# verb -> (file in videonet.cli, what it does)
VERBS = {
    "train": ("train", "train the network of a config"),
    "test": ("train", "test a trained network with all views of every video"),
    "info": ("info", "parameters and multiply-adds of a network, per stage"),
    "predict": ("predict", "what happens in a video, by name; --window: what happens when"),
    "features": ("features", "features of a layer, a row for each window of a video"),
    "cam": ("cam", "Grad-CAM over a video: where the network looks for a class"),
    "detect": ("detect", "people in a video and their actions, listed and drawn"),
    "export": ("export", "a network as a torch.export or ONNX program, checked against the original"),
    "convert": ("convert", "weights or configs of another source as videonet's, with a report"),
    "report": ("report", "predictions.csv as a table a class and a confusion picture; diff of two results"),
    "bench": ("bench", "measured speed and memory of a network, beside a peer where one is installed"),
    "data": ("data", "make, check and look at data"),
    "cfg": ("cfg", "what config keys there are and what a config means"),
    "evaluate": ("evaluate", "score detections against ground truth (AVA protocols)"),
    "doctor": ("doctor", "what works on this machine, and the exact error of what does not"),
}


def parser_of(verb: str, prog: str = "videonet") -> argparse.ArgumentParser:
    """The parser of one verb: its file's `arguments(parser, verb)` fills it and sets `run`."""
    file, help_ = VERBS[verb]
    module = importlib.import_module(f"videonet.cli.{file}")
    parser = argparse.ArgumentParser(
        f"{prog} {verb}",
        description=f"{help_[0].upper()}{help_[1:]}.",
        epilog=getattr(module, "EXAMPLES", {}).get(verb, ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.arguments(parser, verb)
    return parser


def overview() -> str:
    """What `videonet --help` prints."""
    lines = [f"  {verb:<10} {help_}" for verb, (_, help_) in VERBS.items()]
    return "\n".join(
        ["usage: videonet VERB ...", "", *lines, "", "videonet VERB --help says more, with an example each."]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run `videonet VERB ...` and give its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0 if argv else 2
    if argv[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"videonet {version('videonet')}")
        return 0
    if argv[0] not in VERBS:
        from videonet.suggest import suggest

        print(f"videonet: there is no verb {argv[0]!r}{suggest(argv[0], VERBS)}", file=sys.stderr)
        return 2
    return guard(lambda: run(argv))


def run(argv: Sequence[str]) -> int:
    """Parse and run one verb."""
    args = parse(parser_of(argv[0]), argv[1:])
    return args.run(args) or 0


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments; KEY VALUE pairs may also stand behind options, where argparse alone does not look for them."""
    args, rest = parser.parse_known_args(argv)
    if rest and (not hasattr(args, "overrides") or any(key.startswith("-") for key in rest[::2])):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        args.overrides = [*args.overrides, *rest]
    return args


def guard(work) -> int:
    """Run `work`; a user's mistake is one line on stderr and 2, anything else its traceback and 1."""
    try:
        return work()
    except (ValueError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        if "--traceback" in sys.argv:
            raise
        text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        print(f"videonet: {' '.join(text.split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has enough, as `head` does
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("videonet: interrupted", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()
        print("videonet: this is a fault of videonet; please report it with `videonet doctor`", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Train and/or test a config, as TRAIN.ENABLE and TEST.ENABLE say:
`python tools/run_net.py --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml [KEY VALUE ...]`, under torchrun for several
processes."""

import argparse
import sys

from videonet.cli.configs import load_config
from videonet.cli.main import guard, parse
from videonet.cli.train import add_config, exit_code
from videonet.run import run


def main() -> int:
    """Load the config and run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config(parser)
    args = parse(parser)
    return guard(lambda: exit_code(run(load_config(args.cfg, args.overrides))))


if __name__ == "__main__":
    sys.exit(main())

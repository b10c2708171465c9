#!/usr/bin/env python3
"""The closing line of `make demo`, from the result that the run of a config left: `demo_line.py CONFIG`."""

import json
import sys
from pathlib import Path

from videonet.cli.configs import load_config

folder = Path(load_config(sys.argv[1]).OUTPUT_DIR)
result = json.loads((folder / "result.json").read_text())
top1, chance = result["metric"]["top1"], 100 / result["classes"]
print(f"demo: top1 {top1:.1f} % on {result['evaluated']} clips (chance {chance:.1f} %), report in {folder}/")

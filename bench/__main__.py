"""`python -m bench`: measure what EduPulse costs on this machine."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from dataclasses import asdict
from pathlib import Path

from bench.path import StageFailed, run_path, write_files


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    benches = parser.add_subparsers(dest="bench", required=True)
    path = benches.add_parser(
        "path", help="seconds and peak memory of each stage from files to scores, in a database of its own"
    )
    path.add_argument("--json", action="store_true", help="print one JSON object")
    write = benches.add_parser("write", help="write a synthetic district's files")
    write.add_argument("folder", type=Path)
    write.add_argument("--until", type=dt.date.fromisoformat, required=True, help="last day of the records")
    for each in (path, write):
        each.add_argument("--students", type=int, default=5_000, help="enrolled at a time (default 5000)")
        each.add_argument("--years", type=int, default=3, help="closed school years (default 3)")
        each.add_argument("--seed", type=int, default=7, help="same seed, same district (default 7)")
    asked = parser.parse_args()
    if asked.bench == "write":
        write_files(asked.folder, asked.students, asked.years, asked.seed, asked.until)
        return 0
    found = []
    try:
        for cost in run_path(asked.students, asked.years, asked.seed):
            found.append(cost)
            if not asked.json:
                print(f"{cost.stage:<20} {cost.seconds:8.1f} s {cost.peak_mb:9.1f} MB", flush=True)
    except StageFailed as error:
        print(error, file=sys.stderr)
        return 1
    if asked.json:
        stages = [asdict(cost) for cost in found]
        print(json.dumps({"students": asked.students, "years": asked.years, "stages": stages}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Chooses the few inputs of a corpus that reach the most, with what libFuzzer says of each.

Usage: corpus.py list CONTROL FOLDER...     writes a control file for `-merge_inner=1`: the small inputs of the folders
       corpus.py choose CONTROL COUNT       prints at most COUNT of them, the one that adds the most first

The control file is libFuzzer's own: the inputs, and for each what it reached (`FT`, features by number).
<https://github.com/llvm/llvm-project/blob/main/compiler-rt/lib/fuzzer/FuzzerMerge.h>
"""
import pathlib
import sys

SMALL = 256  # bytes: a kept input is run in every test run, and read by people


def write_list(control, folders):
    inputs = {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).glob("*")):
            if path.is_file() and path.stat().st_size <= SMALL:
                inputs.setdefault(path.read_bytes(), path)
    paths = sorted(inputs.values(), key=lambda path: (path.stat().st_size, path.name))
    pathlib.Path(control).write_text("\n".join([str(len(paths)), "0", *map(str, paths)]) + "\n")


def choose(control, count):
    lines = pathlib.Path(control).read_text().splitlines()
    paths = lines[2:2 + int(lines[0])]
    reached = {}
    for line in lines[2 + len(paths):]:
        kind, number, *features = line.split()
        if kind == "FT":
            reached[int(number)] = set(features)
    if len(reached) < len(paths):
        sys.exit(f"{len(reached)} of {len(paths)} inputs were run: one ended the process")
    known = set()
    for _ in range(count):
        # The most that is new; of equals the smallest, which comes first.
        best = max(sorted(reached), key=lambda number: len(reached[number] - known), default=None)
        if best is None or not reached[best] - known:
            break
        print(paths[best])
        known |= reached.pop(best)


if __name__ == "__main__":
    if len(sys.argv) >= 4 and sys.argv[1] == "list":
        write_list(sys.argv[2], sys.argv[3:])
    elif len(sys.argv) == 4 and sys.argv[1] == "choose":
        choose(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(__doc__)

#!/usr/bin/env python3
"""Compares runs of equal K, N and seed in two folders of `iclk train` or `iclk simulate`: paired differences of ln c1, ln c2 and
ln c3 at each decade of steps and at the end of the shorter run, of ln I(T), and of t_ICL, with their standard errors.

    python3 tests/bench/compare_precisions.py FOLDER OTHER
"""

import csv
import math
import pathlib
import statistics
import sys


def read(path):
    head, rows = {}, []
    lines = path.read_text().splitlines()
    for line in lines:
        if line.startswith("#"):
            key, _, value = line[1:].partition(":")
            head[key.strip()] = value.strip()
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        rows.append({key: float(value) for key, value in row.items() if value not in ("", None)})
    return head, rows


def identity(head):
    return tuple(head.get(key, "") for key in ("model", "context", "items", "n_items", "lambda_w", "labels", "seed"))


def runs(folder):
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.csv")):
        if path.name.endswith((".curves.csv", ".simulation.csv")):
            head, rows = read(path)
            if identity(head) in found:
                sys.exit(f"{path}: a second run of the same K, N and seed")
            found[identity(head)] = (head, rows)
    if not found:
        sys.exit(f"{folder}: no curves and no simulations")
    return found


def integral(rows, end):
    """I up to `end`: twice the integral of c1 over time, by trapezia."""
    total = 0.0
    for a, b in zip(rows, rows[1:]):
        if b["time"] > end:
            break
        total += (a["c1"] + b["c1"]) * (b["time"] - a["time"])
    return total


def quantities(run, other):
    """Pairs of numbers of the two runs, by name."""
    pairs = {}
    rows, other_rows = run[1], {row["iteration"]: row for row in other[1]}
    common = [row for row in rows if row["iteration"] in other_rows]
    last = common[-1]
    wanted = {10.0**k for k in range(1, 9)} | {last["iteration"]}
    for row in common:
        if row["iteration"] in wanted:
            where = "at the end" if row is last else f"at step {row['iteration']:.0f}"
            for name in ("c1", "c2", "c3"):
                pairs[f"ln {name} {where}"] = (math.log(row[name]), math.log(other_rows[row["iteration"]][name]))
    end = last["time"]
    if end > 0:
        pairs["ln I to the end"] = (math.log(integral(rows, end)), math.log(integral(other[1], end)))
    times = [head.get("t_icl", "none") for head in (run[0], other[0])]
    if "none" not in times:
        pairs["t_icl"] = (float(times[0]), float(times[1]))
    return pairs


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    first, second = runs(sys.argv[1]), runs(sys.argv[2])
    shared = sorted(first.keys() & second.keys())
    print(f"{len(shared)} runs in both, {len(first) - len(shared)} and {len(second) - len(shared)} in one only")
    samples = {}
    for key in shared:
        for name, pair in quantities(first[key], second[key]).items():
            samples.setdefault(name, []).append(pair)
    print(f"{'quantity':28} {'pairs':>6} {'mean':>12} {'difference':>12} {'its std. error':>14} {'ratio':>7} {'seed scatter':>13}")
    for name, pairs in sorted(samples.items()):
        if len(pairs) < 3:
            continue
        differences = [b - a for a, b in pairs]
        mean, error = statistics.mean(differences), statistics.stdev(differences) / math.sqrt(len(pairs))
        ratio = f"{mean / error:7.2f}" if error > 0 else f"{'-':>7}"
        level, scatter = statistics.mean(a for a, _ in pairs), statistics.stdev(a for a, _ in pairs)
        print(f"{name:28} {len(pairs):6d} {level:12.5g} {mean:12.3g} {error:14.3g} {ratio} {scatter:13.3g}")


if __name__ == "__main__":
    main()

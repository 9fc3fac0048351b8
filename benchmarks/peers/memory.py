"""Peak memory and time of a whole run against the number of calibration samples: every rule of
edgeq, and the peer's percentile.

    # 16, 64, 256 samples; the peer 16, 64
    python -m benchmarks.peers.memory model.onnx --data eval.npz
    # with a model and 256 samples of the zoo
    python -m benchmarks.peers.memory --zoo squeezenet1_1_imagenet --json memory.json

growth = peak at the most samples / peak at the fewest. A tool that keeps statistics stays at 1; one
that keeps activations does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measures import machine
from benchmarks.measures.model_zoo import find_zoo
from benchmarks.measures.processes import run_process
from benchmarks.peers import tools
from edgeq.schema.rules import RULES


@dataclass(frozen=True)
class Point:
    """One whole process. error is empty when it worked."""

    tool: str
    rule: str
    samples: int
    peak_mb: float
    seconds: float
    error: str


def measure(tool: str, rule: str, model: Path, data: Path, samples: int) -> Point:
    with tempfile.TemporaryDirectory() as folder:
        run = run_process(tools.command_of(tool, rule, model, Path(folder) / "out.onnx", data, samples, prove=False))
    return Point(tool, rule, samples, run.peak_mb, run.seconds, "" if run.code == 0 else tools.last_line(run))


def table(points: list[Point]) -> str:
    """One line a tool and rule: peak MB and seconds at each number of samples, and the growth."""
    steps = sorted({p.samples for p in points})
    lines = ["| tool | " + " | ".join(f"{n} samples: MB, s" for n in steps) + " | growth |", "|" + "---|" * (len(steps) + 2)]
    for tool, rule in dict.fromkeys((p.tool, p.rule) for p in points):
        row = {p.samples: p for p in points if (p.tool, p.rule) == (tool, rule)}
        cells = [_cell(row.get(n)) for n in steps]
        good = [p.peak_mb for _, p in sorted(row.items()) if not p.error]
        growth = f"{good[-1] / good[0]:.3f}" if len(good) > 1 else ""
        lines.append(f"| {tool}:{rule} | " + " | ".join(cells) + f" | {growth} |")
    return "\n".join(lines)


def _cell(point: Point | None) -> str:
    if point is None:
        return ""
    return point.error or f"{point.peak_mb:.0f}, {point.seconds:.1f}"


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in tools.words(text))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--data", type=Path, help=".npz with at least as many samples as the largest number")
    parser.add_argument("--zoo", metavar="NAME", help="a model of the zoo and samples of its evaluation split, instead of MODEL --data")
    parser.add_argument("--samples", type=numbers, default=(16, 64, 256))
    parser.add_argument("--peer-samples", type=numbers, default=(16, 64), help="it keeps every activation: 256 may not fit ('' for none)")
    parser.add_argument("--rules", type=tools.words, default=RULES)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if bool(args.zoo) == bool(args.model) or (args.model and not args.data):
        parser.error("give MODEL and --data, or --zoo NAME")
    with tempfile.TemporaryDirectory() as folder:
        model, data = args.model, args.data
        if args.zoo:
            source, data = find_zoo(None), Path(folder) / "data.npz"
            model = source.model(args.zoo) or parser.error(f"the zoo has no {args.zoo}")
            source.evaluate("--export", args.zoo, "eval", str(data), "--limit", str(max(args.samples)))
        work = [("edgeq", rule, n) for rule in args.rules for n in args.samples] + [("ort", "percentile", n) for n in args.peer_samples]
        points = [measure(tool, rule, model, data, n) for tool, rule, n in work]
    print(table(points))
    if args.json:
        body = {"machine": machine.describe(), "model": model.stem, "points": [asdict(point) for point in points]}
        args.json.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How CPU seconds and peak memory of `edgeq quantize` grow with nodes, parameters, samples, pixels.

    # all four, at sizes that take some minutes
    python -m benchmarks.scale.growth --json scale.json
    # longer chains; options of edgeq behind --
    python -m benchmarks.scale.growth --only nodes --sizes 100,1000,5000,20000 -- --effort fast
    # 604 M parameters: 36 layers of 4096 x 4096, 2.4 GB of disk in TMPDIR
    python -m benchmarks.scale.growth --only parameters --sizes 604 -- --memory 2GiB

Each run is a process of its own, which a small one starts. exponent: the slope of log(CPU seconds
less start-up) over log(size), by least squares; start-up is a chain of 10 nodes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.figures.rows import Run
from benchmarks.measures.processes import run_process
from benchmarks.peers.tools import last_line
from benchmarks.scale import models


@dataclass(frozen=True)
class Point:
    """One run. error is empty when it worked."""

    what: str
    size: int
    cpu_s: float
    seconds: float
    peak_mb: float
    error: str = ""


def _nodes(size: int, folder: Path) -> tuple[Path, Path]:
    return models.chain(size, folder / "m.onnx"), models.data(folder / "d.npz", 8, 8, 8, 8)


def _parameters(size: int, folder: Path) -> tuple[Path, Path]:
    """size: millions; layers of 1024 x 1024 below 10, of 4096 x 4096 from 100 on."""
    width = 1024 if size < 10 else 2048 if size < 100 else 4096
    layers = max(1, round(size * 1e6 / width**2))
    return models.gemms(layers, width, folder / "m.onnx", external=size >= 100), models.data(folder / "d.npz", 32, width)


def _samples(size: int, folder: Path) -> tuple[Path, Path]:
    return models.chain(30, folder / "m.onnx", size=32), models.data(folder / "d.npz", size, 8, 32, 32)


def _pixels(size: int, folder: Path) -> tuple[Path, Path]:
    """size: of a side."""
    return models.unet(8, folder / "m.onnx"), models.data(folder / "d.npz", 4, 3, size, size)


#: what grows -> what makes a model and data of a size, and the sizes that are tried
KINDS: dict[str, tuple[Callable[[int, Path], tuple[Path, Path]], tuple[int, ...]]] = {
    "nodes": (_nodes, (100, 300, 1000)),
    "parameters": (_parameters, (2, 8, 25)),
    "samples": (_samples, (32, 256, 2048)),
    "pixels": (_pixels, (128, 256, 512)),
}


def measure(what: str, size: int, options: Sequence[str]) -> Point:
    """One run of edgeq on a model of this size."""
    with tempfile.TemporaryDirectory() as folder:
        model, samples = KINDS[what][0](size, Path(folder))
        script, out = Path(sys.executable).parent / "edgeq", Path(folder) / "q.onnx"
        command = [str(script), "quantize", str(model), "-d", str(samples), "-o", str(out), "--max-bytes", "16GiB", *options]
        run = run_process(command)
    return Point(what, size, run.cpu_s, run.seconds, run.peak_mb, "" if run.code == 0 else last_line(run))


def exponent(points: Sequence[Point], start_up: float) -> float | None:
    """The slope of log(CPU seconds less start-up) over log(size); None: fewer than two sizes."""
    good = [(math.log(one.size), math.log(one.cpu_s - start_up)) for one in points if not one.error and one.cpu_s > start_up]
    sizes, times = [size for size, _ in good], [time for _, time in good]
    return float(np.polyfit(sizes, times, 1)[0]) if len(set(sizes)) > 1 else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(KINDS), action="append", help="what grows; may be given several times")
    parser.add_argument("--sizes", type=lambda text: tuple(map(int, text.split(","))), help="with one --only: sizes, comma-separated")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("options", nargs="*", help="options of edgeq quantize, behind --")
    args = parser.parse_args()
    if args.sizes and len(args.only or ()) != 1:
        parser.error("--sizes goes with one --only")
    now, start_up = Run.now(), measure("nodes", 10, args.options)
    print(f"{now.machine}; {now.date}, load {now.load}, commit {now.commit}; start-up {start_up.cpu_s:.1f} CPU s", flush=True)
    points, slopes = list[Point](), dict[str, float | None]()
    for what in args.only or KINDS:
        own = []
        for size in args.sizes or KINDS[what][1]:
            own.append(measure(what, size, args.options))
            one = own[-1]
            print(f"{what:10} {size:7}  {one.cpu_s:8.1f} CPU s  {one.seconds:8.1f} s  {one.peak_mb:7.0f} MB  {one.error}", flush=True)
        slopes[what] = exponent(own, start_up.cpu_s)
        print(f"{what:10} exponent {'-' if slopes[what] is None else f'{slopes[what]:.2f}'}", flush=True)
        points += own
    if args.json:
        body = {"run": asdict(now), "start_up": asdict(start_up), "points": [asdict(one) for one in points], "exponents": slopes}
        args.json.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

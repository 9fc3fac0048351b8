"""The solvers of codebooks side by side: k-means of all weights, and the models that come of it.

    pip install 'edgeq[learn]'
    python -m benchmarks.codebooks.solvers --models squeezenet1_1_imagenet,minilm_l6_v2 --bits 4

Both cluster the same numbers, weight by weight, all counting alike; then the whole model is
quantized with tables from each, under the moments of its inputs. The zoo is not part of the
project: see benchmarks/codebooks/widths.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np

import edgeq
from benchmarks.codebooks.coremltools_kmeans import weights
from benchmarks.codebooks.widths import metric
from benchmarks.measures.model_zoo import Zoo, find_zoo
from edgeq.learn.door import clustering_of
from edgeq.schema.codebook import CodebookWish, Solver
from edgeq.schema.recipe import Recipe


@dataclass(frozen=True)
class Row:
    """One model with tables of one solver.

    weight_db: energy of all weights over the squared error of their nearest centroids; kmeans_s:
    CPU seconds of that, process_time. sqnr_db, metric: of the int8 model, quantize_s: its CPU
    seconds.
    """

    model: str
    bits: int
    solver: Solver
    weight_db: float
    kmeans_s: float
    sqnr_db: float
    metric: float
    float_metric: float
    quantize_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="squeezenet1_1_imagenet,minilm_l6_v2")
    parser.add_argument("--bits", type=int, default=4, choices=(1, 2, 3, 4, 5, 6))
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--limit", type=int, help="evaluation samples")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    zoo, rows = find_zoo(None), []
    print("| model | bits | solver | weights dB | k-means s | SQNR dB | metric (float) | quantize s |\n|---|---|---|---|---|---|---|---|")
    for name in args.models.split(","):
        model = zoo.model(name)
        if model is None:
            print(f"{name}: not in the zoo", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows += [measure(zoo, name, model, Path(folder), solver, args) for solver in get_args(Solver)]
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def measure(zoo: Zoo, name: str, model: Path, folder: Path, solver: Solver, args: argparse.Namespace) -> Row:
    data, file = folder / "calib.npz", folder / "made.onnx"
    zoo.evaluate("--export", name, "calib", str(data), "--limit", str(args.samples))
    weight_db, kmeans_s = clustered(model, solver, args.bits)
    began = time.process_time()
    codebook = CodebookWish.model_validate({"bits": args.bits, "solver": solver})
    edgeq.quantize(model, str(data), recipe=Recipe(codebook=codebook), prove=False).save(file, force=True)
    quantize_s = time.process_time() - began
    base, (found, sqnr) = metric(zoo, name, model, args.limit)[0], metric(zoo, name, file, args.limit)
    row = Row(name, args.bits, solver, weight_db, kmeans_s, sqnr, found, base, quantize_s)
    numbers = f"{weight_db:.2f} | {kmeans_s:.1f} | {sqnr:.1f} | {found:.4f} ({base:.4f}) | {quantize_s:.0f}"
    print(f"| {name} | {args.bits} | {solver} | {numbers} |", flush=True)
    return row


def clustered(model: Path, solver: Solver, bits: int) -> tuple[float, float]:
    """dB and CPU seconds of k-means over every weight of a model, one table each."""
    solve, energy, error, seconds = clustering_of(solver).numbers, 0.0, 0.0, 0.0
    for _, weight in weights(model):
        numbers = weight.reshape(-1)
        began = time.process_time()
        table = solve(numbers, None, 2**bits, None)
        seconds += time.process_time() - began
        nearest = table[np.searchsorted((table[:-1] + table[1:]) / 2, numbers)]
        energy += float(np.square(numbers, dtype=np.float64).sum())
        error += float(np.square(numbers - nearest).sum())
    return 10 * float(np.log10(energy / error)), seconds


if __name__ == "__main__":
    main()

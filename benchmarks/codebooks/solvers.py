"""The solvers of codebooks side by side: k-means of all weights, and the models that come of it.

    pip install 'edgeq[learn]'
    python -m benchmarks.codebooks.solvers --models squeezenet1_1_imagenet,minilm_l6_v2 --bits 4

Both cluster the same numbers, weight by weight, all counting alike; then the whole model is
quantized with tables from each, under the moments of its inputs. The zoo is not part of the
project: see benchmarks/codebooks/subjects.py.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np

import edgeq
from benchmarks.codebooks.coremltools_kmeans import weights
from benchmarks.codebooks.subjects import Subject, parser, subjects
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
    options = parser(__doc__, "squeezenet1_1_imagenet,minilm_l6_v2")
    options.add_argument("--bits", type=int, default=4, choices=(1, 2, 3, 4, 5, 6))
    args, rows = options.parse_args(), []
    print("| model | bits | solver | weights dB | k-means s | SQNR dB | metric (float) | quantize s |\n|---|---|---|---|---|---|---|---|")
    for subject in subjects(args):
        rows += [measure(subject, solver, args.bits) for solver in get_args(Solver)]
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def measure(subject: Subject, solver: Solver, bits: int) -> Row:
    name, model, file, base = subject.name, subject.model, subject.folder / "made.onnx", subject.float_metric
    weight_db, kmeans_s = clustered(model, solver, bits)
    began = time.process_time()
    codebook = CodebookWish.model_validate({"bits": bits, "solver": solver})
    edgeq.quantize(model, str(subject.data), recipe=Recipe(codebook=codebook), prove=False).save(file, force=True)
    quantize_s = time.process_time() - began
    found, sqnr = subject.metric(file)
    row = Row(name, bits, solver, weight_db, kmeans_s, sqnr, found, base, quantize_s)
    numbers = f"{weight_db:.2f} | {kmeans_s:.1f} | {sqnr:.1f} | {found:.4f} ({base:.4f}) | {quantize_s:.0f}"
    print(f"| {name} | {bits} | {solver} | {numbers} |", flush=True)
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

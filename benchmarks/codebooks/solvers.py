"""The solvers of codebooks side by side: k-means of all weights, and the models that come of it.

    pip install 'edgeq[learn]'
    python -m benchmarks.codebooks.solvers --models squeezenet1_1_imagenet,minilm_l6_v2 --bits 4

Both cluster the same numbers, weight by weight, all counting alike; then the whole model is
quantized with tables from each, under the moments of its inputs. Each of the two has --seconds of
CPU time; what has not finished then is quoted so. The zoo is not part of the project: see
benchmarks/codebooks/subjects.py.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar, get_args

import numpy as np

import edgeq
from benchmarks.codebooks.coremltools_kmeans import weights
from benchmarks.codebooks.subjects import Subject, parser, subjects
from edgeq.learn.door import clustering_of
from edgeq.schema.codebook import CodebookWish, Solver
from edgeq.schema.recipe import Recipe

Given = ParamSpec("Given")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Row:
    """One model with tables of one solver."""

    model: str
    bits: int
    solver: Solver
    #: CPU seconds that k-means of all weights and the whole model have, each
    limit_s: int
    float_metric: float
    #: energy of all weights over the squared error of their nearest centroids, in dB, and the CPU
    #: seconds of that; None: it has not finished
    kmeans: tuple[float, float] | None
    #: SQNR of the int8 model in dB, its metric and the CPU seconds of quantizing; None: likewise
    quantized: tuple[float, float, float] | None


def main() -> None:
    options = parser(__doc__, "squeezenet1_1_imagenet,minilm_l6_v2")
    options.add_argument("--bits", type=int, default=4, choices=(1, 2, 3, 4, 5, 6))
    options.add_argument("--seconds", type=int, default=600, help="CPU seconds for k-means, and for the model")
    args, rows = options.parse_args(), []
    print("| model | bits | solver | weights dB | k-means s | SQNR dB | metric (float) | quantize s |\n|---|---|---|---|---|---|---|---|")
    for subject in subjects(args):
        for solver in get_args(Solver):
            rows.append(measure(subject, solver, args.bits, args.seconds))
            if args.json:
                args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def measure(subject: Subject, solver: Solver, bits: int, seconds: int) -> Row:
    base = subject.float_metric
    kmeans = within(seconds, clustered, subject.model, solver, bits)
    made = within(seconds, quantized, subject, solver, bits)
    row = Row(subject.name, bits, solver, seconds, base, kmeans, None if made is None else (*judged(subject), made))
    late = f"not finished in {seconds} s"
    first = f"{late} | " if kmeans is None else f"{kmeans[0]:.2f} | {kmeans[1]:.1f}"
    second = f"{late} | | " if row.quantized is None else "{:.1f} | {:.4f} ({base:.4f}) | {:.0f}".format(*row.quantized, base=base)
    print(f"| {subject.name} | {bits} | {solver} | {first} | {second} |", flush=True)
    return row


def within(seconds: int, function: Callable[Given, Found], *args: Given.args, **more: Given.kwargs) -> Found | None:
    """What a function returns, called in a process of its own; None: so many CPU seconds were not
    enough.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, resource.setrlimit, (resource.RLIMIT_CPU, (seconds, seconds))) as pool:
        try:
            return pool.submit(function, *args, **more).result()
        except BrokenProcessPool:
            return None


def quantized(subject: Subject, solver: Solver, bits: int) -> float:
    """Write the int8 model; returns the CPU seconds."""
    began = time.process_time()
    codebook = CodebookWish.model_validate({"bits": bits, "solver": solver})
    made = edgeq.quantize(subject.model, str(subject.data), recipe=Recipe(codebook=codebook), prove=False)
    made.save(subject.folder / "made.onnx", force=True)
    return time.process_time() - began


def judged(subject: Subject) -> tuple[float, float]:
    """SQNR in dB and metric of the int8 model."""
    found, sqnr = subject.metric(subject.folder / "made.onnx")
    return sqnr, found


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

"""edgeq's k-means against coremltools' on the weights of a model: time and squared error of each,
weight by weight.

    pip install coremltools scikit-learn
    python -m benchmarks.codebooks.coremltools_kmeans model.onnx --bits 4
    # leave out what takes the peer minutes
    python -m benchmarks.codebooks.coremltools_kmeans model.onnx --bits 4 --largest 2000000

coremltools is not a dependency of edgeq; its k-means runs on Linux too.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edgeq.numerics.kmeans import cluster


@dataclass(frozen=True)
class Row:
    """One weight. seconds and squared error of each tool; both get the same float32 numbers and use
    one table.
    """

    name: str
    size: int
    seconds: float
    peer_seconds: float
    error: float
    peer_error: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--bits", type=int, default=4, choices=(1, 2, 3, 4, 6, 8))
    parser.add_argument("--largest", type=int, default=1 << 40, help="numbers of the largest weight to compare")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows = []
    print("| weight | numbers | edgeq s | coremltools s | error ratio |\n|---|---|---|---|---|")
    for name, weight in weights(args.model):
        if weight.size > args.largest:
            print(f"{name}: {weight.size} numbers, left out", file=sys.stderr)
            continue
        row = compare(name, weight, args.bits)
        rows.append(row)
        ratio = row.error / row.peer_error if row.peer_error else 1.0
        print(f"| {name} | {row.size} | {row.seconds:.3f} | {row.peer_seconds:.3f} | {ratio:.6f} |", flush=True)
    total, peer = sum(row.seconds for row in rows), sum(row.peer_seconds for row in rows)
    worse = sum(row.error > row.peer_error * (1 + 1e-6) for row in rows)
    print(f"\n{len(rows)} weights: edgeq {total:.1f} s, coremltools {peer:.1f} s; edgeq's error is above coremltools' on {worse}")


def weights(model: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Every float32 initializer of two dimensions or more that 16 entries would make smaller."""
    for tensor in onnx.load(str(model)).graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.ndim > 1 and array.size >= 256:
            yield tensor.name, np.array(array)


def compare(name: str, weight: NDArray[np.float32], bits: int) -> Row:
    from coremltools.optimize.coreml._quantization_passes import palettize_weights

    began = time.perf_counter()
    table = cluster(weight.reshape(-1), None, 2**bits)
    middle = (table[:-1] + table[1:]) / 2
    ours = table[np.searchsorted(middle, weight)].astype(np.float32)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    found = palettize_weights.blockwise_compress(weight, "KMEANS", bits, [0] * weight.ndim)
    peer_seconds = time.perf_counter() - began
    theirs = np.asarray(found.lut, np.float32).reshape(-1)[found.indices.astype(np.int64)]
    errors = [float(np.square(weight - new.reshape(weight.shape), dtype=np.float64).sum()) for new in (ours, theirs)]
    return Row(name, weight.size, seconds, peer_seconds, *errors)


if __name__ == "__main__":
    main()

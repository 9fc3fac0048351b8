"""Measure MatMulNBits: products with weights of four bits in blocks, activations in floats.

    python -m benchmarks.kernels.blocks

It prints the figures of a machine's column (`blocks` in targets/cpu.toml). The kernel is timed at
accuracy level 4, one thread, by the shortest of many turns.
"""

from __future__ import annotations

import argparse
from time import thread_time

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edgeq.numerics.arrays import AnyArray
from edgeq.planning.cost.work import Work
from edgeq.runtimes.ort import Session, open_session
from edgeq.schema.cost import FIGURES, Figures
from edgeq.tuning.fit import fit

#: rows, columns of the input, columns of the output
SIZES = ((1, 128, 128), (4, 128, 128), (1, 256, 256), (8, 256, 256), (1, 512, 512), (2, 512, 512), (8, 512, 512),
         (16, 512, 512), (1, 512, 2048), (4, 2048, 512), (1, 1024, 1024), (1, 1024, 2048))  # fmt: skip
BLOCK, FEW, MANY, TURNS = 32, 2, 6, 40
#: figures of a product; those of numbers read cannot be told from those of multiply-accumulates
TOLD = ("call", "place", "mac", "weight")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(measured())


def measured() -> Figures:
    """The figures of this machine."""
    runs = [[_chain(size, count) for count in (FEW, MANY)] for size in SIZES]
    least = np.full((len(SIZES), 2), np.inf)
    for _ in range(TURNS):
        for row, pair in enumerate(runs):
            for column, (session, feeds) in enumerate(pair):
                began = thread_time()
                for _ in range(4):
                    session.run(feeds)
                least[row, column] = min(least[row, column], (thread_time() - began) / 4 * 1e9)
    products = np.array([1 if inner == columns else 2 for _, inner, columns in SIZES])  # there and back
    times = (least[:, 1] - least[:, 0]) / (MANY - FEW) / products
    works = [Work("Gemm", rows, inner, columns, False, inner * columns) for rows, inner, columns in SIZES]
    counts = np.array([work.counts(1) for work in works]) * np.array([name in TOLD for name in FIGURES])
    found = fit(counts, times)
    for size, took, told in zip(SIZES, times, counts @ found, strict=True):
        print(f"{size}: {took / 1e3:.1f} us, by the figures {told / 1e3:.1f} us")
    return Figures(**{name: float(f"{figure:.4g}") for name, figure in zip(FIGURES, found, strict=True) if figure > 1e-6})


def _chain(size: tuple[int, int, int], count: int) -> tuple[Session, dict[str, AnyArray]]:
    """A network of so many pairs of products, there and back, and what it is fed."""
    rows, inner, columns = size
    chance, nodes, constants, last = np.random.default_rng(0), [], [], "x"
    for place in range(count):
        for wide, narrow in ((inner, columns), (columns, inner)) if inner != columns else ((inner, columns),):
            name, blocks = f"{place}_{wide}", wide // BLOCK
            codes: AnyArray = chance.integers(0, 256, (narrow, blocks, BLOCK // 2)).astype(np.uint8)
            scales = np.full(narrow * blocks, 0.1 / np.sqrt(wide), np.float32)
            constants += [numpy_helper.from_array(codes, f"w{name}"), numpy_helper.from_array(scales, f"s{name}")]
            facts = {"K": wide, "N": narrow, "bits": 4, "block_size": BLOCK, "accuracy_level": 4}
            nodes.append(helper.make_node("MatMulNBits", [last, f"w{name}", f"s{name}"], [f"y{name}"], domain="com.microsoft", **facts))
            last = f"y{name}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, inner]) for name in ("x", last)]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return open_session(model.SerializeToString(), threads=1), {"x": chance.normal(size=(rows, inner)).astype(np.float32)}


if __name__ == "__main__":
    main()

"""Write the cost tables of targets/cpu.toml: this machine's column for one and two threads, and the
columns of machines that are known from figures of single nodes.

    python -m benchmarks.kernels.columns targets/cpu.toml --name avx2

It takes two minutes, with two threads four; the shortest turns count, so that one thread may be
measured beside other work, two may not. The columns of the two
generations with VNNI are the measured one times factors; what was known of them stands there.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from benchmarks.kernels import blocks
from edgeq.graph.operators import OPERATORS, UNKNOWN
from edgeq.progress import Silent
from edgeq.runtimes.ort import runtime_version
from edgeq.schema.cost import FIGURES, Column, Costs, Figures, KernelCost, Lanes
from edgeq.schema.target import load_target
from edgeq.schema.target_text import cost_text
from edgeq.tuning.tune import ROUNDS, measured, processor

#: the line of the target's file behind which the tables stand
MARK = "# Costs, one column a machine: written by benchmarks/kernels/columns.py."
#: newer VNNI server against AVX2, one thread, by figure. Layers on 112 x 112: pointwise to 8
#: channels 70 us in integers, to 16 23 (float 52 and 33); depthwise of 8, 16, 32 channels 160, 109
#: and 131 (float 25, 25, 50); the first Conv on 3 channels 197 (float 65 to 83); 25 further Convs
#: of a MobileNet 296 in all (float 520); dense layers of ResNet-50 0.32 of the float time
INTEGER = {"call": 0.8, "place": 0.45, "read": 0.4, "mac": 0.3, "write": 0.4, "rest": 0.7, "weight": 0.45}
FLOAT = {"call": 0.8, "place": 0.55, "read": 0.55, "mac": 0.53, "write": 0.5, "rest": 0.5, "weight": 0.55}
#: kinds whose float kernel gains more
WIDE = {"Conv.depthwise": {**FLOAT, "mac": 0.33}}
#: the older generation against the newer: its float kernels take twice as long (MobileNet 1.2 ms
#: against 0.66), its integer kernels 1.6 times (ratios to float of 0.89 against 1.08, 1.06 against
#: 1.35, 1.52 against 1.70 and 0.91 against 1.08 in four networks)
OLDER_INTEGER, OLDER_FLOAT = 1.6, 1.95
#: MatMulNBits on the newer generation: 512 x 512 with blocks of 32 takes 6.1 us for a row and 134
#: for 64
NEWER_BLOCKS = Figures(mac=0.00775, weight=0.0155)
VNNI = (
    "derived: the column avx2 times factors of benchmarks/kernels/columns.py, which fit nodes of MobileNet v1 0.25 profiled on the "
    "machine (onnxruntime 1.32); Gemm, MatMul, pools and operators of one number are scaled like Convs, without figures of their own"
)


def scaled(column: Column, machine: str, source: str) -> Column:
    """The column of the newer generation with VNNI."""
    kinds = {
        kind: KernelCost(
            integer=_times(cost.integer, FLOAT if _only_moves(kind) else INTEGER), float=_times(cost.float, WIDE.get(kind, FLOAT))
        )
        for kind, cost in column.kinds.items()
    }
    return Column(machine=machine, threads=column.threads, lanes=Lanes(float=16), kinds=kinds, blocks=NEWER_BLOCKS, source=source)


def older(column: Column, machine: str, source: str) -> Column:
    """The column of the older generation, from that of the newer."""
    kinds = {
        kind: KernelCost(
            integer=_times(cost.integer, dict.fromkeys(FIGURES, OLDER_FLOAT if _only_moves(kind) else OLDER_INTEGER)),
            float=_times(cost.float, dict.fromkeys(FIGURES, OLDER_FLOAT)),
        )
        for kind, cost in column.kinds.items()
    }
    own = None if column.blocks is None else _times(column.blocks, dict.fromkeys(FIGURES, OLDER_INTEGER))
    return Column(machine=machine, threads=column.threads, lanes=column.lanes, kinds=kinds, blocks=own, source=source)


def columns(one: Column, two: Column | None, name: str) -> dict[str, Column]:
    """All columns, by name."""
    newer = scaled(one, "x86-64 server with AVX-512 VNNI, of the generation of Sapphire Rapids", VNNI)
    return {
        name: one,
        **({} if two is None else {f"{name}_two_threads": two}),
        "vnni_newer": newer,
        "vnni_older": older(newer, "x86-64 server with AVX-512 VNNI, of a generation before", VNNI),
    }


def _only_moves(kind: str) -> bool:
    """Whether such kernels compute nothing: no instruction for products makes them faster."""
    row = OPERATORS.get(kind.partition(".")[0], UNKNOWN)
    return row.relocates or row.moves == "samples"


def _times(figures: Figures, factors: Mapping[str, float]) -> Figures:
    return Figures(
        **{figure: float(f"{value * factors[figure]:.4g}") for figure, value in zip(FIGURES, figures.numbers, strict=True) if value}
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="the target file whose tables are replaced")
    parser.add_argument("--name", default="avx2", help="name of this machine's column")
    parser.add_argument("--two", action="store_true", help="a column for two threads too: only on a machine that does nothing else")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    source = f"edgeq targets tune, onnxruntime {runtime_version()}"
    one = Column.model_validate(dict(measured(1, Silent(), args.rounds, source, processor())) | {"blocks": blocks.measured()})
    two = measured(2, Silent(), args.rounds, source, processor()) if args.two else None
    costs = Costs(columns=columns(one, two, args.name))
    text = args.target.read_text(encoding="utf-8").partition(MARK)[0].rstrip("\n")
    args.target.write_text(f"{text}\n\n{MARK}\n{cost_text(costs)}", encoding="utf-8")
    assert load_target(str(args.target)).cost == costs
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

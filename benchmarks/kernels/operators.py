"""How long the integer and the float form of every operator take here, next to what a target file
says.

    python -m benchmarks.kernels.operators --target cpu --rounds 30

Light operators in nanoseconds an element (of the input for pools and reductions, else of the
output); Conv, Gemm and MatMul in nanoseconds a multiply-accumulate; "one more node" in nanoseconds
a node of a few elements. Every operator stands between two layers: what onnxruntime inserts around
it (layout changes) or fuses into its neighbours belongs to it. Times are of one thread, from
onnxruntime's own profile: the lower quartile over all runs. On a busy machine run it twice and
believe the smaller figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from benchmarks.kernels.chains import COMPUTE, LIGHT, MOVEMENT, Chain, network, without_operator
from benchmarks.kernels.profile_chain import BURST, Times, fastest_run, measure
from benchmarks.measures.machine import describe
from edgeq.api import quantize
from edgeq.graph.macs import elements, macs
from edgeq.graph.read import nodes
from edgeq.io.load import load_proto
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target


@dataclass(frozen=True)
class Row:
    """One operator: measured nanoseconds a unit, and what the target says (None: it says
    nothing).
    """

    operator: str
    unit: str
    int_ns: float
    float_ns: float
    target_int_ns: float | None = None
    target_float_ns: float | None = None


def integer_form(model: onnx.ModelProto, target: Target) -> onnx.ModelProto:
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    data = {"x": np.random.default_rng(1).normal(size=(2, *shape[1:])).astype(np.float32)}
    eager = target.with_costs(int_ns=1e-6, float_ns=1e6, integer_mac_worth_ns=1e6)  # nothing with an integer form is left in float
    return ir.to_proto(
        quantize(model, data, target=eager, recipe=Recipe(effort="fast", rule="minmax"), prove=False, data_doubts="accept").model
    )


def light_row(chain: Chain, target: Target, rounds: int) -> tuple[Row, Times]:
    """The row of an operator that costs by the element; and the times of the integer form."""
    model, bare = network(chain), without_operator(chain)
    models = {"int": integer_form(model, target), "float": model, "bare_int": integer_form(bare, target), "bare_float": bare}
    times = measure(models, rounds)
    node = next(n for n in nodes(load_proto(model).model) if n.name == "op")
    whole = node.op_type.startswith("Reduce") or "Pool" in node.op_type
    size = max(elements(node.inputs[0]) if whole else 1, elements(node.outputs[0]))
    cost = {
        kind: times[kind].operator + (times[kind].layers - times[f"bare_{kind}"].layers if chain.fused else 0.0)
        for kind in ("int", "float")
    }
    facts = target.kernel_of(node.op_type) or (target.movement if node.op_type in target.movement.ops else None)
    said = (None, None) if facts is None else (facts.int_ns, facts.float_ns)
    return Row(chain.name, "element", cost["int"] * 1e3 / size, cost["float"] * 1e3 / size, *said), times["int"]


def compute_row(chain: Chain, target: Target, rounds: int) -> Row:
    model = network(chain)
    times = measure({"int": integer_form(model, target), "float": model}, rounds)
    work = macs(next(n for n in nodes(load_proto(model).model) if n.name == "op"))
    return Row(chain.name, "mac", times["int"].op * 1e3 / work, times["float"].op * 1e3 / work)


def conversion_rows(found: Sequence[tuple[Chain, Times]], target: Target) -> list[Row]:
    """Quantize and dequantize at the ends of chains whose input and output have the size of their
    image.
    """
    same = [(times, int(np.prod(chain.image))) for chain, times in found if chain.name in ("Mul", "Sigmoid", "MaxPool", "AveragePool")]
    down = statistics.median(times.quantize * 1e3 / size for times, size in same)
    up = statistics.median(times.dequantize * 1e3 / size for times, size in same)
    facts = target.boundary
    return [
        Row("QuantizeLinear", "element", down, down, facts.quantize_ns),
        Row("DequantizeLinear", "element", up, up, facts.dequantize_ns),
    ]


def call_row(target: Target, rounds: int) -> Row:
    """What a node costs that has next to nothing to do."""
    more = 32
    text = " ".join(f"b{i + 1} = LeakyRelu(b{i})" for i in range(more - 1))
    long = Chain("long", f"[op] b0 = LeakyRelu(a) {text} b = LeakyRelu(b{more - 1})", image=(8, 2, 2))
    short = Chain("short", "[op] b = LeakyRelu(a)", image=(8, 2, 2))
    cost = {}
    for kind in ("int", "float"):
        models = [network(chain) if kind == "float" else integer_form(network(chain), target) for chain in (long, short)]
        slow, fast = fastest_run(models, rounds)
        cost[kind] = (slow - fast) / more * 1e9
    return Row("one more node", "node", cost["int"], cost["float"], target.boundary.call_ns, target.boundary.call_ns)


def table(rows: Sequence[Row]) -> str:
    lines = [f"{'operator':20} {'ns a':8} {'integer':>8} {'float':>8}   {'target:':>8} {'integer':>8} {'float':>8}"]
    for row in rows:
        said = [f"{value:8.2f}" if value is not None else " " * 8 for value in (row.target_int_ns, row.target_float_ns)]
        digits = 4 if row.unit == "mac" else 2
        lines.append(f"{row.operator:20} {row.unit:8} {row.int_ns:8.{digits}f} {row.float_ns:8.{digits}f}   {'':8} {said[0]} {said[1]}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="cpu", help="name or .toml file of the target to compare with")
    parser.add_argument("--rounds", type=int, default=20, help=f"rounds of {BURST} runs")
    parser.add_argument("--only", nargs="*", default=[], help="operators to measure, by name; default: all")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    args = parser.parse_args()
    target = load_target(args.target)
    chosen = [chain for chain in (*LIGHT, *MOVEMENT) if not args.only or chain.name in args.only]
    found = [(chain, *light_row(chain, target, args.rounds)) for chain in chosen]
    rows = [row for _, row, _ in found]
    if not args.only:
        rows += conversion_rows([(chain, times) for chain, _, times in found], target)
        rows.append(call_row(target, args.rounds))
    rows += [compute_row(chain, target, args.rounds) for chain in COMPUTE if not args.only or chain.name in args.only]
    facts = describe()
    print(table(rows))
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    if args.json:
        args.json.write_text(json.dumps({"machine": facts, "rows": [asdict(row) for row in rows]}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

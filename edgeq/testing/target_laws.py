"""The laws of targets: what every target file, of this project or of yours, is held to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.api import quantize
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.data.shipped import shipped_model
from edgeq.data.sources import DataSource
from edgeq.errors import UnsupportedOp
from edgeq.graph.signature import input_specs, narrower
from edgeq.integers.graph import integer_graph
from edgeq.integers.legality.check import check_model
from edgeq.integers.run import Interpreter
from edgeq.io.load import load_model, load_proto
from edgeq.numerics.grid import dequantize
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.proof.compare import CompareSettings, compare_models
from edgeq.report.quantized import Quantized
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from edgeq.testing.case import Case
from edgeq.testing.law import Law
from edgeq.testing.operator_cases import ALL, BEYOND_CPU
from edgeq.testing.operator_nets import build, data_for, operator
from edgeq.testing.pass_laws import serialised

FloatModel = str | Path | onnx.ModelProto | ir.Model

LAW = Law("targets")
RECIPE = Recipe(effort="fast", rule="minmax")
#: codes by which the interpreter may differ from the simulation: both round, in each layer
FAR = 3


def check_target(target: str | Path | Target, *, cases: Sequence[Case] = (*ALL, *BEYOND_CPU), floor_db: float = 20.0) -> None:
    """Hold a target to the laws of targets: on the network that ships with edgeq, and on every
    operator that the target names, alone between two layers.

    1. What edgeq makes for it is a valid ONNX model.
    2. That model keeps every fact that the target states: `edgeq check` finds nothing, but about
       operators that stay in float where the target has float kernels.
    3. Its outputs, simulated, are near the float model's: floor_db, SQNR in dB.
    4. The same model and data give the same bytes again.
    5. Where it computes in integers only, no real number travels through the model; and where the
       integer interpreter knows all its operators, no sum leaves int32, and its codes are within
       three of the simulation's.
    6. Every operator that it names runs in integers in at least one of the forms that there is a
       case of.

    target: a shipped name, the path of a .toml file, or a Target. cases: operators between two
    layers; a form that the target refuses by name breaks no law. floor_db: of law 3. Takes some
    seconds. Raises AssertionError with the number of the law and how it was broken; BadTarget for a
    file that cannot be read or contradicts itself.

    >>> from edgeq.testing import check_target
    >>> check_target("tensorrt")
    """
    facts = target if isinstance(target, Target) else load_target(str(target))
    check_quantized(facts, shipped_model("digits"), "digits", floor_db=floor_db)
    eager = facts.with_costs(int_ns=1e-3, float_ns=1e3, integer_mac_worth_ns=1e6)  # what can run, not what pays
    for name in (*(kernel.op for kernel in facts.kernel), *facts.movement.ops):
        forms = [case for case in cases if operator(case) == name]
        ran = any(_runs_in_integers(eager, case, floor_db) for case in forms)
        LAW.holds(6, "its operators run in integers", ran or not forms, f"{facts.name}: {name} does not, in {len(forms)} forms")


def check_quantized(target: Target, model: FloatModel, data: DataSource, *, recipe: Recipe = RECIPE, floor_db: float = 20.0) -> Quantized:
    """Hold what edgeq makes of one float model for a target to laws 1 to 5 of check_target, and
    return it. model, data: as edgeq.quantize takes them. Raises AssertionError; UnsupportedOp where
    the target refuses the model.

    >>> from edgeq.data.shipped import shipped_model
    >>> from edgeq.schema.target import load_target
    >>> from edgeq.testing import check_quantized
    >>> made = check_quantized(load_target("npu_int8"), shipped_model("digits"), "digits")
    >>> [value.dtype.name for value in (*made.model.graph.inputs, *made.model.graph.outputs)]
    ['INT8', 'INT8']
    """
    made = quantize(model, data, target=target, recipe=recipe, prove=False, data_doubts="accept")
    _check(target, model, made, data, floor_db, target.name)
    again = quantize(model, data, target=target, recipe=recipe, prove=False, data_doubts="accept").model
    LAW.holds(4, "the same bytes again", serialised(made.model) == serialised(again), f"{target.name}: two runs differ")
    return made


def _check(target: Target, model: FloatModel, made: Quantized, data: DataSource, floor_db: float, where: str) -> None:
    """Laws 1, 2, 3 and 5. where: what is told of a broken one."""
    LAW.is_valid(1, made.model, where)
    floats_kept = {name for name, node in made.plan.nodes.items() if node.runs == "float"}
    facts = [one for one in check_model(made.model, target) if one.breaks == "fact"]
    found = [one for one in facts if target.integer_only or one.node not in floats_kept]
    broken = [f"{one.node or 'the model'} ({one.rule}): {one.observed}, but {one.fact}" for one in found]
    LAW.holds(2, "its own facts are kept", not broken, f"{where}: {'; '.join(broken[:3])}")
    float_model = load_model(model).model if isinstance(model, str | Path) else load_proto(model).model
    floats = made.model.clone()
    FloatBoundary()(floats)
    dataset = open_dataset(data, narrower(input_specs(float_model), input_specs(floats)), float_model=float_model)
    for output in compare_models(float_model, floats, dataset, CompareSettings(optimize="off")).outputs:
        LAW.holds(3, "near the float model", output.sqnr_db >= floor_db, f"{where}: output {output.name} has {output.sqnr_db:.1f} dB")
    if target.integer_only and not target.float_io:
        check_integers(made.model, floats, dataset, where)


def check_integers(model: ir.Model, floats: ir.Model, data: Dataset, where: str) -> None:
    """Law 5 alone, on the first samples. floats: the same model with floats at its inputs and
    outputs. where: what is told of a broken one. Raises AssertionError.
    """
    words = "integers alone"
    typed = model.clone()
    InferShapes()(typed)
    graph = integer_graph(typed)
    operands = [operand for step in graph.steps for operand in (*step.inputs, *step.outputs) if operand is not None]
    real = [operand.name for operand in (*graph.inputs, *graph.outputs, *operands) if operand.is_float]
    LAW.holds(5, words, not real, f"{where}: {', '.join(real[:5])} are floats")
    batch = next(data.batches(8))
    try:
        machine = Interpreter(model, "float")
        ran = machine.run(batch.feeds)
    except UnsupportedOp:  # an operator or a form that it does not know
        return
    LAW.holds(5, words, not ran.overflows, f"{where}: a sum leaves int32: {ran.overflows[:1]}")
    with open_session(floats, optimize="off", threads=1) as session:
        wanted = dict(zip(session.outputs, session.run(batch.feeds), strict=True))
    for name, grid in machine.output_grids.items():
        far = float(np.abs(dequantize(ran.outputs[name], grid) - wanted[name]).max(initial=0.0) / grid.scale)
        LAW.holds(5, words, far <= FAR + 0.01, f"{where}: output {name} is {far:.1f} codes off in the interpreter")


def _runs_in_integers(target: Target, case: Case, floor_db: float) -> bool:
    """Whether the operator of the case does. A form that the target refuses by name does not."""
    model, data = build(case), data_for(case)
    try:
        made = quantize(model, data, target=target, recipe=RECIPE, prove=False, data_doubts="accept")
    except UnsupportedOp:
        return False
    _check(target, model, made, data, floor_db, f"{target.name}, {case.name}")
    return "op" not in made.plan.nodes or made.plan.nodes["op"].runs != "float"

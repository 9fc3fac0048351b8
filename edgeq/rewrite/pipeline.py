"""The order of the rewrites that turn a prepared float model and a plan into an int8 model, a
reason a line.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass, TopologicalSortPass

from edgeq.numerics.codebook import parse_grain
from edgeq.passes.place.gather_integer_rows import GatherIntegerRows
from edgeq.passes.place.hard_sigmoid_to_add import HardSigmoidToAdd
from edgeq.passes.place.hold_float import HoldFloat
from edgeq.passes.place.move_to_integers import MoveToIntegers
from edgeq.passes.place.requantize_inputs import RequantizeInputs
from edgeq.passes.place.sum_before_norm import SumBeforeNorm
from edgeq.passes.place.unary_to_lookup import UnaryToLookup
from edgeq.passes.quantize.absorb_activations import AbsorbActivations
from edgeq.passes.quantize.correct_biases import CorrectBiases
from edgeq.passes.quantize.equalize import Equalize
from edgeq.passes.quantize.insert_dynamic import InsertDynamic
from edgeq.passes.quantize.insert_qdq import InsertQdq
from edgeq.passes.quantize.migrate_scales import migrated
from edgeq.passes.quantize.quantize_biases import QuantizeBiases
from edgeq.passes.quantize.quantize_constants import QuantizeConstants
from edgeq.passes.store.fold_codebooks import FoldCodebooks, Storage
from edgeq.passes.store.store_weights import StoreWeights
from edgeq.rewrite.check_plan import check_factors, check_fits
from edgeq.schema.plan import NodePlan, Plan
from edgeq.schema.scaling import factors_of
from edgeq.schema.target import Target
from edgeq.schema.weights import CodebookWeight


def rewrite(prepared: ir.Model, plan: Plan, target: Target) -> ir.Model:
    """An int8 copy of the prepared model. Raises BadPlan when the plan is not one for it."""
    return _rewritten(prepared, plan, rewrite_passes(plan, target))


def in_floats(prepared: ir.Model, plan: Plan) -> ir.Model:
    """A float copy of the prepared model as the plan's grids, codes and biases see it: equalized,
    scales migrated.
    """
    return _rewritten(prepared, plan, [Equalize(factors_of(plan.equalization))])


def with_quantizers(prepared: ir.Model, plan: Plan, target: Target) -> ir.Model:
    """An int8 copy of the prepared model, of the same numbers as `rewrite` gives, in Q/DQ pairs
    around float operators alone.
    """
    # what the runtime fuses in float is rounded otherwise: those operators are the ones that will
    # run
    steps = [*_quantizers(plan, target), _sum_before_norm(target), RemoveUnusedNodesPass(), TopologicalSortPass()]
    return _rewritten(prepared, plan, steps)


def _rewritten(prepared: ir.Model, plan: Plan, steps: Sequence[ir.passes.InPlacePass]) -> ir.Model:
    check_factors(prepared, plan)
    model = migrated(prepared, plan.factors)
    check_fits(model, plan)
    for step in steps:
        step(model)
    return model


def _must_stay_float(node: NodePlan, target: Target) -> bool:
    """Whether the runtime has an integer kernel that it must not use: against the recipe's or the
    search's wish, or slow there.
    """
    return node.runs == "float" and (node.because in ("kept", "searched") or node.op_type in target.movement.behind_conv)


def storage_of(weight: CodebookWeight) -> Storage:
    """What the pass wants of a weight that becomes a codebook."""
    return Storage(parse_grain(weight.granularity), weight.channel_axis, weight.bits)


def rewrite_passes(plan: Plan, target: Target) -> list[ir.passes.InPlacePass]:
    """The passes in order."""
    where = _placed(plan)
    tables = frozenset(k.op for k in target.kernel if k.lookup)
    looked_up = frozenset(name for name in where["int8"] if plan.nodes[name].op_type in tables)
    copying = frozenset(name for name in where["int8"] if plan.nodes[name].op_type in target.same_scale_ops & {"Concat"})
    return [
        *_quantizers(plan, target),
        # needs the pair around HardSigmoid
        # it reads codes at another scale than they were made: onnxruntime alone knows such
        *(() if target.integer_only else (HardSigmoidToAdd(where["int8"], target.activations.dtype),)),
        *((UnaryToLookup(looked_up),) if looked_up else ()),
        GatherIntegerRows(),
        # what copies codes must find them on one grid
        *((RequantizeInputs(copying),) if copying else ()),
        # it takes pairs away again where integers pass through unchanged
        *(() if target.movement.pairs else (MoveToIntegers(where["integer"] | copying),)),
        # after everything that asks whether a weight is a constant
        FoldCodebooks({key: storage_of(weight) for key, weight in plan.weights.items() if weight.format == "codebook"}),
        # last: what it makes must look like nothing that a pass or the runtime knows
        HoldFloat(frozenset(name for name, node in plan.nodes.items() if _must_stay_float(node, target))),
        # an Add that became an integer kernel has a Quantize behind it by now
        _sum_before_norm(target),
        RemoveUnusedNodesPass(),
        TopologicalSortPass(),
    ]


def _placed(plan: Plan) -> dict[str, frozenset[str]]:
    """Where nodes run -> their names."""
    return {kind: frozenset(name for name, node in plan.nodes.items() if node.runs == kind) for kind in ("absorbed", "integer", "int8")}


def _sum_before_norm(target: Target) -> SumBeforeNorm:
    return SumBeforeNorm(frozenset(target.slow_fusions.add_before if target.slow_fusions is not None else ()))


def _quantizers(plan: Plan, target: Target) -> list[ir.passes.InPlacePass]:
    """The passes that make integers of numbers; those behind them only choose forms that a runtime
    has fast kernels for.
    """
    where = _placed(plan)
    biases = {
        k.op: (k.weight, k.bias) for k in target.kernel if k.weight is not None and k.bias is not None and target.bias.dtype == "int32"
    }
    return [
        # first: grids, codes and biases are those of the equalized model
        Equalize(factors_of(plan.equalization)),
        # while value names are those of the plan: the producer takes over the absorbed node's value
        AbsorbActivations(where["absorbed"]),
        # constants before activations: a constant operand is not an activation
        CorrectBiases(plan.biases),
        QuantizeConstants(
            {key: weight.params for key, weight in plan.weights.items()},
            {key: weight.codes for key, weight in plan.weights.items() if weight.codes is not None},
        ),
        # the float nodes' weights likewise
        StoreWeights(
            {key: weight.params for key, weight in plan.stored.items()},
            {key: weight.codes for key, weight in plan.stored.items() if weight.codes is not None},
        ),
        # needs the integer weights, and leaves values that no grid of the plan is for
        InsertDynamic(frozenset(name for name, node in plan.nodes.items() if node.runs == "dynamic")),
        InsertQdq(
            {name: grid.params for name, grid in plan.grids.items()},
            frozenset(name for name, grid in plan.grids.items() if grid.readers == "integer"),
            where["int8"] | where["integer"],
        ),
        # biases need both scales that they are the product of
        QuantizeBiases(biases),
    ]

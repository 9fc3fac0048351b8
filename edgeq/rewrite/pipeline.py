"""The passes that turn a prepared float model and a plan into an int8 model, in order.

A comment at each pass gives the reason for its place.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass, TopologicalSortPass

from edgeq.passes.place.gather_integer_rows import GatherIntegerRows
from edgeq.passes.place.gather_packed_rows import GatherPackedRows
from edgeq.passes.place.hard_sigmoid_to_add import HardSigmoidToAdd
from edgeq.passes.place.hold_float import HoldFloat
from edgeq.passes.place.move_to_integers import MoveToIntegers
from edgeq.passes.place.quantize_behind import QuantizeBehind
from edgeq.passes.place.requantize_inputs import RequantizeInputs
from edgeq.passes.place.share_dequantized import ShareDequantized
from edgeq.passes.place.sum_before_norm import SumBeforeNorm
from edgeq.passes.place.tanh_to_sigmoid import TanhToSigmoid
from edgeq.passes.place.unary_to_lookup import UnaryToLookup
from edgeq.passes.quantize.absorb_activations import AbsorbActivations
from edgeq.passes.quantize.correct_biases import CorrectBiases
from edgeq.passes.quantize.equalize import Equalize
from edgeq.passes.quantize.insert_borders import InsertBorders
from edgeq.passes.quantize.insert_dynamic import InsertDynamic
from edgeq.passes.quantize.insert_qdq import InsertQdq
from edgeq.passes.quantize.migrate_scales import migrated
from edgeq.passes.quantize.quantize_biases import QuantizeBiases
from edgeq.passes.quantize.quantize_constants import QuantizeConstants
from edgeq.passes.quantize.quantize_recurrent import QuantizeRecurrent
from edgeq.passes.store.fold_codebooks import FoldCodebooks
from edgeq.passes.store.store_formats import StoreFormats
from edgeq.passes.store.store_scaled_scales import StoreScaledScales
from edgeq.passes.store.store_weights import StoreWeights
from edgeq.rewrite.check_plan import check_factors, check_fits
from edgeq.rewrite.held_float import held_float, pools_before_codes
from edgeq.rewrite.small_forms import codebooks, looked_up, number_formats
from edgeq.schema.plan import Plan
from edgeq.schema.scaling import factors_of
from edgeq.schema.target import Target

#: runtimes of .tflite files, as targets name them
TFLITE = ("tflite", "litert", "tflm", "vela")


def rewrite(prepared: ir.Model, plan: Plan, target: Target, *, equalized: bool = False) -> ir.Model:
    """An int8 copy of the prepared model. Raises BadPlan if the plan does not fit it.

    equalized: whether the model's weights are scaled already, as the plan's exponents say.
    """
    steps = rewrite_passes(plan, target)
    return _rewritten(prepared, plan, [one for one in steps if not (equalized and isinstance(one, Equalize))])


def in_floats(prepared: ir.Model, plan: Plan) -> ir.Model:
    """A float copy of the prepared model as the plan's grids, codes and biases see it.

    It is equalized and its scales are migrated.
    """
    return _rewritten(prepared, plan, [Equalize(factors_of(plan.equalization))])


def with_quantizers(prepared: ir.Model, plan: Plan, target: Target) -> ir.Model:
    """An int8 copy of the prepared model with Q/DQ pairs around float operators only.

    It computes the same numbers as the result of `rewrite`.
    """
    # operators that the runtime fuses in float round differently, so the fused ones must be
    # present here as well
    steps = [*_quantizers(plan, target), _sum_before_norm(target), RemoveUnusedNodesPass(), TopologicalSortPass()]
    return _rewritten(prepared, plan, steps)


def _rewritten(prepared: ir.Model, plan: Plan, steps: Sequence[ir.passes.InPlacePass]) -> ir.Model:
    check_factors(prepared, plan)
    model = migrated(prepared, plan.factors)
    check_fits(model, plan)
    for step in steps:
        step(model)
    return model


def rewrite_passes(plan: Plan, target: Target) -> list[ir.passes.InPlacePass]:
    """The passes in order."""
    where = _placed(plan)
    tables = frozenset(k.op for k in target.kernel if k.lookup)
    from_tables = frozenset(name for name in where["int8"] if plan.nodes[name].op_type in tables)
    concat = target.kernel_of("Concat")
    copies = concat is not None and concat.same_scale
    copying = frozenset(name for name in where["int8"] if copies and plan.nodes[name].op_type == "Concat")
    if target.integer_only:  # tables of rows, which are codes in the layers
        copying |= {name for name in where["integer"] if plan.nodes[name].because == "embedding"}
    return [
        *_quantizers(plan, target),
        # they need the pair around the node, and read codes at a scale other than the one they were
        # made at, which only onnxruntime supports
        *(() if target.integer_only else (HardSigmoidToAdd(where["int8"], target.activations.dtype),)),
        *((TanhToSigmoid(where["int8"]),) if target.runtime == "onnxruntime" else ()),
        *((UnaryToLookup(from_tables),) if from_tables else ()),
        # without floats, the rows that are gathered have the grid of the table; packed ones first:
        # what is left has a scale for each column
        *(() if target.integer_only else (GatherPackedRows(looked_up(plan)), GatherIntegerRows())),
        # an operator that copies codes needs them on one grid
        *((RequantizeInputs(copying),) if copying else ()),
        # it removes pairs again where integers pass through unchanged
        *(() if target.movement.pairs else (MoveToIntegers((where["integer"] | copying) - _wide(plan)),)),
        # after everything that asks whether a weight is a constant
        FoldCodebooks(codebooks(plan)),
        # before the form that every runtime folds, which takes what this one leaves
        *((StoreScaledScales(number_formats(plan)),) if target.runtime == "qnn" else ()),
        # not for runtimes of .tflite files, whose writer packs codes of four bits by itself
        *(() if target.runtime in TFLITE else (StoreFormats(number_formats(plan)),)),
        # last: its output must not match any pattern of a pass or of the runtime
        HoldFloat(held_float(plan, target)),
        QuantizeBehind(pools_before_codes(plan, target)),
        # after the passes that look for a Dequantize before a node
        ShareDequantized(plan.together),
        # by now, an Add that became an integer kernel has a Quantize behind it
        _sum_before_norm(target),
        RemoveUnusedNodesPass(),
        TopologicalSortPass(),
    ]


def _placed(plan: Plan) -> dict[str, frozenset[str]]:
    """Names of nodes by where they run."""
    return {
        kind: frozenset(name for name, node in plan.nodes.items() if node.runs == kind)
        for kind in ("absorbed", "integer", "int8", "dynamic")
    }


def _wide(plan: Plan) -> frozenset[str]:
    """Names of the nodes of 16 bits: onnxruntime moves such codes with a pair around alone."""
    return frozenset(name for name, node in plan.nodes.items() if node.bits == 16)


def _read_otherwise(plan: Plan) -> dict[str, frozenset[str]]:
    """Value with a border -> the nodes that read it there."""
    found: dict[str, frozenset[str]] = {}
    for name, border in plan.borders.items():
        readers = (key for key, node in plan.nodes.items() if name in node.inputs and node.bits == border.bits)
        found[name] = frozenset(key for key in readers if plan.nodes[key].runs in ("int8", "integer", "absorbed"))
    return found


def _sum_before_norm(target: Target) -> SumBeforeNorm:
    return SumBeforeNorm(frozenset(target.slow_fusions.add_before if target.slow_fusions is not None else ()))


def _quantizers(plan: Plan, target: Target) -> list[ir.passes.InPlacePass]:
    """The passes that quantize. Later ones only choose forms that have fast kernels."""
    where = _placed(plan)
    # a normalization has no weight: its bias is on the grid of its input and its factors
    biases = {
        k.op: (1 if k.weight is None else k.weight, k.bias) for k in target.kernel if k.bias is not None and target.bias.dtype == "int32"
    }
    return [
        # first: grids, codes and biases are those of the equalized model
        Equalize(factors_of(plan.equalization)),
        # while value names are still those of the plan: the producer takes over the absorbed node's
        # value
        AbsorbActivations(where["absorbed"] - (_wide(plan) if target.wide is not None and target.wide.symmetric else frozenset())),
        # constants before activations: a constant operand is not an activation
        CorrectBiases(plan.biases),
        QuantizeConstants(
            {key: weight.params for key, weight in plan.weights.items()},
            {key: weight.codes for key, weight in plan.weights.items() if weight.codes is not None},
        ),
        # the weights of float nodes, for the same reason
        StoreWeights(
            {key: weight.params for key, weight in plan.stored.items()},
            {key: weight.codes for key, weight in plan.stored.items() if weight.codes is not None},
        ),
        # needs the integer weights, and makes values that have no grid in the plan
        InsertDynamic(where["dynamic"]),
        QuantizeRecurrent(where["dynamic"]),
        InsertQdq(
            {name: grid.params for name, grid in plan.grids.items()},
            frozenset(name for name, grid in plan.grids.items() if grid.readers == "integer"),
            where["int8"] | where["integer"],
        ),
        # it reads the pairs, and each layer's own input scale decides on that of its bias
        InsertBorders({name: grid.params for name, grid in plan.borders.items()}, _read_otherwise(plan)),
        # the scale of a bias is the product of two scales, which must be there
        QuantizeBiases(biases),
    ]

"""The integer model of a plan in torch, with weights, scales and biases as parameters."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import Parameter, ParameterList

from edgeq.graph.read import constant, nodes
from edgeq.graph.stored import stored
from edgeq.learn.operators.quantized import operators_of, rounded
from edgeq.learn.simulation.executor import Executor, refuse_unknown
from edgeq.learn.simulation.float_islands import float_islands
from edgeq.learn.simulation.scales import learned_scales, read_as
from edgeq.learn.simulation.vectors import learned_vectors
from edgeq.learn.simulation.weights import TUNED, LearnedWeight, learned_weight
from edgeq.numerics.codebook import parse_grain
from edgeq.planning.weight_grids import codes_of
from edgeq.refine.draft import Draft
from edgeq.refine.weighted import Weighted
from edgeq.rewrite.pipeline import with_quantizers
from edgeq.schema.plan import Plan
from edgeq.schema.task import Task

#: without an output grid, a bias is learned in steps of this many units of its accumulator
BIAS_UNIT = 64.0


@dataclass(frozen=True, eq=False)
class LearnedBias:
    """A learned bias [C]: first + steps * unit."""

    #: name of the layer's node
    node: str
    #: the bias at the start, float32 [C]
    first: Tensor
    #: the parameter, [C]
    steps: Parameter
    unit: float
    #: name of the bias's constant in the graph
    name: str
    #: name of the scale of its int32 codes; None: it is stored in float
    scale: str | None
    #: names of the input scale and the weight scale, whose product that scale is
    factors: tuple[str, str]

    def real(self) -> Tensor:
        """The bias, float32 [C]."""
        return self.first + self.steps * self.unit


class Simulation:
    """A plan's model in torch: the integers of the runtime, with gradients.

    refits: entries of tables follow from `refit`, not from a gradient.
    """

    def __init__(self, draft: Draft, *, refits: bool = False) -> None:
        plan, target = draft.plan, draft.task.target
        # quantizers around the float operators, without rewrites that only a runtime needs
        self._plan, self._refits, model = plan, refits, with_quantizers(draft.task.model, plan, target)
        operators = operators_of(target)
        refuse_unknown(model, operators)  # before anything else asks what its nodes, or those of bodies, are
        self.scales = learned_scales(model, draft)
        self._weights: dict[str, LearnedWeight] = {}
        self._weight_scales: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self.biases: list[LearnedBias] = []
        #: name of a value in the plan -> name of its dequantized value
        self.inner = read_as(model, plan)
        twins = {str(node.name): node for node in nodes(model)}
        for one in draft.layers:
            self._learn_weight(one, twins[one.layer.node], draft.task)
            self._learn_bias(one, twins[one.layer.node])
        floating = {name for name, node in plan.nodes.items() if node.runs == "float"}
        learned = {*self._weights, *self._weight_scales, *(one.name for one in self.scales), *(one.name for one in self.biases)}
        #: runs the model, given `constants`
        self.executor = Executor(model, operators, float_islands(model, floating, learned))
        weights = [parameter for weight in self._weights.values() for parameter in weight.parameters]
        #: all parameters
        self.learnable = ParameterList([*weights, *(one.steps for one in self.scales), *(one.steps for one in self.biases)])
        for entries in [weight.entries for weight in self._weights.values() if weight.entries is not None]:
            entries.requires_grad_(not refits)

    def forward(self, feeds: Mapping[str, Tensor], want: Sequence[str] = ()) -> dict[str, Tensor]:
        """The graph's outputs and the inner values `want`, as the runtime would compute them."""
        return self.executor.forward({**self.constants(), **feeds}, want)

    @property
    def mean_bits(self) -> float:
        """Bits of a learned weight, averaged over all of them."""
        sizes = [(int(weight.free.numel()), weight.bits) for weight in self._weights.values()]
        return float(sum(size * bits for size, bits in sizes)) / max(sum(size for size, _ in sizes), 1)

    def learned(self) -> Plan:
        """The plan with the grids, codes and biases that the parameters now represent."""
        with torch.no_grad():
            weights = {key: self._weights[name].learned() for key, name in self._keys.items()}
            biases = {one.node: tuple(float(b) for b in one.real().reshape(-1)) for one in self.biases if one.steps.any()}
            grids = dict(self._plan.grids)
            for one in self.scales:
                scale = float(one.scale())
                for name in one.values if scale != one.first else ():
                    rule = f"{grids[name].rule.removesuffix(TUNED)}{TUNED}"
                    grids[name] = grids[name].with_scale(scale, rule=rule)
        changed = self._plan.with_weights({**self._plan.weights, **weights}).with_biases({**self._plan.biases, **biases})
        return changed.with_grids(grids)

    @property
    def named_weights(self) -> Mapping[str, LearnedWeight]:
        """Each learned weight once, by the name of its codes in the graph."""
        return self._weights

    @property
    def weights(self) -> tuple[LearnedWeight, ...]:
        """Each learned weight once, even if several nodes read it."""
        return tuple(self._weights.values())

    def refit(self) -> None:
        """If entries follow from k-means, move every entry to the mean of its cluster."""
        for weight in self._weights.values() if self._refits else ():
            weight.refit()

    def constants(self, read: Container[str] | None = None) -> dict[str, Tensor]:
        """The constants that follow from the parameters, by their names in the graph.

        read: names of the constants to compute; None: all.
        """
        found = {one.name: one.scale() for one in self.scales if read is None or one.name in read}
        for name, weight in self._weights.items():
            if read is None or name in read:
                found[name] = weight.whole()
        for name, of_weight in self._weight_scales.items():
            if read is None or name in read:
                found[name] = self._weights[of_weight].scale()
        for one in self.biases:
            if read is None or one.name in read:
                found |= self._bias(one, found)
        return found

    def _bias(self, one: LearnedBias, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The constants of a bias by name. found: the learned scales by name."""
        real = one.real()
        if one.scale is None:
            return {one.name: real}
        source, weight_scale = (found.get(name, self.executor.parameters[name]) for name in one.factors)
        scale = source.reshape(()) * weight_scale
        return {one.name: rounded(real.double() / scale.double()).float(), one.scale: scale}

    def _learn_weight(self, one: Weighted, twin: ir.Node, task: Task) -> None:
        index = one.kernel.weight
        assert index is not None
        found = stored(twin.inputs[index])
        weight, codes = constant(one.node.inputs[index]), None if found is None else constant(found.codes)
        if found is None or weight is None or codes is None:
            return
        name = self._keys[one.key] = str(found.codes.name)
        if name in self._weights:
            return
        learns = found.scale is not None and not task.target.weights.power_of_two
        allowed = codes_of(task.target.weights, one.layer, task.recipe.weight_bits)
        grid = self._plan.weights[one.key]
        if grid.format == "codebook" and parse_grain(grid.granularity).vector > 1:
            self._weights[name] = learned_vectors(one, codes, grid, allowed, learns)
        else:
            self._weights[name] = learned_weight(one, weight, codes, grid, allowed, learns)
        if found.scale is not None:
            self._weight_scales[str(found.scale.name)] = name

    def _learn_bias(self, one: Weighted, twin: ir.Node) -> None:
        index = one.kernel.bias
        value = twin.inputs[index] if index is not None and index < len(twin.inputs) else None
        first = None if index is None or value is None else self._plan.biases.get(one.layer.node, constant(one.node.inputs[index]))
        kept, *behind = (stored(one) for one in (value, twin.inputs[0], twin.inputs[one.kernel.weight or 0]))
        scales = [None if found is None else found.scale for found in behind]
        if first is None or kept is None or scales[0] is None or scales[1] is None:
            return
        start = torch.from_numpy(np.array(first, np.float32).reshape(-1))
        grid = self._plan.grids.get(str(twin.outputs[0].name))
        factors = (str(scales[0].name), str(scales[1].name))
        product = self._plan.grids[one.layer.source].scale * float(np.mean(self._plan.weights[one.key].scale))
        unit = product * BIAS_UNIT if grid is None else grid.scale
        names = str(kept.codes.name), None if kept.scale is None else str(kept.scale.name)
        self.biases.append(LearnedBias(one.layer.node, start, Parameter(torch.zeros_like(start)), unit, *names, factors))

"""What a user must know of a comparison: outputs far from float, not finite, not compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgeq.numerics.noise_carriers import uncertainty_db
from edgeq.numerics.output_fidelity import OutputFidelity, weakest_of
from edgeq.proof.compare import Comparison
from edgeq.proof.lost_fusions import LostFusion
from edgeq.schema.plan_parts.shared import SharedGrid, SharedPart

#: number of parts of a shared grid, and of nodes of a lost fusion, that are named
PARTS_SHOWN = 8
#: below this SQNR in dB an output is warned of: noise of 18 % of the signal's amplitude
WEAK_DB = 15.0
#: above this SQNR in dB no difference from float is visible
CLEAR_DB = 50.0
#: dB by which other samples may be worse before it is told: twice the noise. That is where fewer
#: than 6 samples carry it
DOUBTED_DB = 3.0
#: of fewer samples it is said anyway that they are few
LEAST_SAMPLES = 8

#: weak: an output or a part of one is far from float; nonfinite: NaN or infinity stands in one
#: model where the other has something else; uncompared: some runs could not be compared;
#: shared_grid: a node joins parts on one grid that does not serve them all; lost_fusion: what the
#: float model runs as one kernel, the int8 model runs as several, all of them float; random: the
#: float model differs from itself, so that no figure says how close the int8 model is; few_carry:
#: few samples have most of the noise, so that other samples may be worse: sqnr_db is what they may
#: have
FindingKind = Literal["weak", "nonfinite", "uncompared", "shared_grid", "lost_fusion", "random", "few_carry"]
#: those that follow from the plan or the placement, whatever data the models are compared on
STRUCTURAL: frozenset[FindingKind] = frozenset({"shared_grid", "lost_fusion"})


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with an output or a node, or that is not known of it."""

    #: what it is, for code
    kind: FindingKind
    #: name of the output; None: it is about no output of the model
    output: str | None
    #: name of the part of the output; None: the output as a whole
    part: str | None
    #: SQNR of the part or the output in dB; None: it was not measured
    sqnr_db: float | None
    #: the same for people
    text: str
    #: for shared_grid: name of the node that joins the parts
    node: str | None = None
    #: for shared_grid: the parts, with what the grid keeps of each
    parts: tuple[SharedPart, ...] = ()
    #: for lost_fusion: names of the int8 model's nodes that run one by one
    nodes: tuple[str, ...] = ()


def findings(found: Comparison) -> tuple[Finding, ...]:
    """What is wrong with each output, in the order of the outputs, worst first."""
    of_outputs = tuple(one for output in found.worst_first for one in _of_output(output))
    return (*of_outputs, *_few_carry(found.worst_first[0], found.samples))


def _few_carry(output: OutputFidelity, samples: int) -> tuple[Finding, ...]:
    """A doubt about the figure of the output that is judged, whose noise few samples have."""
    carriers = output.noise_samples
    if carriers is None or output.random is not None or output.equal is not None or samples < LEAST_SAMPLES:
        return ()
    lower = uncertainty_db(carriers)
    least = output.sqnr_db - lower
    if lower <= DOUBTED_DB or not least < CLEAR_DB:
        return ()
    text = f"Few samples have most of the noise of output {output.name} (as much as {carriers:.1f} of {samples}): "
    text += f"others may reach {_decibels(least)} only, instead of {_decibels(output.sqnr_db)}. "
    text += "Judge on more data (--validation, or edgeq compare)."
    return (Finding("few_carry", output.name, None, least, text),)


def shared_grids(shared: Mapping[str, SharedGrid], found: Comparison | None) -> tuple[Finding, ...]:
    """What nodes join on grids that do not serve all of the parts, on targets without float.

    Where a layer reads the joined value, its weights weigh the parts: that is told only where an
    output turned out to be far from float.
    """
    weak = found is not None and any(one.kind == "weak" for one in findings(found))
    return tuple(_shared(node, grid) for node, grid in shared.items() if weak or grid.shares == "no_float")


def fusions_lost(lost: Sequence[LostFusion]) -> tuple[Finding, ...]:
    """One finding for each kernel of the float model that the int8 model does without."""
    kernels = dict.fromkeys(one.kernel for one in lost)
    return tuple(_lost(kernel, [one for one in lost if one.kernel == kernel]) for kernel in kernels)


def _lost(kernel: str, lost: Sequence[LostFusion]) -> Finding:
    apart = tuple(name for one in lost for name in one.apart)
    named = ", ".join(apart[:PARTS_SHOWN]) + (f" and {len(apart) - PARTS_SHOWN} more" if len(apart) > PARTS_SHOWN else "")
    times = "once" if len(lost) == 1 else f"{len(lost)} times"
    text = f"onnxruntime runs several nodes of the float model as one {kernel}, {times}. In the int8 model their work stays in float too, "
    text += f"but node by node, which takes longer: {named}."
    return Finding("lost_fusion", None, None, None, text, nodes=apart)


def _shared(node: str, grid: SharedGrid) -> Finding:
    parts = ", ".join(f"{part.value} in [{part.low:.4g}, {part.high:.4g}] keeps {_kept(part)}" for part in grid.parts[:PARTS_SHOWN])
    more = f" and {len(grid.parts) - PARTS_SHOWN} more" if len(grid.parts) > PARTS_SHOWN else ""
    if grid.outputs:
        fix = "With --split-outputs the parts become outputs of their own."
    else:
        fix = "Scale the parts alike in the float model, or choose a target with float kernels."
    text = f"Concat {node} joins parts of very different range on one grid: {parts}{more}. {fix}"
    output = grid.outputs[0] if grid.outputs else None
    worst = min((part.sqnr_db for part in grid.parts if part.sqnr_db is not None), default=None)
    return Finding("shared_grid", output, None, worst, text, node, grid.parts)


def _kept(part: SharedPart) -> str:
    own = "" if part.own_db is None else f" ({part.own_db:.1f} dB on a grid of its own)"
    return "all" if part.sqnr_db is None else f"{part.sqnr_db:.1f} dB{own}"


def _of_output(output: OutputFidelity) -> tuple[Finding, ...]:
    if output.random is None:
        return (*_weak(output), *_nonfinite(output), *_uncompared(output))
    text = f"Output {output.name} is random: node {output.random} draws other numbers in every run. Two runs of the float model "
    text += "differ as well, and its SQNR says nothing. For inference, export the model in evaluation mode."
    return (Finding("random", output.name, None, None, text),)


def _weak(output: OutputFidelity) -> tuple[Finding, ...]:
    narrow, weakest = output.narrow, weakest_of(output)
    if narrow is not None and narrow.sqnr_db < WEAK_DB <= weakest.sqnr_db:
        text = f"Output {output.name} is close to float ({_decibels(output.sqnr_db)}), {narrow.label} not: {_decibels(narrow.sqnr_db)}. "
        text += "One layer makes them with channels of 30 dB more power, on one grid: make them by a layer of their own."
        return (Finding("weak", output.name, narrow.label, narrow.sqnr_db, text),)
    if output.compared == 0 or not weakest.sqnr_db < WEAK_DB:
        return ()
    if output.equal is not None:
        text = f"Output {output.name} holds integers or truth values, of which {100 * output.equal:.2f} % are those of the float model."
        return (Finding("weak", output.name, None, output.sqnr_db, text),)
    weak = [part for part in output.parts if part.sqnr_db < WEAK_DB]
    if not weak:
        text = f"Output {output.name} is far from float: SQNR {_decibels(output.sqnr_db)}."
        return (Finding("weak", output.name, None, output.sqnr_db, text),)
    return tuple(
        Finding("weak", output.name, part.name, part.sqnr_db, f"Part {part.name} of output {output.name} is far from float: "
                f"SQNR {_decibels(part.sqnr_db)} (the whole output: {_decibels(output.sqnr_db)}).")
        for part in weak
    )  # fmt: skip


def _nonfinite(output: OutputFidelity) -> tuple[Finding, ...]:
    if not output.nonfinite:
        return ()
    text = f"Output {output.name} has {output.nonfinite} elements that are NaN or infinite in one of the two models and not in the other."
    return (Finding("nonfinite", output.name, None, None, text),)


def _uncompared(output: OutputFidelity) -> tuple[Finding, ...]:
    if not output.uncompared:
        return ()
    runs = output.uncompared + (output.compared or 0)
    text = f"Output {output.name} could be compared in {output.compared or 0} of {runs} runs: "
    text += "elsewhere its shape depends on the numbers and differs between the models, or it holds no numbers."
    return (Finding("uncompared", output.name, None, None, text),)


def _decibels(value: float) -> str:
    return "unknown" if math.isnan(value) else "no signal" if value == -math.inf else f"{value:.1f} dB"

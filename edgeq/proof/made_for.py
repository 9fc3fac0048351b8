"""What a model says of the processors that it was made for, and how it is run for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgeq.errors import RuntimeRefused
from edgeq.graph.code_grids import grid_of
from edgeq.graph.read import is_op, nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.proof.latency import Untimed
from edgeq.runtimes.ort import Optimize, Session, open_session
from edgeq.runtimes.table import DEFAULT, runs_here
from edgeq.schema.provenance import ANY, RUNS_ON_KEY
from edgeq.schema.target import Target, load_target, shipped_targets


@dataclass(frozen=True)
class MadeFor:
    """What edgeq's record in a model and its codes tell; models of other tools have no record."""

    #: whether onnxruntime is to fuse its signed activations as on Arm: edgeq made them signed
    signed: bool
    #: why a time on this machine says nothing of its target; None: it does, or the record does not
    #: tell
    untimed: Untimed | None

    @property
    def optimize(self) -> Optimize:
        """The optimizations with which its numbers are those of its target.

        Fused kernels of this machine may saturate where the target's do not.
        """
        return "all" if self.untimed is None else "off"


def made_for(model: ir.Model) -> MadeFor:
    """The processors that a model was made for.

    A model of another tool with signed activations may be meant for x86-64, where onnxruntime makes
    them unsigned: it is proven as it runs on this machine.
    """
    name = model.metadata_props.get("edgeq.target")
    if name is None:
        return MadeFor(signed=False, untimed=None)
    if name in shipped_targets():
        return MadeFor(_signed(model), untimed(load_target(name)))
    runtime, _, architecture = model.metadata_props.get(RUNS_ON_KEY, f"{DEFAULT} {ANY}").partition(" ")
    return MadeFor(_signed(model), _elsewhere(runtime, None if architecture == ANY else architecture))


def untimed(target: Target) -> Untimed | None:
    """Why a time in onnxruntime on this machine says nothing of a target; None: it does."""
    return _elsewhere(target.runtime, target.architecture)


def _elsewhere(runtime: str, architecture: str | None) -> Untimed | None:
    return None if runs_here(runtime, architecture) else "other_architecture" if runtime == DEFAULT else "other_runtime"


def _signed(model: ir.Model) -> bool:
    """Whether every activation that is quantized has codes of int8."""
    types = {grid.dtype for node in nodes(model) if is_op(node, "QuantizeLinear") and (grid := grid_of(node)) is not None}
    return types == {"int8"}


def open_second(int8_model: ir.Model | Path, threads: int, wanted: Optimize | None) -> Session:
    """The int8 model of a comparison; without a wish, optimized as its target asks."""
    optimize = wanted or ("all" if isinstance(int8_model, Path) else made_for(int8_model).optimize)
    return open_session(int8_model, threads=threads, optimize=optimize, arena=False)


def run_second(session: Session, feeds: Mapping[str, AnyArray], int8_model: object) -> list[AnyArray]:
    """A run of the int8 model, where the float model has run on these feeds."""
    try:
        return session.run(feeds)
    except RuntimeRefused as error:
        if not isinstance(int8_model, ir.Model):
            raise
        what = f"The float model runs on this data, and the int8 model that edgeq has made of it does not: {error.options[0]}"
        fix = "This is a bug in edgeq: report it with the model. Until then, try the layers around the node with --keep-float."
        raise RuntimeRefused(what, error.options[1], fix) from error

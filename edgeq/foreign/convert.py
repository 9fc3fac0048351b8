"""Convert a quantized ONNX model of any tool to a full-int8 .tflite file, and prove it."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.data.doubts import DataDoubts, check_data
from edgeq.data.sources import DataSource
from edgeq.errors import BadData, BadModel
from edgeq.foreign.converted import Converted
from edgeq.foreign.measured import measured_grids
from edgeq.foreign.proof import prove_converted
from edgeq.foreign.refuse import refuse_beyond_help, refuse_illegal
from edgeq.foreign.samples import samples_of
from edgeq.graph.freeze import freeze_shapes
from edgeq.graph.read import nodes, operator_of
from edgeq.integers.emit import emit_tflite
from edgeq.integers.fixed_batch import fixed_batch
from edgeq.integers.tflite.flatbuffer import require_tflite
from edgeq.io.model_source import ModelSource, load
from edgeq.io.run_files import files_read, watched
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.passes.boundary.integer_boundary import IntegerBoundary
from edgeq.passes.foreign.changes import changes
from edgeq.passes.foreign.give_grids import GiveGrids, without_grid
from edgeq.passes.store.note_packed import NotePacked
from edgeq.progress import Progress, default_progress
from edgeq.rewrite.foreign import Leave, as_qdq, normalised
from edgeq.runtimes.judged import judged
from edgeq.schema.target import Target, load_target
from edgeq.schema.task import Shapes

#: the rules of the runtimes that read .tflite files
TARGET = "mcu_tflite"


@watched
def convert(
    model: ModelSource,
    data: DataSource | None = None,
    *,
    requantize: bool = False,
    float_io: bool = False,
    shapes: Shapes | None = None,
    samples: int | None = None,
    data_doubts: DataDoubts = "refuse",
    prove: bool = True,
    progress: Progress | None = None,
) -> Converted:
    """Convert a Q/DQ or QOperator model of any tool; its codes and grids are kept.

    data: what the proof runs on, as for open_dataset; without it, made-up codes. requantize: where
    the runtimes' rules do not allow the model as it is, round weights, biases and grids anew, and
    measure on the data the grids that it lacks; the result lists every change. float_io: inputs and
    outputs stay float. shapes: for inputs whose sizes are not fixed. samples: use the first ones
    only. data_doubts: of the data that grids are measured on, as for quantize. prove: run the
    result in the runtimes that are installed, and compare it.

    Raises BadModel for a model that is not quantized, and UnsupportedOp, which names nodes and
    rules, for one that cannot become integers; BadData, MissingExtra.
    """
    require_tflite()
    progress, target = progress or default_progress(), load_target(TARGET, float_io=float_io)
    loaded = load(model, quantized=True)
    progress.start("convert", None)
    with judged(loaded.model):
        source = _as_qdq(loaded.model, target)
        own = _fixed(source, shapes or {})
        FloatBoundary()(source)  # raw pixels are fed as what the application computes of them
        normalised(own, target, Leave(requantize))
        if requantize and without_grid(own):
            refuse_beyond_help(own, target)
            if data is None:
                names = ", ".join(str(value.name) for value in without_grid(own))
                what = "Grids of values that the model left in float are measured on data, and there is none."
                raise BadData(what, f"values {names}", "Give samples of the model's inputs: --data calib.npz.")
            measured = samples_of(source, own, data, shapes or {}, samples)
            check_data(measured.dataset, source, data_doubts, progress)
            GiveGrids(measured_grids(own, measured, target, progress))(own)
            normalised(own, target, Leave(requantize))
        refuse_illegal(own, target, requantize=requantize)
        found = tuple(changes(own))
        written = own.clone()
        if not float_io:
            IntegerBoundary()(written)
        if target.weights.packed:
            NotePacked()(written)
        file = emit_tflite(written)
    proof = None
    if prove:
        proof = prove_converted(source, own, file, samples_of(source, own, data, shapes or {}, samples), progress)
    return Converted(written, file, found, proof, files_read(loaded.path))


def _as_qdq(model: ir.Model, target: Target) -> ir.Model:
    """A copy in Q/DQ form with float ends. Raises BadModel if nothing is quantized."""
    own = model.clone()
    as_qdq(own, target)
    if not any(operator_of(node).converts for node in nodes(own)):
        what = "The model is not quantized: it has no QuantizeLinear, DequantizeLinear or QLinear operators."
        raise BadModel(what, "the model", f"Quantize it: edgeq quantize MODEL --target {TARGET} --data calib.npz -o model.tflite.")
    FloatBoundary(pixels=False)(own)  # inputs and outputs whose grids edgeq has recorded
    return own


def _fixed(source: ir.Model, shapes: Shapes) -> ir.Model:
    """A copy that takes one sample a run, all sizes known."""
    own = source.clone()
    freeze_shapes(own, shapes)
    return fixed_batch(own)

"""Say before any work on a plan what would keep its training from running."""

from __future__ import annotations

import onnx_ir as ir
import torch

from edgeq.data.dataset import Dataset
from edgeq.data.labels import are_classes
from edgeq.errors import BadData, UnsupportedOp
from edgeq.io.validate import first_line
from edgeq.learn.deterministic import deterministic
from edgeq.learn.simulation.executor import Executor
from edgeq.learn.training.batches import check_samples
from edgeq.learn.training.lesson import as_tensors
from edgeq.schema.finetune import FineTuneWish


@deterministic()
def check_ready(model: ir.Model, data: Dataset, tuning: FineTuneWish) -> None:
    """Run the float model once in torch, on the first sample.

    Its operators, their forms and the data are then known to suit training. Raises UnsupportedOp,
    which names the node, and BadData.
    """
    if tuning.trains:
        check_samples(data)
    if tuning.labels and (data.labels is None or not are_classes(data.labels)):
        raise BadData("The data has no class labels to train with.", data.name, "Give labelled data, or leave --labels out.")
    teacher = Executor(model)
    feeds = next(iter(data.batches(1))).feeds
    try:
        with torch.no_grad():
            teacher.forward(as_tensors(feeds))
    except (RuntimeError, ValueError, IndexError, TypeError) as error:  # what torch raises for sizes and types
        fix = "Use edgeq quantize, which trains nothing; or leave the operator that the message is about out of the float model."
        raise UnsupportedOp(f"The float model cannot be run in torch: {first_line(error)}", "training", fix) from error

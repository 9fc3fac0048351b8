"""Tell a model that nobody can run from a mistake of edgeq, where an operation on it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import onnx_ir as ir

from edgeq.errors import BadModel, EdgeqError, RuntimeRefused
from edgeq.runtimes.ort import open_session


@contextmanager
def judged(model: ir.Model) -> Iterator[None]:
    """If what is done here fails, ask onnxruntime whether it accepts the model at all.

    onnx.checker finds few of the ways in which shapes, types and attributes contradict each other.
    Raises BadModel, with onnxruntime's words, for a model that it refuses; else what was raised.
    """
    try:
        yield
    except EdgeqError:
        raise
    except Exception as error:
        try:
            open_session(model, optimize="off").close()
        except RuntimeRefused as refusal:
            fix = "Open the file in onnxruntime: it says the same. Export or download the model again."
            raise BadModel(f"The model contradicts itself: {refusal.what}", refusal.where, fix) from error
        raise

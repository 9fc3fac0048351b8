"""Sessions of onnxruntime as a user opens them, and what a feed of them looks like."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort


def open_session(model: Path, threads: int = 0, optimized: Path | None = None, exact: bool = False) -> ort.InferenceSession:
    """A session as a user opens it: every optimization on. exact: onnxruntime's slower kernels that
    do not saturate without VNNI.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def ranks(session: ort.InferenceSession) -> dict[str, int]:
    """Rank of each input."""
    return {i.name: len(i.shape) for i in session.get_inputs()}


def fixed_batch(session: ort.InferenceSession) -> int | None:
    """The batch size that the model insists on, or None."""
    dims = [i.shape[0] for i in session.get_inputs() if i.shape]
    return next((d for d in dims if isinstance(d, int) and d > 0), None)

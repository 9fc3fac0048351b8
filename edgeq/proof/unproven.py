"""What a run did not prove of its result, and the command that proves it next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from edgeq.integers.reading.open_file import RanBy
from edgeq.integers.reading.opened import NAME
from edgeq.runtimes.table import DEFAULT, OF_TFLITE, look_up
from edgeq.schema.target import Target

#: why nothing says how a model runs on its target; no_runtime: edgeq has none for the target;
#: other_runtime: edgeq can start it, but this run did not
Unproven = Literal["no_runtime", "other_runtime"]


def unproven(target: Target, ran_by: RanBy | None = None) -> Unproven | None:
    """Why a run says nothing of a model on its target; None: it does.

    ran_by: what ran the written .tflite file; None: onnxruntime alone ran.
    """
    if target.runtime == DEFAULT or (target.runtime == "tflite" and ran_by is not None and ran_by.runtime != NAME):
        return None
    return "no_runtime" if target.runtime == "none" else "other_runtime"


def proving_command(target: Target, named: str, model: Path, data: str | None) -> str:
    """The command that tells most about a written model, where its runtime is installed.

    named: the target as the user gave it. data: what the model was made with; None: none.

    >>> from edgeq.schema.target import load_target
    >>> proving_command(load_target("qnn_htp"), "qnn_htp", Path("my model.onnx"), None)
    "edgeq prove 'my model.onnx' --runtime qnn"
    >>> proving_command(load_target("tensorrt"), "tensorrt", Path("m.onnx"), "d.npz")
    'edgeq check m.onnx --target tensorrt'
    """
    file = model.suffix == ".tflite"
    if target.runtime == "none" and not file:
        return shlex.join(["edgeq", "check", str(model), "--target", named])
    runtime = OF_TFLITE if target.runtime in ("none", "tflite") or (file and look_up(target.runtime).takes == "onnx") else target.runtime
    words = ["edgeq", "prove", str(model)]
    words += [] if file and runtime == OF_TFLITE else ["--runtime", runtime]
    return shlex.join([*words, *([] if data is None else ["--data", data])])


def unproven_line(why: Unproven, target: Target, command: str) -> str:
    """One line for people."""
    runtime = "runtimes of .tflite files" if target.runtime == "tflite" else target.runtime
    what = (
        f"edgeq has no runtime for {target.name}"
        if why == "no_runtime"
        else f"{target.name} runs in {runtime}, which this run did not start"
    )
    return f"not proven: {what}. Next: {command}"

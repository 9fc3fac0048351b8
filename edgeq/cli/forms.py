"""The endings of -o, which name the form of a file: checked before any work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.errors import BadOutput, BadTarget

if TYPE_CHECKING:
    from edgeq.schema.target import Target

#: the forms of a float model
FLOAT = (".onnx",)
#: the forms of an int8 model
INT8 = (".onnx", ".tflite")
#: the form of statistics
STATISTICS = (".npz",)

#: where other endings come from
_ELSEWHERE = {
    ".ort": "ONNX Runtime's .ort comes beside an .onnx with --emit ort.",
    ".c": "C source comes beside a .tflite with --emit c.",
}


def check_ending(out: Path, endings: tuple[str, ...]) -> None:
    """Refuse a path whose ending names no form that the command writes. Raises BadOutput."""
    if out.suffix in endings:
        return
    what = f"The ending {out.suffix!r} names no form that is written here." if out.suffix else "The output has no ending to name its form."
    known = f"Use {' or '.join(endings)}."
    near = f"{known} {_ELSEWHERE[out.suffix]}" if out.suffix in _ELSEWHERE and endings == INT8 else known
    raise BadOutput(what, str(out), near)


def check_target_of(out: Path, target: Target) -> None:
    """Refuse a .tflite file of a target that leaves operators in float.

    Raises BadTarget, which names the targets whose models are .tflite files.
    """
    if out.suffix != ".tflite" or target.integer_only:
        return
    from edgeq.schema.target import load_target, shipped_targets

    known = [one for one in map(load_target, shipped_targets()) if one.runtime == "tflite"]
    listed = "; or ".join(f"--target {one.name} ({one.title})" for one in known)
    what = f"A .tflite file computes in integers alone, and models for {target.name} may keep operators in float."
    raise BadTarget(what, f"-o {out}", f"Add {listed}.")

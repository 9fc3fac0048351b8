"""Whether a target's models can take the form that the ending of -o names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.errors import BadTarget

if TYPE_CHECKING:
    from edgeq.schema.target import Target


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

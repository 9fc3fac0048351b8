"""`edgeq prove --runtime`: prove a model in a runtime other than onnxruntime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli.asked import Asked
from edgeq.cli.options import FLOORS
from edgeq.cli.outputs import stale_lines
from edgeq.cli.proving.differing import differing_lines
from edgeq.cli.shared import complete
from edgeq.errors import BadRecipe, FloorMissed
from edgeq.io.visible import visible
from edgeq.runtimes.table import DEFAULT, RUNTIMES, look_up

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgeq.data.dataset import Dataset
    from edgeq.proof.elsewhere.handed import ProofSubject
    from edgeq.proof.elsewhere.other_runtimes import RuntimeProof

Runtime = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        autocompletion=complete.runtimes,
        metavar="NAME",
        help=f"{', '.join((DEFAULT, *RUNTIMES[:-1]))} or {RUNTIMES[-1]}. Default: litert for a .tflite MODEL, else {DEFAULT}.",
        rich_help_panel=FLOORS,
    ),
]
Reference = Annotated[
    Path | None, typer.Option("--reference", metavar="INT8", help="The int8 ONNX model of a .tflite MODEL.", rich_help_panel=FLOORS)
]
Accelerator = Annotated[
    str | None,
    typer.Option(
        "--accelerator",
        metavar="NAME",
        help="The accelerator, for a runtime that compiles for several; a wrong name lists them.",
        rich_help_panel=FLOORS,
    ),
]


@dataclass(frozen=True)
class RuntimeRequest:
    """What to prove, and in which runtime."""

    #: an int8 ONNX model or a .tflite file
    model: Path
    #: the runtime as the user named it, not yet looked up
    runtime: str
    #: the int8 ONNX model of a .tflite file; None: not given
    reference: Path | None
    #: the accelerator to compile for; None: the runtime's default
    accelerator: str | None
    #: the float model of a .tflite file; None: not given
    floats: Path | None
    #: operator types that must not run in float
    required: tuple[str, ...]


def prove_runtime(asked: Asked, request: RuntimeRequest) -> None:
    """Run the model and show the proofs.

    Raises FloorMissed when a required operator type runs in float.
    """
    from edgeq.cli.printed.forms import ProvenElsewhere
    from edgeq.proof.elsewhere.other_runtimes import prove_in

    runtime = _runtime(request)
    subject = _subject(asked, request)
    with asked.screen.progress() as progress:
        proofs = prove_in(runtime, subject, _dataset(asked, subject), accelerator=request.accelerator, progress=progress)
    asked.screen.show(ProvenElsewhere(request.model, tuple(proofs)), lambda: proofs_text(proofs))
    for line in stale_lines(request.model):
        asked.screen.warn(line)
    for proof in proofs:
        floats = sorted({op.op_type for op in proof.operators if not op.integer and op.op_type.lower() in _lower(request.required)})
        if floats:
            what = f"Operators that must run in integers do not on {proof.runtime}."
            raise FloorMissed(what, ", ".join(floats), "Quantize for a target of this runtime; see edgeq targets.")


def _runtime(request: RuntimeRequest) -> str:
    """The name of the runtime. Raises BadRecipe if it is unknown or does not take the file."""
    tflite = request.model.suffix == ".tflite"
    if tflite and (request.runtime == DEFAULT or look_up(request.runtime).takes == "onnx"):
        able = [name for name in RUNTIMES if look_up(name).takes == "tflite"]
        fix = f"Give the int8 ONNX model, or use --runtime {', '.join(able[:-1])} or {able[-1]}."
        raise BadRecipe(f"{request.runtime} takes ONNX models.", str(request.model), fix)
    return look_up(request.runtime).name


def _lower(names: Sequence[str]) -> set[str]:
    return {name.lower() for name in names}


def _subject(asked: Asked, request: RuntimeRequest) -> ProofSubject:
    from edgeq.proof.elsewhere.handed import ProofSubject
    from edgeq.proof.written import read_file, reference_for

    def load(path: Path) -> ProofSubject:
        return ProofSubject(asked.load_model(path, quantized=True).model)

    if request.model.suffix != ".tflite":
        return load(request.model)
    file = read_file(request.model, asked.max_bytes)
    if request.floats is not None and asked.data is None:
        raise BadRecipe("The float model needs data to be compared on.", "--float", "Give --data, or leave --float out.")
    floats = None if request.floats is None else reference_for(asked.load_model(request.floats), file)
    return ProofSubject(None if request.reference is None else load(request.reference).model, file, floats)


def _dataset(asked: Asked, subject: ProofSubject) -> Dataset | None:
    if asked.data is None:
        return None
    from edgeq.data.open import open_dataset
    from edgeq.graph.signature import input_specs
    from edgeq.integers.reading.runner import specs_of
    from edgeq.integers.tflite.parse import parse
    from edgeq.passes.boundary.float_boundary import FloatBoundary

    if subject.model is None and subject.floats is None:
        assert subject.tflite is not None  # there is something to prove
        return open_dataset(asked.data, specs_of(parse(subject.tflite)), samples=asked.recipe.samples, shapes=asked.shapes)
    floats = subject.floats
    if floats is None:
        assert subject.model is not None
        floats = subject.model.clone()
        FloatBoundary()(floats)
    return open_dataset(asked.data, input_specs(floats), samples=asked.recipe.samples, shapes=asked.shapes, float_model=floats)


def proofs_text(proofs: Sequence[RuntimeProof]) -> RenderableType:
    """The text of the proofs: what ran as integers, the distance of outputs, what was read."""
    from rich.console import Group
    from rich.text import Text

    from edgeq.numerics.output_fidelity import agreement_name
    from edgeq.report.figures import samples_text, sqnr_text

    parts: list[RenderableType] = []
    for proof in proofs:
        parts.append(Text(f"{proof.runtime} {proof.version}", "bold"))
        share = 100 * proof.integer / max(len(proof.operators), 1)
        parts.append(Text(f"  integers  {proof.integer} of {len(proof.operators)} operators ({share:.1f} %)"))
        floats = Counter(op.op_type for op in proof.operators if not op.integer)
        if floats:
            parts.append(Text("  float     " + ", ".join(f"{number} {name}" for name, number in sorted(floats.items())), "yellow"))
        for one in proof.distance.outputs if proof.distance is not None else ():
            same = "" if one.agreement is None else f", same arg-max {100 * one.agreement:.2f} %"
            if one.ties:
                same += f" (and {100 * one.ties:.2f} % ties: both classes have one code)"
            lsb = f"{one.max_lsb:.3g} LSB at most, {one.mean_lsb:.3g} on average, {100 * one.exact:.1f} % equal"
            parts.append(Text(f"  {visible(one.name)}: {lsb}{same}, {sqnr_text(one.sqnr_db)}"))
        if proof.distance is not None:
            other = "the ONNX int8 model" if proof.against == "onnx" else "edgeq's interpreter of the same file"
            parts.append(Text(f"  {samples_text(proof.distance.samples)} against {other}, {proof.distance.ms:.3g} ms per run", "dim"))
        parts += differing_lines(proof.differing)
        if proof.unread:
            parts.append(Text(f"  not compared: {visible(proof.unread)}", "yellow"))
        for output in proof.fidelity.worst_first if proof.fidelity is not None else ():
            same = "" if output.top1_agreement is None else f", {agreement_name([output])} {100 * output.top1_agreement:.2f} %"
            parts.append(Text(f"  {visible(output.name)} against float: {sqnr_text(output.sqnr_db)}{same}"))
        parts.append(Text(f"  {proof.told}\n", "dim"))
    return Group(*parts)

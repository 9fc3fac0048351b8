"""`edgeq materialize`: replace the codebooks of a model by plain weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.outputs import SMALLEST, size_of
from edgeq.io.endings import FLOAT, check_ending

EXAMPLE = """    edgeq materialize model.w4.onnx -o model.plain.onnx    (for runtimes that do not fold constants)"""


@dataclass(frozen=True)
class Materialized:
    """What was written."""

    #: path of the file
    model: str
    #: number of weights that were computed from codebooks
    weights: int
    #: size of the model with codebooks, in bytes
    codebook_bytes: int
    #: size of the written file, in bytes
    bytes: int


@offers("max_bytes", writes=True)
def materialize(
    asked: Asked,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model with codebooks.")],
    out: o.ModelOut,
) -> None:
    """Compute the weights stored as codebooks, bit-identical to what onnxruntime computes."""
    check_ending(out, FLOAT)
    asked.check_outputs([out], model, at_least=size_of(model) // SMALLEST)
    from rich.text import Text

    from edgeq.few_bits.materialize import materialize as run
    from edgeq.report.figures import human_bytes

    with asked.screen.progress() as progress:
        progress.start("materialize", None)
        loaded = asked.load_model(model, quantized=True)
        made = run(loaded)
        made.save(out, force=asked.force)
    found = Materialized(str(out), made.weights, loaded.size, out.stat().st_size)
    text = f"{made.weights} weights computed: {human_bytes(found.codebook_bytes)} became {human_bytes(found.bytes)}; wrote {out}"
    asked.screen.show(found, lambda: Text(text if made.weights else f"The model holds no codebooks; wrote {out} as it was."))

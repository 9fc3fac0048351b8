"""What `edgeq quantize` writes beside the model: golden vectors, C source, ORT format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.errors import BadData, BadOutput, BadRecipe

if TYPE_CHECKING:
    from edgeq.api import Quantized

#: path and content of each file
Written = tuple[tuple[Path, bytes], ...]


@dataclass(frozen=True)
class Beside:
    """The files that are wanted beside the model."""

    #: the int8 model
    out: Path
    #: samples of golden vectors; None: not wanted
    golden: int | None
    #: forms to write the model in as well: c, ort
    emit: Sequence[str]

    def paths(self) -> tuple[Path, ...]:
        """Where they are written: model.int8.onnx -> model.int8.golden.npz; model.tflite ->
        model.c, model.h.

        Raises, before the work and not after: BadRecipe for an unknown form, BadOutput for C source
        of another file, MissingExtra when a .tflite file cannot be written.
        """
        if self.out.suffix == ".tflite":
            from edgeq.integers.tflite.flatbuffer import require_tflite

            require_tflite()
        unknown = sorted(set(self.emit) - {"c", "ort"})
        if unknown:
            raise BadRecipe(f"There is no form {unknown[0]!r}.", "--emit", "Use --emit c or --emit ort.")
        if "c" in self.emit and self.out.suffix != ".tflite":
            raise BadOutput("C source can only be made of a .tflite file.", str(self.out), "Use -o NAME.tflite with --emit c.")
        golden = [self.out.with_suffix(".golden.npz")] if self.golden is not None else []
        source = [self.out.with_suffix(".c"), self.out.with_suffix(".h")] if "c" in self.emit else []
        ort = [self.out.with_suffix(".ort"), self.out.with_suffix(".ort.config")] if "ort" in self.emit else []
        return (*golden, *source, *ort)

    def contents(self, made: Quantized, data: str | None) -> Written:
        """Each path with its content. Raises BadData for golden vectors without data, and what
        making the files raises.
        """
        found: list[bytes] = []
        if self.golden is not None:
            found.append(_golden(made, data, self.golden, channels_last=self.out.suffix == ".tflite"))
        if "c" in self.emit:
            found += _c_source(made, self.out.stem)
        if "ort" in self.emit:
            found += _ort(made)
        return tuple(zip(self.paths(), found, strict=True))


def _golden(made: Quantized, data: str | None, count: int, *, channels_last: bool) -> bytes:
    from edgeq.data.open import open_dataset
    from edgeq.graph.signature import input_specs
    from edgeq.integers.golden import golden_bytes, golden_vectors
    from edgeq.passes.boundary.float_boundary import FloatBoundary

    if data is None:
        raise BadData("There are no samples to make golden vectors of.", "--golden", "Give --data, or leave --golden out.")
    floats = made.model.clone()
    FloatBoundary()(floats)
    dataset = open_dataset(data, input_specs(floats))
    return golden_bytes(golden_vectors(made.model, dataset, count, channels_last=channels_last))


def _c_source(made: Quantized, name: str) -> list[bytes]:
    from edgeq.integers.emit import emit_tflite
    from edgeq.integers.tflite.c_source import c_source

    graph = made.model.graph
    text = c_source(emit_tflite(made.model), name, len(graph.inputs), len(graph.outputs))
    return [text.source.encode(), text.header.encode()]


def _ort(made: Quantized) -> list[bytes]:
    from edgeq.runtimes.ort_format import ort_format

    found = ort_format(made.model)
    return [found.model, found.operators.encode()]

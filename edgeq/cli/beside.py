"""Files that `edgeq quantize` writes beside the model: golden vectors, C source, ORT format."""

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
    """The files that are requested beside the model."""

    #: the int8 model
    out: Path
    #: number of samples in the golden vectors; None: not requested
    golden: int | None
    #: whether the golden vectors hold the codes of every value
    layers: bool
    #: further forms in which the model is written: c, ort
    emit: Sequence[str]

    def paths(self) -> tuple[Path, ...]:
        """The paths of the files, such as model.int8.golden.npz beside model.int8.onnx.

        Called before the work, so that a request that cannot be met is refused at once. Raises
        BadRecipe for an unknown form and for layers of no golden vectors, BadOutput for C source of
        a file that is no .tflite, and MissingExtra when a .tflite file cannot be written.
        """
        if self.out.suffix == ".tflite":
            from edgeq.integers.tflite.flatbuffer import require_tflite

            require_tflite()
        if self.layers and self.golden is None:
            raise BadRecipe("--layers adds every value to golden vectors, and there are none.", "--layers", "Add --golden N.")
        unknown = sorted(set(self.emit) - {"c", "ort"})
        if unknown:
            raise BadRecipe(f"{unknown[0]!r} is not a form that edgeq writes.", "--emit", "Use --emit c or --emit ort.")
        if "c" in self.emit and self.out.suffix != ".tflite":
            raise BadOutput("C source can only be made of a .tflite file.", str(self.out), "Use -o NAME.tflite with --emit c.")
        golden = [self.out.with_suffix(".golden.npz")] if self.golden is not None else []
        source = [self.out.with_suffix(".c"), self.out.with_suffix(".h")] if "c" in self.emit else []
        ort = [self.out.with_suffix(".ort"), self.out.with_suffix(".ort.config")] if "ort" in self.emit else []
        return (*golden, *source, *ort)

    def contents(self, made: Quantized, data: str | None, digest: str) -> Written:
        """Each path with its content, which bears the mark of the model's file.

        digest: sha256 of that file. Raises BadData for golden vectors without data, and what the
        writers of the files raise.
        """
        found: list[bytes] = []
        if self.golden is not None:
            found.append(_golden(made, data, self.golden, digest, tflite=self.out.suffix == ".tflite", layers=self.layers))
        if "c" in self.emit:
            found += _c_source(made, self.out.stem)
        if "ort" in self.emit:
            found += _ort(made, digest)
        return tuple(zip(self.paths(), found, strict=True))


def _golden(made: Quantized, data: str | None, count: int, digest: str, *, tflite: bool, layers: bool) -> bytes:
    from edgeq.data.open import open_dataset
    from edgeq.graph.signature import input_specs
    from edgeq.integers.golden import golden_bytes, golden_vectors
    from edgeq.io.marks import mark_of
    from edgeq.passes.boundary.float_boundary import FloatBoundary

    if data is None:
        raise BadData("There are no samples to make golden vectors of.", "--golden", "Give --data, or leave --golden out.")
    floats = made.model.clone()
    FloatBoundary()(floats)
    dataset = open_dataset(data, input_specs(floats), float_model=floats, unlabelled=True)
    vectors = golden_vectors(made.model, dataset, count, channels_last=tflite)
    if layers:
        from edgeq.integers.boards.golden_values import with_values

        vectors = with_values(vectors, made.model, "tflite" if tflite else "onnx")
    return golden_bytes(vectors, mark_of(digest))


def _c_source(made: Quantized, name: str) -> list[bytes]:
    from edgeq.integers.emit import emit_tflite
    from edgeq.integers.tflite.c_source import c_source

    graph = made.model.graph
    text = c_source(emit_tflite(made.model), name, len(graph.inputs), len(graph.outputs))
    return [text.source.encode(), text.header.encode()]


def _ort(made: Quantized, digest: str) -> list[bytes]:
    from edgeq.io.marks import mark_of
    from edgeq.runtimes.ort_format import ort_format

    found = ort_format(made.model, mark_of(digest))
    return [found.model, found.operators.encode()]

"""The result of a conversion: the int8 model, what was changed on the way, and the proof."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgeq.errors import BadOutput
from edgeq.foreign.proof import ConversionProof
from edgeq.integers.tflite.c_source import c_source
from edgeq.io.file_set import FileSet
from edgeq.io.marks import mark_of
from edgeq.io.writing.card import Card, Facts
from edgeq.passes.foreign.changes import Change
from edgeq.runtimes.ort_format import ort_format

#: the endings of the files that can be written
SUFFIXES = (".tflite", ".c", ".ort")


@dataclass(frozen=True, eq=False, repr=False)
class Converted(Card):
    """A quantized model of another tool in the form of an integer runtime."""

    #: the model in Q/DQ form, its inputs and outputs codes (or floats, with float_io)
    model: ir.Model
    #: the bytes of the .tflite file
    tflite: bytes
    #: what differs from the source, in the order in which it was changed
    changes: tuple[Change, ...]
    #: None: not requested
    proof: ConversionProof | None
    #: the files that the conversion read: the source, its external data, the data
    inputs: tuple[Path, ...] = ()

    def facts(self) -> Facts:
        """What a line and a table show."""
        return Facts("", (("bytes", str(len(self.tflite))), ("changes", str(len(self.changes)))))

    @property
    def inserted(self) -> int:
        """How many requantizations the file has that the source does not have."""
        return sum(change.kind == "requantized" for change in self.changes)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the files that the path stands for, all or none.

        NAME.tflite; NAME.c and NAME.h, C source of the same bytes; NAME.ort and NAME.ort.config,
        for onnxruntime. Raises BadOutput for another ending, when a file exists and force is off,
        or when it is a file that the conversion read.
        """
        with FileSet(force=force, inputs=self.inputs) as files:
            self.add_to(files, Path(path))
            files.commit()

    def add_to(self, files: FileSet, path: Path) -> str:
        """Add the files to a set, as `save` writes them; returns the sha256 of the .tflite form.

        Raises BadOutput.
        """
        first, *others = zip(written(path), self._contents(path), strict=True)
        for one, content in others:
            files.add(one, content)
        files.add_last(*first)
        return self._digest

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self.tflite).hexdigest()

    def _contents(self, path: Path) -> list[bytes]:
        if path.suffix == ".c":
            text = c_source(self.tflite, path.stem, len(self.model.graph.inputs), len(self.model.graph.outputs))
            return [text.source.encode(), text.header.encode()]
        if path.suffix == ".ort":
            found = ort_format(self.model, mark_of(self._digest))
            return [found.model, found.operators.encode()]
        return [self.tflite]


def written(path: Path) -> tuple[Path, ...]:
    """The files that are written for a path. Raises BadOutput for an ending that names no form."""
    if path.suffix == ".tflite":
        return (path,)
    if path.suffix == ".c":
        return path, path.with_suffix(".h")
    if path.suffix == ".ort":
        return path, path.with_suffix(".ort.config")
    what = "The ending of the output names no form that a model can be converted to."
    raise BadOutput(what, str(path), f"Use one of these endings: {', '.join(SUFFIXES)}.")

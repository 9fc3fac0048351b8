"""Drop what exporters write into a model for their own developers: stack traces, paths, scopes."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import graphs

#: keys that packages use for their own notes, by ONNX's convention (pkg.torch.onnx.stack_trace)
_PACKAGE = "pkg."
#: a line of a stack trace, or a path of a source file
_SOURCE = re.compile(r"\.pyc?\b.{0,20}?(\(\d+\)|line \d+|:\d+)|(^|[\s\"'(])([A-Za-z]:\\|/)\S*\.(py|cc|cpp|cu|h)\b")


@dataclass(frozen=True)
class DropExporterNotes(ir.passes.InPlacePass):
    """Clear the metadata and doc strings of nodes, inner values and bodies.

    They take up to a tenth of a small int8 file, and tell paths of the machine that exported it.
    The model's own metadata and doc string are the user's: only the notes of packages go. Of the
    graph, its inputs and outputs, texts that name source files go as well.

    Before: `y = Conv(x, w)` with the metadata `pkg.torch.onnx.stack_trace` and `namespace`
    After:  `y = Conv(x, w)`
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = _clear_notes(model.metadata_props, sources=False)
        shown = [*model.graph.inputs, *model.graph.outputs]
        every: list[ir.Graph | ir.Value] = [model.graph, *shown]
        for own in every:
            modified |= _clear_notes(own.metadata_props, sources=True)
            if own.doc_string and _SOURCE.search(own.doc_string):
                own.doc_string, modified = None, True
        for inner in _inner(model, {id(value) for value in shown}):
            if inner.metadata_props or inner.doc_string:
                inner.metadata_props.clear()
                inner.doc_string, modified = None, True
        return ir.passes.PassResult(model, modified=modified)


def _inner(model: ir.Model, shown: set[int]) -> Iterator[ir.Graph | ir.Node | ir.Value | ir.TensorProtocol]:
    """Everything inside the graph that can hold notes, the bodies themselves included."""
    for graph in graphs(model):
        if graph is not model.graph:
            yield graph
        inner = [*graph.inputs, *graph.initializers.values(), *(value for node in graph for value in node.outputs)]
        yield from (value for value in inner if id(value) not in shown)
        yield from (value.const_value for value in inner if value.const_value is not None)
        yield from graph


def _clear_notes(metadata: MutableMapping[str, str], *, sources: bool) -> bool:
    """Remove the notes of packages and, if asked, texts that name source files."""
    notes = [key for key, text in metadata.items() if key.startswith(_PACKAGE) or (sources and _SOURCE.search(text))]
    for key in notes:
        del metadata[key]
    return bool(notes)

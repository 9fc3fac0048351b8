"""Export a torch module as an ONNX model that computes what the module does."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import numpy as np
import onnx
import onnx_ir as ir
import torch

from edgeq.errors import BadModel
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import open_session

WHERE = "torch module"
#: how far the exported model's outputs may be from the module's, relative to their largest value:
#: float32 sums of thousands of products in another order differ by less
TOLERANCE = 1e-3


def from_torch(
    module: torch.nn.Module, example_inputs: Sequence[torch.Tensor], *, names: Sequence[str] | None = None, dynamic_batch: bool = True
) -> onnx.ModelProto:
    """The ONNX model of a torch module, exported by torch's own exporter in evaluation mode.

    example_inputs: a tensor for each argument of forward, of the sizes that the model will be fed.
    names: the names of the inputs; default: those of forward's arguments. dynamic_batch: axis 0 of
    every input may have any length, where the module allows it. The module is left as it was.
    Raises BadModel where torch cannot export the module, and where onnxruntime does not compute
    from the examples what the module does.

    >>> import edgeq, torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU())
    >>> edgeq.from_torch(net, (torch.zeros(2, 8),), names=("x",)).graph.input[0].name
    'x'
    """
    examples = tuple(_twice(one) if dynamic_batch else one for one in example_inputs)
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        proto = _exported(module, examples, names, dynamic_batch=dynamic_batch)
        with torch.no_grad():
            wanted = _outputs(module(*examples))
    finally:
        for part, was in training.items():
            part.training = was
    _check(proto, examples, wanted)
    return proto


def _twice(example: torch.Tensor) -> torch.Tensor:
    """An example of one sample as two: torch takes an axis of length 1 for a fixed one."""
    return example.expand(2, *example.shape[1:]).contiguous() if example.ndim and example.shape[0] == 1 else example


def _exported(
    module: torch.nn.Module, examples: tuple[torch.Tensor, ...], names: Sequence[str] | None, *, dynamic_batch: bool
) -> onnx.ModelProto:
    shapes = tuple({0: torch.export.Dim.AUTO} if one.ndim else {} for one in examples) if dynamic_batch else None
    try:
        with _quiet():
            program = torch.onnx.export(
                module, examples, dynamo=True, dynamic_shapes=shapes, input_names=None if names is None else list(names), verbose=False
            )
    except Exception as problem:  # the exporter raises dozens of kinds, from the module's own code too
        first = next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)
        fix = "Export it with torch.onnx.export until that works, and give edgeq the file."
        raise BadModel(f"torch cannot export the module: {first[:300]}", WHERE, fix) from problem
    if program is None:
        raise BadModel("torch's exporter returned no model.", WHERE, "Export it with torch.onnx.export, and give edgeq the file.")
    proto: onnx.ModelProto = ir.to_proto(program.model)
    return proto


@contextmanager
def _quiet() -> Iterator[None]:
    """What the exporter tells on its way says nothing that its error does not."""
    level = logging.root.manager.disable
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(level)


def _outputs(found: object) -> list[AnyArray]:
    """The module's outputs in the order in which the exporter names them."""
    leaves, _ = torch.utils._pytree.tree_flatten(found)
    return [leaf.detach().cpu().numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]


def _check(proto: onnx.ModelProto, examples: tuple[torch.Tensor, ...], wanted: list[AnyArray]) -> None:
    session = open_session(ir.from_proto(proto))
    taken = {spec.name for spec in session.inputs}
    feeds = {value.name: one.detach().cpu().numpy() for value, one in zip(proto.graph.input, examples, strict=False)}
    found = session.run({name: array for name, array in feeds.items() if name in taken})
    for name, ours, theirs in zip(session.outputs, found, wanted, strict=False):
        if not _near(ours, theirs):
            what = f"The exported model computes another `{name}` than the module."
            raise BadModel(what, WHERE, "The exporter is at fault: try another version of torch, or export it yourself and give the file.")


def _near(ours: AnyArray, theirs: AnyArray) -> bool:
    if ours.shape != theirs.shape:
        return False
    if ours.dtype.kind != "f":
        return bool(np.array_equal(ours, theirs))
    size = float(np.abs(theirs).max(initial=0.0))
    return bool(np.allclose(ours, theirs, rtol=0, atol=TOLERANCE * size, equal_nan=True))

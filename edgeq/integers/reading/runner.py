"""Run a .tflite file on the feeds of its ONNX model: names, layouts and codes are found out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgeq.errors import BadModel
from edgeq.graph.signature import InputSpec
from edgeq.integers.tflite.flatbuffer import TfModel, TfTensor
from edgeq.integers.tflite.layout import inverse, order
from edgeq.integers.tflite.parse import parse
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams, dequantize, quantize
from edgeq.runtimes.protocol import CODE_TYPES, OpenedModel, Port
from edgeq.schema.pixels import PixelMap, pixel_key, recorded_map

#: what converters put around a name
_AFFIXES = ("serving_default_", ":0")


@dataclass(frozen=True, eq=False)
class FileRunner:
    """An opened file in the place of an ONNX model."""

    #: what runs it
    opened: OpenedModel
    #: for each input of the file, in its order: the name of the ONNX model's input
    inputs: tuple[str, ...]
    #: names of the ONNX model's outputs, in its order
    outputs: tuple[str, ...]
    #: for each of these outputs, its place in the file
    places: tuple[int, ...]
    #: name of an input that takes raw pixels -> what the application makes of them
    pixels: Mapping[str, PixelMap] = field(default_factory=dict)

    def run(self, feeds: Mapping[str, AnyArray], like: Sequence[AnyArray]) -> list[AnyArray]:
        """The outputs as real numbers, in the layout of `like`, the ONNX model's on these feeds.

        feeds: as the ONNX model takes them; the file runs as often as its batch fits into theirs.
        Raises BadModel where the sizes do not fit.
        """
        whole = [feeds[name] for name in self.inputs]
        batch, count = _size(self.opened.inputs[0].shape), _size(whole[0].shape)
        parts = max(count // batch, 1) if all(_size(array.shape) == count for array in whole) else 1
        made: list[list[AnyArray]] = []
        for part in range(parts):
            pieces = [array[part * batch : (part + 1) * batch] if parts > 1 else array for array in whole]
            made.append(self.opened.run(self.fed(dict(zip(self.inputs, pieces, strict=True)))))
        found = []
        for place, wanted in zip(self.places, like, strict=True):
            arrays = [real(one[place], self.opened.outputs[place]) for one in made]
            found.append(_laid_out(np.concatenate(arrays) if parts > 1 else arrays[0], wanted, self.opened.outputs[place].name))
        return found

    def fed(self, feeds: Mapping[str, AnyArray]) -> list[AnyArray]:
        """The feeds of one run as the file takes them: its order, its layout, its codes."""
        return [self._into(name, feeds[name], port) for name, port in zip(self.inputs, self.opened.inputs, strict=True)]

    def _into(self, name: str, array: AnyArray, port: Port) -> AnyArray:
        axes = permutation(port.shape, array.shape)
        if axes is None:
            what = f"Input {port.name} of the .tflite file is {list(port.shape)}, and the data {list(array.shape)}."
            raise BadModel(what, f"input {name}", "Give the file and the data of one model; freeze sizes with --shape.")
        moved = np.ascontiguousarray(array.transpose(axes))
        if port.dtype in CODE_TYPES and array.dtype.kind == "f":
            coded = self.pixels[name].codes(array) if name in self.pixels else quantize(array.astype(np.float32), _grid(port))
            moved = np.ascontiguousarray(coded.transpose(axes))
        return np.asarray(moved.astype(port.dtype))


def permutation(file: Sequence[int], onnx: Sequence[int]) -> tuple[int, ...] | None:
    """The ONNX axis of each axis of the file; None where the sizes fit in no layout.

    Images lie channels last where both layouts fit, for that is TFLite's own.

    >>> [permutation(file, (1, 3, 8, 9)) for file in ((1, 8, 9, 3), (1, 3, 8, 9), (1, 3, 9, 8))]
    [(0, 2, 3, 1), (0, 1, 2, 3), None]
    """
    rank = len(onnx)
    plain, last = tuple(range(rank)), (0, *range(2, rank), 1)
    for axes in (last, plain) if rank == 4 else (plain, last):
        if len(file) == rank and rank > 0 and tuple(file) == tuple(onnx[axis] for axis in axes):
            return axes
    return plain if tuple(file) == tuple(onnx) else None


def runner_of(data: bytes, opened: OpenedModel, inputs: Sequence[InputSpec], outputs: Sequence[str]) -> FileRunner:
    """The file in the place of an ONNX model with these inputs and outputs.

    Ends belong together by the names of tensors or of the file's signature; where these say
    nothing, by their order. Raises BadModel where the numbers of inputs or outputs differ.
    """
    file = parse(data)
    names = [spec.name for spec in inputs]
    found = _matched(names, file, file.inputs, "inputs")
    by_place = {place: name for name, place in zip(names, found, strict=True)}
    record = record_of(file)
    maps = {name: recorded_map(record.get(pixel_key(name))) for name in names}
    pixels = {name: one for name, one in maps.items() if one is not None}
    ordered = tuple(by_place[place] for place in range(len(names)))
    return FileRunner(opened, ordered, tuple(outputs), _matched(outputs, file, file.outputs, "outputs"), pixels)


def specs_of(file: TfModel) -> tuple[InputSpec, ...]:
    """The inputs of a file as a user has data for them: real numbers, of any number of samples.

    In files of edgeq images lie as in the ONNX model that they were made of.
    """
    return tuple(_spec(file, file.tensors[place]) for place in file.inputs)


def _spec(file: TfModel, tensor: TfTensor) -> InputSpec:
    own = file.description.startswith("edgeq") and tensor.dtype not in ("int32", "int64")
    axes = inverse(order(len(tensor.shape))) if own else tuple(range(len(tensor.shape)))
    sizes = [tensor.shape[axis] for axis in axes]
    batch = ["N"] if sizes[:1] == [1] else sizes[:1]
    return InputSpec(tensor.name, "float32" if tensor.scale is not None else tensor.dtype, (*batch, *sizes[1:]))


def record_of(file: TfModel) -> dict[str, str]:
    """What edgeq has recorded in a file; empty for files of other tools."""
    try:
        found = json.loads(file.metadata.get("edgeq", b"{}"))
    except ValueError:
        return {}
    return {str(key): str(text) for key, text in found.items()} if isinstance(found, dict) else {}


def _matched(names: Sequence[str], file: TfModel, tensors: Sequence[int], what: str) -> tuple[int, ...]:
    """For each name of the ONNX model its place among the inputs or outputs of the file."""
    if len(names) != len(tensors):
        sentence = f"The ONNX model has {len(names)} {what}, and the .tflite file {len(tensors)}."
        raise BadModel(sentence, ", ".join(names), "Compare a model with the file that was made of it.")
    for known in ([file.tensors[one].name for one in tensors], [file.signature.get(one, "") for one in tensors]):
        plain = [_plain(name) for name in known]
        places = [plain.index(_plain(name)) if plain.count(_plain(name)) == 1 else -1 for name in names]
        if sorted(places) == list(range(len(names))):
            return tuple(places)
    return tuple(range(len(names)))


def _plain(name: str) -> str:
    return name.removeprefix(_AFFIXES[0]).removesuffix(_AFFIXES[1])


def _grid(port: Port) -> QuantParams:
    return QuantParams(port.dtype, np.asarray(port.scale or 1.0, np.float32), np.asarray(port.zero_point, np.int32))


def real(array: AnyArray, port: Port) -> AnyArray:
    """An output of a file as real numbers."""
    return dequantize(array, _grid(port)) if port.dtype in CODE_TYPES and port.scale else array


def _laid_out(array: AnyArray, wanted: AnyArray, name: str) -> AnyArray:
    axes = permutation(array.shape, wanted.shape)
    if axes is not None:
        return np.asarray(array.transpose(inverse(axes)))
    if array.size != wanted.size:
        what = f"Output {name} of the .tflite file is {list(array.shape)}, and that of the ONNX model {list(wanted.shape)}."
        raise BadModel(what, f"output {name}", "Compare a model with the file that was made of it.")
    return array.reshape(wanted.shape)


def _size(shape: Sequence[int]) -> int:
    return max(shape[0], 1) if shape else 1

"""The models and feeds of onnx.backend.test: one node each, and small exported networks."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests

from benchmarks.measures.feeds import Array, Feed

#: kinds of models that the onnx package holds as files
FILES = ("pytorch-operator", "pytorch-converted", "simple", "light")
#: the network files of kind light name no feeds: standard normal ones are made of their inputs
_SEED = 0


@dataclass(frozen=True, eq=False)
class Case:
    """A float model and one feed of it."""

    #: kind and name
    name: str
    #: the model
    model: onnx.ModelProto
    #: the inputs; a sequence of tensors is one array, stacked along axis 0. An optional that is
    #: empty has no array
    feed: Feed


def load_cases(kinds: Sequence[str], pattern: str = "*", every: int = 1) -> list[Case]:
    """The cases of these kinds ("node" or one of FILES) whose names match, every n-th of each."""
    return [case for kind in kinds for case in _chosen(_of_kind(kind), pattern)[::every]]


def _chosen(cases: Iterator[Case], pattern: str) -> list[Case]:
    return [case for case in cases if fnmatch.fnmatch(case.name, pattern)]


def _of_kind(kind: str) -> Iterator[Case]:
    if kind == "light":  # the loader knows these as download links
        yield from (_light(path) for path in sorted(_data_folder("light").glob("*.onnx")))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases compute logarithms of 0 and casts that overflow, on purpose
        found = load_model_tests(kind=kind)
    for test in sorted(found, key=lambda one: str(one.name)):
        yield _in_memory(test) if test.model is not None else _in_folder(Path(str(test.model_dir)), kind)


def _data_folder(kind: str) -> Path:
    import onnx.backend.test

    return Path(str(onnx.backend.test.__file__)).parent / "data" / kind


def _in_memory(test: TestCase) -> Case:
    assert test.model is not None and test.data_sets is not None
    values = test.data_sets[0][0]
    names = [value.name for value in test.model.graph.input]
    given = values if isinstance(values, Mapping) else dict(zip(names, values, strict=False))
    arrays = {name: _stacked(value) for name, value in given.items()}
    return Case(f"node/{test.name}", test.model, {name: array for name, array in arrays.items() if array is not None})


def _stacked(value: object) -> Array | None:
    """One array of what an input is given; a sequence is cut to the shape that all have."""
    if isinstance(value, onnx.TensorProto):  # types that numpy lacks, mostly
        return np.asarray(onnx.numpy_helper.to_array(value))
    if not isinstance(value, list):
        return np.asarray(value) if isinstance(value, np.ndarray | np.generic) else None
    parts = [np.asarray(part) for part in value]
    if len({part.ndim for part in parts}) > 1:
        return None
    common = tuple(slice(min(sizes)) for sizes in zip(*(part.shape for part in parts), strict=True))
    return np.stack([part[common] for part in parts]) if parts else np.zeros(0, np.float32)


def _in_folder(folder: Path, kind: str) -> Case:
    model = onnx.load(folder / "model.onnx")
    feed: Feed = {}
    for index, value in enumerate(_inputs(model)):
        path = folder / "test_data_set_0" / f"input_{index}.pb"
        if value.type.HasField("tensor_type") and path.is_file():
            feed[value.name] = onnx.numpy_helper.to_array(onnx.load_tensor(str(path)))
    return Case(f"{kind}/{folder.name}", model, feed)


def _light(path: Path) -> Case:
    model = onnx.load(path)
    rng = np.random.default_rng(_SEED)
    return Case(f"light/{path.stem}", model, {value.name: _normal(rng, value) for value in _inputs(model)})


def _normal(rng: np.random.Generator, value: onnx.ValueInfoProto) -> Array:
    shape = [max(dim.dim_value, 1) for dim in value.type.tensor_type.shape.dim]
    return rng.standard_normal(shape).astype(np.float32)


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that need a feed: old files list the initializers among them."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]

"""Pack what workers need, and what they answer, and read it again without running foreign code.

Models and large arrays are blobs beside the rest, named by their content: workers on one machine
map them. Only classes are read again, of edgeq and of a few others; a parcel in a folder that
somebody else has written to can make objects, and cannot call functions.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from importlib import import_module
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeq.engines.sent import Sent
from edgeq.numerics.arrays import AnyArray

if TYPE_CHECKING:
    import onnx_ir as ir

#: arrays of at least this many bytes are blobs
BLOB_BYTES = 1 << 16

#: what may be read besides classes of edgeq, onnx_ir and ml_dtypes
_ALLOWED = frozenset({
    *(("builtins", name) for name in ("complex", "bytearray", "set", "frozenset", "range", "slice", "object")),
    *(("collections", name) for name in ("OrderedDict", "Counter", "deque")),
    *(("pathlib", name) for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *(("numpy", name) for name in ("ndarray", "dtype")),
    *((f"numpy.{core}.multiarray", name) for core in ("_core", "core") for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("_core", "core")),
})  # fmt: skip
_PACKAGES = ("edgeq", "onnx_ir", "ml_dtypes")


@dataclass(frozen=True, eq=False)
class Parcel:
    """Something on its way."""

    body: bytes
    #: sha256 (hex) -> content
    blobs: Mapping[str, memoryview] = field(default_factory=dict)
    #: the files that it names
    paths: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """sha256 (hex) of it all."""
        whole = hashlib.sha256(self.body)
        for digest in sorted(self.blobs):
            whole.update(digest.encode())
        return whole.hexdigest()


def packed(thing: object) -> Parcel:
    """Pack something whose models and large arrays are to be blobs."""
    file = io.BytesIO()
    pickler = _Packer(file)
    pickler.dump(thing)
    return Parcel(file.getvalue(), pickler.blobs, tuple(pickler.paths))


def unpacked(body: bytes, blob: Callable[[str], AnyArray]) -> object:
    """What was packed. blob: the content of one as uint8 [bytes]. Raises pickle.UnpicklingError."""
    return _Reader(io.BytesIO(body), blob).load()


def answer(thing: object) -> bytes:
    """Pack what a worker answers: it is read once, so nothing lies beside it."""
    return pickle.dumps(thing, protocol=5)


def read_answer(body: bytes) -> object:
    """What a worker has answered. Raises pickle.UnpicklingError."""
    return _Reader(io.BytesIO(body), _no_blob).load()


def function_name(function: Callable[..., object]) -> str:
    """The name by which a worker finds a function of edgeq. Raises ValueError for any other."""
    module, name = function.__module__, function.__qualname__
    if function_of(f"{module}:{name}") is not function:
        raise ValueError(f"{module}:{name} is not the function")
    return f"{module}:{name}"


def function_of(name: str) -> Callable[..., object]:
    """The function of this name. Raises ValueError for one that is not of edgeq."""
    module, _, own = name.partition(":")
    if module.split(".")[0] != "edgeq" or not own.isidentifier():
        raise ValueError(f"{name} is not a function of edgeq")
    found: Callable[..., object] = getattr(import_module(module), own)
    return found


class _Packer(pickle.Pickler):
    """Takes models and large arrays out, and makes paths absolute: workers have folders of their
    own.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self.blobs: dict[str, memoryview] = {}
        self.paths: dict[str, None] = {}
        self._models: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._kept: list[object] = []  # what has an id in _models must live as long

    def persistent_id(self, thing: object) -> object:
        if isinstance(thing, Sent):
            return ("sent", *self._pieces(thing, thing))
        if "onnx_ir" in sys.modules and isinstance(thing, sys.modules["onnx_ir"].Model):
            return ("model", *self._pieces(thing, Sent.of(thing)))
        if isinstance(thing, np.ndarray) and thing.nbytes >= BLOB_BYTES and thing.dtype.kind in "fiub":
            whole = np.ascontiguousarray(thing)
            return ("array", self._blob(whole.reshape(-1).view(np.uint8).data), whole.dtype.str, whole.shape)
        return None

    def reducer_override(self, thing: object) -> Any:
        if isinstance(thing, PurePath):
            path = os.path.abspath(thing)  # noqa: PTH100  # links stay as they are
            self.paths[path] = None
            return (Path, (path,))
        return NotImplemented

    def _pieces(self, thing: object, sent: Sent) -> tuple[str, tuple[str, ...]]:
        if id(thing) not in self._models:
            graph, weights = sent.pieces
            self._models[id(thing)] = (self._blob(graph), tuple(self._blob(one) for one in weights))
            self._kept.append(thing)
        return self._models[id(thing)]

    def _blob(self, content: memoryview | bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.blobs.setdefault(digest, memoryview(content))
        return digest


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, blob: Callable[[str], AnyArray]) -> None:
        super().__init__(file)
        self._blob = blob
        self._models: dict[str, Sent] = {}

    def persistent_load(self, pid: object) -> object:
        match pid:
            case ("model" | "sent" as how, str(graph), tuple(weights)):
                if graph not in self._models:
                    self._models[graph] = _arrived(self._blob, graph, weights)
                return self._models[graph] if how == "sent" else self._models[graph].model
            case ("array", str(digest), str(dtype), tuple(shape)):
                return self._blob(digest).view(np.dtype(dtype)).reshape(shape)
        raise pickle.UnpicklingError("no such blob")

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        if module.split(".")[0] in _PACKAGES:
            found = super().find_class(module, name)
            if isinstance(found, type) or is_dataclass(found):  # a class, or a constant such as EXACT
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not read")


def _arrived(blob: Callable[[str], AnyArray], graph: str, weights: tuple[str, ...]) -> Sent:
    def read() -> ir.Model:
        from edgeq.engines.packed_model import model_from

        return model_from(blob(graph).tobytes(), [blob(one) for one in weights])

    return Sent(read, lambda: (blob(graph).tobytes(), [blob(one).data for one in weights]))


def _no_blob(digest: str) -> AnyArray:
    raise pickle.UnpicklingError(f"blob {digest} is not there")

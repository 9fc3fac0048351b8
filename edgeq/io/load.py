"""Read and check an ONNX model that may be broken or hostile.

All later code may trust what load_model and load_proto return.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]  # its stubs are no dependency of ours

from edgeq.errors import BadModel
from edgeq.graph.forms.constants import own_constants
from edgeq.graph.names import unique_names
from edgeq.graph.read import ONNX_DOMAINS
from edgeq.graph.value_types import believe_inference, forget_maps, typed_proto
from edgeq.io.external_data import read_external_data
from edgeq.io.limits import most_model_bytes
from edgeq.io.mapped import map_external
from edgeq.io.nodes.functions import write_out_functions
from edgeq.io.nodes.order import sort_nodes
from edgeq.io.old_opsets.to_opset_7 import to_opset_7
from edgeq.io.other_formats import ONNX, format_of_name, other_format, saved_model
from edgeq.io.run_files import note_read
from edgeq.io.text import refuse_odd_text
from edgeq.io.validate import check_form, check_onnx, check_tensors, first_line, refuse_endless, refuse_nan, refuse_quantized
from edgeq.io.validate_nodes import (
    refuse_misfit_constants,
    refuse_misfit_flow,
    refuse_misfit_grids,
    refuse_misfit_groups,
    refuse_misfit_splits,
)

#: how deep If/Loop/Scan bodies may nest; real models reach 5
MAX_DEPTH = 16


@dataclass(frozen=True)
class Loaded:
    """A checked model.

    Names are unique, functions are inlined, large weights of external data are mapped and all
    others in memory, no initializer can be overridden by a caller, the opset is 7 or newer and the
    IR version 4 or newer.
    """

    #: the model
    model: ir.Model
    #: sha256 of the file and its external data, in hexadecimal
    hash: str
    #: bytes of the file and its external data
    size: int
    #: the file; None: the model came from memory
    path: Path | None
    #: opset of the file
    opset: int
    #: lines for the report
    notes: tuple[str, ...]


def load_model(path: str | Path, *, max_bytes: int | None = None, max_depth: int = MAX_DEPTH, quantized: bool = False) -> Loaded:
    """Read and check an .onnx file.

    max_bytes: limit for the file and its external data together; None: 2 GiB, or a quarter of the
    free memory where that is more. max_depth: limit for nested
    If, Loop and Scan bodies. quantized: accept integer models too. Raises BadModel, which says what
    is wrong, where, and how to fix it; UnsupportedOpset, one of its kinds, for the opset.

    >>> from edgeq.data.shipped import shipped_model
    >>> loaded = load_model(shipped_model("digits"))
    >>> [value.name for value in loaded.model.graph.inputs], loaded.model.opset_imports[""]
    (['image'], 17)
    """
    path, most = Path(path), most_model_bytes() if max_bytes is None else max_bytes
    data = _read(path, most)
    proto = _parse(data, str(path))
    check_form(proto, str(path), max_depth, quantized)
    digest, size = hashlib.sha256(data), len(data)
    del data  # the proto holds a copy of it
    size += read_external_data(proto, path.parent, most - size, digest)
    model, notes = _finish(proto, str(path), quantized, path.parent)
    return Loaded(model, digest.hexdigest(), size, path, _opset(proto), notes)


def load_proto(proto: bytes | onnx.ModelProto | ir.Model, *, max_depth: int = MAX_DEPTH, quantized: bool = False) -> Loaded:
    """Check a model in memory as load_model checks a file; the given model is not changed.

    proto: the model, or the bytes of an ONNX file without external data. Raises what load_model
    raises.
    """
    where = "model in memory"
    proto = _parse(proto, where) if isinstance(proto, bytes) else proto
    own = onnx.ModelProto()
    try:
        own.CopyFrom(typed_proto(_with_data(proto)) if isinstance(proto, ir.Model) else proto)
        data = own.SerializeToString(deterministic=True)
    except (ValueError, OSError, EncodeError, ir.serde.SerdeError) as error:  # the third: 2 GiB or more
        raise BadModel(f"The model cannot be serialised: {first_line(error)}", where, "Save it to a file and pass the path.") from error
    _name_opset(own)
    check_form(own, where, max_depth, quantized)
    read_external_data(own, None, 0)
    model, notes = _finish(own, where, quantized)
    return Loaded(model, hashlib.sha256(data).hexdigest(), len(data), None, _opset(own), notes)


def _with_data(model: ir.Model) -> ir.Model:
    clone = model.clone()
    ir.external_data.load_to_model(clone)
    return clone


def _read(path: Path, max_bytes: int) -> bytes:
    where = str(path)
    try:
        if path.is_dir():
            other = saved_model(path)
            if other is not None:
                raise BadModel(f"The folder is {other.kind}, not an ONNX model", where, other.fix)
            raise BadModel("A folder was given where an .onnx file is needed", where, "Name the .onnx file inside it.")
        if not path.is_file():
            what = "This is not a regular file" if path.exists() else "There is no such file"
            raise BadModel(what, where, "Check the path of the model.")
        size = path.stat().st_size
        if size > max_bytes:
            raise BadModel(f"The file has {size} bytes, more than the {max_bytes} allowed", where, "Raise the size limit (--max-bytes).")
        note_read(path)
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise BadModel(f"The file cannot be read: {first_line(error)}", where, "Check the path and its permissions.") from error
    if not data:
        raise BadModel("The file is empty", where, "Export or download the model again.")
    return data


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    other = other_format(data)
    if other is not None:
        raise BadModel(f"The file is {other.kind}, not an ONNX model", where, other.fix)
    named = format_of_name(where)
    fix = ONNX if named is None else named.fix
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        is_text = data[:512].isascii() and b"\x00" not in data[:512]
        kind = "text (perhaps an HTML page)" if is_text else "damaged, cut short or of another format"
        raise BadModel(f"The file is not an ONNX protobuf: it is {kind}", where, fix) from error
    _name_opset(proto)
    if not proto.HasField("graph") or not proto.opset_import:
        raise BadModel("The file holds no ONNX model: it has no graph or names no opset", where, fix)
    return proto


def _name_opset(proto: onnx.ModelProto) -> None:
    """Give a file that is older than opsets the first: its operators are those of opset 1."""
    if proto.ir_version < 3 and proto.HasField("graph") and not proto.opset_import:
        proto.ir_version = 3
        proto.opset_import.append(onnx.helper.make_opsetid("", 1))


def _opset(proto: onnx.ModelProto) -> int:
    return max((entry.version for entry in proto.opset_import if entry.domain in ONNX_DOMAINS), default=0)


def _finish(proto: onnx.ModelProto, where: str, quantized: bool, folder: Path = Path()) -> tuple[ir.Model, tuple[str, ...]]:
    refuse_odd_text(proto, where)
    check_tensors(proto, where)
    notes = ["the nodes of the file are not in order: they were sorted"] if sort_nodes(proto, where) else []
    check_onnx(proto, where)
    forget_maps(proto, where)
    try:
        write_out_functions(proto)
        model = ir.from_proto(proto)
        own_constants(model)
        map_external(model, folder)
        common_passes.RemoveInitializersFromInputsPass()(model)
        model.ir_version = max(model.ir_version, 4)  # before it, initializers had to be inputs too
        unique_names(model)
        refuse_misfit_splits(model, where)
        note = to_opset_7(model, where)
        believe_inference(model)
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError, ir.passes.InvariantError) as error:  # all that onnx_ir raises
        raise BadModel(f"The model cannot be understood: {first_line(error)}", where, "Export the model again.") from error
    refuse_misfit_constants(model, where)
    refuse_misfit_groups(model, where)
    refuse_misfit_flow(model, where)
    refuse_nan(model, where)
    refuse_endless(model, where)
    if quantized:
        refuse_misfit_grids(model, where)
    else:
        refuse_quantized(model, where)
    return model, (*notes, *([] if note is None else [note]))

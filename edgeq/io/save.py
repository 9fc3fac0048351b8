"""Write files atomically: whatever kills the run, a path holds all of the result or nothing new."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import onnx_ir as ir

from edgeq.errors import BadOutput
from edgeq.graph.read import file_bytes, graphs
from edgeq.graph.value_types import typed_proto

#: protobuf refuses messages of 2 GiB; this leaves room for the graph itself
IN_ONE_FILE_BYTES = (1 << 31) - (1 << 26)
#: with external data, tensors of at least 1024 bytes go to the data file, each at an offset that
#: can be memory-mapped
_EXTERNAL_FROM, _ALIGNMENT = 1024, 4096
_MARK = ".edgeq-tmp-"


def save_model(model: ir.Model, path: str | Path, *, force: bool = False, inputs: Sequence[Path] = (), external_data: bool = False) -> None:
    """Write an .onnx file; the same model gives the same bytes.

    Weights go to <name>.data beside it when external_data is set, and above about 2 GiB. force:
    replace an existing file. inputs: files of this run, which are never overwritten. Raises
    BadOutput; the .onnx file is then not written.
    """
    path = Path(path)
    check_output(path, force=force, inputs=inputs)
    tensors = [value.const_value for graph in graphs(model) for value in graph.initializers.values()]
    weights = sum(file_bytes(tensor) for tensor in tensors)
    if not external_data and weights < IN_ONE_FILE_BYTES:
        _write([(path, lambda file: _put(file, _serialise(model)))], force)
        return
    data_path = path.with_name(path.name + ".data")
    check_output(data_path, force=force, inputs=inputs)
    outside, placed = _with_external_data(model, data_path.name)
    _write([(data_path, lambda file: _put_tensors(file, placed)), (path, lambda file: _put(file, _serialise(outside)))], force)


def atomic_write_bytes(path: str | Path, data: bytes, *, force: bool = False, inputs: Sequence[Path] = ()) -> None:
    """Write a file whole or not at all. Raises BadOutput as save_model does."""
    path = Path(path)
    check_output(path, force=force, inputs=inputs)
    _write([(path, lambda file: _put(file, data))], force)


def atomic_write_text(path: str | Path, text: str, *, force: bool = False, inputs: Sequence[Path] = ()) -> None:
    """Write a UTF-8 file whole or not at all. Raises BadOutput as save_model does."""
    atomic_write_bytes(path, text.encode(), force=force, inputs=inputs)


def check_output(path: str | Path, *, force: bool = False, inputs: Sequence[Path] = ()) -> None:
    """Check that the path can and may be written; call it before long work.

    Temporary files that killed runs left beside it are removed. Raises BadOutput.
    """
    path = Path(path)
    where = str(path)
    try:
        if path.is_dir():
            raise BadOutput("The output path is a folder", where, "Name a file in it.")
        if path.exists() and not path.is_file():  # a file would take the place of the device
            raise BadOutput("The output path is a device or a pipe, not a file", where, "Choose another path.")
        if not path.parent.is_dir():
            raise BadOutput("The folder of the output does not exist", where, f"Create {path.parent} first.")
        for source in inputs:
            if _same_file(path, Path(source)):
                raise BadOutput("The output is the same file as an input", where, "Choose another path; --force does not allow this.")
        if os.path.lexists(path) and not force:
            raise BadOutput("The output file exists already", where, "Choose another path, or pass --force to replace it.")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise BadOutput("The folder of the output is not writable", where, "Choose another folder or change its permissions.")
        _remove_leftovers(path)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise BadOutput(f"The output path cannot be used: {error}", where, "Choose another path.") from error


def _same_file(path: Path, source: Path) -> bool:
    """Whether both paths lead to one file, also through links and other spellings."""
    if path.resolve() == source.resolve():
        return True
    return path.exists() and source.exists() and path.samefile(source)


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of runs that have ended.

    The name of a temporary file carries the process id of its run.
    """
    prefix = f".{path.name}{_MARK}"
    for left in path.parent.iterdir():
        owner = left.name.removeprefix(prefix).split("-")[0]
        if left.name.startswith(prefix) and owner.isdigit() and not _is_alive(int(owner)):
            with contextlib.suppress(OSError):
                left.unlink()


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return True
    if os.name != "posix":  # there, os.kill would end the process instead of asking for it
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _write(files: Sequence[tuple[Path, Callable[[BinaryIO], None]]], force: bool) -> None:
    """Write all files to temporaries beside their paths, then move each there, in order."""
    temporaries: list[tuple[Path, Path]] = []
    try:
        for path, fill in files:
            temporary = path.with_name(f".{path.name}{_MARK}{os.getpid()}-{secrets.token_hex(4)}")
            temporaries.append((temporary, path))
            with temporary.open("xb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
        for temporary, path in temporaries:
            _move(temporary, path, force)
        _sync_folder(files[-1][0].parent)
    except OSError as error:
        what, fix = f"The output cannot be written: {error.strerror or error}", "Check free space and permissions of the folder."
        raise BadOutput(what, str(files[-1][0]), fix) from error
    finally:
        for temporary, _ in temporaries:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _move(temporary: Path, path: Path, force: bool) -> None:
    if not force:
        try:
            path.hardlink_to(temporary)  # unlike a rename, this fails when another run has put a file there in the meantime
            return
        except FileExistsError as error:
            raise BadOutput("The output file exists already", str(path), "Choose another path, or pass --force to replace it.") from error
        except OSError:
            pass  # a file system without hard links
    temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    """Make the renames durable where the system supports it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _serialise(model: ir.Model) -> bytes:
    return bytes(typed_proto(model).SerializeToString(deterministic=True))


def _put(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def _put_tensors(file: BinaryIO, tensors: Iterable[tuple[int, ir.TensorProtocol]]) -> None:
    for offset, tensor in tensors:
        file.write(b"\0" * (offset - file.tell()))
        file.write(tensor.tobytes())


def _with_external_data(model: ir.Model, location: str) -> tuple[ir.Model, list[tuple[int, ir.TensorProtocol]]]:
    """A copy whose large initializers refer to the file `location`.

    Also returns their tensors, each with its offset in that file.
    """
    outside = model.clone()
    placed: list[tuple[int, ir.TensorProtocol]] = []
    offset = 0
    for graph in graphs(outside):
        for name, value in graph.initializers.items():
            tensor = value.const_value
            if tensor is None or tensor.dtype == ir.DataType.STRING or tensor.nbytes < _EXTERNAL_FROM:
                continue
            offset = -(-offset // _ALIGNMENT) * _ALIGNMENT
            placed.append((offset, tensor))
            shape = ir.Shape(tensor.shape.numpy())
            value.const_value = ir.ExternalTensor(location, offset, tensor.nbytes, tensor.dtype, shape=shape, name=name, base_dir="")
            offset += tensor.nbytes
    return outside, placed

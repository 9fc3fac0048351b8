"""Recognize model files of other formats, and say how each becomes ONNX."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

ONNX = "Give a model in ONNX format (.onnx)."
TORCH = (
    "Export the model where its code is: torch.onnx.export(model.eval(), (example_input,), 'model.onnx'); "
    "a file of weights alone (a state_dict) has to be loaded into the model first."
)
_TF = "Convert it: pip install tf2onnx, then python -m tf2onnx.convert"


@dataclass(frozen=True)
class OtherFormat:
    """A format that is not ONNX."""

    #: what the file is, with its article
    kind: str
    #: how it becomes an ONNX model
    fix: str


_PICKLE = OtherFormat("a Python pickle (PyTorch .pt, .pth)", TORCH)
_KERAS = OtherFormat(
    "a Keras model", f"{_TF} --saved-model DIR --output model.onnx, with the folder that model.export('DIR') makes in TensorFlow."
)
_H5 = OtherFormat("an HDF5 file (Keras .h5)", f"{_TF} --keras FILE.h5 --output model.onnx.")
_SAVED_MODEL = OtherFormat("a TensorFlow SavedModel", f"{_TF} --saved-model FOLDER --output model.onnx.")
_FROZEN = OtherFormat(
    "a TensorFlow graph (.pb)",
    f"{_TF} --graphdef FILE.pb --inputs X:0 --outputs Y:0 --output model.onnx; of a SavedModel: --saved-model FOLDER.",
)
_TFLITE = OtherFormat(
    "a TensorFlow Lite model",
    f"{_TF} --tflite FILE.tflite --output model.onnx, for a float one; `edgeq prove FILE.tflite` runs a quantized one.",
)
_SAFETENSORS = OtherFormat("a file of weights alone (safetensors)", TORCH)
_ORT = OtherFormat("an onnxruntime .ort file", "Give the .onnx file that it was made from: .ort files cannot be turned back.")

#: (offset, bytes at that offset, the format of files with these bytes)
_SIGNATURES: tuple[tuple[int, bytes, OtherFormat], ...] = (
    (4, b"TFL3", _TFLITE),
    (4, b"ORTM", _ORT),
    (0, b"\x89HDF", _H5),
    (0, b"\x1f\x8b", OtherFormat("a gzip archive", "Unpack it, and give the .onnx file that is in it.")),
    (0, b"\x80\x02", _PICKLE),
    (0, b"\x80\x03", _PICKLE),
    (0, b"\x80\x04", _PICKLE),
    (0, b"\x80\x05", _PICKLE),
    (0, b"GGUF", OtherFormat("a GGUF file of a language model", ONNX)),
    (0, b"version https://git-lfs", OtherFormat("a Git LFS pointer and not the model itself", "Fetch the model: git lfs pull.")),
)


def other_format(data: bytes) -> OtherFormat | None:
    """The format that the first bytes of a file show; None: it may be ONNX."""
    if data[:4] == b"PK\x03\x04":
        return _archive(data)
    if data[8:10] == b'{"' and 0 < int.from_bytes(data[:8], "little") <= len(data):
        return _SAFETENSORS
    return next((kind for offset, mark, kind in _SIGNATURES if data[offset : offset + len(mark)] == mark), None)


def format_of_name(path: str) -> OtherFormat | None:
    """The format that the ending of a file tells which could not be read as ONNX."""
    by_ending = {".pb": _FROZEN, ".pt": _PICKLE, ".pth": _PICKLE, ".h5": _H5, ".keras": _KERAS}
    return by_ending.get(Path(path).suffix.lower())


def saved_model(folder: Path) -> OtherFormat | None:
    """The format of a folder that holds a SavedModel; None: it holds none."""
    return _SAVED_MODEL if any((folder / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")) else None


def _archive(data: bytes) -> OtherFormat:
    """What a zip archive holds, by the names in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name.rsplit("/", 1)[-1] for name in archive.namelist()[:1000]]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        names = []
    if "data.pkl" in names or "serialized_exported_program.json" in names or "model.json" in names:
        return OtherFormat("an archive of PyTorch (.pt, .pth, .pt2)", TORCH)
    if "model.weights.h5" in names:
        return _KERAS
    if names and all(name.endswith(".npy") for name in names):
        return OtherFormat("an .npz of arrays, not a model", "Give the model first, and the data behind --data.")
    if "saved_model.pb" in names:
        return OtherFormat("an archive with a TensorFlow SavedModel", f"Unpack it. {_SAVED_MODEL.fix}")
    if any(name.endswith(".onnx") for name in names):
        return OtherFormat("a zip archive with an .onnx file in it", "Unpack it, and give the .onnx file.")
    return OtherFormat("a zip archive", f"{ONNX} If it is of PyTorch: {TORCH}")

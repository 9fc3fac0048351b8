"""Tell a model that nobody can run from a mistake of edgeq, where an operation on it fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.errors import BadModel, EdgeqError, RuntimeRefused

if TYPE_CHECKING:
    import onnx_ir as ir


@contextmanager
def judged(model: ir.Model) -> Iterator[None]:
    """If what is done here fails, ask onnxruntime whether it accepts the model at all.

    onnx.checker finds few of the ways in which shapes, types and attributes contradict each other.
    Raises BadModel, with onnxruntime's words, for a model that it refuses; else what was raised.
    """
    try:
        yield
    except EdgeqError:
        raise
    except Exception as error:
        _refuse(model, error)
        raise


@contextmanager
def judged_files(given: Iterable[object]) -> Iterator[None]:
    """The same for a whole command: each .onnx file among its arguments is asked about.

    given: the arguments; those that are no paths of such files are left alone.
    """
    try:
        yield
    except (EdgeqError, BrokenPipeError):
        raise
    except Exception as error:
        for path in given:
            if isinstance(path, Path) and path.suffix == ".onnx" and path.is_file():
                _refuse(path, error)
        raise


def accepted(model: ir.Model) -> None:
    """Raise BadModel, with onnxruntime's words, for a model that it refuses."""
    refusal = _refusal(model)
    if refusal is not None:
        raise refusal


def _refuse(model: ir.Model | Path, error: Exception) -> None:
    """Raise BadModel if onnxruntime refuses the model that the error was about."""
    refusal = _refusal(model if not isinstance(model, Path) else _named_apart(model))
    if refusal is None:
        return
    raise (BadModel(refusal.what, str(model), refusal.fix) if isinstance(model, Path) else refusal) from error


def _refusal(model: ir.Model | Path) -> BadModel | None:
    from edgeq.runtimes.ort import open_session

    try:
        open_session(model, optimize="off").close()
    except RuntimeRefused as refusal:
        fix = "Open the file in onnxruntime: it says the same. Export or download the model again."
        return BadModel(f"The model contradicts itself: {refusal.what}", refusal.where, fix)
    return None


def _named_apart(path: Path) -> ir.Model | Path:
    """The model with a name of its own for each node, as edgeq takes it; the file if it is unread.

    onnxruntime refuses a file in which two nodes have one name, which contradicts nothing.
    """
    import onnx_ir as ir

    from edgeq.graph.names import unique_names

    try:
        model = ir.load(path)
        unique_names(model)
    except Exception:  # whatever a damaged file raises: onnxruntime says what is wrong with it
        return path
    return model

"""The functions of onnxruntime.quantization, carried out by edgeq.

In a script written for onnxruntime, change the import alone:

    from edgeq.compat.onnxruntime import CalibrationDataReader, QuantType, quantize_static

What is written is edgeq's model, measured against the float model. Every argument has its
counterpart, or is refused by name: edgeq/compat/arguments.py, docs/migration.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import onnx

from edgeq.api import quantize
from edgeq.compat.arguments import check
from edgeq.compat.settings import Asked, settings_of
from edgeq.data.given.gather import Data
from edgeq.errors import BadRecipe
from edgeq.io.file_set import FileSet
from edgeq.io.model_source import load
from edgeq.report.quantized import Quantized
from edgeq.schema.target import Target

__all__ = [
    "CalibrationDataReader",
    "CalibrationMethod",
    "QuantFormat",
    "QuantType",
    "quant_pre_process",
    "quantize_dynamic",
    "quantize_static",
]


class QuantType(Enum):
    """Types of codes."""

    QInt8 = 0
    QUInt8 = 1
    QFLOAT8E4M3FN = 2
    QInt16 = 3
    QUInt16 = 4
    QInt4 = 5
    QUInt4 = 6


class QuantFormat(Enum):
    """Forms of a quantized model."""

    QOperator = 0
    QDQ = 1


class CalibrationMethod(Enum):
    """Rules for the ranges of activations."""

    MinMax = 0
    Entropy = 1
    Percentile = 2
    Distribution = 3


class CalibrationDataReader(ABC):
    """Feeds for calibration, one after the other."""

    @abstractmethod
    def get_next(self) -> Any:
        """The next feed, an array by input name; None at the end."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self.get_next, None)


def quantize_static(
    model_input: str | Path | bytes | onnx.ModelProto,
    model_output: str | Path,
    calibration_data_reader: Data | None = None,
    quant_format: Any = QuantFormat.QDQ,
    op_types_to_quantize: Sequence[str] | None = None,
    per_channel: bool = False,
    reduce_range: bool = False,
    activation_type: Any = QuantType.QInt8,
    weight_type: Any = QuantType.QInt8,
    nodes_to_quantize: Sequence[str] | None = None,
    nodes_to_exclude: Sequence[str] | None = None,
    use_external_data_format: bool = False,
    calibrate_method: Any = CalibrationMethod.MinMax,
    calibration_providers: Sequence[str] | None = None,
    extra_options: Mapping[str, Any] | None = None,
    calibration_cache_path: str | Path | None = None,
    *,
    target: str | Target | None = None,
) -> Quantized:
    """Quantize a model with calibration data, and write it.

    The arguments are those of onnxruntime.quantization.quantize_static; its enumerations are taken
    as well as these. target: of edgeq; default: cpu, or tensorrt where activations are symmetric.
    Returns the model with its plan and the report of what was measured. Raises EdgeqError: for an
    argument without counterpart a BadRecipe that names it and what to use.
    """
    for name, value in {
        "quant_format": quant_format, "per_channel": per_channel, "reduce_range": reduce_range,
        "use_external_data_format": use_external_data_format, "calibration_providers": calibration_providers,
        "calibration_cache_path": calibration_cache_path,
    }.items():  # fmt: skip
        check(name, value, extra=False)
    if calibration_data_reader is None:
        raise BadRecipe("There is no calibration data.", "quantize_static, `calibration_data_reader`", "Give a reader of samples.")
    asked = Asked(
        activations=activation_type, weights=weight_type, method=calibrate_method, only_types=op_types_to_quantize,
        only_nodes=nodes_to_quantize, not_nodes=nodes_to_exclude, extra=extra_options or {}, target=target,
    )  # fmt: skip
    loaded = load(model_input)
    chosen, recipe = settings_of(asked, loaded)
    made = quantize(loaded, calibration_data_reader, target=chosen, recipe=recipe, data_doubts="accept")
    made.save(model_output, force=True)
    return made


def quantize_dynamic(*_: object, **__: object) -> None:
    """Refused: ranges that are measured while the model runs are not what edgeq is for.

    Raises BadRecipe, which says what to use.
    """
    raise BadRecipe(
        "edgeq chooses the grids of activations before the model runs, from data.",
        "quantize_dynamic",
        "Use quantize_static with a hundred samples; without any data, `edgeq palettize` stores weights in 8 bits or fewer.",
    )


def quant_pre_process(
    input_model: str | Path | onnx.ModelProto | None = None,
    output_model_path: str | Path | None = None,
    *_: object,
    **__: object,
) -> None:
    """Write the model as it is: quantize_static infers shapes and folds by itself.

    The other arguments say nothing then. Raises BadModel for a model that cannot be read.
    """
    if input_model is None or output_model_path is None:
        raise BadRecipe("A model and a path are needed.", "quant_pre_process", "Give input_model and output_model_path.")
    loaded = load(input_model)
    with FileSet(force=True, inputs=() if loaded.path is None else (loaded.path,)) as files:
        files.add_model(loaded.model, Path(output_model_path))
        files.commit()

"""The result of a run of quantize: the int8 model, its plan and its report.

The model can be saved in ONNX's form or in TFLite's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgeq.integers.emit import emit_tflite
from edgeq.io.endings import INT8, check_ending
from edgeq.io.file_set import FileSet
from edgeq.io.writing.card import Card, Facts
from edgeq.metrics.metric import metric_text
from edgeq.proof.task_accuracy import Accuracy
from edgeq.report.report import Report
from edgeq.schema.plan import Plan


@dataclass(frozen=True, eq=False, repr=False)
class Quantized(Card):
    """An int8 model with the plan that made it and the report about it."""

    #: the int8 model
    model: ir.Model
    #: the plan that was carried out
    plan: Plan
    #: what was measured, and how the run went
    report: Report
    #: the files that the run read: the float model, its external data, the data
    inputs: tuple[Path, ...] = ()

    def facts(self) -> Facts:
        """What a line and a table show."""
        report = self.report
        near = "not compared" if report.fidelity is None else f"{report.fidelity.weakest.sqnr_db:.1f} dB"
        rows = [("SQNR", near), ("bytes", f"{report.size.int8_bytes} of {report.size.float_bytes}")]
        if report.accuracy is not None:
            one = report.accuracy
            first, second = (metric_text(value, share=one.share) for value in (one.float, one.int8))
            rows.append((one.metric, f"{second}, float {first}"))
        if report.placement is not None:
            rows.append(("MACs in integers", f"{report.placement.macs_int8_pct:.0f} %"))
        return Facts(f"{report.model!r} for {report.target}", (*rows, ("floors", report.gate)))

    @property
    def accuracy(self) -> Accuracy | None:
        """The task accuracy; None where the data has no labels, or nothing was measured."""
        return self.report.accuracy

    @property
    def missed(self) -> tuple[str, ...]:
        """One line for each floor that was missed."""
        return self.report.missed

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model atomically, in TFLite's form when the path ends in .tflite.

        Raises BadOutput for another ending than .onnx and .tflite, when the path exists and force
        is off, or when it is a file that the run read; UnsupportedOp when TFLite cannot express a
        node.
        """
        check_ending(Path(path), INT8)
        with FileSet(force=force, inputs=self.inputs) as files:
            self.add_to(files, Path(path))
            files.commit()

    def add_to(self, files: FileSet, path: Path) -> str:
        """Add the model to a set of files, as `save` writes it; returns the sha256 of its file.

        Raises BadOutput and UnsupportedOp.
        """
        if path.suffix == ".tflite":
            return files.add_last(path, emit_tflite(self.model))
        return files.add_model(self.model, path)

    def check_form(self, path: str | Path) -> None:
        """Refuse a form that cannot hold the model, before anything is written.

        path: its suffix names the form. Raises UnsupportedOp.
        """
        if Path(path).suffix == ".tflite":
            emit_tflite(self.model)

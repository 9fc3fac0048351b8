"""An int8 model on an emulated Cortex-M: its golden vectors, as C, compiled for the chip, run in
QEMU, compared code by code.

    edgeq quantize model.onnx -d calib.npz -t npu_int8 -o model.int8.onnx --golden 10
    # Cortex-M3, M4, M7
    python -m benchmarks.boards.cortex_m model.int8.onnx
    python -m benchmarks.boards.cortex_m model.int8.onnx --cpu cortex-m4 --samples 3

onnxruntime writes its integer operators (QLinearConv and so on), emx-onnx-cgen makes C of them,
arm-none-eabi-gcc a firmware, and qemu-system-arm runs it with semihosting. That C requantizes in
float, as onnxruntime does: no code differs from onnxruntime's. The golden vectors are of fixed
point arithmetic, as TFLite Micro's: some differ from them by roundings. Instructions are QEMU's; it
models no cycles. It needs

    pip install emx-onnx-cgen
    apt-get install --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi
    apt-get install --no-install-recommends qemu-system-arm
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from benchmarks.boards.cortex_firmware import CHIPS, Codes, build, emulate, harness
from edgeq.integers.fixed_batch import fixed_batch
from edgeq.io.load import load_model

TOOLS = {
    "emx-onnx-cgen": "pip install emx-onnx-cgen",
    "arm-none-eabi-gcc": "apt-get install --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-system-arm": "apt-get install --no-install-recommends qemu-system-arm",
}


@dataclass(frozen=True)
class Ran:
    """One chip. code, ram: bytes, the stack not counted. lsb: of all output codes against golden;
    exact: share that are equal.
    """

    cpu: str
    samples: int
    code: int
    ram: int
    instructions: int
    lsb_golden: int
    exact_golden: float
    lsb_onnxruntime: int


def missing_tools() -> list[str]:
    """A line for each tool that is not on the PATH, and where to get it."""
    return [f"{tool} is missing: {where}" for tool, where in TOOLS.items() if shutil.which(tool) is None]


def integer_operators(path: Path) -> onnx.ModelProto:
    """The model as onnxruntime runs it in integers, one sample a run, with the type and shape of
    every value.
    """
    import onnxruntime as ort  # type: ignore[import-untyped]

    own = ir.to_proto(fixed_batch(load_model(path, quantized=True).model))
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder) / "integers.onnx")
        options.log_severity_level = 3
        options.add_session_config_entry("session.qdqisint8allowed", "1")
        ort.InferenceSession(own.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found = onnx.load(options.optimized_model_filepath)
    known = {value.name: value for value in own.graph.value_info}
    there = {value.name for value in (*found.graph.value_info, *found.graph.output)}
    made = {name for node in found.graph.node for name in node.output}
    found.graph.value_info.extend(known[name] for name in sorted(made - there) if name in known)
    domains = {node.domain for node in found.graph.node} | {""}
    kept = [entry for entry in found.opset_import if entry.domain in domains]
    del found.opset_import[:]
    found.opset_import.extend(kept)
    del found.metadata_props[:]  # the generator prints them into the C file
    return found


def by_onnxruntime(model: onnx.ModelProto, inputs: dict[str, Codes]) -> dict[str, Codes]:
    """The output codes of the same operators on this machine."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    count = len(next(iter(inputs.values())))
    rows = [session.run(names, {name: array[i : i + 1] for name, array in inputs.items()}) for i in range(count)]
    return {name: np.concatenate([row[place] for row in rows]) for place, name in enumerate(names)}


def run(path: Path, golden: dict[str, Codes], cpus: list[str], samples: int | None) -> list[Ran]:
    """The model on every chip."""
    model = integer_operators(path)
    inputs = {value.name: golden[f"in_{value.name}"][:samples] for value in model.graph.input}
    outputs = {value.name: golden[f"out_{value.name}"][:samples] for value in model.graph.output}
    reference, found = by_onnxruntime(model, inputs), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx.save(model, folder / "model.onnx")
        command = ["emx-onnx-cgen", "compile", "--large-weight-threshold", "0", "--large-temp-threshold", "0", "model.onnx", "model.c"]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise SystemExit(f"emx-onnx-cgen cannot write this model as C: {made.stdout.strip().splitlines()[-1]}")
        (folder / "main.c").write_text(harness(list(inputs.values()), list(outputs.values())), encoding="utf-8")
        for cpu in cpus:
            elf, code, ram = build(folder, cpu)
            printed = emulate(elf, cpu, len(outputs))
            away = [np.abs(got - array.reshape(got.shape)) for got, array in zip(printed.outputs, outputs.values(), strict=True)]
            near = [np.abs(got - reference[one].reshape(got.shape)).max() for got, one in zip(printed.outputs, outputs, strict=True)]
            equal = float(np.mean(np.concatenate([one.reshape(-1) for one in away]) == 0))
            worst, count = max(int(one.max()) for one in away), int(np.median(printed.instructions))
            found.append(Ran(cpu, len(printed.instructions), code, ram, count, worst, equal, int(max(near))))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="an int8 ONNX model with integer inputs and outputs")
    parser.add_argument("--golden", type=Path, help="its golden vectors; default: MODEL.golden.npz beside it")
    parser.add_argument("--cpu", choices=sorted(CHIPS), action="append", help="default: all")
    parser.add_argument("--samples", type=int, help="default: all of the vectors")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    given = parser.parse_args()
    missing = missing_tools()
    if missing:
        print("\n".join(missing), file=sys.stderr)
        return 2
    golden = given.golden or given.model.with_suffix(".golden.npz")
    if not golden.is_file():
        print(f"{golden} is missing: quantize with --golden 10.", file=sys.stderr)
        return 2
    rows = run(given.model, dict(np.load(golden)), given.cpu or list(CHIPS), given.samples)
    print(f"{'cpu':10} {'code':>9} {'ram':>8} {'instructions':>13}  against golden, and onnxruntime here")
    for row in rows:
        distance = f"{row.lsb_golden} LSB at most, {100 * row.exact_golden:.1f} % equal; {row.lsb_onnxruntime} LSB"
        print(f"{row.cpu:10} {row.code:9,} {row.ram:8,} {row.instructions:13,}  {distance}")
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What the emulator of Qualcomm's Hexagon HTP does with each form of each operator.

    python -m benchmarks.hexagon.operators
    python -m benchmarks.hexagon.operators --only Resize --json forms.json
    python -m benchmarks.hexagon.operators --share 0.5

A form is a small graph with a QuantizeLinear and a DequantizeLinear around every value. It is
compiled with the CPU fallback disabled and run on the emulator; its codes are compared with those
that onnxruntime computes from the same file in float between codes. A form is

    placed    every node runs on codes, and no code is more than --codes off
    float     every node is placed, but some run on real numbers
    wrong     codes differ by more
    refused   not every node is placed, or the emulator reports an error
    crashed   the process ended

Each form is a process of its own. Needs onnxruntime-qnn, on x86-64 Linux.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import onnxruntime as ort

from benchmarks.hexagon.forms import FORMS
from benchmarks.hexagon.paired import Form, Pairs, feeds_of, float_model, seen_ranges
from edgeq.errors import EdgeqError
from edgeq.runtimes.qnn import Qnn

SAMPLES = 4


@dataclass(frozen=True)
class Found:
    """What became of one form."""

    #: placed, float, wrong, refused or crashed
    verdict: str
    #: largest difference of codes; the same as a mean
    most: float = 0.0
    mean: float = 0.0
    #: the operators of QNN's graph, or why it refuses
    words: str = ""


def tried(form: Form, codes: float, share: float) -> Found:
    """Compile and run one form."""
    samples = [feeds_of(form, seed) for seed in range(SAMPLES)]
    ranges = seen_ranges(float_model(form), samples)
    if share != 1.0:
        ranges |= {name: (ranges[name][0] * share, ranges[name][1] * share) for name in form.outputs if name in ranges}
    pairs = Pairs(form, ranges)
    data = pairs.model().SerializeToString()
    samples = [pairs.on_codes(sample) for sample in samples]
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    wanted = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    try:
        qnn = Qnn(data)
        far = [np.zeros(1)]
        for sample in samples:
            got = qnn.run([sample[port.name] for port in qnn.inputs])
            named = dict(zip((port.name for port in qnn.outputs), got, strict=True))
            for name in form.outputs:
                exact = wanted.run([name], sample)[0].astype(np.float64)
                far.append(np.abs(named[name].astype(np.float64) - exact).ravel() / pairs.scale_of(name))
    except EdgeqError as error:
        return Found("refused", words=str(error).splitlines()[0])
    except Exception as error:
        return Found("refused", words=f"at run time: {str(error).splitlines()[0][:120]}")
    every = np.concatenate(far)
    floats = [op.op_type for op in qnn.operators if not op.integer]
    words = ", ".join(f"{op.op_type} {op.kernel}" for op in qnn.operators)
    verdict = "float" if floats else "wrong" if not every.max() <= codes else "placed"
    return Found(verdict, float(every.max()), float(every.mean()), words)


def _child(form: Form, codes: float, share: float, end: Connection) -> None:
    end.send(tried(form, codes, share))


def in_a_process(form: Form, codes: float, share: float) -> Found:
    """The same in a process, for the emulator may end it."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_child, args=(form, codes, share, theirs))
    child.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(120) else Found("crashed", words="120 seconds without an answer")
    except EOFError:
        return Found("crashed")
    finally:
        child.kill()
        child.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a regular expression for the beginning of a form's name")
    parser.add_argument("--codes", type=float, default=2.5, help="largest difference that counts as rounding")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the outputs' range that their grid covers: 0.5 shows whether codes saturate"
    )
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    rows = []
    for form in FORMS:
        if not re.match(words.only, form.name):
            continue
        found = in_a_process(form, words.codes, words.share)
        rows.append({"form": form.name, **asdict(found)})
        print(f"{form.name:44} {found.verdict:8} {found.most:7.2f} {found.mean:7.3f}  {found.words[:100]}", flush=True)
    if words.json is not None:
        words.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

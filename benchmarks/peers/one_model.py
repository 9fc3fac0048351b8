"""edgeq against onnxruntime.quantization on one model: the same data, the same run, every step a
process of its own.

    python -m benchmarks.peers.one_model model.onnx --calib calib.npz --eval eval.npz --json a.json
    # chosen rules and modes
    python -m benchmarks.peers.one_model model.onnx --calib calib.npz --peers minmax --edgeq mse,kl
    # only time: median of 5 alternated runs
    python -m benchmarks.peers.one_model model.onnx --calib calib.npz --time 5

Columns: sqnr_db = 10 log10(sum f^2 / sum (f-q)^2) of the first output over every evaluation sample;
exact dB = the same without the saturation of x86 processors that lack VNNI
(session.x64quantprecision); agree = share of equal arg-max; time_s and peak_mb = the whole process;
x_float = latency against float, median of paired ratios, interleaved, batch 1; int/float/qdq =
nodes of onnxruntime's optimized graph. A tool or mode that crashes is named and skipped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.measures import machine
from benchmarks.measures.processes import run_process
from benchmarks.peers.comparison import compare, table
from benchmarks.peers.tools import MODES, PEERS, command_of, words
from edgeq.schema.rules import RULES


def time_only(model: Path, calib: Path, args: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of whole processes, alternated; edgeq once without and once with its proof."""
    wanted = [("edgeq", rule, False) for rule in args.edgeq] + [("edgeq", args.edgeq[0], True)] if args.edgeq else []
    wanted += [("ort", mode, True) for mode in args.peers]
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.time):
            for tool, mode, prove in wanted:
                label = f"{tool}:{mode}" + (" with proof" if tool == "edgeq" and prove else "")
                run = run_process(command_of(tool, mode, model, Path(folder) / "out.onnx", calib, args.samples, prove))
                seconds.setdefault(label, []).append(run.seconds if run.code == 0 else float("nan"))
    return seconds


def parser(add_help: bool = True) -> argparse.ArgumentParser:
    """The options that one_model.py and zoo.py share."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=add_help)
    found.add_argument("--edgeq", type=words, default=("default",), help=f"range rules: default, {', '.join(RULES)}; '' for none")
    found.add_argument("--peers", type=words, default=PEERS, help=f"modes of onnxruntime.quantization: {', '.join(MODES)}")
    found.add_argument("--samples", type=int, default=100, help="calibration samples")
    found.add_argument("--limit", type=int, help="evaluate the first N samples only")
    found.add_argument("--batch", type=int, default=16, help="evaluation batch where the model allows one")
    found.add_argument("--rounds", type=int, default=41, help="rounds of the latency measurement")
    found.add_argument("--threads", type=int, default=1, help="threads of the latency measurement; 0: all")
    found.add_argument("--time", type=int, default=0, metavar="RUNS", help="only time whole processes, this many alternated runs")
    found.add_argument("--json", type=Path, help="write the result there")
    return found


def main() -> int:
    options = parser()
    options.add_argument("model", type=Path)
    options.add_argument("--calib", type=Path, required=True, help=".npz, one array for each input, axis 0 = sample")
    options.add_argument("--eval", type=Path, help=".npz for the evaluation; default: the calibration data")
    args = options.parse_args()
    if args.time:
        seconds = time_only(args.model, args.calib, args)
        for name, runs in seconds.items():
            good = [run for run in runs if run == run]  # a run that failed is nan
            print(f"{name:28} median {statistics.median(good or runs):7.2f} s   {' '.join(f'{run:.2f}' for run in runs)}")
        body: object = {"model": args.model.stem, "seconds": seconds}
    else:
        with tempfile.TemporaryDirectory() as folder:
            result = compare(args.model, args.calib, args.eval or args.calib, args, Path(folder))
        print(table(result))
        body = asdict(result)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine.describe(), "result": body}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""edgeq against onnxruntime.quantization on one model: the same data, the same run, every step a
process of its own.

    python benchmarks/peers.py model.onnx --calib calib.npz --eval eval.npz --json result.json
    python benchmarks/peers.py model.onnx --calib calib.npz --eval eval.npz --peers
    minmax,percentile --edgeq mse,kl python benchmarks/peers.py model.onnx --calib calib.npz --time
    5          # only time: median of 5 alternated runs

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
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import machine
from feeds import feeds, fixed_batch, ranks
from measure import Fidelity, Placement, Ratio, Run, fidelity, latency, open_session, paired, placement, run_process

from edgeq.schema.rules import RULES

HERE = Path(__file__).resolve().parent
PEERS = ("minmax", "percentile", "entropy")
#: what ort_peer.py knows; not imported from there, which would load the peer into this process
MODES = (*PEERS, *(f"{mode}_reduced" for mode in PEERS), "dynamic")


@dataclass(frozen=True)
class Entry:
    """What one tool in one mode came to. error is empty when it worked."""

    tool: str
    mode: str
    time_s: float
    peak_mb: float
    error: str = ""
    bytes: int = 0
    fidelity: Fidelity | None = None
    placement: Placement | None = None
    to_float: Ratio | None = None
    ms: float | None = None

    @property
    def name(self) -> str:
        return f"{self.tool}:{self.mode}"


@dataclass(frozen=True)
class Result:
    """A whole comparison. pairs: latency of 'a / b' as paired ratios."""

    model: str
    float_bytes: int
    float_ms: float | None
    float_placement: Placement
    threads: int
    entries: tuple[Entry, ...]
    pairs: dict[str, Ratio]


def edgeq_command(model: Path, out: Path, calib: Path, rule: str, samples: int, prove: bool) -> list[str]:
    """`edgeq quantize` as a user types it; rule 'default' leaves the choice to edgeq."""
    script = Path(sys.executable).parent / "edgeq"
    command = [str(script), "quantize", str(model), "--data", str(calib), "-o", str(out), "--samples", str(samples), "--force", "--quiet"]
    return command + ([] if rule == "default" else ["--rule", rule]) + ([] if prove else ["--no-prove"])


def peer_command(model: Path, out: Path, calib: Path, mode: str, samples: int) -> list[str]:
    script = str(HERE / "ort_peer.py")
    return [sys.executable, script, str(model), str(out), "--calib", str(calib), "--mode", mode, "--samples", str(samples)]


def command_of(tool: str, mode: str, model: Path, out: Path, calib: Path, samples: int, prove: bool = True) -> list[str]:
    if tool == "edgeq":
        return edgeq_command(model, out, calib, mode, samples, prove)
    return peer_command(model, out, calib, mode, samples)


def produce(tool: str, mode: str, model: Path, out: Path, calib: Path, samples: int) -> Entry:
    """Run one tool; a crash, or a result that cannot be loaded, becomes an entry with an error."""
    run = run_process(command_of(tool, mode, model, out, calib, samples))
    entry = Entry(tool, mode, run.seconds, run.peak_mb)
    if run.code != 0 or not out.exists():
        return replace(entry, error=last_line(run))
    try:
        return replace(entry, bytes=out.stat().st_size, placement=placement(out))
    except Exception as error:  # whatever the runtime says about a peer's file is the finding
        return replace(entry, error=f"result does not load: {str(error)[:160]}")


def last_line(run: Run) -> str:
    lines = [line.strip() for line in run.output.splitlines() if line.strip()]
    return f"exit {run.code}: {lines[-1][:160] if lines else 'no output'}"


def file_of(folder: Path, tool: str, mode: str) -> Path:
    return folder / f"{tool}_{mode}.onnx"


def compare(model: Path, calib: Path, data: Path, args: argparse.Namespace, folder: Path) -> Result:
    """Every tool and mode on one model; the quantized models are left in `folder`."""
    wanted = [("edgeq", rule) for rule in args.edgeq] + [("ort", mode) for mode in args.peers]
    entries = [produce(tool, mode, model, file_of(folder, tool, mode), calib, args.samples) for tool, mode in wanted]
    good = {entry.name: file_of(folder, entry.tool, entry.mode) for entry in entries if not entry.error}
    quality = fidelity(model, good, data, args.limit, args.batch)
    session = open_session(model)
    feed = next(feeds(data, ranks(session), None, fixed_batch(session) or 1))
    times = latency({"float": model, **good}, feed, args.rounds, args.threads)
    ratios = {name: paired(times[name], times["float"]) for name in good}
    middle = {name: statistics.median(times[name]) for name in times}
    done = tuple(e if e.error else replace(e, fidelity=quality[e.name], to_float=ratios[e.name], ms=middle[e.name]) for e in entries)
    ours, theirs = [n for n in good if n.startswith("edgeq:")], [n for n in good if n.startswith("ort:")]
    pairs = {f"{a} / {b}": paired(times[a], times[b]) for a in ours for b in theirs}
    return Result(model.stem, model.stat().st_size, middle["float"], placement(model), args.threads, done, pairs)


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


def table(result: Result) -> str:
    """The result as a Markdown table."""
    head = "| tool | sqnr dB | exact dB | agree | MB | time s | peak MB | ms | x float | int | float | qdq |\n|" + "---|" * 12
    megabytes, threads = result.float_bytes / 1e6, result.threads or "all"
    lines = [f"{result.model}: float {megabytes:.2f} MB, {result.float_ms:.3f} ms with {threads} threads", "", head]
    lines += [f"| {e.name} | {e.error or _cells(e)} |" for e in result.entries]
    lines += ["", *(f"latency {name}: {r.median:.3f} ({r.low:.3f} .. {r.high:.3f})" for name, r in result.pairs.items())]
    return "\n".join(lines)


def _cells(e: Entry) -> str:
    if e.fidelity is None or e.placement is None or e.to_float is None:
        return "not measured"
    agree = "" if e.fidelity.agreement is None else f"{e.fidelity.agreement:.4f}"
    quality = f"{e.fidelity.sqnr_db:.3f} | {e.fidelity.exact_db:.3f} | {agree}"
    cost = f"{e.bytes / 1e6:.3f} | {e.time_s:.2f} | {e.peak_mb:.0f} | {e.ms:.3f} | {e.to_float.median:.3f}"
    return f"{quality} | {cost} | {e.placement.integer} | {e.placement.float} | {e.placement.qdq}"


def words(text: str) -> tuple[str, ...]:
    """'a,b' -> ('a', 'b')."""
    return tuple(filter(None, text.split(",")))


def parser(add_help: bool = True) -> argparse.ArgumentParser:
    """The options that peers.py and zoo.py share."""
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

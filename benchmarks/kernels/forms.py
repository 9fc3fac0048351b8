"""Is any form of any operator slower than in float after edgeq's defaults? Small networks of random
sizes, quantized as a user does and timed beside their float form.

    python -m benchmarks.kernels.forms --seeds 3 --only conv3d
    python -m benchmarks.kernels.forms --every 10

One line a network that takes more than --above of the float time, then the worst of every form. The
times are of one thread, in rounds that visit both networks; the ratio is that of the shortest
twentieth, because other work only ever lengthens a round.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from benchmarks.kernels.form_blocks import BLOCKS
from benchmarks.kernels.form_layers import LAYERS, Form
from benchmarks.kernels.form_net import FormNet
from benchmarks.kernels.form_values import VALUES
from edgeq.api import quantize
from edgeq.errors import EdgeqError
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Silent
from edgeq.runtimes.ort import Session, open_session
from edgeq.schema.recipe import Recipe

FORMS: Mapping[str, Form] = {**LAYERS, **VALUES, **BLOCKS}
#: runs of a slot take at least this long, in seconds
SLOT_S = 1.5e-3
#: samples to calibrate with
SAMPLES = 4


@dataclass(frozen=True)
class Timed:
    """One network: microseconds of both forms, and what stayed where."""

    form: str
    seed: int
    int8_us: float
    float_us: float
    #: nodes that run in integers, and nodes that stayed float because integers are slower
    integers: int
    slower: int
    #: the shape of the input
    shape: tuple[int, ...]

    @property
    def ratio(self) -> float:
        return self.int8_us / self.float_us


def network(form: str, seed: int) -> onnx.ModelProto:
    """The network of a form in the sizes that the seed draws."""
    net = FormNet(zlib.crc32(form.encode()) + seed)
    return net.model(FORMS[form](net))


def timed(form: str, seed: int, rounds: int, target: str, threads: int = 1) -> Timed:
    """Quantize the network of a form and time it beside its float form."""
    model = network(form, seed)
    shape = tuple(dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim)
    data = {model.graph.input[0].name: np.random.default_rng(seed).normal(size=(SAMPLES * shape[0], *shape[1:])).astype(np.float32)}
    recipe = Recipe(effort="fast", rescue=False)
    done = quantize(model, data, target=target, recipe=recipe, prove=False, data_doubts="accept", progress=Silent())
    runs = [str(node.runs) for node in done.plan.nodes.values()]
    slower = sum(node.because == "slower" for node in done.plan.nodes.values())
    sessions = [open_session(one.SerializeToString(), threads=threads) for one in (ir.to_proto(done.model), model)]
    feeds = {name: rows[: shape[0]] for name, rows in data.items()}
    int8, floating = interleaved(sessions, feeds, rounds, time.thread_time if threads == 1 else time.perf_counter)
    return Timed(form, seed, int8 * 1e6, floating * 1e6, sum("int8" in one for one in runs), slower, shape)


def interleaved(sessions: list[Session], feeds: Mapping[str, AnyArray], rounds: int, clock: Callable[[], float]) -> list[float]:
    """Seconds of a run of each session: the shortest twentieth of slots that are taken in turns."""
    bursts = []
    for session in sessions:
        session.run(feeds)
        begin = clock()
        session.run(feeds)
        bursts.append(max(1, round(SLOT_S / max(clock() - begin, 1e-6))))
    times: list[list[float]] = [[] for _ in sessions]
    for turn in range(rounds):
        for index in range(len(sessions)) if turn % 2 else reversed(range(len(sessions))):
            begin = clock()
            for _ in range(bursts[index]):
                sessions[index].run(feeds)
            times[index].append((clock() - begin) / bursts[index])
    return [float(np.quantile(one, 0.05)) for one in times]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="forms whose names contain one of these")
    parser.add_argument("--every", type=int, default=1, help="take every n-th form")
    parser.add_argument("--seeds", type=int, default=1, help="networks of each form")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--threads", type=int, default=1, help="more than one: by the wall clock, on a machine that does nothing else")
    parser.add_argument("--above", type=float, default=1.02)
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--json", type=Path, help="also write every row there")
    args = parser.parse_args()
    chosen = [name for name in FORMS if not args.only or any(part in name for part in args.only)][:: args.every]
    rows, failed = [], 0
    for name in chosen:
        for seed in range(args.start, args.start + args.seeds):
            try:
                row = timed(name, seed, args.rounds, args.target, args.threads)
            except EdgeqError as error:
                failed += 1
                print(f"{name:28} seed {seed}: {error.what}", flush=True)
                continue
            rows.append(row)
            if row.ratio > args.above:
                print(told(row), flush=True)
    over = [row for row in rows if row.ratio > args.above]
    print(f"{len(rows)} networks, {len(over)} above {args.above:g}, {failed} refused; median {np.median([row.ratio for row in rows]):.3f}")
    if args.json:
        args.json.write_text(json.dumps([{**asdict(row), "ratio": row.ratio} for row in rows], indent=1) + "\n", encoding="utf-8")
    return 1 if over or failed else 0


def told(row: Timed) -> str:
    """One line about a network."""
    times = f"{row.ratio:6.3f}  {row.int8_us:8.1f} against {row.float_us:8.1f} us"
    return f"{row.form:28} seed {row.seed}: {times}, {row.integers} in integers, {row.slower} slower, {list(row.shape)}"


if __name__ == "__main__":
    raise SystemExit(main())

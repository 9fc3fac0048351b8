"""A fuzz campaign: `python -m tests.fuzz --runs 3000 --seed 7`, or one of its runs: `--only 42`.

Each run drives one real command with random files and options. Success and an EdgeqError are the
only right ends. Exit code 1 when a run ended in another way.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import shlex
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

os.environ |= {"EDGEQ_DEBUG": "1", "COLUMNS": "200", "OMP_NUM_THREADS": "1"}  # before numpy counts its threads

from tests.fuzz.campaign import Tally, campaign
from tests.fuzz.corpus import build_corpus
from tests.fuzz.one_run import one_run
from tests.fuzz.supervisor import Limits, run
from tests.fuzz.verdict import judge

#: scripts of child processes, and what draws
_NOT_WARM = ("edgeq.rewrite.simplify_child", "edgeq.report.codebooks_plots")
#: what a run would import for seconds; torch comes with an extra
_WARM = ("onnx", "onnxruntime", "onnxscript", "PIL.Image", "torch")


def main() -> int:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="one run: its command, what it printed, and its files, which are kept")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=30.0, help="a run that takes more processor time hangs")
    parser.add_argument("--refusals", action="store_true", help="also count what the errors said: whether a generator gets far")
    asked = parser.parse_args()
    _warm_up()
    folder = Path(tempfile.mkdtemp(prefix="edgeq-fuzz-"))
    limits = Limits(seconds=asked.seconds)
    corpus = build_corpus(folder / "corpus")
    if asked.only is not None:
        return _show(folder / str(asked.only), asked.seed, asked.only, corpus, limits)
    tally = campaign(folder, asked.seed, range(asked.runs), corpus, asked.jobs, limits, _tell)
    shutil.rmtree(folder)
    if asked.refusals:
        print(*(f"{count:5} x {words}" for words, count in tally.refusals.most_common()), sep="\n")
    _print(tally, asked.seed)
    return 1 if tally.wrong else 0


def _warm_up() -> None:
    """Import what the commands import, once for all runs."""
    import edgeq

    for name in _WARM:
        if find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    for module in pkgutil.walk_packages(edgeq.__path__, "edgeq."):
        if not module.name.startswith(_NOT_WARM if find_spec("torch") else (*_NOT_WARM, "edgeq.learn")):
            importlib.import_module(module.name)


def _show(folder: Path, seed: int, index: int, corpus: dict[str, bytes], limits: Limits) -> int:
    folder.mkdir()
    end = run(folder, lambda: one_run(folder, seed, index, corpus), limits)
    verdict = judge(folder, end)
    print(f"cd {folder}/run && edgeq {shlex.join(verdict.arguments).replace(chr(39) + '&&' + chr(39), '&&')}")
    print(
        end.stdout,
        end.stderr,
        f"exit code {end.code}, signal {end.signal}, {end.seconds:.1f} s of processor time, {end.peak} MiB",
        sep="\n",
    )
    print(*(f"wrong: {found}" for found in verdict.classes), sep="\n")
    return 1 if verdict.classes else 0


def _tell(tally: Tally) -> None:
    found = "".join(f"\n  {runs[0]}: {name}" for name, runs in tally.wrong.items())
    print(f"{tally.ends.total()} runs, {len(tally.wrong)} classes of wrong ends{found}", file=sys.stderr, flush=True)


def _print(tally: Tally, seed: int) -> None:
    for command in sorted({command for command, _ in tally.ends}):
        ends = {code: count for (name, code), count in sorted(tally.ends.items()) if name == command}
        print(f"{command:12} {sum(ends.values()):6}  " + "  ".join(f"exit {code}: {count}" for code, count in ends.items()))
    seconds, mebibytes = tally.slowest, tally.largest
    print(f"slowest run: {seconds[0]:.1f} s of processor time (run {seconds[1]}); most memory: {mebibytes[0]} MiB (run {mebibytes[1]})")
    for found, runs in sorted(tally.wrong.items(), key=lambda item: (-len(item[1]), item[0])):
        print(
            f"{len(runs):5} x {found}\n        python -m tests.fuzz --seed {seed} --only {runs[0]}   (runs {', '.join(map(str, runs[:8]))})"
        )
    print(f"seed {seed}: {tally.ends.total()} runs, {len(tally.wrong)} classes of wrong ends")


if __name__ == "__main__":
    sys.exit(main())

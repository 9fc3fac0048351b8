"""Quantize and inspect every model that ONNX tests backends with, alone and between two layers.

    python -m benchmarks.onnx_cases.run --every 20                           # a sample of the nodes
    python -m benchmarks.onnx_cases.run --names '*pool*' --targets mcu_tflite --forms constants
    python -m benchmarks.onnx_cases.run --kinds pytorch-operator pytorch-converted simple light

A fault is an exception that is no EdgeqError, a process that ends, a file that is not valid, an
output below 15 dB that no warning names, and an error that calls a model wrong which is valid and
runs in float. The exit code is 1 where there is one. The feeds are the case's own, varied by up to
a tenth. Every model is taken as it is ("alone"), with a layer before each float input and behind
each float output ("between"), and likewise with all inputs but the first as initializers
("constants").
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.onnx_cases.cases import FILES, Case, load_cases
from benchmarks.onnx_cases.float_runs import FloatRuns, float_runs
from benchmarks.onnx_cases.forms import FORMS, Form, in_form
from benchmarks.onnx_cases.isolation import in_children
from benchmarks.onnx_cases.judge import judge
from benchmarks.onnx_cases.outcome import FAULTS, KINDS, Job, Outcome
from edgeq.schema.recipe import Recipe

TARGETS = ("inspect", "cpu", "npu_int8", "mcu_tflite")
#: cases that the table names for each kind of fault
_EXAMPLES = 4


def run_cases(cases: Sequence[Case], forms: Sequence[Form], targets: Sequence[str], args: argparse.Namespace) -> list[Outcome]:
    """What edgeq makes of the cases in these forms on these targets."""
    named = {case.name: case for case in cases}
    recipe = Recipe(effort=args.effort)

    def work(job: Job) -> Outcome:
        return judge(job, *formed(job.case, job.form), recipe)

    @functools.lru_cache(1)  # the targets of a form follow each other
    def formed(name: str, form: Form) -> tuple[Case, FloatRuns | str]:
        case = in_form(named[name], form)
        return case, float_runs(case.model, case.feed)

    jobs = [Job(case.name, form, target) for case in cases for form in forms for target in targets]
    found: list[Outcome] = []
    for outcome in in_children(work, jobs, args.jobs, args.seconds):
        found.append(outcome)
        if len(found) % 100 == 0:
            print(f"{len(found)} of {len(jobs)}", file=sys.stderr, flush=True)
    order = {job: index for index, job in enumerate(jobs)}
    return sorted(found, key=lambda outcome: order[outcome.job])


def table(found: Sequence[Outcome]) -> str:
    """Counts by target and kind, and the faults in groups of one place or message."""
    columns = list(dict.fromkeys(outcome.job.target for outcome in found))
    counts = Counter((outcome.job.target, outcome.kind) for outcome in found)
    lines = [f"{'':18}" + "".join(f"{column:>12}" for column in columns)]
    lines += [f"{kind:18}" + "".join(f"{counts[column, kind]:12}" for column in columns) for kind in KINDS]
    groups: dict[tuple[str, str, str], list[Outcome]] = defaultdict(list)
    for outcome in found:
        if outcome.kind in FAULTS:
            groups[outcome.kind, outcome.what, outcome.text[:60] if outcome.kind == "blames the user" else ""].append(outcome)
    for (kind, what, _), members in sorted(groups.items(), key=lambda group: -len(group[1])):
        lines += ["", f"{len(members)} x {kind}: {what}", f"    {members[0].text}"]
        lines += [f"    {one.job.case} {one.job.form} {one.job.target}" for one in members[:_EXAMPLES]]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=["node"], choices=("node", *FILES), help="default: node")
    parser.add_argument("--names", default="*", help="only cases whose KIND/NAME matches this pattern")
    parser.add_argument("--every", type=int, default=1, help="only every n-th of these")
    parser.add_argument("--forms", nargs="+", default=None, choices=FORMS, help="default: all for nodes, alone for files")
    parser.add_argument("--targets", nargs="+", default=TARGETS, choices=TARGETS)
    parser.add_argument("--effort", default="default", choices=("fast", "default"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--seconds", type=float, default=120.0, help="limit for one model on one target")
    parser.add_argument("--json", type=Path, help="also write every outcome there")
    args = parser.parse_args()
    cases = load_cases(args.kinds, args.names, args.every)
    found = run_cases(cases, args.forms or (FORMS if args.kinds == ["node"] else ("alone",)), args.targets, args)
    print(table(found))
    if args.json:
        args.json.write_text(json.dumps([asdict(outcome) for outcome in found], indent=1) + "\n", encoding="utf-8")
    return int(any(outcome.kind in FAULTS for outcome in found))


if __name__ == "__main__":
    sys.exit(main())

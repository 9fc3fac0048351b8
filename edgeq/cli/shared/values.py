"""The values of the shared options, as the user gave them.

Nothing large is imported here, so that --help stays fast.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import Parameter
from typing import get_type_hints

from edgeq.cli import options as o


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """The values of the shared options, as the user gave them.

    The help of an option explains it. An option that a command does not offer keeps its default.
    """

    data: o.MaybeData = None
    validation: o.Validation = None
    follow_links: o.FollowLinks = False
    target: o.Target = "cpu"
    recipe: o.RecipeFile = None
    rule: o.Rule = None
    weights: o.WeightScales = None
    rounding: o.Rounding = None
    format: o.WeightFormat = None
    no_vnni: o.NoVnni = False
    effort: o.Effort = None
    objective: o.Objective = None
    minutes: o.Minutes = None
    work: o.Work = None
    engine: o.Engine = None
    workers: o.Workers = None
    address: o.Address = None
    keep_float: o.KeepFloat = None
    activations: o.Activations = None
    prefer: o.Prefer = None
    serve_batch: o.ServeBatch = None
    tie: o.Tie = None
    no_rescue: o.NoRescue = False
    samples: o.Samples = None
    no_hold_out: o.NoHoldOut = False
    accept_data: o.AcceptData = False
    strict_data: o.StrictData = False
    batch: o.BatchSize = None
    memory: o.Memory = None
    shape: o.Shapes = None
    seed: o.Seed = None
    split_outputs: o.SplitOutputs = None
    standard_operators: o.StandardOperators = None
    float_io: o.FloatIo = False
    inputs_as: o.InputsAs = None
    scale: o.Scale = None
    mean: o.Mean = None
    std: o.Std = None
    stats: o.StatsFile = None
    plan: o.PlanFile = None
    no_plan: o.NoPlan = False
    no_prove: o.NoProve = False
    min_sqnr: o.MinSqnr = None
    min_agreement: o.MinAgreement = None
    min_accuracy: o.MinAccuracy = None
    max_drop: o.MaxDrop = None
    metric: o.Metric = None
    strict: o.StrictFloors = False
    max_bytes: o.MaxBytes = None
    report: o.ReportFile = None
    as_json: o.Json = False
    quiet: o.Quiet = False
    force: o.Force = False


def shared_parameters(writes: bool) -> dict[str, Parameter]:
    """Each shared option as a parameter of a command. writes: whether the command writes files."""
    hints = get_type_hints(SharedOptions, include_extras=True) | ({} if writes else {"force": o.NoForce})
    return {
        field.name: Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
        for field in fields(SharedOptions)
    }

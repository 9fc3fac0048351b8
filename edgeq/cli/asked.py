"""The shared options of a command: their typed form, and the decorator that adds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeq.cli.outputs import stale_lines
from edgeq.cli.screen import Screen
from edgeq.cli.settings import check_search, data_doubts, given, metric_from, parse_shapes, parse_size, preprocessing_from, recipe_from
from edgeq.cli.shared.values import SharedOptions, shared_parameters
from edgeq.errors import BadData
from edgeq.io.limits import most_model_bytes
from edgeq.io.output_path import BLOCK, check_outputs
from edgeq.io.run_files import run_files
from edgeq.runtimes.judged import judged_files

if TYPE_CHECKING:
    from edgeq.data.doubts import DataDoubts
    from edgeq.io.load import Loaded
    from edgeq.metrics.metric import Metric
    from edgeq.schema.recipe import Recipe
    from edgeq.schema.target import Target
    from edgeq.schema.task import Shapes

#: options that are keys of a recipe
_RECIPE = (
    "rule", "weights", "rounding", "effort", "objective", "minutes", "keep_float", "tie", "activations",
    "inputs_as", "split_outputs", "standard_operators", "samples", "batch", "seed",
)  # fmt: skip
#: options that are keys of a recipe's floors
_FLOORS = ("min_sqnr", "min_agreement", "min_accuracy", "max_drop")
#: options that are keys of a recipe's placement
_PLACEMENT = ("prefer", "serve_batch")
#: every command has these; a command that writes nothing accepts --force without showing it
_EVERYWHERE = ("as_json", "quiet", "force")

Command = Callable[..., None]


@dataclass(frozen=True)
class Asked:
    """The shared options of one call, converted and checked before any work begins."""

    #: prints results and notes as --json and --quiet request
    screen: Screen
    #: calibration data: a path, or the name of a shipped set; None: not given
    data: str | None
    #: data on which the result is measured, named in the same way; None: not given
    validation: str | None
    #: what becomes of doubts about the data
    doubts: DataDoubts
    #: a target's name, or the path of its file
    target: str
    #: whether inputs and outputs stay float, also on integer-only targets
    float_io: bool
    #: whether sums must be exact on x86 without VNNI
    no_vnni: bool
    #: the recipe of the file, with settings that were given as options replaced
    recipe: Recipe
    #: the task metric of --metric; None: what the data says
    metric: Metric | None
    #: the number format that --format names; None: not given
    format: str | None
    #: input name -> its frozen shape
    shapes: Shapes
    #: the largest model that is accepted, in bytes
    max_bytes: int
    #: bytes that passes over the data may take; None: half of what is free
    memory: int | None
    #: file with the statistics of an earlier run; None: not given
    stats: Path | None
    #: file with the plan of an earlier run; None: not given
    plan: Path | None
    #: folder of what is finished, of a search or of shards; None: not given
    work: Path | None
    #: the report to write; None: no report
    report: Path | None
    #: whether plans are written beside models
    plans: bool
    #: whether the result is run and compared
    prove: bool
    #: whether a result that misses a floor is left unwritten
    strict: bool
    #: whether existing files may be replaced
    force: bool
    #: input files of the shared options, which must not be overwritten
    inputs: tuple[Path, ...]

    def load_model(self, path: Path, *, quantized: bool = False) -> Loaded:
        """Load a model. Raises BadModel, also when the model is larger than --max-bytes."""
        from edgeq.io.load import load_model

        for line in stale_lines(path) if quantized else ():
            self.screen.warn(line)
        return load_model(path, max_bytes=self.max_bytes, quantized=quantized)

    def load_target(self) -> Target:
        """The target, adapted as --float-io and --no-vnni request. Raises BadTarget."""
        from edgeq.schema.target import load_target

        target = load_target(self.target, float_io=self.float_io)
        return target.without_vnni() if self.no_vnni else target

    def needed_data(self) -> str:
        """The data, for a command that requires it. Raises BadData when none was given."""
        if self.data is None:
            fix = "Give an .npz, a folder with a set.toml or a shipped set: --data calib.npz."
            raise BadData("No data was given.", "--data", fix)
        return self.data

    def check_outputs(self, outputs: Iterable[Path | None], *inputs: Path, at_least: int = BLOCK) -> None:
        """Refuse output paths that cannot be written or would overwrite an input.

        outputs: None stands for an output that is not requested. inputs: files that the command
        reads besides those of the shared options. at_least: bytes that the result will have at the
        least. Raises BadOutput.
        """
        check_outputs(outputs, force=self.force, inputs=[*inputs, *self.inputs], at_least=at_least)


def asked_from(options: SharedOptions) -> Asked:
    """Convert the options. Raises BadRecipe when one is invalid or would have no effect."""
    words = asdict(options)
    settings: dict[str, object] = {**given({key: words[key] for key in _RECIPE})}
    settings |= {name: False for name, off in (("rescue", options.no_rescue), ("hold_out", options.no_hold_out)) if off}
    settings["weight_format"] = given({"name": options.format})
    settings["floors"] = given({key: words[key] for key in _FLOORS})
    settings["placement"] = given({key: words[key] for key in _PLACEMENT})
    settings["engine"] = given({"name": options.engine, "workers": options.workers, "address": options.address})
    settings["preprocessing"] = preprocessing_from(options.scale, options.mean, options.std)
    recipe = recipe_from(options.recipe, settings)
    check_search(recipe, options)
    inputs = (options.data, options.validation, options.recipe, options.stats, options.plan)
    return Asked(
        screen=Screen(options.as_json, options.quiet),
        data=options.data,
        validation=options.validation,
        doubts=data_doubts(accept=options.accept_data, strict=options.strict_data),
        target=options.target,
        float_io=options.float_io,
        no_vnni=options.no_vnni,
        recipe=recipe,
        metric=metric_from(options.metric),
        format=options.format,
        shapes=parse_shapes(options.shape),
        max_bytes=most_model_bytes() if options.max_bytes is None else parse_size(options.max_bytes, "--max-bytes"),
        memory=None if options.memory is None else parse_size(options.memory, "--memory"),
        stats=options.stats,
        plan=options.plan,
        work=options.work,
        report=options.report,
        plans=not options.no_plan,
        prove=not options.no_prove,
        strict=options.strict,
        force=options.force,
        inputs=tuple(Path(path) for path in inputs if path is not None),
    )


def offers(*names: str, writes: bool = False) -> Callable[[Command], Command]:
    """Add shared options to a command, which receives them as one Asked, its first parameter.

    names: fields of SharedOptions in the order of --help, separated by spaces. Parameters of the
    command itself may stand among them; the command's remaining parameters come first. writes:
    whether the command writes files. A name that is neither of the two raises KeyError when the
    command is defined.
    """
    listed = [*" ".join(names).split(), *_EVERYWHERE]

    def extend(command: Command) -> Command:
        own = {one.name: one for one in list(signature(command, eval_str=True).parameters.values())[1:]}
        known = shared_parameters(writes) | own
        parameters = [known[name] for name in dict.fromkeys([*(name for name in own if name not in listed), *listed])]

        @wraps(command)
        def run(**words: Any) -> None:  # typer has checked each value against its type
            from edgeq.engines.opened import opened
            from edgeq.io.mapped import spilling  # brings onnx, which --help needs not

            mine = {name: words.pop(name) for name in own}
            options = SharedOptions(**words)
            with run_files(follow_links=options.follow_links), spilling(), judged_files(mine.values()):
                asked = asked_from(options)
                with opened(asked.recipe.engine, asked.work):
                    command(asked, **mine)

        # typer reads the options of a command from its signature
        run.__signature__ = Signature([one.replace(kind=Parameter.KEYWORD_ONLY) for one in parameters])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return extend

"""The metric that a user names: one that is built in, a function, or where a function stands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from edgeq.errors import BadMetric, hint
from edgeq.io.run_files import note_read
from edgeq.metrics.metric import BUILT_IN, Metric

#: a metric, the name of one, a function of outputs and labels, or module:function
MetricLike = Metric | Callable[[Any, Any], float] | str

_FIX = f"Use {', '.join(BUILT_IN)}, or module:function, as in metrics.py:mean_iou."


def metric_of(given: MetricLike) -> Metric:
    """The metric that is meant.

    given: a Metric; the name of one that is built in; a function of outputs and labels, of which
    more is better; or module:function or FILE.py:function, which names such a function or a Metric,
    and whose code is run. Raises BadMetric.

    >>> metric_of("top5").share, metric_of(lambda outputs, labels: 0.0).higher_is_better
    (True, True)
    """
    if isinstance(given, Metric):
        return given
    if callable(given):
        return Metric(_name(given), given)
    if given in BUILT_IN:
        return BUILT_IN[given]
    module, colon, name = given.rpartition(":")
    if not (colon and module and name.isidentifier()):
        raise BadMetric(f"There is no metric named {given!r}.", "--metric", hint(given, BUILT_IN) + _FIX)
    found = getattr(_module(module), name, None)
    if not isinstance(found, Metric) and not callable(found):
        raise BadMetric(f"{module} has no function {name!r}.", "--metric", "Name a function of outputs and labels that stands there.")
    return metric_of(found)


def metric_or_none(given: MetricLike | None) -> Metric | None:
    """As metric_of; None: none is given."""
    return None if given is None else metric_of(given)


def _name(function: Callable[..., float]) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "metric" if name == "<lambda>" else str(name)


def _module(word: str) -> ModuleType:
    """The module of this name or path. Raises BadMetric, whatever its code raises."""
    path = Path(word)
    is_file = path.suffix == ".py"
    if is_file and not path.is_file():
        raise BadMetric("There is no such file.", word, "Check the path of the metric's code.")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)  # as `python -m` does: a command of an installed package has it not
    try:
        return _of_file(path) if is_file else import_module(word)
    except Exception as problem:
        what = f"The metric's module cannot be imported: {type(problem).__name__}: {problem}"
        raise BadMetric(what, word, "Correct it, or start in a folder where Python finds it.") from problem
    finally:
        sys.path.remove(folder)


def _of_file(path: Path) -> ModuleType:
    note_read(path)
    spec = spec_from_file_location(f"edgeq_metric_{path.stem}", path)
    assert spec is not None  # its name ends in .py
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module

"""Tests of the options that commands share: offered by name, in that order, and received in typed
form.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, get_args

import pytest
import typer
from typer.testing import CliRunner

from edgeq.cli.app.commands import app
from edgeq.cli.asked import Asked, asked_from, offers
from edgeq.cli.options import Rule
from edgeq.cli.shared.values import SharedOptions
from edgeq.errors import BadData, BadRecipe
from edgeq.schema.recipe import Floors, Recipe
from edgeq.schema.rules import RULES

Own = Annotated[int, typer.Option("--own")]


def parameters(*names: str, writes: bool = False) -> list[str]:
    """Of a command with a parameter of its own."""

    @offers(*names, writes=writes)
    def command(asked: Asked, own: Own = 3) -> None: ...

    return list(inspect.signature(command).parameters)


def test_options_stand_in_the_order_of_their_names() -> None:
    assert parameters("seed target own", "data") == ["seed", "target", "own", "data", "as_json", "quiet", "force"]
    assert parameters("target")[:2] == ["own", "target"]


def test_a_name_that_is_no_option_is_refused_when_the_command_is_defined() -> None:
    with pytest.raises(KeyError, match="taget"):
        parameters("taget")


def test_a_command_receives_its_own_option_and_the_shared_ones() -> None:
    received: list[tuple[Asked, int]] = []
    small = typer.Typer()

    @small.command()
    @offers("shape samples", writes=True)
    def command(asked: Asked, own: Own = 3) -> None:
        received.append((asked, own))

    ran = CliRunner().invoke(small, ["--own", "5", "--shape", "x=1,2", "--samples", "7", "-q"])
    assert ran.exit_code == 0, ran.output
    ((asked, own),) = received
    assert own == 5
    assert asked.shapes == {"x": (1, 2)}
    assert asked.recipe == Recipe(samples=7)
    assert (asked.screen.quiet, asked.screen.as_json, asked.force) == (True, False, False)
    assert asked.max_bytes >= 2 * 2**30


def test_options_replace_single_settings_of_the_recipe_file(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('rule = "kl"\nseed = 3\ninputs_as = "uint8"\n[floors]\nmin_sqnr = 1.0\n[preprocessing]\nmean = [2.0]\n')
    asked = asked_from(SharedOptions(recipe=file, rule="ema", keep_float=["Exp"], min_accuracy=0.5, std="2,3"))
    assert (asked.recipe.rule, asked.recipe.seed, asked.recipe.keep_float) == ("ema", 3, ("Exp",))
    assert asked.recipe.floors == Floors(min_sqnr=1.0, min_accuracy=0.5)
    assert (asked.recipe.preprocessing.mean, asked.recipe.preprocessing.std) == ((2.0,), (2.0, 3.0))
    assert asked.inputs == (file,)


def test_options_that_were_not_given_leave_the_recipe_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('keep_float = ["Exp"]\nbatch = 4\n')
    assert asked_from(SharedOptions(recipe=file, keep_float=[])).recipe == Recipe(keep_float=("Exp",), batch=4)


def test_data_that_a_command_needs_is_asked_for() -> None:
    assert asked_from(SharedOptions(data="digits")).needed_data() == "digits"
    with pytest.raises(BadData, match="No data was given"):
        asked_from(SharedOptions()).needed_data()


def test_a_list_of_numbers_is_checked() -> None:
    with pytest.raises(BadRecipe, match="not a list of numbers"):
        asked_from(SharedOptions(mean="1,two"))


def test_the_help_of_the_rule_names_every_rule() -> None:
    said = get_args(Rule)[1].help
    assert all(rule in said for rule in RULES)


def test_every_command_talks_json_and_takes_force() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group
    for command in commands.values():
        offered = {option for one in command.params for option in one.opts}
        assert {"--json", "--quiet", "--force"} <= offered

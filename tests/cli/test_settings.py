"""Tests of the way from command-line words to settings."""

from __future__ import annotations

import pytest

from edgeq.cli.settings import parse_compute, parse_share, parse_size, with_codebook, with_settings, with_training
from edgeq.errors import BadRecipe
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.recipe import Recipe


def test_a_table_keeps_the_settings_that_are_not_named() -> None:
    recipe = Recipe(codebook=CodebookWish(bits_avg=8.0, prune="0.5"))
    assert with_settings(recipe, {"codebook": {"bits_avg": 2.0}}).codebook == CodebookWish(bits_avg=2.0, prune="0.5")


def test_codebooks_of_the_command_line_replace_all_of_the_recipe() -> None:
    recipe = Recipe(codebook=CodebookWish(bits=2, prune="0.5"))
    assert with_codebook(recipe, {"bits": 4, "granularity": None}).codebook == CodebookWish(bits=4)


def test_settings_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(BadRecipe, match="give one of bits"):
        with_codebook(Recipe(), {"bits": 4, "bits_avg": 3.0})


@pytest.mark.parametrize(
    ("own", "training", "expected"),
    [
        ({}, {}, {"minutes": 5.0}),
        ({"epochs": 3}, {}, {"epochs": 3}),
        ({"epochs": 3}, {"minutes": 2.0}, {"minutes": 2.0}),
        ({}, {"reconstruct": "layer"}, {"reconstruct": "layer"}),
        ({"reconstruct": "block"}, {"steps": 9}, {"reconstruct": "block", "steps": 9}),
        ({"reconstruct": "block"}, {"reconstruct": "none"}, {"minutes": 5.0}),
    ],
)
def test_training_lasts_as_long_as_somebody_says(
    own: dict[str, object], training: dict[str, str | int | float | None], expected: dict[str, object]
) -> None:
    recipe = Recipe(finetune=FineTuneWish.model_validate(own))
    assert with_training(recipe, training, 5.0).finetune == FineTuneWish.model_validate(expected)


@pytest.mark.parametrize(("word", "size"), [("12", 12), ("4GB", 4 * 10**9), ("1.5 kib", 1536)])
def test_sizes(word: str, size: int) -> None:
    assert parse_size(word, "--memory") == size


def test_shares_and_ways_to_compute() -> None:
    assert (parse_share("25%"), parse_share("0.25"), parse_share(None)) == (0.25, 0.25, None)
    assert (parse_compute("int8"), parse_compute("float")) == ("int8", "float")
    with pytest.raises(BadRecipe, match="not a share"):
        parse_share("a quarter")
    with pytest.raises(BadRecipe, match="int16"):
        parse_compute("int16")

"""The part of a recipe that names number formats."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from edgeq.schema.codebook import CodebookWish
from edgeq.schema.recipe import Recipe
from edgeq.schema.weight_format import WeightFormats


def test_codebook_4_is_a_codebook_of_four_bits() -> None:
    assert Recipe(weight_format=WeightFormats(name="codebook:4")) == Recipe(codebook=CodebookWish(bits=4))
    assert Recipe.model_validate({"weight_format": {"name": "codebook:2"}}).codebook.bits == 2


@pytest.mark.parametrize("name", ["codebook:4", "int4", "two_level:16"])
def test_a_codebook_and_a_format_are_refused_together(name: str) -> None:
    with pytest.raises(ValidationError, match="give --bits or --format, not both"):
        Recipe.model_validate({"weight_format": {"name": name}, "codebook": {"bits": 4}})


@pytest.mark.parametrize("wish", [{"name": "int4"}, {"layers": ("Conv=int4",)}])
def test_formats_beside_other_bits_or_a_search_are_refused(wish: dict[str, object]) -> None:
    for other in ({"weight_bits": 4}, {"effort": "best"}):
        with pytest.raises(ValidationError, match="format"):
            Recipe.model_validate({"weight_format": wish} | other)


@pytest.mark.parametrize("wish", [{"name": "int5"}, {"layers": ("Conv",)}, {"layers": ("=int4",)}, {"layers": ("Conv=int5",)}])
def test_what_is_no_format_is_refused(wish: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WeightFormats.model_validate(wish)


@pytest.mark.parametrize(
    "wish", [{"name": "int4", "bits_avg": 5}, {"bits_avg": 5, "size_budget": 0.2}, {"bits_avg": 5, "among": ("mx9",)}, {"among": ()}]
)
def test_a_budget_is_given_once_and_chooses_among_what_runs_in_integers(wish: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WeightFormats.model_validate(wish)
    assert WeightFormats(bits_avg=5.0).wanted


def test_a_budget_and_a_codebook_are_refused_together() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Recipe.model_validate({"weight_format": {"bits_avg": 5.0}, "codebook": {"bits": 4}})


def test_int8_is_what_weights_have_anyway() -> None:
    assert not Recipe(weight_format=WeightFormats(name="int8")).small_weights
    assert Recipe(weight_format=WeightFormats(layers=("a=int4",))).small_weights

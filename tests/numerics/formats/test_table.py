"""Formats by name, and what is said of names that do not exist."""

from __future__ import annotations

import pytest

from edgeq.errors import BadRecipe
from edgeq.numerics.formats.format import Format
from edgeq.numerics.formats.table import families, family_of, format_words, parse_format
from edgeq.testing import check_format


def _all() -> list[Format]:
    """The formats of all families, of two sizes at most."""
    return [one.make(size) for one in families().values() for size in one.sizes[:2] or (0,)]


@pytest.mark.parametrize("format", _all(), ids=lambda one: one.name)
def test_formats_keep_the_laws(format: Format) -> None:
    check_format(format)


@pytest.mark.parametrize("word", ["two_level", "two_level:", "two_level:7", "two_level:16:16", "codebook:7"])
def test_a_size_that_a_format_needs_is_asked_for(word: str) -> None:
    with pytest.raises(BadRecipe, match="no size that the weight format") as caught:
        parse_format(word)
    assert ":N, where N is one of: " in caught.value.fix


@pytest.mark.parametrize("format", _all(), ids=lambda one: one.name)
def test_the_name_of_a_format_leads_back_to_it(format: Format) -> None:
    assert parse_format(format.name) == format
    assert family_of(format).name == format.name.partition(":")[0]


@pytest.mark.parametrize("word", ["", "int5", "mx", "int4 ", "INT4", ":4"])
def test_a_name_that_does_not_exist_is_refused_with_those_that_do(word: str) -> None:
    if word.strip() in format_words():
        assert parse_format(word).name == word.strip()
        return
    with pytest.raises(BadRecipe) as caught:
        parse_format(word, "recipe.toml")
    assert caught.value.where == "recipe.toml"
    assert all(name in caught.value.fix for name in format_words())


@pytest.mark.parametrize("word", ["int4:16", "int8:"])
def test_a_size_that_a_format_does_not_take_is_refused(word: str) -> None:
    with pytest.raises(BadRecipe, match="takes no size"):
        parse_format(word)

"""SumToAdds: a Sum of several values becomes Adds, broadcasting included."""

from __future__ import annotations

from edgeq.passes.prepare.sum_to_adds import SumToAdds
from edgeq.testing import check_pass
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines, net


def test_from_the_first_value_to_the_last() -> None:
    after = check_pass(SumToAdds(), named_model("sums"))
    assert lines(after) == ["y_part = Add(x, v)", "y_part_1 = Add(y_part, b)", "y = Add(y_part_1, x)", "z = Add(x, v)"]


def test_values_of_growing_rank() -> None:
    model = net("y = Sum(a, b, c)", inputs="float[3] a, float[2, 1] b, float[4, 1, 1] c")
    assert lines(check_pass(SumToAdds(), model)) == ["y_part = Add(a, b)", "y = Add(y_part, c)"]


def test_a_sum_of_one_stays() -> None:
    assert not SumToAdds()(net("y = Sum(x)")).modified

"""Public laws: what a graph pass, a target file, a range rule or a number format of your own can be
held to.
"""

from __future__ import annotations

from edgeq.testing.format_laws import check_format as check_format
from edgeq.testing.pass_laws import check_pass as check_pass
from edgeq.testing.rule_laws import check_rule as check_rule
from edgeq.testing.target_laws import check_quantized as check_quantized
from edgeq.testing.target_laws import check_target as check_target

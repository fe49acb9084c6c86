"""Row counts before and after a deploy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def compare_rows(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, Any]:
    """`rows`: name → [before, after], before None where there was nothing; `suspicious`: who lost all rows."""
    return {
        "rows": {name: [before.get(name), count] for name, count in after.items()},
        "suspicious": [name for name, count in after.items() if count == 0 and before.get(name)],
    }

"""`millstream recommend` runs the statement that the documentation gives to applications."""

from __future__ import annotations

import re

from millstream.recommend.statement import statement
from tests.project.compiled import ROOT


def test_the_statement_is_the_documented_one() -> None:
    """After a change there: copy the text after `prepare … as` to src/millstream/recommend/recommend.sql."""
    text = (ROOT / "sql/serving/README.md").read_text()
    (documented,) = re.findall(r"```sql\nprepare recommend \([a-z, ]+\) as\n(.*?)```", text, re.DOTALL)
    assert statement() == documented

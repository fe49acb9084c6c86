"""The statements of Grafana's panels, run on the views that they ask."""

from __future__ import annotations

import re

import pytest

from tests.production.files import panel_sql
from tests.project.shop import Shop

MACRO = re.compile(r"\$__timeFilter\((\w+)\)")


@pytest.mark.parametrize("title", sorted(panel_sql()))
def test_a_panel_s_statement_runs(shop: Shop, title: str) -> None:
    statement = MACRO.sub(r"\1 between now() - interval '1 hour' and now()", panel_sql()[title])
    assert "$" not in statement
    shop.rows(statement)

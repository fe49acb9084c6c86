"""`millstream recommend` runs the statement that the documentation gives to applications."""

from __future__ import annotations

import re
from importlib.resources import files

from tests.project.compiled import ROOT


def test_the_documentation_leads_to_the_statement() -> None:
    folder = ROOT / "sql/serving"
    (link,) = re.findall(r"\]\((\S+/recommend\.sql)\)", (folder / "README.md").read_text())
    shipped = files("millstream.recommend").joinpath("recommend.sql")
    assert (folder / link).read_text() == shipped.read_text()

"""The source formats by name."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from loaders.canonical_csv import CanonicalCsv
from loaders.completejourney import CompleteJourney
from loaders.errors import LoaderError
from loaders.jsonl import JsonLines
from loaders.rees46 import Rees46
from loaders.rsc15 import Rsc15
from loaders.source import Source
from loaders.taobao import Taobao
from loaders.uci_eshop import UciEshop

FORMATS: dict[str, type[Source]] = {
    source.name: source
    for source in (CompleteJourney, CanonicalCsv, JsonLines, Rees46, Rsc15, Taobao, UciEshop)
}


def open_source(
    name: str,
    path: Path | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Source:
    """Open a source by the name of its format. Raises LoaderError for an unknown name, with the list of known ones."""
    if name not in FORMATS:
        known = "".join(f"\n  {known:<16} {source.summary}" for known, source in FORMATS.items())
        raise LoaderError(f"unknown format {name!r}; the formats are:{known}")
    return FORMATS[name](path, since=since, until=until, limit=limit)

"""All texts in one dictionary: a code, or a code and a case of it, to (construct, why, hint).

A case has texts of its own under the same code: "MS030/two keys" is shown as MS030. Where a code has cases, its own texts may
be a summary that only the documentation shows. {words} in braces are pieces that whoever refuses gives.
"""

from __future__ import annotations

from millstream.diagnostics.declarations import DECLARATIONS
from millstream.diagnostics.deployment import DEPLOYMENT
from millstream.diagnostics.portability import PORTABILITY
from millstream.diagnostics.queries import QUERIES
from millstream.diagnostics.rollout import ROLLOUT
from millstream.diagnostics.server import SERVER

AREAS = (QUERIES, PORTABILITY, DECLARATIONS, DEPLOYMENT, SERVER, ROLLOUT)
CATALOGUE: dict[str, tuple[str, str, str]] = {code: texts for area in AREAS for code, texts in area.items()}


def code_of(key: str) -> str:
    """The code of a case: MS030 of "MS030/two keys"."""
    return key.partition("/")[0]

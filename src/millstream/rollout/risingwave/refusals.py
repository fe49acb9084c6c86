"""The deployer's refusals, from the catalogue of diagnostics."""

from __future__ import annotations

from millstream.diagnostics import refuse
from millstream.errors import Diagnostic, Refused


def refused(code: str, path: str | None = None, **named: object) -> Refused:
    """The refusal of a code; `named` are the words in braces of its texts. The caller raises it."""
    return refuse(code, None, path=path, **{name: str(value) for name, value in named.items()})


def diagnose(code: str, path: str | None = None, **named: object) -> Diagnostic:
    """The diagnostic of a code."""
    return refused(code, path, **named).diagnostic

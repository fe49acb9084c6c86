"""Guess which name was meant: one that differs in letter case or quotes only, or a few that look alike."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from millstream.compiler.syntax.identifiers import folded

MOST = 3  # names that are suggested
RULE = "what is written without double quotes is in small letters"


def likely(written: str, known: Iterable[str], qualifier: str = "") -> str:
    """Say which of the known names may be meant; '' where none is like the written one. `qualifier` is put before it."""
    names = [name for name in dict.fromkeys(known) if name != written]
    same = [name for name in names if name.lower() == written.lower()]
    if same:
        return f"did you mean {shown(same[0], qualifier)}? It differs in letter case, and {RULE}."
    found = {name.lower(): name for name in reversed(names)}
    close = [found[match] for match in get_close_matches(written.lower(), found, MOST)]
    return f"did you mean {' or '.join(shown(name, qualifier) for name in close)}?" if close else ""


def shown(name: str, qualifier: str = "") -> str:
    """A name as it is to be written."""
    plain = name == folded(name) and name.isidentifier() and name.isascii()
    text = name if plain else '"' + name.replace('"', '""') + '"'
    return f"{qualifier}.{text}" if qualifier else text

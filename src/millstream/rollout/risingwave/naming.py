"""Names in statements, and the names of builds, which stand beside the object that they will replace."""

from __future__ import annotations

import re

from millstream.compiler.algebra.quoting import string

BUILD = re.compile(r"(.+?)__(\d+)(?:_old)?")


def quoted(schema: str, name: str, database: str = "") -> str:
    """The name for a statement, with its database where one is given, as dbt writes it."""
    return ".".join(f'"{part}"' for part in (database, schema, name) if part)


def literal(value: object) -> str:
    """A string literal."""
    return string(str(value))


def keyword(kind: str) -> str:
    """A kind as SQL writes it."""
    return kind.replace("_", " ")


def split_key(key: str) -> tuple[str, str]:
    """The schema and the name in `schema.name`."""
    schema, _, name = key.partition(".")
    return schema, name


def build_of(name: str) -> tuple[str, int] | None:
    """The name of which another is a build, and the build's number; none where it is no build's name."""
    found = BUILD.fullmatch(name)
    return (found[1], int(found[2])) if found is not None else None

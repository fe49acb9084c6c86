"""The columns of a CREATE TABLE as they are written: what the macro rw_table_shape computes."""

from __future__ import annotations

import hashlib
import re

COMMENT = re.compile(r"('(?:[^']|'')*')|--[^\n]*")
PART = re.compile(r"'(?:[^']|'')*'|[(<\[]|[)>\]]|,|[^'(<\[)>\],]+")


def columns_and_rest(ddl: str) -> tuple[list[str], str]:
    """The items between the outer parentheses, and a hash of what follows them."""
    columns: list[str] = []
    depth, item, rest = -1, "", ""
    closed = False
    for part in PART.findall(" ".join(COMMENT.sub(r"\1", ddl).split())):
        if closed:
            rest += part
        elif depth < 0:
            depth += part == "("
        elif depth == 0 and part in (",", ")"):
            if item.strip():
                columns.append(item.strip())
            item = ""
            closed = part == ")"
        else:
            depth += (part in "(<[") - (part in ")>]")
            item += part
    return columns, hashlib.md5(rest.strip().encode(), usedforsecurity=False).hexdigest()

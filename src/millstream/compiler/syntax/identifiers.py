"""What an identifier says: letters are small unless it is quoted, reserved words need quotes, and 63 bytes are the most.

This is PostgreSQL's rule and RisingWave's. It is applied once, to what the parser has read, so that whoever compares two
names later compares their text.
"""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase

from sqlglot import exp

from millstream.compiler.algebra.expression import OWN
from millstream.compiler.algebra.quoting import too_long
from millstream.diagnostics import refuse

SYSTEM = frozenset(("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))  # columns of every table
RISINGWAVE = ("_row_id", "_rw_")  # what the names of RisingWave's own columns begin with
SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)

# Words that begin no expression and name no relation unless they are quoted; sqlglot reads many of them as names.
WORDS = """
all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
column concurrently constraint create cross current_catalog current_date current_role current_schema
current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for
foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral
leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps
placing primary references returning right select session_user similar some symmetric system_user table
tablesample then to trailing true union unique user using variadic verbose when where window with
"""
RESERVED = frozenset(WORDS.split())


def folded(text: str) -> str:
    """A name that is written without quotes, as the database keeps it."""
    return text.translate(SMALL)


def named(text: str) -> str:
    """What a name means that a configuration gives as SQL text: small letters, unless it stands in quotes."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    return folded(text)


def fold(tree: exp.Expr) -> exp.Expr:
    """Spell every name of a tree as the database keeps it; the tree is changed."""
    for node in tree.walk():
        if isinstance(node, exp.Identifier) and not node.quoted:
            node.set("this", folded(node.this))
        elif isinstance(node, exp.Anonymous) and isinstance(node.this, str):
            node.set("this", folded(node.this))
    return tree


def alike(one: exp.Expr, other: exp.Expr) -> bool:
    """Tell whether two parts of a tree say the same. Names are spelled as the database keeps them, so quotes mean nothing."""
    return without_quotes(one) == without_quotes(other)


def without_quotes(part: exp.Expr) -> exp.Expr:
    """A copy in which no name is quoted."""
    changed = part.copy()
    for node in changed.find_all(exp.Identifier):
        node.set("quoted", False)
    return changed


def check_names(tree: exp.Expr, path: str | None) -> exp.Expr:
    """Refuse the first name of a tree that no database can keep as it is written."""
    for node in tree.walk():
        if isinstance(node, exp.Identifier):
            if not node.this:
                raise refuse("MS001", node, "a name in double quotes is empty", path)
            if not node.quoted and node.this in RESERVED and begins_name(node):
                raise refuse("MS006", node, node.this, path)
        if isinstance(node, (exp.Identifier, exp.Anonymous)) and too_long(node.name):
            raise refuse("MS007", node, f"{node.name}: {len(node.name.encode())} bytes", path)
    return tree


def refuse_own(name: str, node: exp.Expr | None, path: str | None, *, source: bool = False) -> None:
    """Refuse a column called as one that the engine or a database has in every stored table, or in every source."""
    if name.endswith(OWN) or name in SYSTEM or (source and name.startswith(RISINGWAVE)):
        raise refuse("MS008", node, name, path)


def begins_name(node: exp.Identifier) -> bool:
    """Tell whether an identifier stands where a reserved word means itself: not behind a dot, nor behind AS."""
    parent = node.parent
    if isinstance(parent, (exp.Column, exp.Table)):
        return not any(parent.args.get(part) for part in outer_parts(node.arg_key))
    return isinstance(parent, (exp.TableAlias, exp.ColumnDef))


def outer_parts(part: str | None) -> tuple[str, ...]:
    """The parts of a column's or a relation's name that stand before this one."""
    parts = ("this", "table", "db", "catalog")
    return parts[parts.index(part) + 1 :] if part in parts else parts

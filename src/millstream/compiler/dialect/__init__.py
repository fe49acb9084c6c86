"""RisingWave's SQL, read and written so that every expression reaches PostgreSQL as it was written.

sqlglot reads SQL into nodes that mean the same in many databases, and writes them in one's own words: `date_trunc(grain, at)`
became `DATE_TRUNC('GRAIN', at)`, `|/ n` became `SQRT(n)`, of another type. Here a call is its name and its arguments, and
an operator its symbol and its operands. Nodes of their own have what the compiler looks into: aggregates, window functions,
casts, comparisons, AND, OR, arithmetic. tests/engine/dialect proves it for every function and operator of PostgreSQL.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.risingwave import RisingWave

from millstream.compiler.dialect.nodes import Infix, Prefix, Worded, called
from millstream.compiler.dialect.reading import SqlReader
from millstream.compiler.dialect.spelling import explicit, is_respelled, respell
from millstream.compiler.dialect.words import Words
from millstream.compiler.dialect.writing import SqlWriter

DIALECT = "millstream"

__all__ = [
    "DIALECT",
    "Infix",
    "Millstream",
    "Prefix",
    "Worded",
    "called",
    "explicit",
    "is_respelled",
    "respell",
    "write",
]


class Millstream(RisingWave):
    """The dialect, known to sqlglot as `millstream`."""

    INDEX_OFFSET = 0  # subscripts stay as they are
    SUPPORTS_FIXED_SIZE_ARRAYS = True  # int[3] is a type, not the third of something
    NORMALIZE_NOT_NULL = False  # of a row, IS NOT NULL and NOT … IS NULL are two things

    class Tokenizer(Words):
        """How text is cut into words."""

    class Parser(SqlReader):
        """How words become nodes."""

    class Generator(SqlWriter):
        """How nodes become text."""


def write(node: exp.Expr, *, copy: bool = True) -> str:
    """Return a node as text that both PostgreSQL and RisingWave read, names as they were written.

    Writing may change the node: `copy=False` is for one that nobody needs afterwards, or that is a name.
    """
    return node.sql(dialect=DIALECT, comments=False, normalize_functions=False, copy=copy)

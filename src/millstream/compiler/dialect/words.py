"""Cut SQL into words: operators that sqlglot lacks or takes for others, and no type names that PostgreSQL lacks."""

from __future__ import annotations

from typing import ClassVar

from sqlglot import TokenType
from sqlglot.dialects.risingwave import RisingWave
from sqlglot.parsers.risingwave import RisingWaveParser

SYMBOL = TokenType.ADJACENT  # any operator of two characters and more that has no node of its own
SYMBOLS = [
    "~~",
    "~~*",
    "!~~",
    "!~~*",
    "~*",
    "!~",
    "!~*",
    "#>",
    "#>>",
    "#-",
    "@>",
    "<@",
    "@?",
    "@@",
    "&&",
    "?|",
    "?&",
    "^@",
    "<->",
    "<#>",
    "<=>",
    "<+>",
    "|/",
    "||/",
    "-|-",
    "&<",
    "&>",
]
TYPES = frozenset(
    "array bigint bigserial bit bool boolean bpchar bytea char character date dec decimal double float float4 float8 "
    "hstore inet int int2 int4 int8 integer interval json jsonb map money name null numeric oid point range real "
    "regclass regproc regtype serial smallint smallserial string struct text time timestamp timestamptz timetz union "
    "unknown uuid varchar vector xml".upper().split()
)
FOREIGN = frozenset(("==", "??", "?::", "~~~", "|>", "<<->>", "GLOB", "RLIKE", "REGEXP", "DIV", "XOR"))


def is_kept(word: str, token: TokenType) -> bool:
    """Tell whether a word means something: a type that PostgreSQL lacks is a name like any other."""
    known = token not in RisingWaveParser.TYPE_TOKENS or word.split(" ", maxsplit=1)[0] in TYPES
    return known and word not in FOREIGN


class Words(RisingWave.Tokenizer):
    """The tokenizer."""

    KEYWORDS: ClassVar = {
        **{word: token for word, token in RisingWave.Tokenizer.KEYWORDS.items() if is_kept(word, token)},
        **dict.fromkeys(SYMBOLS, SYMBOL),
    }

"""Read expressions: a call is a name and its arguments, an operator a symbol and its operands, with PostgreSQL's precedence."""

from __future__ import annotations

from typing import ClassVar

from sqlglot import TokenType, exp
from sqlglot.parsers.risingwave import RisingWaveParser

from millstream.compiler.dialect.calls import BUILT, CallReader, build_array, build_coalesce, quantified
from millstream.compiler.dialect.literals import LiteralReader
from millstream.compiler.dialect.nodes import Prefix
from millstream.compiler.dialect.operators import OperatorReader


class SqlReader(CallReader, OperatorReader, LiteralReader):
    """The parser: what its parts read, and by which names and tokens it calls them."""

    FUNCTIONS: ClassVar = {
        **{name: node.from_arg_list for name, node in BUILT.items()},
        "ARRAY": build_array,
        "ALL": lambda arguments: quantified(exp.All, arguments),
        "COALESCE": build_coalesce,
        "SOME": lambda arguments: quantified(exp.Any, arguments),
    }
    FUNCTION_PARSERS: ClassVar = {
        "CAST": lambda self: self._read_cast(),
        "EXTRACT": lambda self: self._read_extract(),
        "OVERLAY": lambda self: self._read_worded("overlay", "PLACING", "FROM", "FOR"),
        "POSITION": lambda self: self._read_position(),
        "STRING_AGG": lambda self: self._parse_string_agg(),
        "SUBSTRING": lambda self: self._read_worded("substring", "FROM", "FOR", "SIMILAR", "ESCAPE"),
        "TRIM": lambda self: self._read_trim(),
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar = {
        name: RisingWaveParser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("ANY", "CASE", "VARIADIC")
    }
    LAMBDAS: ClassVar = {
        token: parse for token, parse in RisingWaveParser.LAMBDAS.items() if token is not TokenType.ARROW
    }
    TYPE_LITERAL_PARSERS: ClassVar = {}
    ARRAY_CONSTRUCTORS: ClassVar = {"ARRAY": exp.Array}
    BRACKETS: ClassVar = frozenset((TokenType.L_BRACKET,))
    UNARY_PARSERS: ClassVar = {
        TokenType.NOT: lambda self: self._read_not(),
        TokenType.DASH: RisingWaveParser.UNARY_PARSERS[TokenType.DASH],
        TokenType.PLUS: lambda self: self.expression(Prefix(this=self._parse_unary(), operator="+")),
    }
    EQUALITY: ClassVar = {TokenType.EQ: exp.EQ, TokenType.NEQ: exp.NEQ}
    TERM: ClassVar = {TokenType.PLUS: exp.Add, TokenType.DASH: exp.Sub}
    FACTOR: ClassVar = {TokenType.STAR: exp.Mul, TokenType.SLASH: exp.Div, TokenType.MOD: exp.Mod}
    COLUMN_OPERATORS: ClassVar = {
        token: RisingWaveParser.COLUMN_OPERATORS[token] for token in (TokenType.DOT, TokenType.DCOLON)
    }
    RANGE_PARSERS: ClassVar = {
        token: RisingWaveParser.RANGE_PARSERS[token]
        for token in (
            TokenType.BETWEEN,
            TokenType.IN,
            TokenType.IS,
            TokenType.LIKE,
            TokenType.ILIKE,
            TokenType.SIMILAR_TO,
            TokenType.OVERLAPS,
        )
    }
    NUMERIC_PARSERS: ClassVar = {
        **RisingWaveParser.NUMERIC_PARSERS,
        TokenType.HEX_STRING: lambda self, token: self._read_digits(token, "0x", exp.HexString),
        TokenType.BIT_STRING: lambda self, token: self._read_digits(token, "0b", exp.BitString),
    }
    PRIMARY_PARSERS: ClassVar = {**RisingWaveParser.PRIMARY_PARSERS, **NUMERIC_PARSERS}

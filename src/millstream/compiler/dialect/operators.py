"""Read operators: a symbol and its operands, with PostgreSQL's precedence."""

from __future__ import annotations

from sqlglot import TokenType, exp
from sqlglot.parsers.risingwave import RisingWaveParser

from millstream.compiler.dialect.nodes import Infix, Prefix
from millstream.compiler.dialect.words import SYMBOL

SINGLE = {  # operators of one character, by token
    TokenType.AMP: "&",
    TokenType.PIPE: "|",
    TokenType.HASH: "#",
    TokenType.RLIKE: "~",
    TokenType.TILDE: "~",
    TokenType.PLACEHOLDER: "?",
}
SHIFTS = {"<<": (TokenType.LT, TokenType.LT), ">>": (TokenType.GT, TokenType.GT)}
PREFIXES = ("|/", "||/", "~", "@")


class OperatorReader(RisingWaveParser):
    """The part of the parser that reads operators."""

    def _parse_bitwise(self) -> exp.Expr | None:
        """Read operands around operators that bind less than + and more than LIKE: all of them alike, from the left."""
        this = self._parse_term()
        while this is not None and (operator := self._match_operator()) is not None:
            this = self.expression(binary(operator, this, self._parse_term()))
        return this

    def _match_operator(self) -> str | None:
        """Pass over an infix operator; `>>` is two words, because it also closes types within types."""
        if self._match_set((SYMBOL, TokenType.DPIPE, TokenType.ARROW, TokenType.DARROW)):
            return str(self._prev.text)
        if self._match_set(SINGLE):
            return SINGLE[self._prev.token_type]
        for symbol, pair in SHIFTS.items():
            if self._match_pair(*pair):
                return symbol
        if self._match(TokenType.OPERATOR):
            start = self._prev.start
            self._match(TokenType.L_PAREN)
            while self._curr and not self._match(TokenType.R_PAREN):
                self._advance()
            return self.sql[start : self._prev.end + 1]
        return None

    def _read_not(self) -> exp.Expr:
        """Read NOT operand; an exclamation mark is no NOT."""
        if self._prev.text == "!":
            self.raise_error("! is not an operator; write NOT")
        return exp.Not(this=self._parse_equality())

    def _parse_exponent(self) -> exp.Expr | None:
        """Read operands around ^, each with its zone and collation, which bind more."""
        this = self._read_zoned()
        while self._match(TokenType.CARET):
            this = self.expression(exp.Pow(this=this, expression=self._read_zoned()))
        return this

    def _read_zoned(self) -> exp.Expr | None:
        """Read an operand [AT TIME ZONE zone]."""
        this = self._read_collated()
        while self._match_text_seq("AT", "TIME", "ZONE"):
            this = self.expression(exp.AtTimeZone(this=this, zone=self._read_collated()))
        return this

    def _read_collated(self) -> exp.Expr | None:
        """Read an operand [COLLATE name]."""
        this = self._parse_unary()
        while self._match(TokenType.COLLATE):
            this = self.expression(exp.Collate(this=this, expression=self._parse_table_parts()))
        return this

    def _parse_unary(self) -> exp.Expr | None:
        """Read an operand with what stands before it. A prefix operator takes everything that binds more than it."""
        token = self._curr
        if token and token.text in PREFIXES and token.token_type in (SYMBOL, TokenType.PARAMETER, *SINGLE):
            self._advance()
            return self.expression(Prefix(this=self._parse_term(), operator=token.text))
        return super()._parse_unary()


def binary(operator: str, left: exp.Expr, right: exp.Expr | None) -> exp.Expr:
    """An operator with its operands; those that the compiler knows have nodes of their own."""
    if operator == "||":
        return exp.DPipe(this=left, expression=right)
    if operator == "->":
        return exp.JSONExtract(this=left, expression=right)
    if operator == "->>":
        return exp.JSONExtractScalar(this=left, expression=right)
    return Infix(this=left, expression=right, operator=operator)

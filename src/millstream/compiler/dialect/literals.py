"""Read literals as they are written: numbers, texts, bits, intervals, and texts of a type."""

from __future__ import annotations

from typing import Any

from sqlglot import TokenType, exp
from sqlglot.parsers.risingwave import RisingWaveParser

FIELDS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")  # of an interval


class LiteralReader(RisingWaveParser):
    """The part of the parser that reads literals."""

    def _parse_type(
        self, parse_interval: bool = True, fallback_to_identifier: bool = False
    ) -> exp.Expr | None:
        """Read an operand; `type 'text'` is a literal, and what follows it applies to that."""
        if fallback_to_identifier:
            return super()._parse_type(parse_interval, fallback_to_identifier)
        if parse_interval and (interval := self._parse_interval()) is not None:
            return self._parse_column_ops(interval)
        index = self._index
        type_ = self._parse_types(check_func=True, allow_identifiers=False)
        if isinstance(type_, exp.DataType) and self._match_set(
            (*self.STRING_PARSERS, TokenType.BYTE_STRING), advance=False
        ):
            literal = self._parse_primary()
            return self._parse_column_ops(self.expression(exp.Cast(this=literal, to=type_)))
        self._retreat(index)
        return self._parse_column()

    def _parse_interval(
        self, require_interval: bool = True, parse_function_unit: bool = True
    ) -> exp.Add | exp.Interval | None:
        """Read INTERVAL 'text' [field [TO field]] without changing any of it."""
        index = self._index
        if not self._match(TokenType.INTERVAL) or not self._match(TokenType.STRING, advance=False):
            self._retreat(index)
            return None
        interval = exp.Interval(this=self._parse_primary())
        if self._match_texts(FIELDS):
            unit: exp.Expr = exp.var(self._prev.text.upper())
            if self._match_text_seq("TO"):
                unit = exp.IntervalSpan(this=unit, expression=self._parse_var(any_token=True, upper=True))
            interval.set("unit", unit)
        return self.expression(interval)

    def _parse_primary(self) -> exp.Expr | None:
        """Read a literal or brackets. sqlglot joins texts that stand side by side; PostgreSQL has a rule for that."""
        primary = super()._parse_primary()
        if isinstance(primary, exp.Concat):
            self.raise_error("two texts side by side; join them with ||")
        return primary

    def _read_digits(self, token: Any, prefix: str, bits: type[exp.Expr]) -> exp.Expr:
        """Read 0x1F as the number that it is, X'1F' as bits."""
        if self.sql[token.start] == "0":
            return exp.Literal.number(f"{prefix}{token.text}")
        return bits(this=token.text).update_positions(token)

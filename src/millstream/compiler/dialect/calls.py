"""Read calls: a name and its arguments, some of which are set apart by words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import TokenType, exp
from sqlglot.parsers.risingwave import RisingWaveParser

from millstream.compiler.dialect.nodes import Worded

Arguments = list[exp.Expr]
BUILT = {  # functions that have nodes of their own; all others are calls by name
    "ANY_VALUE": exp.AnyValue,
    "APPROX_COUNT_DISTINCT": exp.ApproxDistinct,
    "ARRAY_AGG": exp.ArrayAgg,
    "AVG": exp.Avg,
    "BOOL_AND": exp.LogicalAnd,
    "BOOL_OR": exp.LogicalOr,
    "COUNT": exp.Count,
    "CUME_DIST": exp.CumeDist,
    "DENSE_RANK": exp.DenseRank,
    "FIRST_VALUE": exp.FirstValue,
    "GENERATE_SERIES": exp.ExplodingGenerateSeries,
    "GROUPING": exp.Grouping,
    "JSONB_OBJECT_AGG": exp.JSONBObjectAgg,
    "LAG": exp.Lag,
    "LAST_VALUE": exp.LastValue,
    "LEAD": exp.Lead,
    "MAX": exp.Max,
    "MIN": exp.Min,
    "NOW": exp.CurrentTimestamp,
    "NTH_VALUE": exp.NthValue,
    "NTILE": exp.Ntile,
    "PERCENT_RANK": exp.PercentRank,
    "RANK": exp.Rank,
    "ROW_NUMBER": exp.RowNumber,
    "SUM": exp.Sum,
    "UNNEST": exp.Explode,
}


def build_coalesce(arguments: Arguments) -> exp.Coalesce:
    """coalesce(a, b, …)."""
    return exp.Coalesce(this=arguments[0] if arguments else None, expressions=arguments[1:])


def build_array(arguments: Arguments) -> exp.Expr:
    """array(query); a list of values has square brackets."""
    query = arguments[0].unnest() if len(arguments) == 1 else None
    if isinstance(query, exp.Query):
        return exp.Array(expressions=[query])
    return exp.Anonymous(this="array", expressions=arguments)


def quantified(node: type[exp.Expr], arguments: Arguments) -> exp.Expr:
    """ALL(array) or SOME(array), behind a comparison; sqlglot only knows ANY(array)."""
    (operand,) = arguments if len(arguments) == 1 else (None,)
    return node(
        this=operand if operand is None or isinstance(operand, exp.Query) else exp.Paren(this=operand)
    )


class CallReader(RisingWaveParser):
    """The part of the parser that reads calls."""

    def _parse_function_call(
        self,
        functions: dict[str, Callable[..., Any]] | None = None,
        anonymous: bool = False,
        optional_parens: bool = True,
        any_token: bool = False,
    ) -> exp.Expr | None:
        """Read a call; a name without quotes is folded to lower case, as everywhere in SQL."""
        token = self._curr
        result = super()._parse_function_call(functions, anonymous, optional_parens, any_token)
        call: Any = result
        while isinstance(call, (exp.Window, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)):
            call = call.this
        if isinstance(call, exp.Anonymous) and isinstance(call.this, str):
            call.set("this", call.this.lower())
        if isinstance(call, (Worded, exp.Extract)) or (
            call is not None and not list(call.iter_expressions())
        ):
            call.update_positions(token)
        return result

    def _parse_function_args(self, alias: bool = False) -> Arguments:
        """Read arguments; none has an alias."""
        return super()._parse_function_args(alias=False)

    def _read_worded(self, name: str, *words: str) -> exp.Expr:
        """Read `name(a WORD b WORD c)`, or `name(a, b, c)`, which is a call like any other."""
        arguments, found = [self._parse_bitwise()], [""]
        if self._match(TokenType.COMMA, advance=False):
            self._match(TokenType.COMMA)
            return exp.Anonymous(this=name, expressions=[*arguments, *self._parse_function_args()])
        while self._match_texts(words) or self._match_text_seq("SIMILAR", "TO"):
            found.append(self._prev.text.upper())
            arguments.append(self._parse_bitwise())
        return Worded(this=name, expressions=arguments, words="|".join(found))

    def _read_position(self) -> exp.Expr:
        """Read `position(part IN whole)`."""
        part = self._parse_bitwise()
        if not self._match(TokenType.IN):
            self.raise_error("position(part IN whole) needs IN")
        return Worded(this="position", expressions=[part, self._parse_bitwise()], words="|IN")

    def _read_trim(self) -> exp.Expr:
        """Read `trim([LEADING | TRAILING | BOTH] [characters] [FROM] text)` and `trim(text, characters)`."""
        side = self._prev.text.upper() if self._match_texts(("LEADING", "TRAILING", "BOTH")) else ""
        if self._match_text_seq("FROM"):
            side = f"{side} FROM".strip()
        arguments, words = [self._parse_bitwise()], [side]
        while self._match_text_seq("FROM") or self._match(TokenType.COMMA):
            words.append(self._prev.text.upper())
            arguments.append(self._parse_bitwise())
        return Worded(this="trim", expressions=arguments, words="|".join(words))

    def _read_cast(self) -> exp.Expr:
        """Read `cast(value AS type)`."""
        value = self._parse_disjunction()
        if not self._match(TokenType.ALIAS):
            self.raise_error("cast(value AS type) needs AS")
        type_ = self._parse_types()
        if type_ is None:
            self.raise_error("cast(value AS type) needs a type")
        return exp.Cast(this=value, to=type_)

    def _read_extract(self) -> exp.Expr:
        """Read `extract(field FROM source)`; the field is a word or a text."""
        field = self._parse_string() or self._parse_var(any_token=True)
        if field is None or not self._match(TokenType.FROM):
            self.raise_error("extract(field FROM source) needs a field and FROM")
        return exp.Extract(this=field, expression=self._parse_bitwise())

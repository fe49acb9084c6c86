"""Read expressions: a call is a name and its arguments, an operator a symbol and its operands, with PostgreSQL's precedence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import TokenType, exp
from sqlglot.parsers.risingwave import RisingWaveParser

from millstream.compiler.dialect.nodes import Infix, Prefix, Worded
from millstream.compiler.dialect.words import SYMBOL

Arguments = list[exp.Expr]
FIELDS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")  # of an interval
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


class Reader(RisingWaveParser):
    """The parser."""

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

    # Calls

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

    # Operators

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

    # Literals

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


def binary(operator: str, left: exp.Expr, right: exp.Expr | None) -> exp.Expr:
    """An operator with its operands; those that the compiler knows have nodes of their own."""
    if operator == "||":
        return exp.DPipe(this=left, expression=right)
    if operator == "->":
        return exp.JSONExtract(this=left, expression=right)
    if operator == "->>":
        return exp.JSONExtractScalar(this=left, expression=right)
    return Infix(this=left, expression=right, operator=operator)

"""One SQL statement as text: where its query begins, and where it ends. Nothing else of it is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* )
  | (?P<comment> /\* )
  | (?P<quoted> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$ )
  | (?P<word> [^\W\d][\w$]* )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT_EDGE = re.compile(r"/\*|\*/")
QUERY = ("select", "values", "with")


class NotAQuery(ValueError):
    """A statement that reads an ephemeral model and has no query into which it could be put."""


@dataclass(frozen=True)
class Token:
    """A piece of SQL that says something: a word in small letters, a quoted piece as it is, or one character."""

    text: str
    start: int
    end: int
    depth: int
    """How many parentheses it stands in; a parenthesis stands in those around it."""


def tokens(sql: str) -> Iterator[Token]:
    """The pieces of a text between its white space and comments."""
    at, depth = 0, 0
    while (found := TOKEN.match(sql, at)) is not None:
        at = found.end()
        if found["comment"]:
            at = after_comment(sql, at)
        elif not found["space"]:
            text = found[0].lower() if found["word"] else found[0]
            depth -= text == ")"
            yield Token(text, found.start(), at, depth)
            depth += text == "("


def after_comment(sql: str, at: int) -> int:
    """Where a comment of several lines ends that has begun before `at`; one may stand in another."""
    open_ = 1
    while open_ and (edge := COMMENT_EDGE.search(sql, at)) is not None:
        open_ += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return len(sql) if open_ else at


def without_end(sql: str) -> str:
    """The statement without the semicolons after it; comments stay, and everything stays in its line."""
    found = list(tokens(sql))
    while found and found[-1].text == ";":
        end = found.pop()
        sql = sql[: end.start] + sql[end.end :]
    return sql


def with_queries(sql: str, queries: Sequence[str]) -> str:
    """The statement with common table expressions, each `name as (…)`, before its own.

    Raises NotAQuery where there is none to put them before, as in `create table t (…)`.
    """
    if not queries:
        return sql
    found = list(tokens(sql))
    at = beginning(found)
    if at is None:
        raise NotAQuery(
            "it reads an ephemeral model and is no query, so there is nowhere to put that model\n"
            "  hint: let the ephemeral model be a view or a materialized_view"
        )
    if found[at].text == "with":
        recursive = at + 1 < len(found) and found[at + 1].text == "recursive"
        place = found[at + 1 if recursive else at].end
        return f"{sql[:place]}{', '.join(queries)}, {sql[place:]}"
    # A statement that is a query as a whole keeps its first comments behind what is put before it.
    place = len(sql) - len(sql.lstrip()) if at == 0 else found[at].start
    return f"{sql[:place]}with{', '.join(queries)} {sql[place:]}"


def beginning(found: Sequence[Token]) -> int | None:
    """The index of the token with which the query of a statement begins: the statement's first, or that after AS."""
    if not found or found[0].text in QUERY or found[0].text == "(":
        return 0 if found else None
    for at, token in enumerate(found[1:], 1):
        if token.depth == 0 and token.text in QUERY and found[at - 1].text in ("as", ")"):
            follower = found[at + 1].text if at + 1 < len(found) else ""
            if token.text != "with" or follower not in {"(", "no"}:  # options, and WITH NO DATA
                return at
    return None

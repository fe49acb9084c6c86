"""Read RisingWave's CREATE TABLE and CREATE SINK … INTO: what the embedded engine needs of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from millstream.errors import Diagnostic, Refused
from millstream.front.parse import DIALECT
from millstream.front.scalar import CLOCK_NAMES, CLOCK_TYPES, SESSION, VOLATILE

NAME = r'(?:"[^"]+"|\w+)'
QUALIFIED = rf"{NAME}(?:\s*\.\s*{NAME})*"


@dataclass(frozen=True)
class Column:
    """A column of a source table; `generated` is the expression over the other columns that computes it."""

    name: str
    type: str
    nullable: bool
    default: str | None = None
    generated: str | None = None


@dataclass(frozen=True)
class Table:
    """A source table: its columns, key, and what happens when a key comes again.

    `conflict` is 'ignore' (the first wins), 'overwrite' (the last wins), 'fill' (the last wins, its NULLs keep what is
    stored) or 'bag' (there is no key). With version columns an overwriting row must not be older than the stored one;
    they are compared in their order.
    """

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    conflict: str
    versions: tuple[str, ...] = ()
    append_only: bool = False


@dataclass(frozen=True)
class Sink:
    """CREATE SINK name INTO target FROM source (or AS SELECT)."""

    target: tuple[str | None, str]
    query: str


def without_comments(ddl: str) -> str:
    """Drop -- and /* */ comments, and the closing semicolon; line numbers stay."""
    comment = re.compile(r"('(?:[^']|'')*')|--[^\n]*|/\*.*?\*/", re.S)
    kept = comment.sub(lambda found: found[1] or "\n" * found[0].count("\n"), ddl)
    return kept.strip().rstrip(";").rstrip()


def refuse(construct: str, why: str, hint: str, path: str | None) -> Refused:
    """Make the refusal of a declaration."""
    return Refused(Diagnostic("MS030", construct, why, hint, path))


def body(text: str, start: int) -> int:
    """Return the position after the parenthesis that closes the one at `start`."""
    depth = 0
    quoted = False
    for position in range(start, len(text)):
        char = text[position]
        if char == "'":
            quoted = not quoted
        elif not quoted:
            depth += (char == "(") - (char == ")")
            if depth == 0:
                return position + 1
    return -1


def parse_table(ddl: str, path: str | None = None) -> Table:
    """Read CREATE TABLE name (columns) [APPEND ONLY] [ON CONFLICT …] [WITH VERSION COLUMN (c, …)]."""
    text = without_comments(ddl)
    head = re.match(rf"create\s+table\s+(?:if\s+not\s+exists\s+)?{QUALIFIED}\s*\(", text, re.I)
    if head is None:
        raise refuse(
            "source table", "this is not CREATE TABLE name (columns …)", "write the whole declaration", path
        )
    end = body(text, head.end() - 1)
    if end < 0:
        raise refuse("source table", "a parenthesis is not closed", "close it", path)
    columns, key = parse_columns(text[head.end() - 1 : end], path)
    rest = " ".join(text[end:].split()).lower()
    versions: tuple[str, ...] = ()
    matched = re.search(r"with version column\s*\(([^)]*)\)", rest)
    if matched:
        versions = tuple(name.strip().strip('"') for name in matched.group(1).split(","))
        rest = rest.replace(matched.group(), "").strip()
    append_only = "append only" in rest
    rest = rest.replace("append only", "").strip()
    conflict = "overwrite" if key else "bag"
    if rest == "on conflict do nothing":
        conflict, rest = "ignore", ""
    elif rest == "on conflict do update if not null":
        conflict, rest = "fill", ""
    elif rest in ("on conflict overwrite", "on conflict do update full"):
        rest = ""
    if rest:
        raise refuse(
            f"source table option: {rest}",
            "the embedded engine does not read this option",
            "rows come by INSERT or COPY here; keep connectors in models of the risingwave target",
            path,
        )
    if not key and conflict != "bag":
        raise refuse("ON CONFLICT", "there is no key that could conflict", "declare a PRIMARY KEY", path)
    check_versions(versions, columns, conflict, path)
    return Table(columns, key, conflict, versions, append_only)


def check_versions(
    versions: tuple[str, ...], columns: tuple[Column, ...], conflict: str, path: str | None
) -> None:
    """Refuse version columns that are not there, and those of a table that never overwrites a row."""
    for version in versions:
        if version not in {column.name for column in columns}:
            raise refuse(
                f"version column {version}", "the table has no such column", "correct the name", path
            )
    if versions and conflict not in ("overwrite", "fill"):
        raise refuse(
            "WITH VERSION COLUMN",
            "the table never overwrites a row, so no row is compared with another one",
            "declare  ON CONFLICT DO UPDATE FULL  and a PRIMARY KEY, or leave the version column out",
            path,
        )


def parse_columns(text: str, path: str | None) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """Read the column list through sqlglot."""
    try:
        create = sqlglot.parse_one(f"create table t {text}", dialect=DIALECT)
    except (ParseError, TokenError) as error:
        raise refuse("column list", str(error).splitlines()[0], "check the SQL", path) from error
    schema = create.this
    if not isinstance(schema, exp.Schema):
        raise refuse("column list", "there are no columns", "declare them", path)
    key: list[str] = []
    columns = []
    for item in schema.expressions:
        if isinstance(item, exp.PrimaryKey):
            key += [part.name for part in item.expressions]
        elif isinstance(item, exp.ColumnDef):
            columns.append(parse_column(item, key, path))
        else:
            raise refuse(
                item.sql(DIALECT), "this table element is not supported", "keep columns and PRIMARY KEY", path
            )
    names = {column.name for column in columns}
    if not set(key) <= names:
        raise refuse("PRIMARY KEY", "it names a column that is not there", "correct the name", path)
    check_generated(columns, key, path)
    return tuple(replace(c, nullable=c.nullable and c.name not in key) for c in columns), tuple(key)


def check_generated(columns: list[Column], key: list[str], path: str | None) -> None:
    """Refuse generated columns of a key, and expressions that are more than a function of the given columns."""
    given = {column.name for column in columns if column.generated is None}
    for column in columns:
        if column.generated is None:
            continue
        expression = sqlglot.parse_one(column.generated, dialect="postgres")
        trouble = uncertain(expression)
        foreign = [c.name for c in expression.find_all(exp.Column) if c.table or c.name not in given]
        if trouble or foreign:
            raise refuse(
                f"generated column {column.name}: {trouble or foreign[0]}",
                "it is computed from the columns that are inserted with the row, and from nothing else",
                "use these columns only; for the time of arrival, declare  received_at timestamptz default now()",
                path,
            )
        if column.name in key:
            raise refuse(
                f"PRIMARY KEY with generated column {column.name}",
                "rows are found by the key that clients write",
                "name the columns that it is computed from",
                path,
            )


def uncertain(expression: exp.Expr) -> str | None:
    """Return the first part of an expression whose value is not decided by the row."""
    for node in expression.walk():
        named = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        if isinstance(node, (exp.Query, exp.AggFunc, exp.Window, *CLOCK_TYPES, *SESSION, exp.Rand, exp.Uuid)):
            return node.sql(DIALECT)
        if named in VOLATILE | CLOCK_NAMES | {"proctime"}:
            return f"{named}()"
    return None


def parse_column(item: exp.ColumnDef, key: list[str], path: str | None) -> Column:
    """Read one column: its type, NOT NULL, PRIMARY KEY, DEFAULT, and AS expression for a generated one."""
    nullable, default, generated = True, None, None
    for constraint in item.args.get("constraints") or []:
        kind = constraint.kind
        if isinstance(kind, exp.PrimaryKeyColumnConstraint):
            key.append(item.name)
        elif isinstance(kind, exp.NotNullColumnConstraint):
            nullable = bool(kind.args.get("allow_null"))
        elif isinstance(kind, exp.DefaultColumnConstraint):
            default = kind.this.sql("postgres")
        elif isinstance(kind, exp.ComputedColumnConstraint):
            generated = kind.this.unnest().sql("postgres", normalize_functions=False)
        else:
            raise refuse(
                f"column {item.name}: {constraint.sql(DIALECT)}",
                "this column constraint is not supported",
                "compute the value in staging",
                path,
            )
    type_ = item.args["kind"].sql("postgres")
    if type_ == "JSON":
        raise refuse(
            f"column {item.name}: json", "values of type json cannot be compared", "declare it jsonb", path
        )
    return Column(item.name, type_, nullable, default, generated)


def parse_sink(ddl: str, path: str | None = None) -> Sink:
    """Read CREATE SINK name INTO table [(columns)] FROM relation | AS SELECT … [WITH (…)]."""
    text = without_comments(ddl)
    head = re.match(
        rf"create\s+sink\s+(?:if\s+not\s+exists\s+)?{QUALIFIED}\s+into\s+(?P<target>{QUALIFIED})\s*"
        rf"(?:from\s+(?P<source>{QUALIFIED})|as\s+(?P<query>select.*?))\s*(?:with\s*\(.*\))?$",
        text,
        re.I | re.S,
    )
    if head is None:
        raise refuse(
            "sink",
            "the embedded engine knows sinks into its own tables only",
            "write  create sink name into table from view",
            path,
        )
    parts = [part.strip().strip('"') for part in head["target"].split(".")]
    query = head["query"] or f"select * from {head['source']}"
    return Sink((parts[-2] if len(parts) > 1 else None, parts[-1]), query)

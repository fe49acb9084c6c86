"""Read RisingWave's CREATE TABLE and CREATE SINK … INTO: what the embedded engine needs of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from millstream.diagnostics import place
from millstream.errors import Diagnostic, Refused
from millstream.front.identifiers import check_names, fold, named, refuse_own
from millstream.front.parse import DIALECT
from millstream.front.scalar import CLOCK_NAMES, CLOCK_TYPES, SESSION, VOLATILE
from millstream.front.structs import Composites, is_struct, spelled, unnamed_field
from millstream.front.suggest import likely

NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
QUALIFIED = rf"{NAME}(?:\s*\.\s*{NAME})*"
# types that RisingWave has and this engine cannot keep: (why, what to declare)
INSTEAD = {
    exp.DataType.Type.JSON: ("values of type json cannot be compared", "declare it jsonb"),
    exp.DataType.Type.VECTOR: (
        "PostgreSQL has no vectors without an extension",
        "declare it real[], to which RisingWave casts a vector, and compare with SQL over its elements",
    ),
    exp.DataType.Type.MAP: ("PostgreSQL has no maps", "declare it jsonb"),
    exp.DataType.Type.SERIAL: ("it is a counter, not a type", "declare it bigint, and give the value"),
    exp.DataType.Type.BIGSERIAL: ("it is a counter, not a type", "declare it bigint, and give the value"),
    exp.DataType.Type.SMALLSERIAL: ("it is a counter, not a type", "declare it bigint, and give the value"),
}


@dataclass(frozen=True)
class Column:
    """A column of a source table; `generated` is the expression over the other columns that computes it.

    `type` is PostgreSQL's; `struct` is the declared one where that is a struct or an array of structs.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    generated: str | None = None
    struct: str | None = None
    place: tuple[int | None, int | None] = field(default=(None, None), compare=False)  # line and column


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
    composites: tuple[
        tuple[str, str], ...
    ] = ()  # types that its columns need: name and fields, inner ones first


@dataclass(frozen=True)
class Sink:
    """CREATE SINK name INTO target FROM source (or AS SELECT)."""

    target: tuple[str | None, str]
    query: str


def without_comments(ddl: str) -> str:
    """Blank -- and /* */ comments, and drop the closing semicolon; everything else stays in its place."""
    comment = re.compile(r"""('(?:[^']|'')*'|"[^"]*")|--[^\n]*|/\*.*?\*/""", re.S)
    kept = comment.sub(lambda found: found[1] or re.sub(r"[^\n]", " ", found[0]), ddl)
    return kept.rstrip().rstrip(";").rstrip()


def refuse(
    construct: str, why: str, hint: str, path: str | None, node: exp.Expr | None = None, code: str = "MS030"
) -> Refused:
    """Make the refusal of a declaration."""
    return Refused(Diagnostic(code, construct, why, hint, path, *place(node)))


def body(text: str, start: int) -> int:
    """Return the position after the parenthesis that closes the one at `start`."""
    depth = 0
    quoted = ""
    for position in range(start, len(text)):
        char = text[position]
        if char in "'\"" and quoted in ("", char):
            quoted = "" if quoted else char
        elif not quoted:
            depth += (char == "(") - (char == ")")
            if depth == 0:
                return position + 1
    return -1


def parse_table(ddl: str, path: str | None = None, *, new: bool = False) -> Table:
    """Read CREATE TABLE name (columns) [APPEND ONLY] [ON CONFLICT …] [WITH VERSION COLUMN (c, …)].

    What a `new` declaration calls its columns is checked; one that is deployed may be from before.
    """
    text = without_comments(ddl)
    head = re.match(rf"\s*create\s+table\s+(?:if\s+not\s+exists\s+)?{QUALIFIED}\s*\(", text, re.I)
    if head is None:
        raise refuse(
            "source table", "this is not CREATE TABLE name (columns …)", "write the whole declaration", path
        )
    end = body(text, head.end() - 1)
    if end < 0:
        raise refuse("source table", "a parenthesis is not closed", "close it", path)
    made: Composites = {}
    columns, key = parse_columns(text[:end], path, made, new=new)
    rest = " ".join(text[end:].split())
    versions: tuple[str, ...] = ()
    matched = re.search(rf"with version column\s*\(\s*({NAME}(?:\s*,\s*{NAME})*)\s*\)", rest, re.I)
    if matched:
        versions = tuple(named(name) for name in re.findall(NAME, matched.group(1)))
        rest = rest.replace(matched.group(), "").strip()
    rest = rest.lower()
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
    return Table(columns, key, conflict, versions, append_only, tuple(made.items()))


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


def parse_columns(
    text: str, path: str | None, made: Composites, *, new: bool
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """Read CREATE TABLE name (columns) through sqlglot."""
    try:
        create = fold(sqlglot.parse_one(text, dialect=DIALECT))
    except (ParseError, TokenError) as error:
        found = (error.errors or [{}])[0] if isinstance(error, ParseError) else {}
        why = found.get("description") or str(error).splitlines()[0]
        where = (found.get("line"), found.get("col"))
        raise Refused(
            Diagnostic("MS030", "column list", why, "check the SQL just before this place", path, *where)
        ) from error
    schema = create.this
    if not isinstance(schema, exp.Schema):
        raise refuse("column list", "there are no columns", "declare them", path)
    if new:
        check_names(create, path)
        for item in schema.find_all(exp.ColumnDef):
            refuse_own(item.name, item, path, source=item.parent is schema)
    keys: list[list[str]] = []
    columns: list[Column] = []
    for item in schema.expressions:
        if isinstance(item, exp.PrimaryKey):
            keys.append([part.name for part in item.expressions])
        elif isinstance(item, exp.ColumnDef):
            if item.name in {column.name for column in columns}:
                raise refuse(f"column {item.name}", "it is declared twice", "choose another name", path, item)
            columns.append(parse_column(item, keys, made, path))
        else:
            raise refuse(
                item.sql(DIALECT),
                "this table element is not supported",
                "keep columns and PRIMARY KEY",
                path,
                item,
            )
    if len(keys) > 1:
        raise refuse("PRIMARY KEY", "there are two", "name all columns of the key:  PRIMARY KEY (a, b)", path)
    if not columns:
        raise refuse("column list", "there are no columns", "declare them", path)
    key = keys[0] if keys else []
    check_key(key, columns, path)
    check_generated(columns, key, path)
    return tuple(replace(c, nullable=c.nullable and c.name not in key) for c in columns), tuple(key)


def check_key(key: list[str], columns: list[Column], path: str | None) -> None:
    """Refuse a key that names a column twice, or one that is not there."""
    names = [column.name for column in columns]
    for number, name in enumerate(key):
        if name not in names:
            hint = (
                f"{likely(name, names)} If not, correct the name"
                if likely(name, names)
                else "correct the name"
            )
            raise refuse(f"PRIMARY KEY ({name})", "the table has no such column", hint, path)
        if name in key[:number]:
            raise refuse(f"PRIMARY KEY ({name})", "it names the column twice", "name each column once", path)


def check_generated(columns: list[Column], key: list[str], path: str | None) -> None:
    """Refuse generated columns of a key, and expressions that are more than a function of the given columns."""
    given = {column.name for column in columns if column.generated is None}
    for column in columns:
        if column.generated is None:
            continue
        try:
            expression = sqlglot.parse_one(column.generated, dialect="postgres")
        except ParseError as error:
            why = "its expression cannot be read"
            raise refuse(f"generated column {column.name}", why, "check the SQL", path) from error
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


def parse_column(item: exp.ColumnDef, keys: list[list[str]], made: Composites, path: str | None) -> Column:
    """Read one column: its type, NOT NULL, PRIMARY KEY, DEFAULT, and AS expression for a generated one."""
    nullable, default, generated = True, None, None
    for constraint in item.args.get("constraints") or []:
        kind = constraint.kind
        if isinstance(kind, exp.PrimaryKeyColumnConstraint):
            keys.append([item.name])
        elif isinstance(kind, exp.NotNullColumnConstraint):
            nullable = bool(kind.args.get("allow_null"))
        elif isinstance(kind, exp.DefaultColumnConstraint):
            default = kind.this.sql("postgres")
        elif isinstance(kind, exp.ComputedColumnConstraint) and isinstance(kind.this, exp.Expr):
            generated = kind.this.unnest().sql("postgres", normalize_functions=False)
        else:
            raise refuse(
                f"column {item.name}: {constraint.sql(DIALECT)}",
                "this column constraint is not supported",
                "compute the value in staging",
                path,
                item,
            )
    kind = declared_type(item, path)
    struct = str(kind.sql(DIALECT)) if is_struct(kind) else None
    return Column(item.name, spelled(kind, made), nullable, default, generated, struct, place(item))


def declared_type(item: exp.ColumnDef, path: str | None) -> exp.Expr:
    """The type of a column. What PostgreSQL does not know of it is found when the table is made."""
    kind = item.args.get("kind")
    if not isinstance(kind, exp.Expr):
        raise refuse(f"column {item.name}", "it has no type", "declare one", path, item)
    for type_ in kind.find_all(exp.DataType):
        if type_.this in INSTEAD:
            why, hint = INSTEAD[type_.this]
            raise refuse(f"column {item.name}: {kind.sql(DIALECT).lower()}", why, hint, path, item, "MS036")
    if (part := unnamed_field(kind)) is not None:
        why = "a field of a struct is a name and a type"
        raise refuse(f"column {item.name}: {part.sql(DIALECT)}", why, "write  struct<a int>", path, item)
    return kind


def parse_sink(ddl: str, path: str | None = None) -> Sink:
    """Read CREATE SINK name INTO table [(columns)] FROM relation | AS SELECT … [WITH (…)]."""
    text = without_comments(ddl)
    head = re.match(
        rf"\s*create\s+sink\s+(?:if\s+not\s+exists\s+)?{QUALIFIED}\s+into\s+(?P<target>{QUALIFIED})\s*"
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
    parts = [named(part) for part in re.findall(NAME, head["target"])]
    query = head["query"] or f"select * from {head['source']}"
    return Sink((parts[-2] if len(parts) > 1 else None, parts[-1]), query)

"""Read RisingWave's CREATE TABLE and CREATE SINK … INTO: what the embedded engine needs of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from millstream.compiler.dialect import DIALECT, called, write
from millstream.compiler.syntax.aggregate_calls import is_aggregate
from millstream.compiler.syntax.identifiers import check_names, fold, named, refuse_own
from millstream.compiler.syntax.structs import Composites, is_struct, spelled, unnamed_field
from millstream.compiler.syntax.suggest import likely
from millstream.compiler.syntax.uncertain import reads_clock, volatile
from millstream.diagnostics import place, refuse

NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
QUALIFIED = rf"{NAME}(?:\s*\.\s*{NAME})*"
# types that RisingWave has and this engine cannot keep: the case of the refusal
UNKEPT = {
    exp.DataType.Type.JSON: "MS036/json",
    exp.DataType.Type.VECTOR: "MS036/vector",
    exp.DataType.Type.MAP: "MS036/map",
    exp.DataType.Type.SERIAL: "MS036/counter",
    exp.DataType.Type.BIGSERIAL: "MS036/counter",
    exp.DataType.Type.SMALLSERIAL: "MS036/counter",
}

ALWAYS = "GENERATED ALWAYS"


@dataclass(frozen=True)
class Column:
    """A column of a source table; `generated` is the expression over the other columns that computes it.

    `identity` is the clause that numbers the rows: GENERATED ALWAYS | BY DEFAULT AS IDENTITY […].
    `type` is PostgreSQL's; `struct` is the declared one where that is a struct or an array of structs.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    generated: str | None = None
    struct: str | None = None
    identity: str | None = None
    place: tuple[int | None, int | None] = field(default=(None, None), compare=False)  # line and column

    @property
    def is_given(self) -> bool:
        """Whether clients write it: not what is computed, nor what is always numbered."""
        return self.generated is None and not (self.identity or "").startswith(ALWAYS)


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
        raise refuse("MS030/not a table", None, path=path)
    end = body(text, head.end() - 1)
    if end < 0:
        raise refuse("MS030/open parenthesis", None, path=path)
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
        raise refuse("MS030/option", None, rest, path)
    if not key and conflict != "bag":
        raise refuse("MS030/conflict without a key", None, path=path)
    check_versions(versions, columns, conflict, path)
    return Table(columns, key, conflict, versions, append_only, tuple(made.items()))


def check_versions(
    versions: tuple[str, ...], columns: tuple[Column, ...], conflict: str, path: str | None
) -> None:
    """Refuse version columns that are not there, and those of a table that never overwrites a row."""
    for version in versions:
        if version not in {column.name for column in columns}:
            raise refuse("MS030/unknown version column", None, version, path)
    if versions and conflict not in ("overwrite", "fill"):
        raise refuse("MS030/version never compared", None, path=path)


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
        raise refuse("MS030/unread", where, why, path) from error
    schema = create.this
    if not isinstance(schema, exp.Schema):
        raise refuse("MS030/no columns", None, path=path)
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
                raise refuse("MS030/column twice", item, item.name, path)
            columns.append(parse_column(item, keys, made, path))
        else:
            raise refuse("MS030/element", item, write(item), path)
    if len(keys) > 1:
        raise refuse("MS030/two keys", None, path=path)
    if not columns:
        raise refuse("MS030/no columns", None, path=path)
    key = keys[0] if keys else []
    check_key(key, columns, path)
    check_generated(columns, key, path)
    return tuple(replace(c, nullable=c.nullable and c.name not in key) for c in columns), tuple(key)


def check_key(key: list[str], columns: list[Column], path: str | None) -> None:
    """Refuse a key that names a column twice, or one that is not there."""
    names = [column.name for column in columns]
    for number, name in enumerate(key):
        if name not in names:
            raise refuse("MS030/unknown key column", None, name, path, likely(name, names))
        if name in key[:number]:
            raise refuse("MS030/key column twice", None, name, path)


def check_generated(columns: list[Column], key: list[str], path: str | None) -> None:
    """Refuse generated columns of a key, and expressions that are more than a function of the given columns."""
    given = {column.name for column in columns if column.generated is None}
    for column in columns:
        if column.generated is None:
            continue
        try:
            expression = sqlglot.parse_one(column.generated, dialect=DIALECT)
        except ParseError as error:
            raise refuse("MS030/generated unread", None, column.name, path) from error
        trouble = uncertain(expression)
        foreign = [c.name for c in expression.find_all(exp.Column) if c.table or c.name not in given]
        if trouble or foreign:
            part = trouble or foreign[0]
            raise refuse("MS030/generated from elsewhere", None, path=path, column=column.name, part=part)
        if column.name in key:
            raise refuse("MS030/generated key", None, column.name, path)


def uncertain(expression: exp.Expr) -> str | None:
    """Return the first part of an expression whose value is not decided by the row."""
    for node in expression.walk():
        if is_aggregate(node) or reads_clock(node) or isinstance(node, (exp.Query, exp.Window)):
            return write(node)
        if (found := volatile(node)) is not None:
            return found
        if called(node) == "proctime":
            return "proctime()"
    return None


def parse_column(item: exp.ColumnDef, keys: list[list[str]], made: Composites, path: str | None) -> Column:
    """Read one column: its type, NOT NULL, PRIMARY KEY, DEFAULT, AS IDENTITY, and AS expression for a generated one."""
    nullable, default, generated, identity = True, None, None, None
    for constraint in item.args.get("constraints") or []:
        kind = constraint.kind
        if isinstance(kind, exp.PrimaryKeyColumnConstraint):
            keys.append([item.name])
        elif isinstance(kind, exp.NotNullColumnConstraint):
            nullable = bool(kind.args.get("allow_null"))
        elif isinstance(kind, exp.DefaultColumnConstraint):
            default = write(kind.this)
        elif isinstance(kind, exp.GeneratedAsIdentityColumnConstraint) and kind.this is not None:
            nullable, identity = False, write(kind)
        elif isinstance(kind, exp.ComputedColumnConstraint) and isinstance(kind.this, exp.Expr):
            generated = write(kind.this.unnest())
        else:
            text = write(constraint)
            raise refuse("MS030/constraint", item, path=path, column=item.name, constraint=text)
    kind = declared_type(item, path)
    if identity is not None:
        check_identity(item, kind, default is not None or generated is not None, path)
    struct = write(kind) if is_struct(kind) else None
    return Column(item.name, spelled(kind, made), nullable, default, generated, struct, identity, place(item))


def check_identity(item: exp.ColumnDef, kind: exp.Expr, computed: bool, path: str | None) -> None:
    """Refuse an identity column that PostgreSQL cannot number."""
    if not kind.is_type(*exp.DataType.SIGNED_INTEGER_TYPES):
        raise refuse("MS030/identity type", item, path=path, column=item.name, type=write(kind).lower())
    if computed:
        raise refuse("MS030/identity with a value", item, item.name, path)


def declared_type(item: exp.ColumnDef, path: str | None) -> exp.Expr:
    """The type of a column. What PostgreSQL does not know of it is found when the table is made."""
    kind = item.args.get("kind")
    if not isinstance(kind, exp.Expr):
        raise refuse("MS030/no type", item, item.name, path)
    for type_ in kind.find_all(exp.DataType):
        if type_.this in UNKEPT:
            text = write(kind).lower()
            raise refuse(UNKEPT[type_.this], item, path=path, column=item.name, type=text)
    if (part := unnamed_field(kind)) is not None:
        raise refuse("MS030/struct field", item, path=path, column=item.name, field=write(part))
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
        raise refuse("MS030/sink", None, path=path)
    parts = [named(part) for part in re.findall(NAME, head["target"])]
    query = head["query"] or f"select * from {head['source']}"
    return Sink((parts[-2] if len(parts) > 1 else None, parts[-1]), query)

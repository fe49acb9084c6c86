"""What RisingWave refuses or does silently, as rules about one statement; from its documentation, tests and source (3.0).

A query that a streaming job keeps is also given to the embedded compiler, which refuses the rest (compiler/portable/rules.py and
diagnostics MS0xx): `test_shipped.py` does that. Here is what only statements have, or what PostgreSQL accepts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import sqlglot
from sqlglot import exp

from millstream.compiler.dialect import DIALECT, write
from millstream.compiler.syntax.declarations.text import without_comments

NAME = r'(?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))*'
KINDS = r"materialized view|view|table|source|sink|subscription|index|function"

TYPES = {
    "smallint", "integer", "int", "bigint", "real", "double precision", "numeric", "decimal", "boolean", "varchar",
    "character varying", "text", "bytea", "date", "time", "timestamp", "timestamptz", "timestamp with time zone",
    "interval", "jsonb", "struct", "map", "vector",
}  # fmt: skip
"""RisingWave has no char(n), varchar(n), uuid, json, money, inet, xml, enumerations or domains."""

FUNCTIONS = {
    "abs", "array_agg", "array_length", "array_position", "array_to_string", "bool_and", "bool_or", "btrim", "cardinality",
    "ceil", "chr", "coalesce", "concat", "convert_from", "convert_to", "count", "date_trunc", "decode", "encode", "exp", "extract",
    "first_value", "floor", "get_byte", "greatest", "lag", "last_value", "lead", "least", "left", "length", "ln",
    "lower", "max", "md5", "min", "mod", "now", "nullif", "power", "proctime", "rank", "regexp_count", "regexp_match",
    "replace", "round", "row", "row_number", "sha256", "split_part", "sqrt", "string_agg", "substr", "sum", "to_timestamp", "trim",
    "unnest", "upper",
}  # fmt: skip
"""Functions of the models that are known to be there; add one after looking it up."""

RESERVED = {
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary", "both",
    "case", "cast", "check", "collate", "collation", "column", "concurrently", "constraint", "create", "cross",
    "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign",
    "freeze", "from", "full", "grant", "group", "having", "ilike", "in", "initially", "inner", "intersect", "into",
    "is", "isnull", "join", "lateral", "leading", "left", "like", "limit", "natural", "not", "notnull", "null",
    "offset", "on", "only", "or", "order", "outer", "overlaps", "placing", "primary", "references", "returning",
    "right", "select", "similar", "some", "symmetric", "table", "tablesample", "then", "to", "trailing", "true",
    "union", "unique", "user", "using", "verbose", "when", "where", "window", "with",
}  # fmt: skip
"""Not to be a column or table name without quotes."""
RESERVED_ALIASES = {"emit", "cluster", "asof", "top", "sort", "view", "explain", "set"}
"""Not to be a table alias besides."""

SCAN = {"earliest", "latest"}
KAFKA = r"properties\.[a-z.]+|topic|broker\.rewrite\.endpoints"
OPTIONS: dict[tuple[str, str], str] = {
    ("table", ""): r"retention_seconds",
    (
        "table",
        "kafka",
    ): rf"{KAFKA}|scan\.startup\.mode|scan\.startup\.timestamp\.millis|group\.id\.prefix|retention_seconds",
    ("sink into", ""): r"type|force_append_only|snapshot|ignore_delete",
    ("sink", "kafka"): rf"{KAFKA}|primary_key|type|force_append_only|snapshot",
    (
        "sink",
        "postgres",
    ): r"host|port|user|password|database|table|schema|type|primary_key|ssl\.mode|max_batch_rows",
    ("sink", "redis"): r"redis\.url|primary_key",
    ("subscription", ""): r"retention",
}
"""The options of each kind of statement and connector that this project uses."""
REQUIRED = {
    ("table", "kafka"): {"topic", "properties.bootstrap.server"},
    ("sink", "kafka"): {"topic", "properties.bootstrap.server", "primary_key"},
    ("sink", "postgres"): {"host", "port", "user", "password", "database", "table", "type", "primary_key"},
    ("sink", "redis"): {"redis.url", "primary_key"},
    ("subscription", ""): {"retention"},
}
FORMATS = {
    ("table", "kafka"): "format plain encode bytes",
    ("sink", "kafka"): "format upsert encode json",
    ("sink", "redis"): "format upsert encode json",
}
INCLUDED = {"key", "partition", "offset", "timestamp", "header", "payload"}


def violations(statement: str) -> list[str]:
    """Everything that is wrong with one statement; nothing if RisingWave should take it."""
    text = without_comments(statement)
    found = re.match(rf"create ({KINDS})\b", text, re.I)
    rules: list[Callable[[str], Iterator[str]]] = [one_statement]
    if found is None:
        return [*one_statement(text), *changes(text)]
    match found[1].lower():
        case "materialized view" | "view":
            rules += [view]
        case "table":
            rules += [table, options]
        case "sink":
            rules += [sink, options]
        case "subscription":
            rules += [options]
        case "index":
            rules += [index]
        case "function":
            rules += [function]
    return [wrong for rule in rules for wrong in rule(text)]


def one_statement(text: str) -> Iterator[str]:
    """RisingWave runs several statements of one message one by one; the second may fail after the first took effect."""
    if ";" in re.sub(r"'(?:[^']|'')*'", "", text).strip().rstrip(";"):
        yield "two statements in one"
    if "'" in re.sub(r"'(?:[^']|'')*'", "", text):
        yield "a string that nothing closes"
    if re.search(r"\bcreate or replace\b|\bif exists\b.*\bcascade\b", text, re.I):
        yield "CREATE OR REPLACE and DROP … CASCADE have no place here"


def changes(text: str) -> Iterator[str]:
    """ALTER, DROP, COMMENT, GRANT and rows of the registry."""
    known = (
        rf"alter (materialized view|view|sink|subscription) {NAME} swap with {NAME}",
        rf'alter (materialized view|view) {NAME} rename to "\w+"',
        rf"alter table {NAME} add column \w+ .+",
        rf"drop (materialized view|view|sink|subscription) {NAME}",
        rf"drop table {NAME} cascade",
        rf"comment on table {NAME} is '(?:[^']|'')*'",
        rf'grant select on (materialized view|view) {NAME} to "\w+"',
        rf"insert into {NAME} \(name, stamp, statement\) values (?:\((?:'(?:[^']|'')*'(?:, )?){{3}}\)(?:, )?)+",
        rf"delete from {NAME} where name = '[\w.:]+'",
    )
    if not any(re.fullmatch(pattern, text, re.I | re.S) for pattern in known):
        yield f"not a statement that a deploy sends: {text.splitlines()[0]}"


def view(text: str) -> Iterator[str]:
    """A view of either kind: its query, and what only one of the kinds may say."""
    kind, query = re.split(rf"\s{NAME} as\n", text, maxsplit=1, flags=re.I)
    materialized = "materialized" in kind.lower()
    tree = sqlglot.parse_one(query, dialect=DIALECT)
    yield from query_rules(tree, query)
    if not materialized and re.search(r"for system_time as of", query, re.I):
        yield "a process-time join in a plain view, which a batch query refuses"
    if materialized:
        yield from clock(tree)


def clock(tree: exp.Expr) -> Iterator[str]:
    """now() of a streaming job: one comparison of an AND in WHERE, HAVING or ON."""
    for call in tree.find_all(exp.CurrentTimestamp):
        place = call.find_ancestor(exp.Where, exp.Having, exp.Join, exp.Select)
        if not isinstance(place, (exp.Where, exp.Having, exp.Join)):
            yield "now() outside WHERE, HAVING and ON"
        if call.find_ancestor(exp.Or, exp.Case, exp.Filter):
            yield "now() under OR, CASE or FILTER"


def query_rules(tree: exp.Expr, query: str) -> Iterator[str]:
    """What is the same for every query."""
    for select in tree.find_all(exp.Select):
        if select.args.get("limit") and not select.args.get("order"):
            yield "LIMIT without ORDER BY"
        if any(isinstance(item, exp.Star) for item in select.expressions):
            yield "SELECT *"
    for cast in tree.find_all(exp.Cast):
        yield from type_rules(write(cast.to).lower())
    for alias in tree.find_all(exp.TableAlias):
        name = alias.this
        if (
            isinstance(name, exp.Identifier)
            and not name.quoted
            and name.name.lower() in RESERVED | RESERVED_ALIASES
        ):
            yield f"reserved word as alias: {name.name}"
    for item in tree.find_all(exp.Alias):
        name = item.args["alias"]
        if isinstance(name, exp.Identifier) and not name.quoted and name.name.lower() in RESERVED:
            yield f"reserved word as column: {name.name}"
    plain = re.sub(r"'(?:[^']|'')*'", "''", query)
    for called in set(re.findall(r"(?<![\w.\"])([a-z_0-9]+)\(", plain, re.I)):  # a call has no space before (
        if called.lower() not in FUNCTIONS | {"cast", "exists"}:
            yield f"a function that nobody has looked up: {called}"
    if re.search(r"\brandom\(\)|\bgen_random_uuid\(", plain, re.I):
        yield "a value that changes when a row is computed again"


def type_rules(type_: str) -> Iterator[str]:
    """A type that RisingWave has, without a length that it ignores or refuses."""
    plain = re.sub(r"\[\]|<.*>", "", type_)
    name = re.sub(r"\(.*\)", "", plain).strip()
    if name not in TYPES:
        yield f"a type that RisingWave has not: {type_}"
    elif "(" in plain and name not in ("numeric", "decimal", "vector"):
        yield f"a length, which RisingWave does not keep: {type_}"


def table(text: str) -> Iterator[str]:
    """Columns, conflicts, and where retention may be: never on a table from which a person is erased."""
    head, body = text.split("(", 1)
    columns, rest = body[: closing(body)], body[closing(body) + 1 :].lower()
    if not re.fullmatch(rf"create table (if not exists )?{NAME}\s*", head, re.I):
        yield "no plain CREATE TABLE name ("
    for column in re.split(r",(?![^(<]*[)>])", columns):
        name, _, type_ = column.strip().partition(" ")
        if re.fullmatch(r"primary key \([\w, ]+\)", column.strip(), re.I):
            continue
        if name.lower() in RESERVED:
            yield f"reserved word as column: {name}"
        type_ = re.sub(r"\s+(primary key|not null|default .*)", "", type_, flags=re.I | re.S)
        yield from type_rules(type_.lower())
        if re.search(r"timestamp\b(?! with)", type_, re.I):
            yield f"a time without a zone becomes NULL when it is compared: {name}"
    has_key = "primary key" in columns.lower()
    if "on conflict" in rest and not has_key:
        yield "ON CONFLICT without PRIMARY KEY"
    if re.search(r"on conflict(?! do nothing| do update full)", rest):
        yield "ON CONFLICT is DO NOTHING or DO UPDATE FULL"
    if has_key and "on conflict" not in rest:
        yield "a key without a rule for conflicts"
    if "retention_seconds" in rest and "append only" not in rest:
        yield "retention_seconds on a table that is not APPEND ONLY"
    if "with ttl" in rest or "watermark" in columns.lower():
        yield "a TTL leaves the rows in the views below"
    for kind in re.findall(r"include (\w+)", rest):
        if kind not in INCLUDED:
            yield f"INCLUDE has no {kind}"
    if "encode bytes" in rest and not re.fullmatch(r"\s*\w+ bytea\s*", columns):
        yield "ENCODE BYTES wants one column of type bytea"
    order = [
        rest.find(word)
        for word in ("append only", "on conflict", "include", "with (", "format ")
        if word in rest
    ]
    if order != sorted(order):
        yield "clauses in another order than APPEND ONLY, ON CONFLICT, INCLUDE, WITH, FORMAT"


def sink(text: str) -> Iterator[str]:
    """A sink's query, and how it writes."""
    body = re.split(r"\bwith \(", text, flags=re.I)[0]
    query = re.search(r"\bas\s+(select .*)", body, re.I | re.S)
    if query is not None:
        yield from query_rules(sqlglot.parse_one(query[1], dialect=DIALECT), query[1])
        yield from clock(sqlglot.parse_one(query[1], dialect=DIALECT))
    elif not re.search(rf"\bfrom {NAME}\s*$", body, re.I):
        yield "a sink has FROM name or AS SELECT"


def options(text: str) -> Iterator[str]:
    """WITH options: spelled as RisingWave spells them, none missing, and the FORMAT that fits the connector."""
    kind = re.findall(rf"create ({KINDS})", text, re.I)[0].lower()
    listed = re.search(r"\bwith \((.*?)\n?\)(?: format|\s*$)", text, re.I | re.S)
    given = dict(re.findall(r"([\w.]+)\s*=\s*('(?:[^']|'')*'|\w+)", listed[1])) if listed else {}
    connector = given.pop("connector", "").strip("'")
    key = ("sink into" if kind == "sink" and re.search(r"\binto\b", text, re.I) else kind, connector)
    if key not in OPTIONS:
        yield f"a connector that nobody has looked up: {key}"
        return
    for name, value in given.items():
        if not re.fullmatch(OPTIONS[key], name):
            yield f"{' '.join(key).strip()} has no option {name}"
        if not value.startswith("'") and not value.isdigit():
            yield f"the value of {name} is not quoted"
    for name in sorted(REQUIRED.get(key, set()) - given.keys()):
        yield f"{' '.join(key).strip()} lacks the option {name}"
    if given.get("scan.startup.mode", "'earliest'").strip("'") not in SCAN:
        yield "scan.startup.mode is earliest or latest"
    if key in FORMATS and not re.search(FORMATS[key], text, re.I):
        yield f"{' '.join(key)} wants {FORMATS[key]}"
    if key not in FORMATS and re.search(r"\bformat \w+ encode\b", text, re.I):
        yield f"{' '.join(key).strip()} has no FORMAT … ENCODE"
    if kind == "subscription" and not re.fullmatch(r"'\d+[DHMSdhms]'|'\d+ \w+'", given.get("retention", "")):
        yield "retention is an interval such as 1D"


def index(text: str) -> Iterator[str]:
    """An index is on columns, with an unqualified name."""
    columns = r"\(\w+(?:, \w+)*\)"
    if not re.fullmatch(
        rf'create index "\w+" on {NAME} {columns}( include {columns})?( distributed by {columns})?', text
    ):
        yield "no CREATE INDEX name ON relation (columns) [INCLUDE (columns)] [DISTRIBUTED BY (columns)]"


def function(text: str) -> Iterator[str]:
    """A function carries its version, because it is never replaced, and its types are those of the Python SDK."""
    found = re.fullmatch(
        rf"create function {NAME} \((?P<arguments>.*)\)\nreturns (?P<returns>.+)\nas '(\w+)' using link '(?P<link>[^']+)'",
        text,
        re.S,
    )
    if found is None:
        yield "no CREATE FUNCTION name (arguments) RETURNS type AS 'name' USING LINK 'address'"
        return
    if not re.match(r'create function (?:"\w+"\.)?"\w+_v\d+"', text):
        yield "a function's name has no version"
    types = [argument.strip().split(" ", 1)[1] for argument in re.split(r",(?![^<]*>)", found["arguments"])]
    inner = re.findall(r"struct<(.*)>", found["returns"])
    types += (
        [field.strip().split(" ", 1)[1] for field in inner[0].split(",")] if inner else [found["returns"]]
    )
    for type_ in types:
        if re.search(r"timestamp|vector", type_):
            yield f"the SDK of Python functions has no {type_}"
        yield from type_rules(type_)


def closing(body: str) -> int:
    """Where the parenthesis closes that was opened before the text."""
    depth = 1
    for position, char in enumerate(body):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return position
    return len(body)

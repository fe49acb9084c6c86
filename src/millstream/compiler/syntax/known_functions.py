"""Functions that one of the engines has and the other has not, and what to write instead."""

from __future__ import annotations

MAPS = "keep a jsonb object: jsonb_build_object, jsonb_object_agg, payload -> 'key'"
VECTORS = "compute distances where the vectors come from, and load neighbours as a table"
HASHES = "hash with sha256, which both engines have; encrypt before the rows come in"

# RisingWave has these; the embedded engine refuses them.
LACKING = {
    **dict.fromkeys(
        (
            "map_access",
            "map_cat",
            "map_contains",
            "map_delete",
            "map_entries",
            "map_filter",
            "map_from_entries",
            "map_from_key_values",
            "map_insert",
            "map_keys",
            "map_length",
            "map_values",
            "jsonb_populate_map",
        ),
        MAPS,
    ),
    **dict.fromkeys(
        (
            "cosine_distance",
            "inner_product",
            "l1_distance",
            "l2_distance",
            "l2_normalize",
            "subvector",
            "vector_norm",
        ),
        VECTORS,
    ),
    **dict.fromkeys(("decrypt", "encrypt", "hmac", "sha1"), HASHES),
    "array_flatten": "unfold both levels in FROM: unnest(lists) AS l (list), unnest(list) AS e (element)",
    "array_transform": "unfold the array in FROM, compute, and gather it again with array_agg",
    "arg_max": "write  first_value(x ORDER BY y DESC, key)",
    "arg_min": "write  first_value(x ORDER BY y, key)",
    "int8recv": "write  get_byte(x, 0)::bigint << 56  and so on, or keep the number as a bigint",
    "jsonb_populate_record": "take the fields out one by one: (payload ->> 'price')::numeric",
    "secure_compare": "compare with  =",
    "to_ascii": "replace what has to be replaced: translate(name, 'äöü', 'aou')",
}

# Forms of functions that both engines have which PostgreSQL's do not take; it says so when a model is deployed (MS028).
UNTAKEN = frozenset(
    (
        "date(any)",
        "jsonb_array_element(jsonb, text)",
        "jsonb_array_element_text(jsonb, text)",
        "jsonb_delete(jsonb, text[])",
        "jsonb_object_field(jsonb, integer)",
        "jsonb_object_field_text(jsonb, integer)",
        "strpos(bytea, bytea)",
    )
)

# PostgreSQL has these; RisingWave refuses them.
INSTEAD = {
    "age": "subtract: at - other gives an interval",
    "array_fill": "write the array out",
    "bit_and": "compare bit by bit",
    "char": "write  chr(code)",
    "date_add": "write  at + interval '1 day'",
    "date_diff": "subtract dates, or take extract(epoch from a - b)",
    "date_subtract": "write  at - interval '1 day'",
    "datediff": "subtract dates, or take extract(epoch from a - b)",
    "div": "write  trunc(a / b)",
    "erf": "compute it in a Python function",
    "factorial": "compute it in a Python function",
    "gcd": "compute it in a Python function",
    "hashtext": "take a part of md5(x)",
    "hex": "write  to_hex(number)  or  encode(bytes, 'hex')",
    "if": "write  case when … then … else … end",
    "ifnull": "write  coalesce(x, y)",
    "iif": "write  case when … then … else … end",
    "isfinite": "compare with  'infinity'::timestamp",
    "json_build_array": "write  jsonb_build_array",
    "json_build_object": "write  jsonb_build_object",
    "jsonb_insert": "write  jsonb_set(document, path, value)",
    "justify_days": "keep the interval as it is, or compute with extract(epoch from …)",
    "justify_hours": "keep the interval as it is, or compute with extract(epoch from …)",
    "justify_interval": "keep the interval as it is, or compute with extract(epoch from …)",
    "lcm": "compute it in a Python function",
    "len": "write  length(x)",
    "length": "write  length(text)  or  octet_length(bytes)",
    "log": "write  ln(x) / ln(base)",
    "log2": "write  ln(x) / ln(2)",
    "make_interval": "write  interval '1 day' * n",
    "max": "write  greatest(a, b)  for several values",
    "min": "write  least(a, b)  for several values",
    "num_nonnulls": "add up  (a is not null)::int",
    "num_nulls": "add up  (a is null)::int",
    "nvl": "write  coalesce(x, y)",
    "regexp_instr": "find the match with regexp_match, and its place with position(match in text)",
    "regexp_like": "write  text ~ pattern",
    "regexp_substr": "write  (regexp_match(text, pattern))[1]",
    "row_to_json": "write  jsonb_build_object",
    "substring": "write  (regexp_match(text, pattern))[1]  for a pattern",
    "to_bin": "compute it in a Python function",
    "to_char": "write  number::varchar, or round(number, 2)::varchar",
    "to_json": "write  to_jsonb",
    "to_number": "cast the text: replace(text, ',', '')::numeric",
    "to_oct": "compute it in a Python function",
    "trunc": "write  trunc(x * 100) / 100  for two digits",
    "width_bucket": "write  floor((x - low) / width) + 1",
}

# Set-returning functions of RisingWave, which are bound elsewhere.
SETS = frozenset(
    [
        "generate_series",
        "generate_subscripts",
        "jsonb_array_elements",
        "jsonb_array_elements_text",
        "jsonb_each",
        "jsonb_each_text",
        "jsonb_object_keys",
        "jsonb_path_query",
        "jsonb_populate_recordset",
        "jsonb_to_recordset",
        "range",
        "regexp_matches",
        "unnest",
    ]
)

# Fields of extract and date_part, and units of date_trunc, as RisingWave spells them.
FIELDS = frozenset(
    [
        "millennium",
        "century",
        "decade",
        "year",
        "isoyear",
        "quarter",
        "month",
        "week",
        "day",
        "doy",
        "dow",
        "isodow",
        "hour",
        "minute",
        "second",
        "millisecond",
        "microsecond",
        "epoch",
        "julian",
        "timezone",
        "timezone_hour",
        "timezone_minute",
    ]
)
UNITS = frozenset(
    [
        "microseconds",
        "milliseconds",
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "month",
        "quarter",
        "year",
        "decade",
        "century",
        "millennium",
    ]
)
VARIADIC = frozenset(
    [
        "format",
        "concat",
        "concat_ws",
        "jsonb_build_array",
        "jsonb_build_object",
        "jsonb_extract_path",
        "jsonb_extract_path_text",
    ]
)
REGEXP_FLAGS = {"regexp_match": 2, "regexp_replace": 3, "regexp_count": 3}  # where the flags may first be

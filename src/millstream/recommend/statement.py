"""The recommendation statement as each driver wants it: one text, in which only the parameters are written otherwise.

recommend.sql has $1 for the person and $2 for the number of rows. conditions.sql has the filters, $3 to $7; each may be
NULL, which leaves it out. No text has `::` or `?` besides parameters, which some drivers take for theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files

PARAMETERS = {"user_id": "varchar", "k": "integer"}
FILTERS = {
    "categories": "varchar[]",
    "brands": "varchar[]",
    "lowest_price": "double precision",
    "highest_price": "double precision",
    "excluded_item_ids": "varchar[]",
}
PLACE = re.compile(r"^( *)-- your conditions\n", re.M)
NUMBERED = re.compile(r"\$(\d)")


def statement(driver: str = "asyncpg", *, filters: bool = False) -> str:
    """Return the statement for a driver (a key of DRIVERS), with the parameters of FILTERS too where `filters` is true."""
    text = _read("recommend.sql")
    parameters = dict(PARAMETERS)
    if filters:
        parameters |= FILTERS
        conditions = _read("conditions.sql")
        text = PLACE.sub(lambda place: re.sub("^", place[1], conditions, flags=re.M).rstrip(" "), text)
    return DRIVERS[driver](text, parameters)


def _read(name: str) -> str:
    return files("millstream.recommend").joinpath(name).read_text()


def _numbered(text: str, parameters: dict[str, str]) -> str:
    return text


def _named(form: str) -> Callable[[str, dict[str, str]], str]:
    """Parameters by name, in `form` (`:{}`); each may occur as often as it likes."""

    def write(text: str, parameters: dict[str, str]) -> str:
        names = list(parameters)
        escaped = text.replace("%", "%%") if form.startswith("%") else text
        return NUMBERED.sub(lambda found: form.format(names[int(found[1]) - 1]), escaped)

    return write


def _in_order(mark: str) -> Callable[[str, dict[str, str]], str]:
    """Parameters that occur once each, in their order, for drivers that only count; the rest looks at them there."""

    def write(text: str, parameters: dict[str, str]) -> str:
        names = list(parameters)
        asked = ",\n        ".join(f"cast({mark} as {type_}) as {name}" for name, type_ in parameters.items())
        looked = NUMBERED.sub(lambda found: f"(select {names[int(found[1]) - 1]} from asked)", text)
        escaped = looked.replace("%", "%%") if mark.startswith("%") else looked
        return escaped.replace("with\n", f"with\n\nasked as (\n\n    select\n        {asked}\n\n),\n", 1)

    return write


def _prepared(text: str, parameters: dict[str, str]) -> str:
    return f"prepare recommend ({', '.join(parameters.values())}) as\n{text.rstrip()};\n"


DRIVERS: dict[str, Callable[[str, dict[str, str]], str]] = {
    "psql": _prepared,
    "psycopg": _named("%({})s"),
    "psycopg-positional": _in_order("%s"),
    "asyncpg": _numbered,
    "sqlalchemy": _named(":{}"),
    "jdbc": _in_order("?"),
    "node-postgres": _numbered,
    "pgx": _numbered,
    "pgx-named": _named("@{}"),
}

"""The functions that RisingWave has, as data, and whether arguments of known types fit one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

LINE = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) -> (?P<result>.+)")
SPELLED = {  # RisingWave's short names of types → PostgreSQL's names
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "decimal": "numeric",
    "float4": "real",
    "float8": "double precision",
    "varchar": "text",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
}
WIDER = (  # each type is cast without being asked to those behind it
    ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
    ("date", "timestamp without time zone", "timestamp with time zone"),
    ("time without time zone", "interval"),
)
CLASSES = {"*int": WIDER[0][:3], "*float": WIDER[0][4:]}
POLYMORPHIC = ("any", "anyarray", "anymap", "struct")


@dataclass(frozen=True)
class Signature:
    """One form of a function; `more` says that the last argument may be repeated."""

    name: str
    arguments: tuple[str, ...]
    result: str
    more: bool = False

    def takes(self, count: int) -> bool:
        """Tell whether it may be called with so many arguments."""
        return count >= len(self.arguments) if self.more else count == len(self.arguments)

    def argument(self, number: int) -> str:
        """The type of one argument."""
        return self.arguments[min(number, len(self.arguments) - 1)]

    def __str__(self) -> str:
        return f"{self.name}({', '.join((*self.arguments, '...') if self.more else self.arguments)})"


@cache
def signatures() -> Mapping[str, tuple[Signature, ...]]:
    """Every function by its name."""
    found: dict[str, tuple[Signature, ...]] = {}
    text = files("millstream.compiler.syntax").joinpath("risingwave_functions.txt").read_text()
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        matched = LINE.fullmatch(line)
        assert matched is not None, line
        listed = [part.strip() for part in matched["arguments"].split(",") if part.strip()]
        more = listed[-1:] == ["..."]
        made = Signature(
            matched["name"],
            tuple(spelled(each) for each in (listed[:-1] if more else listed)),
            spelled(matched["result"]),
            more,
        )
        found[made.name] = (*found.get(made.name, ()), made)
    return found


def spelled(type_: str) -> str:
    """PostgreSQL's name of a type of the list; an array of arrays is an array there."""
    base = type_.replace("[]", "")
    return SPELLED.get(base, base) + ("[]" if base != type_ else "")


def fits(signature: Signature, types: Sequence[str | None]) -> bool:
    """Tell whether arguments may be of these types; None is a type that is not known, or a text literal's."""
    return signature.takes(len(types)) and all(
        castable(type_, signature.argument(number)) for number, type_ in enumerate(types)
    )


def castable(type_: str | None, wanted: str) -> bool:
    """Tell whether a value of a type stands for one of another without a cast."""
    if type_ is None or wanted == "any":
        return True
    if wanted == "anyarray":
        return type_.endswith("[]")
    if wanted in POLYMORPHIC or wanted == "vector":
        return False
    type_ = "text" if type_ == "character varying" else type_
    return any(is_same_or_wider(type_, each) for each in CLASSES.get(wanted, (wanted,)))


def is_same_or_wider(type_: str, wanted: str) -> bool:
    """Tell whether a type is another or is cast to it without being asked."""
    if type_.replace("character varying", "text") == wanted.replace("character varying", "text"):
        return True
    return any(
        type_ in chain and wanted in chain and chain.index(type_) < chain.index(wanted) for chain in WIDER
    )


def result(found: Sequence[Signature], types: Sequence[str | None]) -> str | None:
    """The type of a call where its forms leave no choice."""
    results = {each.result for each in found}
    if len(results) != 1:
        return None
    (only,) = results
    if only == "auto":
        known = set(types)
        return known.pop() if len(known) == 1 else None
    return None if only in POLYMORPHIC or only == "vector" else only

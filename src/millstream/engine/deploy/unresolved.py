"""A call or an operator that PostgreSQL does not resolve: where the text of a definition has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from sqlglot import exp

from millstream.compiler.binder.written_types import Typed, typed
from millstream.compiler.dialect import called
from millstream.compiler.portable.calls import remedy
from millstream.compiler.syntax.constructs import Applied, functions, operators
from millstream.compiler.syntax.known_functions import INSTEAD, LACKING
from millstream.compiler.syntax.signatures import signatures
from millstream.engine.deploy.mismatches import CAST, Found, short

CALL = re.compile(r'function (?:(?:millstream|pg_catalog)\.)?(?:try_)?"?(\w+)"?\((.*)\)')
OPERATOR = re.compile(r"operator [\w ]+: (?:(.+?) )?([-+*/<>=~!@#%^&|`?]+) (.+)")
GUARDED = {  # functions and operators with which compiler/postgres/lenient.py guards others
    "jsonb_typeof": ("jsonb_array_length",),
    "has_exponential": ("exp",),
    "abs": ("asin", "acos"),
    "<=": ("ln", "log", "log10"),
    "<": ("sqrt", "|/", "power", "pow", "^"),
    "=": ("/", "%", "mod", "power", "pow", "^"),
}
NO_ORDER = "take the largest of a text or a number in it; of conditions, bool_or and bool_and"
OTHERS = "cast the arguments to types that it takes"


def unresolved(message: str, nodes: Typed) -> Found | None:
    """The call or operator that a message names; None where the text has none such."""
    function, operator = CALL.search(message), OPERATOR.search(message)
    if function is not None:
        name, types = function[1], function[2].split(", ")
        if (node := likeliest(nodes, functions, name, types)) is not None:
            hint = function_hint(name) if called(node) else aggregate_hint(name, len(types))
            return Found(node, f"function {name}({function[2]})", hint)
    elif operator is not None:
        name, types = operator[2], [part for part in (operator[1], operator[3]) if part]
        if (node := likeliest(nodes, operators, name, types)) is not None:
            return Found(node, f"operator {' '.join(filter(None, operator.groups()))}", CAST)
    else:
        return None
    for node, _ in nodes:
        for used, _ in (*functions(node), *operators(node)):
            if used in GUARDED.get(name, ()):
                return Found(node, short(node), function_hint(used) if called(node) else CAST)
    return None


def likeliest(
    nodes: Typed, meaning: Callable[[exp.Expr], Iterator[Applied]], name: str, types: Sequence[str]
) -> exp.Expr | None:
    """The node that uses a function or operator with operands of these types, as far as they can be told."""
    best, most = None, -1
    for node, known in nodes:
        for used, operands in meaning(node):
            if used != name:
                continue
            told = [typed(operand, known) for operand in operands if not isinstance(operand, exp.Query)]
            fit = len(told) == len(types) and all(
                a is None or a == b for a, b in zip(told, types, strict=True)
            )
            sure = 1 + sum(type_ is not None for type_ in told) if fit else 0
            if sure > most:
                best, most = node, sure
    return best


def aggregate_hint(name: str, arguments: int) -> str:
    """What to write instead of an aggregate, or of syntax that stands for a function."""
    if name in ("max", "min") and arguments == 1:
        return NO_ORDER
    return INSTEAD.get(name, OTHERS)


def function_hint(name: str) -> str:
    """What the function takes, or which one may be meant."""
    if name in LACKING:
        return LACKING[name]
    forms = signatures().get(name, ())
    if forms:
        return f"it takes  {' or '.join(dict.fromkeys(str(form) for form in forms))}; cast the arguments"
    return INSTEAD.get(name) or remedy(name)

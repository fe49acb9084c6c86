"""What is read of CREATE TABLE and CREATE SINK."""

from __future__ import annotations

import re
from pathlib import Path

from millstream.compiler.syntax.declarations.sinks import parse_sink
from millstream.compiler.syntax.declarations.tables import parse_table
from tests.compiler.golden import Case, each_case


@each_case(Path(__file__).parent / "declarations.golden")
def test_what_is_read_of_a_declaration(case: Case) -> None:
    if re.match(r"create\s+sink", case.given, re.IGNORECASE):
        sink = parse_sink(case.given)
        case.check(f"into {sink.target}\nfrom {sink.query}")
        return
    table = parse_table(case.given)
    lines = [
        f"{c.name} {c.type}{'' if c.nullable else ' not null'}{f' default {c.default}' if c.default else ''}{f' as {c.generated}' if c.generated else ''}{f' {c.identity}' if c.identity else ''}"
        for c in table.columns
    ]
    lines.append(
        f"key ({', '.join(table.key)}) conflict {table.conflict} version {', '.join(table.versions) or None}"
    )
    case.check("\n".join(lines))

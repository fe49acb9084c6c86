"""What the README shows: its commands, its links, and its psql session as statements with their output."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.project.compiled import ROOT

PROMPT = "millstream=# "
CONTINUED = "millstream-# "


@dataclass(frozen=True)
class Shown:
    """A statement of the session and what psql printed."""

    statement: str
    output: str

    @property
    def header(self) -> list[str]:
        """The column names of a result, none for other output."""
        lines = self.output.splitlines()
        is_table = len(lines) > 1 and re.fullmatch(r"-+(\+-+)*", lines[1]) is not None
        return [name.strip() for name in lines[0].split("|")] if is_table else []

    @property
    def shape(self) -> tuple[object, ...]:
        """What does not depend on the data: column names and the number of rows, or the whole of other output."""
        lines = self.output.splitlines()
        return (*self.header, lines[-1]) if self.header else tuple(lines)


def text() -> str:
    return (ROOT / "README.md").read_text()


def session() -> list[Shown]:
    """The statements after the psql prompts, with what stands below each."""
    (block,) = re.findall(
        r"```console\n\$ \.venv/bin/millstream psql --role owner\n(.*?)```", text(), re.DOTALL
    )
    found = []
    for part in block.split(PROMPT)[1:]:
        lines = part.splitlines()
        end = next(number for number, line in enumerate(lines) if line.endswith(";")) + 1
        statement = "\n".join(line.removeprefix(CONTINUED) for line in lines[:end])
        found.append(Shown(statement, "\n".join(lines[end:]).strip("\n")))
    return found


def links() -> list[str]:
    """Targets of links and pictures that lie in the repository."""
    return [link for link in re.findall(r"\]\(([^)]+)\)", text()) if not link.startswith("http")]


def make_targets() -> list[str]:
    """Targets that the README names."""
    return re.findall(r"(?:^    |`)make ([a-z]+)\b", text(), re.MULTILINE)


def millstream_commands() -> list[str]:
    """Commands that the README names after `millstream`."""
    return re.findall(r"\bmillstream ([a-z]+)\b", text())

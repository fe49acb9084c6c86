"""What declarations say: tables, their columns, and sinks."""

from __future__ import annotations

from dataclasses import dataclass, field

ALWAYS = "GENERATED ALWAYS"


@dataclass(frozen=True)
class ColumnDeclaration:
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
class TableDeclaration:
    """A source table: its columns, key, and what happens when a key comes again.

    `conflict` is 'ignore' (the first wins), 'overwrite' (the last wins), 'fill' (the last wins, its NULLs keep what is
    stored) or 'bag' (there is no key). With version columns an overwriting row must not be older than the stored one;
    they are compared in their order.
    """

    columns: tuple[ColumnDeclaration, ...]
    key: tuple[str, ...]
    conflict: str
    versions: tuple[str, ...] = ()
    append_only: bool = False
    composites: tuple[
        tuple[str, str], ...
    ] = ()  # types that its columns need: name and fields, inner ones first


@dataclass(frozen=True)
class SinkDeclaration:
    """CREATE SINK name INTO target FROM source (or AS SELECT)."""

    target: tuple[str | None, str]
    query: str

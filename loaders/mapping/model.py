"""What a mapping is: for each source relation rules that make its rows from the records of a file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from loaders.schema.relations import EVENTS, IDENTITIES, INVENTORY, ITEMS, USERS, SourceRelation

RELATIONS: dict[str, SourceRelation] = {
    relation.name: relation for relation in (EVENTS, ITEMS, INVENTORY, USERS, IDENTITIES)
}
KEEP, LEAVE_OUT, REJECT = "keep", "leave out", "reject"


@dataclass(frozen=True)
class ColumnMapping:
    """Where the value of one column comes from.

    `paths` are tried in turn until one names a value: the name of a field, or names joined by dots into nested ones. A
    path with braces is a template, `{visitor}-{visit}`, which has a value where all its parts have. `constant` is the
    value itself. `values` translates; `others` says what becomes of a value that it does not name: it is kept, or the
    row is left out or rejected; `known_events` translates what other programs call an event (`aliases`). `time` is how a time is written. `split` and `part` take one part (from 1) of a text.
    """

    paths: tuple[str, ...] = ()
    constant: object = None
    values: dict[str, object] = field(default_factory=dict)
    others: str = KEEP
    known_events: bool = False
    time: str = "auto"
    split: str | None = None
    part: int = 1


@dataclass(frozen=True)
class RowRule:
    """How records become rows of one relation.

    `columns` are by name; `attributes.x` is a member of a JSON column. `when` lists for paths the values that a record
    must have, and `needs` the columns without which a record is left out. `each` names a list in the record, and the element in paths: one row an element, and one for a record
    without any, unless `empty` leaves it out. `file` is another file beside the one that is loaded (a glob pattern);
    where there is none, the rule gives nothing. `latest` is the path of what orders the values of one key.
    """

    relation: SourceRelation
    columns: dict[str, ColumnMapping]
    when: dict[str, tuple[str, ...]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    each: tuple[str, str] | None = None
    empty: str = KEEP
    file: str | None = None
    latest: str | None = None

    def with_columns(self, columns: dict[str, ColumnMapping]) -> RowRule:
        """Give the rule with these columns added, or in the place of its own."""
        return replace(self, columns=self.columns | columns)


@dataclass(frozen=True)
class Layout:
    """How a file is written: its kind (None: by its name and beginning), the delimiter and the names of its columns.

    `header` names the columns of a file that has no header line. `shape` is a function of `shapes` that makes records
    easier to name.
    """

    kind: str | None = None
    delimiter: str | None = None
    header: tuple[str, ...] = ()
    quoted: bool = True
    shape: str | None = None


@dataclass(frozen=True)
class Mapping:
    """Rules for one kind of file.

    `made_of` are the paths that an event's id is made of, all fields if there are none; `prefix` is what it begins with.
    In a folder `main_file` has the events.
    """

    name: str
    rules: tuple[RowRule, ...]
    summary: str = ""
    layout: Layout = Layout()
    timezone: str = "UTC"
    made_of: tuple[str, ...] = ()
    main_file: str | None = None
    prefix: str = "row"

    def rules_for(self, relation: SourceRelation) -> tuple[RowRule, ...]:
        """Give the rules of one relation, in the order in which a record tries them."""
        return tuple(rule for rule in self.rules if rule.relation == relation)

    @property
    def makes_event_ids(self) -> bool:
        """Whether the log has no event ids of its own."""
        return any("event_id" not in rule.columns for rule in self.rules_for(EVENTS))

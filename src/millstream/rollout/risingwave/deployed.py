"""One relation that is deployed, and which stamp belongs to which where a deployment was cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace

from millstream.rollout.risingwave.naming import build_of
from millstream.rollout.risingwave.stamp import Stamp


@dataclass(frozen=True)
class DeployedObject:
    """One relation; `statement` is what made a sink or subscription, `id` is 0 until the catalogue is read again."""

    id: int
    schema: str
    name: str
    kind: str
    stamp: Stamp | None = None
    statement: str = ""

    @property
    def key(self) -> str:
        """`schema.name`, under which it is found."""
        return f"{self.schema}.{self.name}"

    @property
    def version(self) -> int:
        """The number of its build; 0 where it has no stamp."""
        return self.stamp.version if self.stamp is not None else 0

    def is_build_of(self, other: DeployedObject) -> bool:
        """Whether it is, or was, a build of another."""
        found = build_of(self.name)
        return found is not None and (self.schema, found[0]) == (other.schema, other.name)


def settled(objects: dict[str, DeployedObject]) -> dict[str, DeployedObject]:
    """The objects, with the stamps of two exchanged where a deployment ended between their swap and its record.

    A later build has a higher id, which a swap of names moves with the object, as it does not move the stamp.
    """
    for each in list(objects.values()):
        found = build_of(each.name)
        base = objects.get(f"{each.schema}.{found[0]}") if found is not None else None
        if found is None or base is None or each.stamp is None or each.kind != base.kind:
            continue
        unrecorded = each.version > base.version and each.id < base.id and each.version == found[1]
        undone = 0 < each.version < base.version and each.id > base.id
        if unrecorded or undone:
            objects[each.key] = replace(each, stamp=base.stamp, statement=base.statement)
            objects[base.key] = replace(base, stamp=each.stamp, statement=each.statement)
    return objects

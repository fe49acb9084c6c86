"""Cut a model's plan into nodes: state is stored only where a change rule needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from millstream.compiler.algebra.distribute import distribute
from millstream.compiler.algebra.expression import Attribute, Names, column
from millstream.compiler.algebra.free import missing
from millstream.compiler.algebra.lineage import carry, copies
from millstream.compiler.algebra.narrow import narrow
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    Relation,
    Scan,
    TimeFilter,
    UdfProject,
    UnionAll,
    Unnest,
    Values,
    Window,
    inputs,
    with_inputs,
)
from millstream.compiler.incremental.choose import Outputs, make_node
from millstream.compiler.incremental.full_join import expand_full
from millstream.compiler.incremental.node import Node, is_on_act
from millstream.compiler.incremental.occurrences import is_crowded, is_spread
from millstream.compiler.incremental.shapes import (
    driver_of,
    has_udf,
    indexable,
    is_exact,
    is_flat,
    merged,
    over_driver,
    over_one_scan,
    restless,
    same_keys,
)
from millstream.diagnostics import refuse

NUMBER = re.compile(r"_\d+$")  # what makes an attribute's name unique


def cut_into_nodes(
    name: str, plan: Plan, outputs: list[tuple[str, Attribute]], labels: Names, path: str | None = None
) -> tuple[Node, ...]:
    """Cut a bound model into its nodes, inner ones first; the last one is the model itself."""
    refuse_missing(plan, path)
    model = ModelNodes(name, labels, path)
    top = model.cut(narrow(plan, frozenset(attribute.name for _, attribute in outputs)))
    if isinstance(top, Scan):
        fresh = tuple((replace(a, name=labels.fresh(n)), column(a)) for n, a in outputs)
        top = Project(top, fresh)
        outputs = [(n, a) for (n, _), (a, _) in zip(outputs, fresh, strict=True)]
    current = {a.name: a for a in top.columns}
    model.add(top, tuple((n, current[a.name]) for n, a in outputs), name)
    for node in model.nodes:
        refuse_missing(node.plan, path)
    return tuple(model.nodes)


def refuse_missing(plan: Plan, path: str | None) -> None:
    """Refuse a plan in which an operator reads a column that its input does not have."""
    for _, name, place in missing(plan):
        raise refuse("MS048", place, NUMBER.sub("", name), path)


@dataclass
class ModelNodes:
    """The nodes of one model so far; inner ones are named after the model with a number."""

    name: str
    names: Names
    path: str | None = None
    nodes: list[Node] = field(default_factory=list)

    def add(self, plan: Plan, outputs: Outputs, name: str) -> Node:
        """Add the node that keeps a plan as it was cut."""
        node = make_node(name, plan, outputs, self.names, self.path)
        self.nodes.append(node)
        return node

    def store(self, plan: Plan) -> Scan:
        """Store a plan's result in a node of its own and read that instead."""
        if isinstance(plan, Scan):
            return plan
        if not plan.columns:
            raise refuse("MS009", None, "a subquery that has to be stored", self.path)
        outputs = tuple((attribute.name, attribute) for attribute in plan.columns)
        node = self.add(plan, outputs, f"{self.name}__{len(self.nodes) + 1}")
        return self.read(node)

    def read(self, node: Node) -> Scan:
        """Scan a node's stored columns through the attributes that the plan above already uses."""
        shown = tuple((name, attribute) for name, attribute in node.outputs if name not in node.hidden)
        instance = self.names.instance()
        return Scan(node.relation, tuple(a for _, a in shown), instance, tuple(name for name, _ in shown))

    def cut(self, plan: Plan) -> Plan:
        """Return a plan that one node can keep, with what that cannot hold stored below it."""
        plan = with_inputs(plan, tuple(self.cut(child) for child in inputs(plan)))
        if isinstance(plan, (Unnest, Lateral)):
            return replace(plan, input=self.store(plan.input)) if merged(plan.input) else plan
        if isinstance(plan, (Scan, Values, Filter, Project)):
            return plan
        if isinstance(plan, TimeFilter):
            return plan if over_one_scan(plan.input) else replace(plan, input=self.store(plan.input))
        if isinstance(plan, UdfProject):
            acts = is_on_act(plan.input) or over_driver(plan.input)
            return plan if acts and not has_udf(plan.input) else replace(plan, input=self.store(plan.input))
        if isinstance(plan, UnionAll):
            return self.cut_union(plan)
        if isinstance(plan, Join):
            return self.cut_process_time_join(plan) if plan.process_time else self.cut_join(plan)
        assert isinstance(plan, (Aggregate, Window))
        return self.cut_keyed(plan)

    def cut_union(self, plan: UnionAll) -> UnionAll:
        """Keep branches together that are linear, or that act on the same driver."""
        if any(is_on_act(branch) for branch in plan.inputs):
            fits = all((is_on_act(b) or over_driver(b)) and not has_udf(b) for b in plan.inputs)
            if fits and driver_of(plan) is not None:
                return plan
        kept = tuple(b if is_exact(b) and not is_on_act(b) else self.store(b) for b in plan.inputs)
        return replace(plan, inputs=kept)

    def cut_process_time_join(self, plan: Join) -> Plan:
        """The left side must be row-wise over one keyed relation, or act per driver already: else it is stored."""
        left = plan.left
        driver = driver_of(left)
        fits = driver is not None and (
            over_driver(left) or (is_on_act(left) and self.keeps_key(left, driver))
        )
        if not fits or has_udf(left):
            return replace(plan, left=self.store(left))
        return distribute(plan, self.names) if isinstance(left, UnionAll) else plan

    def keeps_key(self, plan: Plan, driver: Relation) -> bool:
        """Tell whether every column of the driver's key can be brought to the top of a plan."""
        try:
            for stored in driver.key:
                plan, _ = carry(plan, driver, stored, self.names)
        except LookupError:
            return False
        return True

    def cut_full_join(self, plan: Join) -> UnionAll:
        """Two left joins of sides that both may stand on the right of one."""
        left, right = (side if is_flat(side) else self.store(side) for side in (plan.left, plan.right))
        return expand_full(self.part_crowded(replace(plan, left=left, right=right)), self.names)

    def cut_join(self, plan: Join) -> Join | UnionAll:
        """Both sides linear; the right of an outer, semi or anti join flat; no occurrence of a relation crowded."""
        left, right = (
            side if is_exact(side) and not is_on_act(side) and not is_spread(side) else self.store(side)
            for side in (plan.left, plan.right)
        )
        if plan.kind == "full":
            return self.cut_full_join(replace(plan, left=left, right=right))
        if (plan.kind != "inner" or plan.nearest) and not is_flat(right):
            right = self.store(right)
        if (plan.kind != "inner" or plan.single) and restless(plan.right) and isinstance(right, Scan):
            right = self.store_copy(right)
        return self.part_crowded(replace(plan, left=left, right=right))

    def part_crowded(self, plan: Join) -> Join:
        """Store one side where an occurrence of a relation would have to meet others in two states: the simpler side."""
        if not is_crowded(plan):
            return plan
        name = "left" if over_one_scan(plan.left) and not over_one_scan(plan.right) else "right"
        side = plan.left if name == "left" else plan.right
        stored = self.store_copy(side) if isinstance(side, Scan) else self.store(side)
        return replace(plan, left=stored) if name == "left" else replace(plan, right=stored)

    def store_copy(self, scan: Scan) -> Scan:
        """Store a copy of a relation, so that a plan can meet it in two states at once."""
        fresh = tuple(self.names.renamed(a) for a in scan.columns)
        items = tuple((new, column(old)) for new, old in zip(fresh, scan.columns, strict=True))
        stored = self.store(Project(scan, items))
        return replace(stored, columns=scan.columns)

    def cut_keyed(self, plan: Aggregate | Window) -> Plan:
        """Fuse with what is below where the same keys are recomputed; else store what is below."""
        child = plan.input
        keys = plan.keys if isinstance(plan, Aggregate) else plan.partition
        if is_on_act(child):
            driver = driver_of(child)
            grouped = driver is not None and all(
                any(copies(child, key.name, driver, stored) for key in keys) for stored in driver.key
            )
            if grouped and not has_udf(child):
                return plan
            return replace(plan, input=self.store(child))
        if is_exact(child):
            # A top-N reads k rows of an index on (partition, order), which only stored relations can have.
            ranks = isinstance(plan, Window) and bool(plan.order) and not indexable(plan)
            return replace(plan, input=self.store(child)) if ranks else plan
        return plan if same_keys(child, keys) else replace(plan, input=self.store(child))

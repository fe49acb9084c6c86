"""Cut a model's plan into nodes: state is stored only where a change rule needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from sqlglot import exp

from millstream.compiler.algebra.distribute import distribute
from millstream.compiler.algebra.expression import OWN, Attribute, Names, column, plain
from millstream.compiler.algebra.free import missing
from millstream.compiler.algebra.lineage import carry, copies, origins
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
    names,
    scans,
    walk,
    with_inputs,
)
from millstream.compiler.incremental.full_join import expand_full
from millstream.compiler.incremental.linearity import invertible, is_flat, is_linear, over_one_scan
from millstream.compiler.incremental.node import HASH, TURN, Node, Rule, is_on_act, passive_leaves
from millstream.compiler.incremental.occurrences import is_crowded, is_spread
from millstream.diagnostics import refuse
from millstream.errors import Refused

NUMBER = re.compile(r"_\d+$")  # what makes an attribute's name unique


@dataclass
class Segmentation:
    """The nodes of one model so far; inner ones are named after the model with a number."""

    name: str
    names: Names
    path: str | None = None
    nodes: list[Node] = field(default_factory=list)

    def isolate(self, plan: Plan) -> Scan:
        """Store a plan's result in a node of its own and read that instead."""
        if isinstance(plan, Scan):
            return plan
        if not plan.columns:
            raise refuse("MS009", None, "a subquery that has to be stored", self.path)
        outputs = tuple((attribute.name, attribute) for attribute in plan.columns)
        node = self.finish(plan, outputs, f"{self.name}__{len(self.nodes) + 1}")
        return self.read(node)

    def read(self, node: Node) -> Scan:
        """Scan a node's stored columns through the attributes that the plan above already uses."""
        shown = tuple((name, attribute) for name, attribute in node.outputs if name not in node.hidden)
        instance = self.names.instance()
        return Scan(node.relation, tuple(a for _, a in shown), instance, tuple(name for name, _ in shown))

    def finish(self, plan: Plan, outputs: tuple[tuple[str, Attribute], ...], name: str) -> Node:
        """Choose the rule of a segmented plan and append its node."""
        shown = {attribute.name: stored for stored, attribute in outputs}
        if is_on_act(plan):
            node = self.on_act_node(plan, outputs, name)
        elif is_linear(plan):
            joins = any(isinstance(operator, Join) for operator in walk(plan))
            node = Node(name, plan, outputs, Rule.BILINEAR if joins else Rule.LINEAR)
        else:
            top = plan
            rowwise = True
            while not isinstance(top, (Aggregate, Window)):
                rowwise &= isinstance(top, (Filter, Project))
                top = top.input  # type: ignore[union-attr]
            keys = top.keys if isinstance(top, Aggregate) else top.partition
            plan, carried = carry_up(plan, top, keys, self.names)
            outputs, stored = with_keys(outputs, shown, carried)
            hidden = hidden_keys(stored)
            if isinstance(top, Aggregate) and rowwise and invertible(top) and is_linear(top.input):
                outputs = with_hidden_groups(outputs, carried, keys)
                node = Node(name, plan, outputs, Rule.INVERTIBLE, stored, unique=True, hidden=hidden)
            else:
                unique = isinstance(top, Aggregate) and rowwise
                node = Node(name, plan, outputs, Rule.RECOMPUTE, stored, unique=unique, hidden=hidden)
        self.nodes.append(node)
        return node

    def on_act_node(self, plan: Plan, outputs: tuple[tuple[str, Attribute], ...], name: str) -> Node:
        """Key an on-act plan by its driver's key; by the turns of equal rows where the driver is a bag."""
        driver = self.driver(plan)
        if driver is None:
            raise self.unkeyed(plan)
        bag = driver.key == (HASH,)
        carried = []
        for stored in (HASH, TURN) if bag else driver.key:
            try:
                plan, attribute = carry(plan, driver, stored, self.names)
            except LookupError as error:
                raise self.unkeyed(plan) from error
            carried.append(attribute)
        shown = {attribute.name: stored for stored, attribute in outputs}
        outputs, keys = with_keys(outputs, shown, tuple(carried))
        unique = not bag and one_row_per(plan, tuple(carried))
        return Node(name, plan, outputs, Rule.ON_ACT, keys, unique, takes_turns=bag, hidden=hidden_keys(keys))

    def unkeyed(self, plan: Plan) -> Refused:
        """The refusal of an on-act plan without a single keyed driver."""
        passive = passive_leaves(plan)
        read = sorted({s.relation.name for s in scans(plan) if s.instance not in passive})
        return refuse("MS017", None, " and ".join(read) or "constant", self.path)

    def driver(self, plan: Plan) -> Relation | None:
        """Return the relation whose changes make an on-act plan run: the same one on every branch."""
        passive = passive_leaves(plan)
        found = {scan.relation for scan in scans(plan) if scan.instance not in passive}
        return found.pop() if len(found) == 1 else None

    def segment(self, plan: Plan) -> Plan:
        """Return a plan that one node can keep, with what it cannot hold isolated below it."""
        plan = with_inputs(plan, tuple(self.segment(child) for child in inputs(plan)))
        if isinstance(plan, (Unnest, Lateral)):
            return replace(plan, input=self.isolate(plan.input)) if merged(plan.input) else plan
        if isinstance(plan, (Scan, Values, Filter, Project)):
            return plan
        if isinstance(plan, TimeFilter):
            return plan if over_one_scan(plan.input) else replace(plan, input=self.isolate(plan.input))
        if isinstance(plan, UdfProject):
            acts = is_on_act(plan.input) or over_driver(plan.input)
            return plan if acts and not has_udf(plan.input) else replace(plan, input=self.isolate(plan.input))
        if isinstance(plan, UnionAll):
            return self.segment_union(plan)
        if isinstance(plan, Join):
            return self.segment_process_time(plan) if plan.process_time else self.segment_join(plan)
        assert isinstance(plan, (Aggregate, Window))
        return self.segment_keyed(plan)

    def segment_union(self, plan: UnionAll) -> UnionAll:
        """Keep branches together that are linear, or that act on the same driver."""
        if any(is_on_act(branch) for branch in plan.inputs):
            fits = all((is_on_act(b) or over_driver(b)) and not has_udf(b) for b in plan.inputs)
            if fits and self.driver(plan) is not None:
                return plan
        kept = tuple(b if is_linear(b) and not is_on_act(b) else self.isolate(b) for b in plan.inputs)
        return replace(plan, inputs=kept)

    def segment_process_time(self, plan: Join) -> Plan:
        """The left side must be row-wise over one keyed relation, or act per driver already: else it is stored."""
        left = plan.left
        driver = self.driver(left)
        fits = driver is not None and (
            over_driver(left) or (is_on_act(left) and self.keeps_key(left, driver))
        )
        if not fits or has_udf(left):
            return replace(plan, left=self.isolate(left))
        return distribute(plan, self.names) if isinstance(left, UnionAll) else plan

    def keeps_key(self, plan: Plan, driver: Relation) -> bool:
        """Tell whether every column of the driver's key can be brought to the top of a plan."""
        try:
            for stored in driver.key:
                plan, _ = carry(plan, driver, stored, self.names)
        except LookupError:
            return False
        return True

    def segment_full(self, plan: Join) -> UnionAll:
        """Two left joins of sides that both may stand on the right of one."""
        left, right = (side if is_flat(side) else self.isolate(side) for side in (plan.left, plan.right))
        return expand_full(self.segment_crowd(replace(plan, left=left, right=right)), self.names)

    def segment_join(self, plan: Join) -> Join | UnionAll:
        """Both sides linear; the right of an outer, semi or anti join flat; no occurrence of a relation crowded."""
        left, right = (
            side if is_linear(side) and not is_on_act(side) and not is_spread(side) else self.isolate(side)
            for side in (plan.left, plan.right)
        )
        if plan.kind == "full":
            return self.segment_full(replace(plan, left=left, right=right))
        if (plan.kind != "inner" or plan.nearest) and not is_flat(right):
            right = self.isolate(right)
        if (plan.kind != "inner" or plan.single) and restless(plan.right) and isinstance(right, Scan):
            right = self.copy(right)
        return self.segment_crowd(replace(plan, left=left, right=right))

    def segment_crowd(self, plan: Join) -> Join:
        """Store one side where an occurrence of a relation would have to meet others in two states: the simpler side."""
        if not is_crowded(plan):
            return plan
        name = "left" if over_one_scan(plan.left) and not over_one_scan(plan.right) else "right"
        side = plan.left if name == "left" else plan.right
        stored = self.copy(side) if isinstance(side, Scan) else self.isolate(side)
        return replace(plan, left=stored) if name == "left" else replace(plan, right=stored)

    def copy(self, scan: Scan) -> Scan:
        """Store a copy of a relation, so that a plan can meet it in two states at once."""
        fresh = tuple(self.names.renamed(a) for a in scan.columns)
        items = tuple((new, column(old)) for new, old in zip(fresh, scan.columns, strict=True))
        stored = self.isolate(Project(scan, items))
        return replace(stored, columns=scan.columns)

    def segment_keyed(self, plan: Aggregate | Window) -> Plan:
        """Fuse with what is below where the same keys are recomputed; else store what is below."""
        child = plan.input
        keys = plan.keys if isinstance(plan, Aggregate) else plan.partition
        if is_on_act(child):
            driver = self.driver(child)
            grouped = driver is not None and all(
                any(copies(child, key.name, driver, stored) for key in keys) for stored in driver.key
            )
            if grouped and not has_udf(child):
                return plan
            return replace(plan, input=self.isolate(child))
        if is_linear(child):
            # A top-N reads k rows of an index on (partition, order), which only stored relations can have.
            ranks = isinstance(plan, Window) and bool(plan.order) and not indexable(plan)
            return replace(plan, input=self.isolate(child)) if ranks else plan
        return plan if same_keys(child, keys) else replace(plan, input=self.isolate(child))


def indexable(plan: Window) -> bool:
    """Tell whether every partition can be read in its order from indexes: of one relation, or of each branch of a union."""
    if over_one_scan(plan.input):
        return True
    columns = [key.name for key in plan.partition]
    columns += [plain(t.this if isinstance(t, exp.Ordered) else t) or "" for t in plan.order]
    return (
        all(isinstance(p, (Scan, Filter, Project, UnionAll)) for p in walk(plan.input))
        and bool(plan.partition)
        and not any(key.nullable for key in plan.partition)
        and all(name in names(plan.input) and None not in origins(plan.input, name) for name in columns)
    )


def merged(plan: Plan) -> bool:
    """Tell whether a plan is an aggregation whose changes are merged, so that its readers had better read it stored."""
    while isinstance(plan, (Filter, Project)):
        plan = plan.input
    return isinstance(plan, Aggregate) and invertible(plan) and is_linear(plan.input)


def restless(plan: Plan) -> bool:
    """Tell whether an aggregation's stored rows change where its readers see no change: only keys, or only tests.

    A linear copy of it passes on what readers see: that a key or a truth value came or went.
    """
    if not merged(plan):
        return False
    top = plan.items if isinstance(plan, Project) else ()
    shown = [e for _, e in top if plain(e) is None]
    bare = isinstance(plan, Aggregate) and not plan.items
    return bare or (bool(shown) and all(isinstance(e, exp.Predicate) for e in shown))


def has_udf(plan: Plan) -> bool:
    """Tell whether a plan calls Python."""
    return any(isinstance(p, UdfProject) for p in walk(plan))


def over_driver(plan: Plan) -> bool:
    """Tell whether a plan is row-wise over one scan, process-time joins included."""
    while not isinstance(plan, Scan):
        if isinstance(plan, Join) and plan.process_time:
            plan = plan.left
        elif isinstance(plan, (Filter, Project, Unnest, Lateral)):
            plan = plan.input
        else:
            return False
    return True


def same_keys(child: Plan, keys: tuple[Attribute, ...]) -> bool:
    """Tell whether the keyed operator below recomputes the same keys, so that both can be computed at once."""
    current = {key.name for key in keys}
    if not current:
        return False
    while not isinstance(child, (Aggregate, Window)):
        if isinstance(child, Project):
            sources = {a.name: plain(e) for a, e in child.items}
            passed = {sources.get(name) for name in current}
            if None in passed:
                return False
            current = {name for name in passed if name is not None}
        elif not isinstance(child, (Filter, Unnest, Lateral)):
            return False
        child = child.input
    if isinstance(child, Aggregate) and invertible(child):
        return False
    below = child.keys if isinstance(child, Aggregate) else child.partition
    return current == {key.name for key in below}


def carry_up(
    plan: Plan, top: Aggregate | Window, keys: tuple[Attribute, ...], labels: Names
) -> tuple[Plan, tuple[Attribute, ...]]:
    """Pass the keys of a keyed operator on through the row-wise operators above it."""
    if plan is top:
        return plan, keys
    below, carried = carry_up(plan.input, top, keys, labels)  # type: ignore[union-attr]
    plan = replace(plan, input=below)  # type: ignore[arg-type]
    if not isinstance(plan, Project):
        return plan, carried
    passed: list[Attribute] = []
    items = list(plan.items)
    for key in carried:
        known = next((a for a, e in items if plain(e) == key.name), None)
        if known is None:
            known = Attribute(labels.fresh("key"), key.type, key.nullable)
            items.append((known, column(key)))
        passed.append(known)
    return replace(plan, items=tuple(items)), tuple(passed)


def with_keys(
    outputs: tuple[tuple[str, Attribute], ...], shown: dict[str, str], keys: tuple[Attribute, ...]
) -> tuple[tuple[tuple[str, Attribute], ...], tuple[str, ...]]:
    """Store the keys: as the output that copies them, or in hidden columns k1$, k2$, …"""
    stored: list[str] = []
    extra: list[tuple[str, Attribute]] = []
    for key in keys:
        if key.name in shown:
            stored.append(shown[key.name])
        else:
            extra.append((f"k{len(extra) + 1}{OWN}", key))
            stored.append(extra[-1][0])
    return (*outputs, *extra), tuple(stored)


def hidden_keys(stored: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that no output copies."""
    return tuple(name for name in stored if name.endswith(OWN))


def with_hidden_groups(
    outputs: tuple[tuple[str, Attribute], ...], carried: tuple[Attribute, ...], keys: tuple[Attribute, ...]
) -> tuple[tuple[str, Attribute], ...]:
    """Let the keys of an aggregation be NULL where its groups' are: it stores those too that a filter above it hides."""
    null = {
        passed.name for passed, key in zip(carried, keys, strict=True) if key.nullable
    }  # what a filter tells of them holds for the visible rows only
    return tuple((stored, replace(a, nullable=a.nullable or a.name in null)) for stored, a in outputs)


def one_row_per(plan: Plan, keys: tuple[Attribute, ...]) -> bool:
    """Tell whether an on-act plan gives at most one row for a key."""
    wanted = {key.name for key in keys}
    while True:
        if isinstance(plan, Aggregate):
            return {key.name for key in plan.keys} <= wanted
        if isinstance(plan, Project):
            sources = {a.name: plain(e) for a, e in plan.items}
            wanted = {s for name in wanted if (s := sources.get(name)) is not None}
            plan = plan.input
        elif isinstance(plan, (Filter, UdfProject)):
            plan = plan.input
        elif isinstance(plan, Scan):
            return True
        elif isinstance(plan, Join) and plan.process_time and matches_one(plan):
            plan = plan.left
        else:
            return False


def matches_one(join: Join) -> bool:
    """Tell whether a left row meets at most one right row: the equality covers the right side's key."""
    from millstream.compiler.algebra.expression import equalities

    if not isinstance(join.right, Scan):
        return False
    stored = dict(zip((a.name for a in join.right.columns), join.right.names, strict=True))
    pinned = {stored.get(plain(b) or "") for _, b in equalities(join.on, names(join.left), names(join.right))}
    return bool(join.right.relation.key) and set(join.right.relation.key) <= pinned


def compile_nodes(
    name: str, plan: Plan, outputs: list[tuple[str, Attribute]], labels: Names, path: str | None = None
) -> tuple[Node, ...]:
    """Cut a bound model into its nodes, inner ones first; the last one is the model itself."""
    refuse_missing(plan, path)
    work = Segmentation(name, labels, path)
    top = work.segment(plan)
    if isinstance(top, Scan):
        fresh = tuple((replace(a, name=labels.fresh(n)), column(a)) for n, a in outputs)
        top = Project(top, fresh)
        outputs = [(n, a) for (n, _), (a, _) in zip(outputs, fresh, strict=True)]
    current = {a.name: a for a in top.columns}
    work.finish(top, tuple((n, current[a.name]) for n, a in outputs), name)
    for node in work.nodes:
        refuse_missing(node.plan, path)
    return tuple(work.nodes)


def refuse_missing(plan: Plan, path: str | None) -> None:
    """Refuse a plan in which an operator reads a column that its input does not have."""
    for _, name, place in missing(plan):
        raise refuse("MS048", place, NUMBER.sub("", name), path)

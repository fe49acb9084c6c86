"""What the project's own models are put through. A step is some statements and a FLUSH, which is a tick.

Three rules let a cluster, which may end an epoch between two statements, compute the same lists as one tick does:

- a step in which people act has one statement that makes them act, and changes nothing else that their lists look up;
- no step has two statements for one row: the second might see what the first did, or not;
- whoever's recent items change has a new `acted_at`: a process-time join looks again only for a row that changed.

Times are ages at the start of the history, and every comparison with now() is decided by LATE or more.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from millstream.engine.erasure.tombstones import keyed_hash
from tests.conformance.history import Step
from tests.equivalence.cases import Delete, Insert, Update
from tests.equivalence.source_model import Row

ACTING = (
    "events",
    "events_raw",
    "identities",
    "past_identities",
    "erased_users",
    "tombstones",
    "tombstone_keys",
)
"""Sources of what people do."""
LOOKED_UP = ("items", "users", "embedding_neighbours", "ranking_models", "ranking_weights")
"""Sources that a list looks up when its person acts."""

KEY = "a key for every engine"
"""Of the hashes of erased people; the embedded engine makes one of its own unless the environment has it."""
VERSION = "conformance-v1"
"""A model version without a file of vectors, on every engine."""
EDGE = timedelta(seconds=180)
"""How short of a window's end something is that leaves it while time passes."""
PASSED, LATE = 200.0, 170.0
"""Seconds that pass then, and seconds by which a cluster may be behind before."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

SOURCES_OF_LISTS = (
    "select distinct user_id, source from serve_recommendations where user_id in ('ann', 'bob')"
)
OFFERED_TO_ANN = "select item_id from serve_recommendations where user_id = 'ann' and item_id in ('b', 'c')"
TRENDING = "select item_id, users_24h from feat_item_trend where item_id in ('old', 'dull')"
BOUGHT_BY_CLEO = "select item_id from serve_bought_items where user_id = 'cleo'"

ITEMS = (
    *((item, "cake", "north") for item in ("a", "b", "c")),
    *((item, "tea", "south") for item in ("d", "e")),
    *((item, "toys", "north") for item in ("f", "g", "h")),
    *((item, "books", None) for item in ("i", "j", "k", "dull")),
    ("old", None, None),
)


class Log:
    """Events as rows, numbered as they come; each was received a millisecond after the one before."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._number = 0

    def event(
        self,
        user: str | None,
        kind: str,
        item: str | None,
        age: timedelta = MINUTE,
        *,
        id_: str | None = None,
        anonymous: str | None = None,
        session: str | None = None,
        device: str | None = None,
        consent: bool | None = None,
        quantity: int | None = None,
    ) -> Row:
        """One row of events, which says that it happened `age` before the start and was received at the start."""
        self._number += 1
        happened, received = self._start - age, self._start + timedelta(milliseconds=self._number)
        price = 2.5 if kind == "purchase" else None
        return (
            id_ or f"e{self._number}", kind, user, anonymous, session or f"s-{user or anonymous}", item, quantity, price,
            "EUR", 3.5, "cake" if kind == "search" else None, "home" if kind == "view_item_list" else None,
            1 if kind == "view_item_list" else None, None, "PT", device, None, consent, happened, received,
        )  # fmt: skip

    def message(self, age: timedelta = MINUTE, **fields: object) -> Row:
        """One raw message with the fields of a good one but for those given; None leaves a field out."""
        self._number += 1
        good = {
            "event_id": f"r{self._number}", "event_type": "view_item", "user_id": "gil", "item_id": "a",
            "session_id": "s-gil", "occurred_at": (self._start - age).isoformat(),
        }  # fmt: skip
        return self.raw(
            json.dumps({name: value for name, value in (good | fields).items() if value is not None})
        )

    def raw(self, payload: str) -> Row:
        self._number += 1
        return payload, "log", str(self._number), self._start + timedelta(milliseconds=self._number)


def item(
    item_id: str, category: str | None, brand: str | None, price: float = 1.5, *, active: bool | None = True
) -> Row:
    return item_id, item_id.upper(), category, None, brand, price, active, None, f"{item_id}.jpg"


def insert(table: str, *rows: Row) -> Insert:
    return Insert(table, rows)


def neighbours(item_id: str, *near: str, scores: tuple[float, ...]) -> Row:
    """Nearest items by embedding; a score may be missing, which a loader must not do."""
    return item_id, VERSION, list(near), list(scores)  # type: ignore[return-value]


def steps(start: datetime) -> tuple[Step, ...]:
    """The history that begins at `start`."""
    log = Log(start)
    event = log.event
    baskets = {
        "1": "ab", "2": "ab", "3": "abc", "4": "ac", "5": "cd", "6": "cd", "7": "de", "8": "fg", "9": "fgh",
    }  # fmt: skip
    return (
        Step("nothing is there", (insert("tombstone_keys", *((bucket, KEY) for bucket in range(100))),)),
        Step("a catalogue, stock and rules", (
            insert("items", *(item(*row) for row in ITEMS), item("gone", "cake", "north", active=False)),
            insert("inventory", *((name, 9) for name in "abcfghijk"), ("d", 0)),
            insert("users", ("ann", "family", None, start), ("bob", "family", None, start), ("cleo", None, None, start)),
            insert("category_rules", ("tea", True, 7), ("books", True, None), ("toys", True, 9_999_999)),
        ), expected={"serve_segments": {("ann", "family"), ("bob", "family")}}),
        Step("people buy baskets", (insert("events", *(
            event(f"buyer-{name}", "purchase", each, 2 * DAY, session=f"basket-{name}") for name, basket in baskets.items() for each in basket
        )),), expected={"select item_id, sessions, orders from feat_item_counts where item_id in ('a', 'g')": {("a", 4, 4), ("g", 2, 2)}}),
        Step("neighbours and weights are loaded", (
            insert("embedding_neighbours", neighbours("a", "i", "j", scores=(0.9, 0.8)), neighbours("b", "k", scores=(0.7,))),
            insert("item_vectors", ("a", VERSION, [0.6, 0.8])),  # type: ignore[arg-type]
            insert("ranking_models", ("control", VERSION)),
            insert("ranking_weights", ("control", "embedding", 0.5), ("control", "trending", None)),
        )),
        Step("two people look around", (insert("events",
            event("ann", "view_item", "a", id_="first"), event("ann", "view_item_list", "c"), event("ann", "search", None), event("bob", "select_item", "b"),
            event("bob", "add_to_cart", "f"), event("bob", "begin_checkout", "f"), event("cleo", "rate", "d"),
        ),), expected={SOURCES_OF_LISTS: {("ann", "personal"), ("bob", "personal")}, OFFERED_TO_ANN: {("b",), ("c",)}}),
        Step("events that come twice count once", (insert("events",
            event("ann", "purchase", "b", id_="first"), event("eve", "view_item", "g", id_="g1"), event("eve", "purchase", "h", id_="g1"),
        ),), expected={"select user_id, item_id from stg_events where event_id in ('first', 'g1')": {("ann", "a"), ("eve", "g")}}),
        Step("late events take their places", (insert("events",
            event("ann", "view_item", "f", 3 * HOUR), event("bob", "purchase", "i", 40 * DAY), event("late", "view_item", "a", 80 * DAY),
        ),), expected={"select item_ids from feat_user_recent where user_id = 'ann'": {(("a", "f"),)}}),
        Step("bots, refusals and wrong clocks are quarantined", (insert("events",
            event("robot", "view_item", "a", device="bot"), event("shy", "view_item", "a", consent=False),
            event("ahead", "view_item", "a", -DAY),
            event("", "view_item", "a", anonymous="undefined"), event("nil", "view_item", "a", id_=" "),
        ),), expected={"select coalesce(user_id, '-'), reason from stg_events_quarantined": {
            ("robot", "bot"), ("shy", "no consent"), ("ahead", "occurred_at is after received_at"), ("-", "user_id and anonymous_id are missing"),
            ("-", "event_id is missing"),
        }}),
        Step("visitors without a name look around", (insert("events",
            event(None, "view_item", "c", anonymous="x1"), event(None, "add_to_cart", "g", anonymous="x1"), event("NULL", "view_item", "b", anonymous="x2", session="0"),
            event(None, "view_item", "d", anonymous="x3"), event(None, "view_item", "e", anonymous="x4"),
        ),)),
        Step("a visitor turns out to be somebody known", (insert("identities", ("x1", "cleo"), ("x3", "hal")),),
            expected={"select item_ids from feat_user_recent where user_id = 'cleo'": {(("c", "d", "g"),)}}),
        Step("a visitor was taken for somebody else", (Update("identities", "anonymous_id", "x1", "user_id", "dora"),)),
        Step("items change, sell out and are recalled", (
            Update("items", "item_id", "c", "category", "tea"), Update("items", "item_id", "b", "is_active", False),
            Update("inventory", "item_id", "d", "quantity", 3), Update("inventory", "item_id", "a", "quantity", 0),
            insert("excluded_items", ("i", "recalled")), insert("items", item("fresh", "toys", "south")),
        ), expected={OFFERED_TO_ANN: {("c",)}}),
        Step("they are bought, refunded and put back", (insert("events",
            event("ann", "purchase", "c", quantity=2), event("bob", "purchase", "g"), event("bob", "refund", "i"),
            event("bob", "remove_from_cart", "f"), event("bob", "remove_from_cart", "f"), event("eve", "purchase", "a"),
        ),), expected={OFFERED_TO_ANN: set()}),
        Step("an item comes back and another goes for good", (
            Update("items", "item_id", "b", "is_active", True), Delete("excluded_items", "item_id", "i"),
            Delete("inventory", "item_id", "f"), Delete("items", "item_id", "h"),
        ), expected={OFFERED_TO_ANN: {("b",)}}),
        Step("raw messages are parsed or rejected", (insert("events_raw",
            log.message(), log.message(item_id="b", event_type="purchase", quantity="2", price="4.5"), log.message(event_id="first"),
            log.message(item_id="c", consent="true", position="3"), log.raw("not json"), log.message(event_id=None),
            log.message(user_id="", anonymous_id="0"), log.message(price="much"), log.message(quantity="1.5"), log.message(occurred_at="2026-01-01"), log.message(age=-DAY),
        ),), expected={"select reason from stg_events_rejected": {
            ("the payload is not JSON",), ("event_id is missing",), ("user_id and anonymous_id are missing",), ("price is not a number",), ("quantity is not an integer",),
            ("occurred_at is missing or not a timestamp with a time zone",), ("occurred_at is after received_at",),
        }, "select item_id, units from feat_user_items where user_id = 'gil'": {("a", 0), ("b", 2), ("c", 0)}}),
        Step("a loader writes a neighbour without a score", (
            insert("embedding_neighbours", neighbours("b", "k", "j", scores=(0.7,))),
        )),
        Step("the function fails for one person, and the others have their lists", (insert("events",
            event("bob", "view_item", "b", timedelta(seconds=50)), event("ann", "view_item", "g", timedelta(seconds=50)),
        ),), expected={SOURCES_OF_LISTS: {("ann", "personal"), ("bob", "sql_fallback")}}),
        Step("the neighbours are repaired and an analyst changes weights", (
            insert("embedding_neighbours", neighbours("b", "k", "j", scores=(0.7, 0.6))),
            insert("ranking_weights", *(
                ("control", strategy, weight) for strategy, weight in
                (("bought_together", 9.0), ("embedding", 2.0), ("buy_again", 9.0), ("trending", 3.0), ("popularity", 0.0))
            )),
        ), expected={SOURCES_OF_LISTS: {("ann", "personal"), ("bob", "sql_fallback")}}),
        Step("who acts again has a new list", (insert("events", event("bob", "view_item", "f", id_="newest")),),
            expected={SOURCES_OF_LISTS: {("ann", "personal"), ("bob", "personal")}}),
        Step("an event is deleted", (Delete("events", "event_id", "newest"),)),
        Step("a deleted event comes again, another", (insert("events", event("bob", "view_item", "k", timedelta(seconds=30), id_="newest")),)),
        Step("a visitor is nobody known after all", (Delete("identities", "anonymous_id", "x1"),)),
        Step("a number is corrected", (Update("events", "item_id", "c", "quantity", 4),)),
        Step("people move to other segments, and one is forgotten", (
            Update("users", "user_id", "bob", "segment", "single"), insert("users", ("cleo", "single", None, start)), Delete("users", "user_id", "ann"),
        )),
        Step("what is about to leave a window", (insert("events",
            event("old1", "view_item", "old", HOUR - EDGE), event("old2", "view_item", "old", 6 * HOUR - EDGE), event("old3", "view_item", "old", DAY - EDGE),
            event("old1", "view_item", "dull", DAY - EDGE), event("old4", "view_item", "k", 90 * DAY - EDGE), event("old4", "view_item", "j", 90 * DAY - EDGE),
            event("cleo", "purchase", "d", 7 * DAY - EDGE), event("cleo", "purchase", "d", 9 * DAY), event("cleo", "purchase", "e", 6 * DAY),
        ),), expected={TRENDING: {("old", 3), ("dull", 1)}, BOUGHT_BY_CLEO: {("d",), ("e",)}}),
        Step("time passes", seconds=PASSED, expected={TRENDING: {("old", 2)}, BOUGHT_BY_CLEO: {("e",)}}),
        Step("who bought something twice is offered it again, and who knows ten items is known", (insert("events",
            event("cleo", "view_item", "e", timedelta()), *(event("fay", "view_item", name) for name, _, _ in ITEMS[:10]),
        ),), expected={
            "select distinct user_id, tier from serve_recommendations where user_id in ('cleo', 'fay')": {("cleo", 1), ("fay", 2)},
            "select user_id, item_id from serve_recommendations where strategy = 'buy_again'": {("cleo", "d")},
        }),
        Step("a person is erased", (insert("erased_users", ("ann", start), ("hal", start), ("x4", start)),),
            expected={SOURCES_OF_LISTS: {("bob", "personal")}, "select 1 from stg_events where user_id = 'ann'": set()}),
        Step("the link of an erased person goes too", (Delete("identities", "anonymous_id", "x3"),),
            expected={"select 1 from stg_events where user_id in ('hal', 'x3')": set()}),
        Step("an erased visitor has a name", (insert("identities", ("x4", "ian")),),
            expected={"select 1 from stg_events where user_id in ('ian', 'x4')": set()}),
        Step("what an erased person did comes late", (insert("events", event("ann", "purchase", "a"), event("bob", "view_item", "a")),),
            expected={SOURCES_OF_LISTS: {("bob", "personal")}}),
        Step("a person is known by a tombstone alone", (insert("tombstones", (keyed_hash(KEY, "gil"), start)),),
            expected={"select 1 from stg_events where user_id = 'gil'": set()}),
        Step("the erased person is deleted", (Delete("events", "user_id", "ann"),)),
        Step("everything people did is deleted", (Delete("events", None, None),),
            expected={name: set() for name in ("stg_events", "feat_item_pairs", "rank_user_list", "serve_recommendations", "serve_trending_now")}),
        Step("everything else is deleted", tuple(
            Delete(name, None, None) for name in ("items", "inventory", "users", "embedding_neighbours", "ranking_models", "ranking_weights", "category_rules", "item_vectors")
        ), expected={name: set() for name in ("serve_popular", "serve_similar_items", "rank_available_items")}),
    )  # fmt: skip

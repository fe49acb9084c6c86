"""Item vectors: items that share baskets are near, the same data give the same version, a swap has no empty moment."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest
from scipy.sparse import csr_array

from loaders.embeddings.baskets import Line, gather
from loaders.embeddings.embed import Training, embed, load_model
from loaders.embeddings.hit_rate import last_baskets, measure
from loaders.embeddings.item_vectors import (
    Parameters,
    co_occurrences,
    positive_information,
    train,
    version_of,
)
from loaders.embeddings.neighbours import nearest
from loaders.schema.errors import LoaderError
from millstream.engine.erasure.tombstones import keyed_hash
from tests.loaders.logs import NOON

BREAKFAST = ["bread", "butter", "jam", "coffee"]
BARBECUE = ["charcoal", "sausage", "mustard", "beer"]
PARAMETERS = Parameters(dimensions=4, min_baskets=2)


def shopping(rounds: int = 20, extra: str | None = None) -> list[Line]:
    """Two kinds of baskets that share nothing, each of three of the kind's four goods in turn."""
    lines: list[Line] = []
    for number in range(rounds):
        for kind, goods in (("breakfast", BREAKFAST), ("barbecue", BARBECUE)):
            time = NOON + timedelta(days=number)
            chosen = [good for place, good in enumerate(goods) if place != number % len(goods)]
            if extra and kind == "breakfast":
                chosen.append(extra)
            lines += [(f"{kind}-{number}", f"{kind}-lover-{number % 3}", good, time) for good in chosen]
    return lines


def buy(owner: psycopg.Connection, lines: list[Line]) -> None:
    with owner.cursor() as cursor:
        cursor.executemany(
            "insert into events (event_id, event_type, session_id, user_id, item_id, occurred_at) "
            "values (%s, 'purchase', %s, %s, %s, %s)",
            [(f"{session}/{item}", session, user, item, time) for session, user, item, time in lines],
        )
    owner.execute("call millstream.flush()")


def quiet_embed(dsn: str, home: Path, **options: object) -> Training:
    return embed(dsn, home, show_progress=False, parameters=PARAMETERS, neighbours=3, **options)


@pytest.fixture
def weights(owner: psycopg.Connection) -> None:
    owner.execute("insert into ranking_models (variant) values ('a'), ('b')")


def test_items_that_share_baskets_are_neighbours() -> None:
    model = train(gather(shopping()), PARAMETERS)
    ids, cosines = nearest(model.vectors, 3)
    for item, near, scores in zip(model.item_ids, ids, cosines, strict=True):
        kind = BREAKFAST if item in BREAKFAST else BARBECUE
        assert {model.item_ids[other] for other in near} == set(kind) - {item}
        assert (scores > 0).all()
    assert np.allclose(np.linalg.norm(model.vectors, axis=1), 1, atol=1e-6)


def test_the_order_of_reading_changes_nothing() -> None:
    lines = shopping()
    mixed = [lines[number] for number in np.random.default_rng(3).permutation(len(lines))]
    first, second = train(gather(lines), PARAMETERS), train(gather(mixed), PARAMETERS)
    assert first.version == second.version
    assert first.item_ids == second.item_ids
    assert np.array_equal(first.vectors, second.vectors)


def test_a_large_sparse_matrix_gives_the_same_vectors_twice() -> None:
    random = np.random.default_rng(11)
    lines: list[Line] = []
    for number in range(6_000):
        group = random.integers(12)
        goods = {f"{group}-{good}" for good in random.integers(50, size=4)}
        lines += [(f"b{number}", None, good, NOON) for good in sorted(goods)]
    parameters = Parameters(dimensions=12, min_baskets=2)
    first, second = (train(gather(lines), parameters) for _ in range(2))
    assert len(first.item_ids) == 600
    assert np.array_equal(first.vectors, second.vectors)
    ids, _ = nearest(first.vectors, 10)
    groups = np.asarray([item.split("-")[0] for item in first.item_ids])
    assert (groups[ids] == groups[:, None]).mean() > 0.95


def test_other_data_or_parameters_make_another_version() -> None:
    baskets = gather(shopping())
    names = {
        version_of(baskets, PARAMETERS),
        version_of(baskets, Parameters(dimensions=4, min_baskets=3)),
        version_of(gather(shopping(rounds=21)), PARAMETERS),
        version_of(gather([(s, u, i.upper(), t) for s, u, i, t in shopping()]), PARAMETERS),
    }
    assert len(names) == 4


def test_measuring_information_leaves_the_counts_as_they_are() -> None:
    together, counts, _ = co_occurrences(gather(shopping()).contents, PARAMETERS)
    before = together.toarray()
    information = positive_information(together, counts, 40, 0.75)
    assert information.nnz < before.size
    assert np.array_equal(together.toarray(), before)


def test_information_is_the_logarithm_of_observed_over_expected() -> None:
    """a is in 2 baskets, b in 2, both in 1, of 4; without smoothing ln(1 · 4 / (2 · 2)) = 0 and ln(2 · 4 / (2 · 2)) = ln 2."""
    counts = np.array([2.0, 2.0])
    for together, expected in ((1, 0.0), (2, np.log(2))):
        pair = csr_array(np.array([[0.0, together], [together, 0.0]]))
        information = positive_information(pair, counts, 4, 1.0).toarray()
        assert np.allclose(information, [[0, expected], [expected, 0]])


def test_an_item_in_too_few_baskets_gets_no_vector() -> None:
    once = [*shopping(), ("breakfast-0", None, "caviar", NOON)]
    assert "caviar" not in train(gather(once), PARAMETERS).item_ids


def test_too_few_purchases_are_refused_with_the_remedy() -> None:
    with pytest.raises(LoaderError, match="load more purchases"):
        train(gather(shopping(rounds=1)), PARAMETERS)


def test_lines_without_a_session_belong_to_the_day_of_their_user() -> None:
    lines: list[Line] = [
        (None, "u", "a", NOON),
        (None, "u", "b", NOON + timedelta(hours=1)),
        (None, "u", "c", NOON + timedelta(days=1)),
        (None, None, "d", NOON),
    ]
    baskets = gather(lines)
    assert baskets.items == ["a", "b", "c"]
    assert baskets.contents.toarray().tolist() == [[1, 1, 0], [0, 0, 1]]


def test_the_last_basket_of_a_person_with_one_basket_is_not_held_out() -> None:
    baskets = gather(
        [
            ("s1", "u", "a", NOON),
            ("s2", "u", "a", NOON + timedelta(days=1)),
            ("s3", "v", "a", NOON),
            ("s4", None, "a", NOON),
        ]
    )
    assert last_baskets(baskets).tolist() == [False, True, False, False]


def test_nearest_agrees_with_a_full_sort_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(5).standard_normal((57, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :7]
    for rows in (1, 10, 57):
        monkeypatch.setattr("loaders.embeddings.neighbours.BLOCK_BYTES", 4 * 57 * rows)
        ids, cosines = nearest(vectors, 7)
        assert np.array_equal(ids, expected)
        assert np.allclose(cosines, np.take_along_axis(similarity, expected, axis=1), atol=1e-6)


def test_hit_rate_finds_hidden_goods_that_popularity_misses() -> None:
    """60 kinds of baskets, equally popular: only the rest of a basket says which of 240 goods is hidden."""
    random = np.random.default_rng(2)
    lines: list[Line] = []
    for number in range(3_000):
        kind = number % 60
        for good in random.permutation(4)[:3]:
            lines.append((f"b{number}", f"u{number % 300}", f"{kind}-{good}", NOON + timedelta(hours=number)))
    quality = measure(gather(lines), Parameters(dimensions=64, min_baskets=2))
    assert quality is not None
    assert quality.queries == 900
    assert quality.cosine > 0.95
    assert quality.popularity < 0.2


@pytest.mark.usefixtures("weights")
def test_a_training_fills_relations_file_and_weights(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    buy(owner, shopping())
    result = quiet_embed(dsn, tmp_path)
    assert result.is_new
    assert (result.items, result.baskets, result.variants) == (8, 40, 2)
    model = load_model(Path(result.path))
    stored = dict(owner.execute("select item_id, vector from item_vectors").fetchall())
    assert sorted(stored) == model.item_ids
    assert np.allclose([stored[item] for item in model.item_ids], model.vectors)
    near = dict(owner.execute("select item_id, neighbour_ids from embedding_neighbours").fetchall())
    assert set(near["bread"]) == set(BREAKFAST) - {"bread"}
    for relation in ("item_vectors", "embedding_neighbours", "ranking_models"):
        versions = owner.execute(f"select distinct model_version from {relation}").fetchall()
        assert versions == [(result.version,)]


@pytest.mark.usefixtures("weights")
def test_the_same_purchases_train_nothing(dsn: str, owner: psycopg.Connection, tmp_path: Path) -> None:
    buy(owner, shopping())
    first, second = quiet_embed(dsn, tmp_path), quiet_embed(dsn, tmp_path)
    assert (first.is_new, second.is_new) == (True, False)
    assert (first.version, first.items) == (second.version, second.items)
    owner.execute("delete from embedding_neighbours where item_id = 'bread'")
    assert quiet_embed(dsn, tmp_path).is_new, "a version that is not whole is not in service"


@pytest.mark.usefixtures("weights")
def test_erased_people_refused_consent_and_bots_are_left_out(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    buy(owner, shopping())
    private = [(f"p{number}", "erased", good, NOON) for number in range(9) for good in ("bread", "secret")]
    buy(owner, private)
    buy(owner, [(f"q{number}", "shy", good, NOON) for number in range(9) for good in ("bread", "quiet")])
    buy(
        owner, [(f"r{number}", "visitor", good, NOON) for number in range(19) for good in ("bread", "hidden")]
    )
    buy(
        owner,
        [(f"t{number}", "crawler", good, NOON) for number in range(19) for good in ("bread", "crawled")],
    )
    owner.execute("update events set device = 'bot' where user_id = 'crawler'")
    owner.execute("update events set anonymous_id = user_id, user_id = null where user_id = 'visitor'")
    owner.execute("insert into identities values ('visitor', 'erased')")
    buy(owner, [(f"v{number}", "sam", good, NOON) for number in range(19) for good in ("bread", "late")])
    owner.execute("update events set anonymous_id = 'phone' where user_id = 'sam'")
    buy(owner, [(f"w{number}", "past", good, NOON) for number in range(19) for good in ("bread", "gone")])
    owner.execute("update events set anonymous_id = user_id, user_id = null where user_id = 'past'")
    [key] = owner.execute("select distinct key from tombstone_keys").fetchall()
    hashes = [keyed_hash(key[0], name) for name in ("past", "erased", "forgotten")]
    owner.execute("insert into past_identities values (%s, %s)", hashes[:2])
    buy(owner, [(f"x{number}", "forgotten", good, NOON) for number in range(19) for good in ("bread", "old")])
    owner.execute("insert into tombstones values (%s, now())", hashes[2:])
    owner.execute("insert into erased_users values ('erased', now()), ('phone', now())")
    owner.execute("update events set consent = false where user_id = 'shy'")
    quiet_embed(dsn, tmp_path)
    items = {row[0] for row in owner.execute("select item_id from item_vectors")}
    assert items == {*BREAKFAST, *BARBECUE}


@pytest.mark.usefixtures("weights")
def test_nobodys_baskets_and_no_moments_are_left_out(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    buy(owner, shopping())
    for nobody in ("", "null", "0"):
        buy(owner, [("", nobody, good, NOON) for good in ("bread", f"lost-{nobody}")] * 9)
    buy(owner, [(f"u{number}", "ann", good, NOON) for number in range(9) for good in ("bread", "never")])
    owner.execute("update events set occurred_at = 'infinity', received_at = null where item_id = 'never'")
    owner.execute("update events set occurred_at = null where item_id = 'never' and session_id = 'u1'")
    buy(owner, [(f"l{number}", "ann", good, NOON) for number in range(9) for good in ("bread", "x" * 1_001)])
    quiet_embed(dsn, tmp_path)
    items = {row[0] for row in owner.execute("select item_id from item_vectors")}
    assert items == {*BREAKFAST, *BARBECUE}


SERVED = """
    select
        (select string_agg(distinct model_version, ',') from item_vectors),
        (select count(*) from item_vectors),
        (select string_agg(distinct model_version, ',') from embedding_neighbours),
        (select count(*) from embedding_neighbours),
        (select string_agg(distinct model_version, ',') from ranking_models)
"""


def watch(dsn: str, stop: threading.Event, seen: list[tuple[object, ...]]) -> None:
    """Read what a ranking reads, in one statement, until told to stop; keep what changed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not stop.is_set():
            now = connection.execute(SERVED).fetchone()
            assert now is not None
            if not seen or seen[-1] != now:
                seen.append(now)


@pytest.mark.usefixtures("weights")
def test_a_swap_shows_one_whole_version_at_every_moment(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    buy(owner, shopping(extra="honey"))
    results = [quiet_embed(dsn, tmp_path)]
    seen: list[tuple[object, ...]] = []
    stop = threading.Event()
    reader = threading.Thread(target=watch, args=(dsn, stop, seen))
    reader.start()
    try:
        for number in range(6):
            owner.execute("delete from events where item_id = 'honey'")
            if number % 2:
                buy(owner, [line for line in shopping(extra="honey") if line[2] == "honey"])
            results.append(quiet_embed(dsn, tmp_path))
    finally:
        stop.set()
        reader.join(timeout=30)
    assert [result.items for result in results] == [9, 8, 9, 8, 9, 8, 9]
    whole = {
        (result.version, result.items, result.version, result.items, result.version) for result in results
    }
    assert len(whole) == 2
    assert len(seen) >= 3, "the reader was to see several swaps"
    assert set(seen) == whole


def test_a_file_that_is_no_model_is_refused_with_the_remedy(tmp_path: Path) -> None:
    broken = tmp_path / "svd-4-broken.npz"
    broken.write_bytes(b"PK nothing")
    with pytest.raises(LoaderError, match="millstream embed"):
        load_model(broken)

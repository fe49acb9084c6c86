"""A forgotten person is nowhere any more, and does not come back."""

from __future__ import annotations

import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from millstream.engine.erasure.tombstones import keyed_hash
from tests.engine.running import eventually
from tests.erasure.shop import Shop
from tests.erasure.traces import in_files, in_relations
from tests.serving.project import ROOT


@pytest.fixture
def mark() -> str:
    """An id that nobody else has."""
    return f"ZQ{secrets.token_hex(6)}"


def test_a_person_who_left_marks_everywhere_is_nowhere(shop: Shop, mark: str) -> None:
    shop.leave_marks(mark)
    before = in_relations(shop.owner, mark)
    sources = {"events", "events_raw", "identities", "users"}
    engine = {"millstream.dead_row", "millstream.dead_key", "millstream.feed_change"}
    assert before > sources | engine | {"stg_events_rejected", "stg_known_ids"}, (
        "the person is not everywhere"
    )
    shop.owner.execute("checkpoint")
    assert in_files(shop.home, mark)
    report = shop.forget(mark)
    assert report["remains"] == []
    assert in_relations(shop.owner, mark) == set()
    assert in_files(shop.home, mark) == set()
    assert {f"public.{name}" for name in sources} | engine <= set(report["removed"])
    for other in ("bob", "eve"):
        assert len(shop.used(other)) == 4
    row = shop.owner.execute(
        "select done_at > requested_at, cleaned_at > done_at, ids, removed from millstream.erasure where number = %s",
        [report["erasure"]],
    ).fetchone()
    assert row == (True, True, None, report["removed"])


def test_the_search_finds_what_is_planted(shop: Shop, mark: str) -> None:
    assert in_relations(shop.owner, mark) == set()
    assert in_files(shop.home, mark) == set()
    shop.writer.execute("insert into items (item_id, name) values (%s, 'planted')", [mark])
    shop.owner.execute("analyze items")
    shop.owner.execute("checkpoint")
    assert "items" in in_relations(shop.owner, mark)
    assert in_files(shop.home, mark)
    shop.writer.execute("delete from items where item_id = %s", [mark])
    (shop.home / "models" / "planted").write_text(mark)
    assert "models/planted" in in_files(shop.home, mark)
    (shop.home / "models" / "planted").unlink()


def test_what_comes_late_stays_out_under_every_id(shop: Shop, mark: str) -> None:
    phone, tablet = f"phone-{mark}", f"tablet-{mark}"
    shop.link(phone, mark)
    shop.event(f"1-{mark}", mark, "item-1")
    shop.flush()
    shop.forget(mark, "--keep-files")
    shop.event(f"2-{mark}", mark, "item-1")
    shop.event(f"3-{mark}", None, "item-1", phone)
    shop.event(f"4-{mark}", None, "item-1", tablet)
    shop.raw(mark)
    shop.link(tablet, mark)
    shop.flush()
    assert shop.used(mark, phone, tablet) == []
    shop.writer.execute("delete from identities where user_id = %s", [mark])
    shop.flush()
    assert shop.used(mark, phone, tablet) == []
    shop.forget()
    assert in_relations(shop.owner, mark) == set()


def test_a_link_that_no_tick_saw_is_remembered(shop: Shop, mark: str) -> None:
    phone = f"phone-{mark}"
    with shop.writer.transaction():
        shop.link(phone, mark)
        shop.writer.execute("delete from identities where user_id = %s", [mark])
    shop.event(f"1-{mark}", None, "item-1", phone)
    shop.flush()
    assert shop.used(phone) != []
    shop.forget(mark, "--keep-files")
    assert shop.used(phone) == []
    shop.event(f"2-{mark}", None, "item-1", phone)
    shop.flush()
    assert shop.used(phone) == []


def test_a_forgotten_visitor_takes_along_the_person_and_all_visitors_of_the_person(
    shop: Shop, mark: str
) -> None:
    for visitor in ("phone", "tablet"):
        shop.link(f"{visitor}-{mark}", mark)
        shop.event(f"{visitor}-event-{mark}", None, "item-1", f"{visitor}-{mark}")
    shop.flush()
    shop.forget(f"phone-{mark}", "--keep-files")
    assert in_relations(shop.owner, mark) == set()


@pytest.mark.parametrize("linked", [False, True])
def test_who_used_the_same_device_is_somebody_else_unless_asked_for(
    shop: Shop, mark: str, linked: bool
) -> None:
    other, tablet = f"other-{secrets.token_hex(4)}", f"tablet-{mark}"
    shop.link(tablet, mark)
    shop.flush()
    shop.link(tablet, other)  # somebody signs in on it after her
    shop.event(f"of-{other}", other, "item-1", tablet)
    shop.event(f"unnamed-{tablet}", None, "item-2", tablet)
    shop.flush()
    shop.forget(mark, "--keep-files", *(["--linked"] if linked else []))
    assert [user for user, _ in shop.used(other, tablet, mark)] == ([] if linked else [other])


def test_nothing_is_forgotten_in_a_dry_run(shop: Shop, mark: str) -> None:
    shop.link(f"phone-{mark}", mark)
    shop.event(f"1-{mark}", mark, "item-1")
    shop.flush()
    before = in_relations(shop.owner, mark)
    plan = shop.forget(mark, "--dry-run")
    assert plan["ids"] == [mark]
    assert plan["visitors"] == [f"phone-{mark}"]
    assert plan["rows"] == {"public.events": 1, "public.identities": 1}
    assert in_relations(shop.owner, mark) == before
    shop.forget(mark, "--keep-files")


def test_an_unknown_id_has_a_tombstone_all_the_same(shop: Shop, mark: str) -> None:
    first = shop.forget(mark, "--keep-files")
    assert first["removed"] == {}
    assert "no row was there" in shop.program("forget", mark, "--keep-files").stdout
    shop.event(f"1-{mark}", mark, "item-1")
    shop.flush()
    assert shop.used(mark) == []
    shop.forget(mark, "--keep-files")


@pytest.mark.parametrize(
    "nobody", ["", "  ", "null", "undefined", "0", "NaN", "'none'", "00000000-0000-0000-0000-000000000000"]
)
def test_nobody_is_not_forgotten(shop: Shop, nobody: str) -> None:
    answer = shop.program("forget", "--", nobody)
    assert answer.returncode == 1
    assert "names nobody" in answer.stderr
    with pytest.raises(psycopg.errors.RaiseException, match="names nobody"):
        shop.owner.execute("call millstream.forget('somebody', %s)", [nobody])


def test_ids_come_from_a_file(shop: Shop, mark: str) -> None:
    people = [f"{mark}-{number}" for number in range(30)]
    for person in people:
        shop.event(f"of-{person}", person, "item-1")
    shop.flush()
    path = shop.home.parent / f"{mark}.txt"
    path.write_text("\n".join(people) + "\n\n")
    assert shop.forget("--from", str(path), "--keep-files")["removed"]["public.events"] == len(people)
    assert in_relations(shop.owner, mark) == set()


def test_erased_users_become_tombstones(shop: Shop, mark: str) -> None:
    shop.event(f"1-{mark}", mark, "item-1")
    shop.writer.execute("insert into erased_users values (%s, now()), ('', now())", [mark])
    shop.flush()
    assert shop.used(mark) == []
    assert len(shop.used("bob")) == 4
    shop.forget("--keep-files")
    assert in_relations(shop.owner, mark) == set()
    shop.event(f"2-{mark}", mark, "item-1")
    shop.flush()
    assert shop.used(mark) == []
    shop.forget("--keep-files")


def test_the_owner_forgets_in_sql_and_nobody_else(shop: Shop, mark: str) -> None:
    shop.event(f"1-{mark}", mark, "item-1")
    shop.flush()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.writer.execute("call millstream.forget(%s)", [mark])
    shop.owner.execute("call millstream.forget(%s)", [mark])
    assert in_relations(shop.owner, mark) == set()


def test_files_are_cleaned_after_an_erasure_that_left_them(shop: Shop, mark: str) -> None:
    """In SQL, nothing cleans files; nor does a command that dies on its way."""
    shop.event(f"1-{mark}", mark, "item-1")
    shop.flush()
    shop.owner.execute("call millstream.forget(%s)", [mark])
    [(number,)] = shop.owner.execute("select max(number) from millstream.erasure").fetchall()
    shop.owner.execute("checkpoint")
    assert in_files(shop.home, mark)
    kept = shop.program("forget", "--keep-files")
    assert kept.returncode == 0, kept.stderr
    assert "left bytes in files: `millstream forget`" in kept.stderr
    assert number in shop.forget("--dry-run")["uncleaned"]
    assert in_files(shop.home, mark)
    answer = shop.program("forget")
    assert answer.returncode == 0, answer.stderr
    assert "rewriting every table" in answer.stderr
    assert in_files(shop.home, mark) == set()
    row = shop.owner.execute(
        "select cleaned_at > done_at from millstream.erasure where number = %s", [number]
    ).fetchone()
    assert row == (True,)
    row = shop.owner.execute(
        "select count(*) from millstream.erasure where done_at is not null and cleaned_at is null"
    ).fetchone()
    assert row == (0,)


def test_two_at_once_forget_the_same_and_others(shop: Shop, mark: str) -> None:
    people = [mark, f"x-{mark}", f"y-{mark}"]
    for person in people:
        shop.event(f"of-{person}", person, "item-1")
    shop.flush()
    with ThreadPoolExecutor() as pool:
        reports = list(
            pool.map(lambda who: shop.forget(*who, "--keep-files"), [people[:2], people[1:], people[:2]])
        )
    assert sum(report["removed"].get("public.events", 0) for report in reports) == 3
    assert in_relations(shop.owner, mark) == set()


def test_it_goes_on_after_its_worker_was_killed(shop: Shop, mark: str) -> None:
    """The links are gone already, and what was found by them stands in the request."""
    shop.event(f"1-{mark}", None, "item-1", f"phone-{mark}")
    shop.raw(f"phone-{mark}", quantity="many")
    shop.flush()
    shop.kill_worker()
    shop.owner.execute(
        "insert into millstream.erasure (ids, visitors) values (%s, %s)", [[mark], [f"phone-{mark}"]]
    )
    eventually(lambda: in_relations(shop.owner, mark) == set())


@pytest.mark.parametrize("moments", range(4))
def test_it_is_whole_whenever_the_worker_is_killed(shop: Shop, mark: str, moments: int) -> None:
    shop.leave_marks(mark)
    asked = shop.owner.execute("select millstream.request_erasure(array[%s])", [mark]).fetchone()
    assert asked is not None
    for _ in range(moments):  # so many round trips later
        shop.owner.execute("select removed from millstream.erasure where number = %s", asked)
    shop.kill_worker()
    eventually(lambda: in_relations(shop.owner, mark) == set())


def test_nobody_but_the_owner_reads_the_key(shop: Shop) -> None:
    [(key,)] = shop.owner.execute("select distinct key from tombstone_keys").fetchall()
    assert len(key) == 64
    for name in ("tombstone_keys", "tombstones", "past_identities"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.writer.execute(f"select * from {name}".encode())
    definitions = [found for found in in_relations(shop.owner, key) if found.startswith("definition")]
    assert definitions == []
    assert shop.writer.execute("select count(*) from load_erased_ids").fetchone() is not None


def test_tombstones_are_keyed(shop: Shop, mark: str) -> None:
    shop.forget(mark, "--keep-files")
    [(key,)] = shop.owner.execute("select distinct key from tombstone_keys").fetchall()
    found = shop.owner.execute("select count(*) from tombstones where id_hash = %s", [keyed_hash(key, mark)])
    assert found.fetchone() == (1,)
    assert shop.owner.execute("select millstream.keyed_hash(%s, %s)", [key, mark]).fetchone() == (
        keyed_hash(key, mark),
    )


def test_the_servers_log_has_no_values(shop: Shop, mark: str) -> None:
    log = shop.home / "logs" / "postgresql.log"
    for statement in (
        "insert into events (event_id, user_id, quantity) values (%s, %s, 99999999999)",
        "insert into millstream.setting values (%s, %s), (%s, %s)",
    ):
        values = [mark] * statement.count("%s")
        with pytest.raises(psycopg.Error):
            shop.owner.execute(statement.encode(), values)
    assert "out of range" in log.read_text()
    assert mark not in log.read_text()


def test_a_watcher_of_before_has_to_begin_again(shop: Shop, mark: str) -> None:
    row = shop.owner.execute("select since from millstream.feed where name = 'stg_events'").fetchone()
    shop.event(f"1-{mark}", mark, "item-1")
    shop.flush()
    shop.forget(mark, "--keep-files")
    after = shop.owner.execute("select since from millstream.feed where name = 'stg_events'").fetchone()
    assert row is not None
    assert after is not None
    assert after[0] > row[0], "changes are missing, and the feed must say so"


def test_the_report_is_for_people_too(shop: Shop, mark: str) -> None:
    shop.event(f"1-{mark}", mark, "item-1")
    shop.flush()
    answer = shop.program("forget", mark)
    assert answer.returncode == 0, answer.stderr
    assert "public.events: 1 row removed" in answer.stdout
    assert "backups" in answer.stdout
    assert json.loads(shop.program("forget", "--json", mark, "--dry-run").stdout)["rows"] == {}


def test_the_how_to_does_what_it_says(shop: Shop, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.home.parent)
    (shop.home.parent / "requests.txt").write_text(f"listed-{mark}\n")
    text = (ROOT / "docs/howto/forget-a-person.md").read_text()
    commands = re.findall(r"^    millstream forget ?(.*?) *(?:#.*)?$", text, re.MULTILINE)
    assert commands == ["user-1 --dry-run", "user-1", "--from requests.txt", ""]
    people = ("user-1", f"listed-{mark}", "user-2")
    for person in people:
        shop.event(f"of-{person}-{mark}", person, "item-1")
    shop.flush()
    for arguments in commands:
        answer = shop.program("forget", *arguments.split())
        assert answer.returncode == 0, answer.stderr
    [call] = re.findall(r"^    (call .*?);", text, re.MULTILINE)
    shop.owner.execute(call)
    assert shop.owner.execute(
        "select count(*) from events where user_id = any(%s)", [list(people)]
    ).fetchone() == (0,)

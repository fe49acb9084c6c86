"""A backup of a home in use: whole or not there, and what is restored from it goes on where it stood."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest

from millstream.server.process import wait_until
from tests.backup.conftest import assert_views_are_right, connect, content, dsn
from tests.cli.program import Program

TABLES = """
select format('%I.%I', n.nspname, c.relname)
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname in ('public', 'millstream', 'millstream_data')
"""
PATIENCE = 60.0


def backup(program: Program, target: Path, *options: str) -> dict[str, object]:
    answer = program("backup", str(target), "--json", *options)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def restore(program: Program, file: Path) -> None:
    answer = program("restore", str(file))
    assert answer.returncode == 0, answer.stderr


def everything(connection: psycopg.Connection) -> dict[str, object]:
    """A checksum of each table, and every sequence."""
    found: dict[str, object] = {}
    for (table,) in connection.execute(TABLES).fetchall():
        query = f"select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from {table} as t"
        found[table] = connection.execute(query.encode()).fetchone()
    return found | dict(connection.execute("select sequencename, last_value from pg_sequences").fetchall())


def test_a_restored_home_is_equal_in_every_table_and_sequence(
    shop: Program, restored: Program, tmp_path: Path
) -> None:
    file = tmp_path / "shop.backup"
    assert shop("down").returncode == 0
    backup(shop, file)
    assert shop.status()["server"]["running"] is False, "a home that was down is down again"
    restore(restored, file)
    with_all = {}
    for program in (shop, restored):
        with millstream_open(program.home) as connection:
            with_all[program.home] = everything(connection)
    assert with_all[shop.home] == with_all[restored.home]
    assert len(with_all[shop.home]) > 20


def millstream_open(home: Path) -> psycopg.Connection:
    """The owner's connection to a home whose worker does not run."""
    import millstream.server

    return psycopg.connect(millstream.server.open(home).dsn("owner"), autocommit=True)


def test_nothing_that_was_acknowledged_before_is_lost_and_the_worker_goes_on(
    shop: Program, restored: Program, tmp_path: Path
) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()

    def write() -> None:
        with connect(shop.home, "writer") as writer:
            while not stop.is_set():
                name = f"w{len(acknowledged)}"
                writer.execute(
                    "insert into purchases values (%s, 'busy', %s, 1, now())",
                    [name, f"i{len(acknowledged) % 7}"],
                )
                acknowledged.append(name)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        assert wait_until(lambda: len(acknowledged) > 50, PATIENCE)
        before = list(acknowledged)
        file = Path(str(backup(shop, tmp_path)["file"]))
        assert wait_until(lambda: len(acknowledged) > len(before) + 50, PATIENCE), "writes went on"
    finally:
        stop.set()
        writing.join()
    assert file.parent == tmp_path
    restore(restored, file)
    assert restored("up").returncode == 0
    with connect(restored.home) as owner:
        found = [row[0] for row in content(owner, "select id from purchases where person = 'busy'")]
        assert set(before) <= set(found)
        # One snapshot: what is there is a beginning of what was acknowledged, and the one write under way perhaps.
        assert set(found) == {f"w{n}" for n in range(len(found))}
        owner.execute("insert into purchases values ('after', 'ann', 'i1', 1, now())")
        owner.execute("insert into purchases values ('p1', 'again', 'i1', 1, now())")
        owner.execute("call millstream.flush()")
        assert_views_are_right(owner)
        assert content(owner, "select person from purchases where id in ('after', 'p1')") == [
            ("ann",),
            ("u1",),
        ]


def test_what_waits_in_the_queues_is_taken_after_the_restore(
    shop: Program, restored: Program, tmp_path: Path
) -> None:
    assert shop("down").returncode == 0
    with millstream_open(shop.home) as owner:
        owner.execute("insert into purchases values ('late', 'ann', 'i99', 2, now())")
        owner.execute("delete from purchases where id = 'p1'")
    backup(shop, tmp_path / "queued.backup")
    restore(restored, tmp_path / "queued.backup")
    assert restored("up").returncode == 0
    with connect(restored.home) as owner:
        owner.execute("call millstream.flush()")
        assert content(owner, "select times, units from bought where item = 'i99'") == [(1, 2)]
        assert_views_are_right(owner)


def test_passwords_roles_settings_and_every_file_of_the_home_travel(
    shop: Program, restored: Program, tmp_path: Path
) -> None:
    with connect(shop.home) as owner:
        owner.execute("create role \"An Analyst\" login password 'secret'")
        owner.execute('grant select on bought to "An Analyst"')
        owner.execute('grant connect on database millstream to "An Analyst"')
        owner.execute('grant pg_monitor to "An Analyst"')
    (shop.home / "models" / "v1.npz").write_bytes(bytes(range(256)) * 9000)
    (shop.home / "some.key").write_text("of a later release")
    (shop.home / "some.key").chmod(0o400)
    (shop.home / "data" / "local.conf").write_text("work_mem = '17MB'\n")
    backup(shop, tmp_path / "all.backup")
    assert shop("down").returncode == 0
    restore(restored, tmp_path / "all.backup")
    kept = json.loads((shop.home / "server.json").read_text())["passwords"]
    assert json.loads((restored.home / "server.json").read_text())["passwords"] == kept
    assert (restored.home / "models" / "v1.npz").read_bytes() == bytes(range(256)) * 9000
    assert (restored.home / "some.key").stat().st_mode & 0o777 == 0o400
    assert not (restored.home / "supervisor.json").exists()
    assert restored("up").returncode == 0
    with connect(restored.home, "reader") as reader:
        assert reader.execute("select current_user").fetchone() == ("millstream_reader",)
    analyst = psycopg.conninfo.make_conninfo(dsn(restored.home), user="An Analyst", password="secret")
    with psycopg.connect(analyst) as connection:
        assert connection.execute("select count(*) from bought").fetchone() == (40,)
        assert connection.execute("show work_mem").fetchone() == ("17MB",)
        assert connection.execute("select pg_has_role('pg_monitor', 'usage')").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from purchases")


def test_a_backup_is_private_and_overwrites_nothing(shop: Program, tmp_path: Path) -> None:
    file = tmp_path / "shop.backup"
    backup(shop, file)
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    again = shop("backup", str(file))
    assert again.returncode == 1
    assert "overwrites nothing" in again.stderr
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "shop.backup"]


def in_the_middle(shop: Program, file: Path) -> tuple[psycopg.Connection, subprocess.Popen[str]]:
    """A backup that waits for a table that the given connection has locked."""
    owner = psycopg.connect(dsn(shop.home))
    owner.execute("lock table purchases in access exclusive mode")
    process = shop.start("backup", str(file))

    def waits() -> bool:
        with connect(shop.home) as look:
            query = "select 1 from pg_stat_activity where application_name = 'pg_dump' and wait_event_type = 'Lock'"
            return look.execute(query).fetchone() is not None

    assert wait_until(waits, PATIENCE)
    return owner, process


def test_a_killed_backup_leaves_nothing_that_looks_like_one(shop: Program, tmp_path: Path) -> None:
    file = tmp_path / "shop.backup"
    owner, process = in_the_middle(shop, file)
    with owner:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not file.exists()
        unfinished = file.with_name("shop.backup.part")
        answer = shop("restore", str(unfinished), "--check")
        assert "not a whole backup" in answer.stderr
    with connect(shop.home) as look:
        gone = "select count(*) from pg_stat_activity where application_name = 'pg_dump'"
        assert wait_until(lambda: look.execute(gone).fetchone() == (0,), PATIENCE), "its dump ends with it"
    backup(shop, file)
    assert not unfinished.exists()


def test_what_killed_backups_left_in_a_folder_goes_with_the_next_one(shop: Program, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    for name in ("millstream-20260101T000000Z.backup.part", "another.part"):
        (folder / name).write_bytes(b"PK half of it")
    owner, process = in_the_middle(shop, folder)
    with owner:
        found = sorted(path.name for path in folder.iterdir())
        assert len(found) == 2
        assert found[0] == "another.part"
        owner.rollback()
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out
    assert sorted(path.suffix for path in folder.iterdir()) == [".backup", ".part"]


def test_two_backups_at_once_and_a_deployment(shop: Program, tmp_path: Path) -> None:
    owner, process = in_the_middle(shop, tmp_path / "shop.backup")
    with owner:
        second = shop("backup", str(tmp_path / "shop.backup"))
        assert (second.returncode, "another backup" in second.stderr) == (1, True), second.stderr
        with connect(shop.home) as look:
            held = "select count(*) from pg_locks where locktype = 'advisory' and objid = %s and granted"
            assert look.execute(held, [0x62756C64]).fetchone() == (1,), "deployments wait for it"
        owner.rollback()
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out
    assert shop("restore", str(tmp_path / "shop.backup"), "--check").returncode == 0


def test_a_full_disk_leaves_nothing(shop: Program, tmp_path: Path) -> None:
    (shop.home / "models" / "large.npz").write_bytes(os.urandom(3_000_000))
    done = subprocess.run(
        [*shop.argv, "backup", str(tmp_path / "shop.backup")],
        capture_output=True,
        text=True,
        check=False,
        env=shop.environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000)),
    )
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "hint" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize(
    ("target", "environment", "said"),
    [
        ("missing/shop.backup", {}, "No such file or directory"),
        ("shop.backup", {"MILLSTREAM_DSN": "host=127.0.0.1"}, "MILLSTREAM_DSN"),
    ],
)
def test_what_cannot_be_written_or_is_not_ours_is_refused(
    shop: Program, tmp_path: Path, target: str, environment: dict[str, str], said: str
) -> None:
    answer = shop("backup", str(tmp_path / target), **environment)
    assert answer.returncode == 1
    assert said in answer.stderr
    assert "hint" in answer.stderr


def test_a_home_that_is_not_there_is_not_made(restored: Program, tmp_path: Path) -> None:
    answer = restored("backup", str(tmp_path / "shop.backup"))
    assert (answer.returncode, "there is no home" in answer.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_restore_leaves_no_home_and_the_next_one_works(
    shop: Program, restored: Program, tmp_path: Path
) -> None:
    file = tmp_path / "shop.backup"
    backup(shop, file)
    place = tmp_path / ".restored.restoring"
    process = restored.start("restore", str(file))
    assert wait_until((place / "data" / "postmaster.pid").exists, PATIENCE)
    second = restored("restore", str(file))
    assert (second.returncode, "another restore" in second.stderr) == (1, True), second.stderr
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not restored.home.exists()
    began = time.monotonic()
    restore(restored, file)
    assert time.monotonic() - began < PATIENCE
    assert not place.exists()
    assert restored("up").returncode == 0
    with connect(restored.home) as owner:
        assert_views_are_right(owner)

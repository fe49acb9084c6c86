"""The commands: what they print, what they refuse, and where they find the server."""

from __future__ import annotations

import ast
import json
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from loaders.commands.embed import embed
from loaders.commands.load import load
from loaders.commands.replay import replay
from loaders.schema.errors import LoaderError
from loaders.target.address import VARIABLE, find_home, writer_dsn
from tests.loaders.logs import NOON, fields, write_jsonl

LOADERS = Path(__file__).parents[2] / "loaders"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("MILLSTREAM_HOME", str(tmp_path / "home"))


def run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize("command", [load, replay, embed])
def test_help_explains_every_option_and_ends_in_an_example(command: object) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Example: millstream" in result.output
    assert all(option.help for option in command.params if option.param_type_name == "option")  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", [load, replay])
def test_help_lists_the_formats(command: object) -> None:
    output = run(command, "--help").output
    for name in ("completejourney", "csv", "jsonl", "rees46", "rsc15", "taobao", "uci_eshop"):
        assert f"\n    {name} " in output


def test_load_prints_what_it_did_and_why_rows_were_rejected(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0), "{broken", fields(1)])
    result = run(load, "jsonl", str(path), "--dsn", dsn)
    assert result.exit_code == 0, result.output
    assert "2 events loaded, 0 were already there" in result.output
    assert "1 row rejected" in result.output
    assert f"{path}:2" in result.output
    kept = tmp_path / "home" / "rejects" / "jsonl.jsonl"
    assert json.loads(kept.read_text())["line"] == 2


def test_json_output_is_one_object(dsn: str, owner: psycopg.Connection, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(4)])
    loaded = json.loads(
        run(load, "jsonl", str(path), "--dsn", dsn, "--json", "--until", "2026-03-01T12:00:02Z").stdout
    )
    assert (loaded["sent"], loaded["rejects"]) == (2, None)
    assert loaded["last_event_at"] == (NOON + timedelta(seconds=1)).isoformat()
    replayed = json.loads(run(replay, "jsonl", str(path), "--dsn", dsn, "--json", "--speed", "1000x").stdout)
    assert (replayed["sent"], replayed["already_there"], replayed["stopped"]) == (2, 2, False)


@pytest.mark.parametrize(
    ("lines", "status"),
    [(["{broken"], 2), (["{broken", fields(0)], 0), ([], 0), ([fields(0, occurred_at="soon")], 2)],
)
def test_the_status_is_2_when_every_row_was_rejected(
    dsn: str, tmp_path: Path, lines: list[dict[str, object] | str], status: int
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", lines)
    for command, more in ((load, []), (replay, ["--rate", "1000"])):
        assert run(command, "jsonl", str(path), "--dsn", dsn, *more).exit_code == status


@pytest.mark.parametrize(
    ("name", "text", "source_format"),
    [
        ("clicks.csv", "user,sku,event,ts\na,lamp,view,1772366400\n", "ga4"),
        ("ga4.jsonl", '{"event_name": "view_item", "event_timestamp": "1772366400000000"}\n', "segment"),
    ],
)
def test_a_file_of_which_all_was_left_out_may_be_of_another_format(
    dsn: str, tmp_path: Path, name: str, text: str, source_format: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    result = run(load, source_format, str(path), "--dsn", dsn)
    assert result.exit_code == 2, result.output
    assert "left out as no events of this mapping: 1" in result.output
    assert f"nothing in {path} is what {source_format} reads" in result.output
    assert f"millstream load {path} --guess" in result.output


def test_who_visitors_are_is_reason_enough_for_a_file_without_events(dsn: str, tmp_path: Path) -> None:
    call = {"type": "identify", "messageId": "m", "anonymousId": "v", "userId": "a"}
    path = write_jsonl(tmp_path / "segment.jsonl", [{**call, "timestamp": "2026-03-01T12:00:00Z"}])
    for _ in range(2):
        assert run(load, "segment", str(path), "--dsn", dsn).exit_code == 0


def test_a_repeated_load_of_what_is_there_is_no_failure(dsn: str, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0), "{broken"])
    for _ in range(2):
        assert run(load, "jsonl", str(path), "--dsn", dsn).exit_code == 0


def test_an_event_that_no_calendar_has_when_it_is_moved_is_rejected_alone(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    log = [fields(0, occurred_at="0001-01-02T00:00:00Z"), fields(1)]
    path = write_jsonl(tmp_path / "log.jsonl", log)
    result = run(load, "jsonl", str(path), "--dsn", dsn, "--shift-to", "2020-01-01")
    assert result.exit_code == 0, result.output
    assert "moved by -2,252 days is no date" in result.output
    assert owner.execute("select event_id from events").fetchall() == [("e000001",)]


def test_load_moves_the_log_to_now(dsn: str, owner: psycopg.Connection, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(4)])
    result = run(load, "jsonl", str(path), "--dsn", dsn, "--shift-to", "now")
    assert "the log is moved by" in result.output
    row = owner.execute("select now() - max(occurred_at) between '0 s' and '1 min' from events").fetchone()
    assert row == (True,)


def test_raw_lines_go_to_events_raw_once_and_a_grown_file_goes_on(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "topic.log"
    path.write_bytes(b'{"a": 1}\nnot json at all\n\n\xff\x00\n')
    for _ in range(2):
        assert run(load, "raw", str(path), "--dsn", dsn).exit_code == 0
    with path.open("ab") as file:
        file.write(b"one more\n")
    assert (
        "1 messages sent to events_raw, 3 were already there"
        in run(load, "raw", str(path), "--dsn", dsn).output
    )
    rows = owner.execute(
        "select payload, source_partition, source_offset from events_raw order by source_offset"
    ).fetchall()
    assert rows == [
        ('{"a": 1}', "topic.log", "1"),
        ("not json at all", "topic.log", "2"),
        ("\\udcff\\x00", "topic.log", "4"),
        ("one more", "topic.log", "5"),
    ]


def test_embed_prints_the_remedy_when_there_is_nothing_to_train_on(
    dsn: str, owner: psycopg.Connection
) -> None:
    result = run(embed, "--dsn", dsn)
    assert result.exit_code == 1
    assert "load more purchases" in result.output


def test_embed_of_a_relation_that_is_not_there_says_so(dsn: str, owner: psycopg.Connection) -> None:
    result = run(embed, "--dsn", dsn, "--relation", "public.purchases")
    assert result.exit_code == 1
    assert 'relation "public.purchases" does not exist' in result.output


def test_a_database_without_source_relations_is_told_with_the_remedy(database: str, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0)])
    result = run(load, "jsonl", str(path), "--dsn", database)
    assert result.exit_code == 1
    assert "dbt run" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["excel", "x"], "the formats are"),
        (["jsonl"], "add its path"),
        (["raw"], "add its path"),
        (["jsonl", "/nowhere"], "no such file"),
        (["jsonl", "x", "--since", "yesterday"], "such as 2017-03-20"),
        (["jsonl", "x", "--shift-to", "soon"], "'now', a date"),
    ],
)
def test_wrong_arguments_are_refused_with_what_to_write(arguments: list[str], words: str) -> None:
    result = run(load, *arguments, "--dsn", "postgresql://127.0.0.1:1/none")
    assert result.exit_code != 0
    assert words in result.output


def test_speed_and_rate_exclude_each_other(dsn: str, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0)])
    result = run(replay, "jsonl", str(path), "--dsn", dsn, "--speed", "2x", "--rate", "3")
    assert result.exit_code == 1
    assert "not both" in result.output


def test_the_server_is_found_in_the_home(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(
        json.dumps({"port": 5999, "pid": 1, "passwords": {"writer": "a/b"}})
    )
    assert writer_dsn(None, tmp_path) == "postgresql://millstream_writer:a%2Fb@127.0.0.1:5999/millstream"


def test_a_given_dsn_goes_before_the_environment_and_that_before_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, "of the environment")
    assert writer_dsn("given", tmp_path) == "given"
    assert writer_dsn(None, tmp_path) == "of the environment"


@pytest.mark.parametrize("content", [None, "{", "{}", '{"port": null, "passwords": {"writer": "x"}}'])
def test_a_home_without_a_server_is_refused_with_the_remedy(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "server.json").write_text(content)
    with pytest.raises(LoaderError, match="millstream up"):
        writer_dsn(None, tmp_path)


def test_the_home_lies_in_the_project_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MILLSTREAM_HOME")
    (tmp_path / "dbt_project.yml").touch()
    (tmp_path / "sql" / "staging").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "sql" / "staging")
    assert find_home() == tmp_path / ".millstream"


def test_loaders_import_nothing_of_the_engine_or_the_functions() -> None:
    for file in LOADERS.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in ("millstream", "udfs", "dbt")], file

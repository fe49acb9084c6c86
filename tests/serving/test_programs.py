"""The programs of docs/howto/clients.md as they stand there, each with its driver."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.recommend.statement import statement
from millstream.server.address import jdbc, sqlalchemy, url
from tests.clients.fetch import HERE, JARS, NODE
from tests.project.compiled import ROOT, Project, compile_project
from tests.serving.shop import Shop

K = 5
TEA = {"i4", "i5", "i6", "i7", "i8"}
SECONDS = 240


def section(title: str) -> tuple[str, str]:
    """The language and the text of the program under a heading of the page."""
    text = (ROOT / "docs/howto/clients.md").read_text()
    _, _, after = text.partition(f"\n## {title}\n")
    [(language, program)] = re.findall(r"```(\w+)\n(.*?)```", after.partition("\n## ")[0], re.DOTALL)
    return language, program


def run(argv: list[str], folder: Path, **environment: str) -> list[list[str]]:
    """The words of each line that a program prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLSTREAM_")}
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**kept, **environment},
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def check(shop: Shop, folder: Path, driver: str, argv: list[str], **environment: str) -> None:
    """The program prints what the documented statement gives, and with a category what is of it, filled up."""
    (folder / "recommend.sql").write_text(statement(driver, filters=True))
    expected = [
        [str(row["rank"]), row["item_id"], row["category"], row["source"]] for row in shop.recommend("ann", K)
    ]
    assert run([*argv, "ann"], folder, **environment) == expected
    filtered = run([*argv, "ann", "tea"], folder, **environment)
    assert [row[0] for row in filtered] == [str(rank) for rank in range(1, K + 1)]
    assert {row[1] for row in filtered} == TEA
    assert {row[2] for row in filtered} == {"tea"}


@pytest.mark.parametrize(
    ("title", "driver", "address"),
    [("psycopg", "psycopg", url), ("asyncpg", "asyncpg", url), ("SQLAlchemy", "sqlalchemy", sqlalchemy)],
)
def test_python(shop: Shop, tmp_path: Path, title: str, driver: str, address: object) -> None:
    language, program = section(f"Python: {title}")
    assert language == "python"
    (tmp_path / "program.py").write_text(program)
    assert callable(address)
    check(shop, tmp_path, driver, [sys.executable, "program.py"], DATABASE_URL=address(shop.dsns["reader"]))


def test_classes_by_reflection(shop: Shop, tmp_path: Path) -> None:
    _, program = section("Python: classes by reflection")
    (tmp_path / "program.py").write_text(program)
    urls = {"DATABASE_URL": sqlalchemy(shop.dsns["reader"]), "WRITER_URL": sqlalchemy(shop.dsns["writer"])}
    printed = run([sys.executable, "program.py", "nobody", "i1"], tmp_path, **urls)
    rows = shop.reader.execute(
        "select rank, item_id, category, source from serve_recommendations where user_id = 'nobody' order by slot limit 5"
    ).fetchall()
    assert printed == [[str(value) for value in row.values()] for row in rows]
    assert printed[0][:2] == ["1", "i0"]


def test_node(shop: Shop, tmp_path: Path) -> None:
    if shutil.which("node") is None or not (NODE / "node_modules").is_dir():
        pytest.skip("node or node-postgres is not here: python -m tests.clients.fetch")
    (tmp_path / "program.js").write_text(section("JavaScript: node-postgres")[1])
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    check(shop, tmp_path, "node-postgres", ["node", "program.js"], DATABASE_URL=url(shop.dsns["reader"]))


def test_go(shop: Shop, tmp_path: Path) -> None:
    offline = {"GOPROXY": "off", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    shutil.copytree(HERE / "go", tmp_path, dirs_exist_ok=True)
    (tmp_path / "main.go").write_text(section("Go: pgx")[1])
    there = shutil.which("go") is not None and (
        subprocess.run(
            ["go", "list", "-deps", "."],
            cwd=tmp_path,
            env={**os.environ, **offline},
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    if not there:
        pytest.skip("go or pgx is not here: python -m tests.clients.fetch")
    run(["go", "build", "-o", "program", "."], tmp_path, **offline)
    check(shop, tmp_path, "pgx", ["./program"], DATABASE_URL=url(shop.dsns["reader"]))


def test_java(shop: Shop, tmp_path: Path) -> None:
    if shutil.which("java") is None or not JARS.is_dir():
        pytest.skip("java, JDBC or HikariCP is not here: python -m tests.clients.fetch")
    (tmp_path / "Recommend.java").write_text(section("Java: JDBC")[1])
    argv = ["java", "-cp", f"{JARS}/*", "Recommend.java"]
    check(shop, tmp_path, "jdbc", argv, JDBC_URL=jdbc(shop.dsns["reader"]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project("embedded", tmp_path_factory.mktemp("dbt"))


def test_the_keys_of_the_page_are_those_that_the_models_test(project: Project) -> None:
    text = (ROOT / "docs/howto/clients.md").read_text()
    shown = {
        view: re.findall(r"`(\w+)`", key)
        for views, key in re.findall(r"^\| ((?:`serve_\w+`(?:, )?)+) \| (.+) \|$", text, re.M)
        for view in re.findall(r"`(\w+)`", views)
    }
    tested: dict[str, list[str]] = {}
    for node in project.manifest["nodes"].values():
        name = (node.get("attached_node") or "").split(".")[-1]
        if node["resource_type"] == "test" and name.startswith("serve_"):
            test = node["test_metadata"]
            if test["name"] in ("unique_key", "unique"):
                tested[name] = test["kwargs"].get("columns") or [node["column_name"]]
    assert shown == tested

"""docker-compose.yml: pinned, bounded, watched, closed, and without a password."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.production.files import DEPLOY, ROOT, VARIABLE, compose, example, guide, services
from tests.production.roles import roles

GIB = 1024**3
UNITS = {"m": 1024**2, "g": GIB}
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|PRIVATE_KEY")
COMPOSE = ["docker", "compose"]
WITHOUT_COMPOSE = (
    shutil.which("docker") is None
    or subprocess.run([*COMPOSE, "version"], capture_output=True, check=False).returncode
)


def size(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def values(tree: Any) -> list[str]:
    """Every scalar in a part of a YAML file."""
    if isinstance(tree, dict):
        return [value for item in tree.values() for value in values(item)]
    if isinstance(tree, list):
        return [value for item in tree for value in values(item)]
    return [str(tree)]


def used_variables() -> dict[str, str | None]:
    """Variables of the compose file, and the default or message of each."""
    text = (ROOT / "docker-compose.yml").read_text()
    return {name: f"{kind}{rest}" if kind else None for name, kind, rest in VARIABLE.findall(text)}


@pytest.mark.parametrize("name", sorted(services()))
def test_a_service_is_pinned_bounded_and_watched(name: str) -> None:
    service = services()[name]
    tag = service["image"].rpartition(":")[2]
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), f"{service['image']}: an exact version, not a moving tag"
    assert size(service["mem_limit"]) > 0
    check = service["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries"} <= check.keys()
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["restart"] == ("no" if service.get("profiles") else "unless-stopped")


def test_risingwave_is_at_least_3() -> None:
    version = services()["risingwave"]["image"].rpartition(":")[2].lstrip("v")
    assert int(version.split(".")[0]) >= 3


def test_all_of_it_fits_a_laptop_of_8_gib() -> None:
    limits = [size(service["mem_limit"]) for service in services().values()]
    assert sum(limits) <= 7.25 * GIB


def test_risingwave_is_told_less_memory_than_its_limit() -> None:
    service = services()["risingwave"]
    told = int(service["command"][service["command"].index("--total-memory-bytes") + 1])
    heap = int(service["environment"]["JVM_HEAP_SIZE"])
    assert told + heap <= 0.85 * size(service["mem_limit"])


def test_nothing_is_reachable_from_another_machine() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert len(published) >= 5
    assert [port for port in published if not str(port).startswith("127.0.0.1:")] == []
    assert [name for name, service in services().items() if "network_mode" in service] == []


def test_no_service_may_do_more_than_it_must() -> None:
    assert [
        name for name, service in services().items() if service.get("privileged") or "cap_add" in service
    ] == []
    for name in ("udf-server", "loader"):
        assert services()[name]["read_only"] is True
        assert services()[name]["cap_drop"] == ["ALL"]


def test_no_password_is_in_the_file() -> None:
    secrets = {
        key: value
        for service in services().values()
        for key, value in service.get("environment", {}).items()
        if SECRET.search(key)
    }
    assert secrets
    for key, value in secrets.items():
        assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{key} is not a variable that must be set"
    assert "PASSWORD=" not in (ROOT / "docker-compose.yml").read_text()


def test_every_variable_is_in_the_example_and_every_one_there_is_used() -> None:
    shell = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", (DEPLOY / "up").read_text()))
    used = used_variables().keys() | set(roles.PASSWORDS.values()) | (shell & example().keys())
    assert example().keys() == used


def test_every_variable_of_the_example_is_explained() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    bare = {"PROMETHEUS_PORT", "GRAFANA_PORT"}  # the line says it
    for before, line in itertools.pairwise(lines):
        name = line.split("=")[0]
        if line and not line.startswith("#") and name not in bare:
            assert before.startswith("# "), f"{name} has no comment"


def test_the_example_has_no_password_and_the_defaults_of_the_file() -> None:
    used = used_variables()
    for name, value in example().items():
        if SECRET.search(name):
            assert value == "", f"{name} has a value"
        elif name in used:
            assert used[name] == f"-{value}", f"{name} has another default in docker-compose.yml"


def test_a_password_that_is_missing_has_a_message() -> None:
    required = {name: text for name, text in used_variables().items() if text and text.startswith("?")}
    assert required and all(".env.example" in text for text in required.values())
    others = {name for name in example() if SECRET.search(name)} - required.keys()
    assert others <= set(roles.PASSWORDS.values())
    assert "roles.py check" in (DEPLOY / "up").read_text().split("docker compose up")[0]


def test_volumes_are_declared_and_used_and_mounted_files_exist() -> None:
    sources = [
        volume.rpartition(":ro")[0].rpartition(":")[0]
        if volume.endswith(":ro")
        else volume.rpartition(":")[0]
        for service in services().values()
        for volume in service.get("volumes", [])
    ]
    named = {source for source in sources if re.fullmatch(r"\w+", source)}
    assert named == compose()["volumes"].keys()
    for source in sources:
        if source.startswith("./"):
            assert (ROOT / source).is_dir(), source


def test_what_holds_data_is_on_a_volume() -> None:
    for name in ("risingwave", "kafka", "prometheus", "grafana"):
        assert any(volume.startswith(f"{name}:") for volume in services()[name]["volumes"])
    store = services()["risingwave"]["environment"]["RW_SINGLE_NODE_STORE_DIRECTORY"]
    assert f"risingwave:{store}" in services()["risingwave"]["volumes"]
    assert f"kafka:{services()['kafka']['environment']['KAFKA_LOG_DIRS']}" in services()["kafka"]["volumes"]


def test_what_a_service_needs_is_there_and_healthy_first() -> None:
    for name, service in services().items():
        for other, condition in service.get("depends_on", {}).items():
            assert other in services(), f"{name} waits for {other}"
            assert condition == {"condition": "service_healthy"}
    # RisingWave asks the functions' server at its own start, where a view calls one.
    assert services()["risingwave"]["depends_on"].keys() == {"udf-server", "kafka"}


def test_kafka_tells_each_client_an_address_that_it_can_reach() -> None:
    environment = services()["kafka"]["environment"]
    advertised = dict(item.split("://") for item in environment["KAFKA_ADVERTISED_LISTENERS"].split(","))
    listening = dict(item.split("://") for item in environment["KAFKA_LISTENERS"].split(","))
    (published,) = services()["kafka"]["ports"]
    address, inside = published.rsplit(":", 1)
    assert advertised == {"INSIDE": "kafka:19092", "HOST": address}
    assert listening["HOST"] == f":{inside}" and listening["INSIDE"] == ":19092"
    assert listening["CONTROLLER"].startswith("localhost:")
    assert listening.keys() == {
        item.split(":")[0] for item in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    }
    assert services()["loader"]["environment"]["MILLSTREAM_KAFKA"] == advertised["INSIDE"]
    assert f"MILLSTREAM_KAFKA={advertised['INSIDE']}" in (DEPLOY / "up").read_text()


def test_the_guide_justifies_every_service_port_variable_and_volume() -> None:
    text = guide()
    ports = {port.rsplit(":", 1)[1] for service in services().values() for port in service.get("ports", [])}
    names = [*services(), *ports, *example(), *compose()["volumes"]]
    names += [
        f"{kind} {name}"
        for kind, name in (("mem_limit", size) for size in ("4g", "1g", "768m", "512m", "384m"))
    ]
    missing = [name for name in names if f"`{name}`" not in text and f"`{name.split()[-1]}`" not in text]
    assert missing == []
    for service in services().values():
        assert f"`{service['image']}`" in text, f"the guide names another version than {service['image']}"
        for key in service.get("environment", {}):
            assert f"`{key}`" in text, f"the guide does not say what {key} is for"


@pytest.mark.skipif(WITHOUT_COMPOSE, reason="docker compose is not installed")
def test_compose_reads_it_and_names_a_password_that_is_missing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def config() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMPOSE, "--profile", "load", "config", "--format", "json"],
            cwd=tmp_path, capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip

    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    refused = config()
    assert refused.returncode != 0
    assert re.search(r"\w+_PASSWORD is missing a value: set it in .env", refused.stderr), refused.stderr
    filled = "".join(f"{name}={value or 'x'}\n" for name, value in example().items())
    (tmp_path / ".env").write_text(filled)
    accepted = config()
    assert accepted.returncode == 0, accepted.stderr
    assert json.loads(accepted.stdout)["services"].keys() == services().keys()

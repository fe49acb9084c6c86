"""Prometheus and Grafana: what is shown and alerted on is what somebody exports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.production.files import (
    DEPLOY,
    ROOT,
    alerts,
    compose,
    expressions,
    guide,
    panel_sql,
    panels,
    services,
)
from tests.production.roles import roles
from tests.udf_server.calling import Client, Process

RISINGWAVE = {
    "stream_mview_current_epoch",
    "stream_mview_input_row_count",
    "table_info",
    "meta_barrier_duration_seconds_bucket",
    "source_kafka_high_watermark",
    "source_latest_message_id",
    "source_partition_input_count",
    "udf_latency_bucket",
    "udf_failure_count",
    "frontend_query_counter_local_execution",
    "frontend_latency_local_execution_bucket",
}
"""Names that RisingWave 3.0.3 registers."""
EVERYBODY = {"up", "process_resident_memory_bytes"}
WORDS = {"sum", "max", "min", "avg", "count", "topk", "rate", "increase", "by", "on", "group", "group_left", "ignoring", "histogram_quantile", "time", "absent", "or", "and"}  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """Sample names of a functions' server that has a model and answered a call."""
    import numpy as np

    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    np.savez(
        home / "models" / "first.npz", item_ids=np.array(["a"]), vectors=np.ones((1, 2), dtype=np.float32)
    )
    with Process(home=home) as process:
        client = Client(process.port)
        client.call("blend_v2", [([], None, None, 75, 50, 0.5, 0.25, "first")])
        client.close()
        text = process.get("/metrics")[1]
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def metrics_in(expression: str) -> set[str]:
    """The metric names of a PromQL expression."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]|\{[^}]*\}', " ", expression)
    bare = re.sub(r"\b(by|on|ignoring|group_left)\s*\([^)]*\)", " ", bare)
    return set(re.findall(r"\b[a-z_][a-z0-9_]*\b", bare)) - WORDS


def test_every_metric_of_a_panel_or_an_alert_is_exported(exported: set[str]) -> None:
    known = exported | RISINGWAVE | EVERYBODY
    assert {name for name in exported if name.startswith("millstream_udf_seconds")}
    unknown = {where: metrics_in(text) - known for where, text in expressions().items()}
    assert {where: names for where, names in unknown.items() if names} == {}


def test_no_name_of_ours_is_shown_without_being_exported_by_us(exported: set[str]) -> None:
    shown = {name for text in expressions().values() for name in metrics_in(text)}
    ours = {name for name in shown if name.startswith("millstream_")}
    assert len(ours) >= 7 and ours <= exported
    assert shown & RISINGWAVE == RISINGWAVE


def test_the_issue_s_subjects_have_panels() -> None:
    titles = " ".join(panel["title"] for panel in panels()).lower()
    for subject in ("freshness", "throughput", "tier mix", "rejected events", "function latency"):
        assert subject in titles


def test_panels_are_explained_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["description"], panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_every_panel_asks_a_provisioned_datasource() -> None:
    file = DEPLOY / "grafana" / "provisioning" / "datasources" / "datasources.yml"
    sources = {source["uid"]: source for source in yaml.safe_load(file.read_text())["datasources"]}
    for panel in panels():
        for part in (panel, *panel["targets"]):
            assert sources[part["datasource"]["uid"]]["type"] == part["datasource"]["type"]
    risingwave = sources["risingwave"]
    assert risingwave["user"] == roles.MONITOR
    variable = risingwave["secureJsonData"]["password"].removeprefix("$")
    assert variable == roles.PASSWORDS[roles.MONITOR]
    assert variable in services()["grafana"]["environment"]


def test_hosts_and_ports_are_those_of_the_services() -> None:
    datasources = (DEPLOY / "grafana/provisioning/datasources/datasources.yml").read_text()
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {
        target for job in scraped for static in job.get("static_configs", []) for target in static["targets"]
    }
    listener = services()["risingwave"]["environment"]["RW_SINGLE_NODE_PROMETHEUS_LISTENER_ADDR"]
    assert f"risingwave:{listener.rsplit(':', 1)[1]}" in targets
    (dns,) = [found for job in scraped for found in job.get("dns_sd_configs", [])]
    assert dns["names"] == ["udf-server"] and dns["port"] == 8816
    assert "http://prometheus:9090" in datasources and "risingwave:4566" in datasources
    assert {job["job_name"] for job in scraped} <= {*compose()["services"]}
    jobs = set(re.findall(r'job="([\w-]+)"', " ".join(expressions().values())))
    assert jobs <= {job["job_name"] for job in scraped}


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    file = DEPLOY / "grafana" / "provisioning" / "dashboards" / "dashboards.yml"
    (provider,) = yaml.safe_load(file.read_text())["providers"]
    mounts = dict(v.removesuffix(":ro").rsplit(":", 1)[::-1] for v in services()["grafana"]["volumes"])
    folder = ROOT / mounts[provider["options"]["path"]]
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (folder / Path(home).name).is_file()


def test_the_monitor_may_read_what_panels_read_and_no_more() -> None:
    read = {name for text in panel_sql().values() for name in re.findall(r"\bfrom (\w+)", text)}
    assert read == roles.MONITORED
    assert read <= {path.stem for path in (ROOT / "sql").rglob("*.sql")}


def test_every_alert_has_a_remedy_here_and_in_the_guide() -> None:
    text = guide()
    for rule in alerts():
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert f"`{rule['alert']}`" in text, rule["alert"]

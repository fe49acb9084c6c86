"""A profile that keeps `type: risingwave` for the project is refused at once, with the remedy."""

from __future__ import annotations

from tests.conformance.runs import Project


def test_a_profile_of_dbt_risingwave_is_refused_before_anything_is_sent(small: Project) -> None:
    profiles = small.root / "profiles.yml"
    profiles.write_text(profiles.read_text().replace("type: millstream_risingwave", "type: risingwave"))
    outcome = small.dbt("run")
    assert not outcome.success and outcome.sent == []
    assert "error[MS106] profiles.yml type: risingwave  for the target risingwave" in outcome.error
    assert "write  type: millstream_risingwave  there" in outcome.error


def test_another_project_may_use_dbt_risingwave_as_it_is(small: Project) -> None:
    for name in ("profiles.yml", "dbt_project.yml"):
        path = small.root / name
        text = path.read_text().replace("type: millstream_risingwave", "type: risingwave")
        path.write_text(text.replace("name: millstream\n", "name: shop\n"))
    assert small.dbt("parse").success

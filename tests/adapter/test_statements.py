"""What a model may look like: words that only resemble WITH, semicolons at the end, comments, and white space."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import pytest
from dbt.tests.util import run_dbt, run_dbt_and_capture
from dbt_common.exceptions import DbtRuntimeError

from dbt_millstream.statement import NotAQuery, with_queries, without_end

QUERIES = [" e as (\nselect 1\n)", " f as (select 2)"]
BOTH = " e as (\nselect 1\n),  f as (select 2)"


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("select 1", "select 1"),
        ("select 1;", "select 1"),
        ("select 1 ; ;\n", "select 1  \n"),
        ("select 1; -- the end;\n", "select 1 -- the end;\n"),
        ("select 1;\n/* a; /* b; */ */ ;", "select 1\n/* a; /* b; */ */ "),
        ("select ';'", "select ';'"),
        ("select $$;$$;", "select $$;$$"),
        ("select $a$;$$;$a$;", "select $a$;$$;$a$"),
        ("select e'\\';' as \";\";", "select e'\\';' as \";\""),
        ("select 1 -- ;", "select 1 -- ;"),
        ("select 1; select 2;", "select 1; select 2"),
        (";", ""),
    ],
)
def test_a_statement_ends_before_the_semicolons_after_it(written: str, ends: str) -> None:
    assert without_end(written) == ends


@pytest.mark.parametrize(
    ("written", "put"),
    [
        ("select 1", f"with{BOTH} select 1"),
        ("\n  select 1", f"\n  with{BOTH} select 1"),
        ("with a as (select 1) select 1", f"with{BOTH},  a as (select 1) select 1"),
        ("WITH\ta (x) as (select 1) select 1", f"WITH{BOTH}, \ta (x) as (select 1) select 1"),
        ("with recursive a as (select 1) select 1", f"with recursive{BOTH},  a as (select 1) select 1"),
        ("with recursive_a as (select 1) select 1", f"with{BOTH},  recursive_a as (select 1) select 1"),
        ("with/**/a as (select 1) select 1", f"with{BOTH}, /**/a as (select 1) select 1"),
        ("-- with care\nwith a as (select 1) select 1", f"-- with care\nwith{BOTH},  a as (select 1) select 1"),
        ("-- with care\nselect 1", f"with{BOTH} -- with care\nselect 1"),
        ("/* with */ select 1", f"with{BOTH} /* with */ select 1"),
        (
            "select * from unnest(a) with ordinality as x (i, n)",
            f"with{BOTH} select * from unnest(a) with ordinality as x (i, n)",
        ),
        ("select a::timestamp with time zone", f"with{BOTH} select a::timestamp with time zone"),
        ("select 'with' as \"with\"", f"with{BOTH} select 'with' as \"with\""),
        ("(select 1) union all (with a as (select 1) select 1)",
         f"with{BOTH} (select 1) union all (with a as (select 1) select 1)"),
        ("select * from (with a as (select 1) select 1) as b",
         f"with{BOTH} select * from (with a as (select 1) select 1) as b"),
        ("create sink s into t as select 1 with (x = 'y')",
         f"create sink s into t as with{BOTH} select 1 with (x = 'y')"),
        ("create sink s as with a as (select 1) select 1 with (x = 'y')",
         f"create sink s as with{BOTH},  a as (select 1) select 1 with (x = 'y')"),
    ],
)  # fmt: skip
def test_ephemeral_models_stand_before_the_query(written: str, put: str) -> None:
    assert with_queries(written, QUERIES) == put
    assert with_queries(written, []) == written


@pytest.mark.parametrize(
    "written", ["create table t (a int) with (connector = 'x')", "create sink s from e", ""]
)
def test_what_is_no_query_takes_no_ephemeral_model(written: str) -> None:
    with pytest.raises(NotAQuery, match="let the ephemeral model be a view"):
        with_queries(written, QUERIES)


LISTS = """
{{ config(materialized='table_with_connector') }}
create table {{ this }} (list_id varchar primary key, items varchar[]); -- one per list
"""
# Each has the rows (l1, a) and (l1, b), and reads the ephemeral model `e`.
TEXTS = {
    "ordinality": "select e.list_id, x.item\nfrom {{ ref('e') }} as e\ncross join unnest(e.items) with ordinality as x (item, n)",
    "nested": "select r.list_id, r.item from (with w as (select list_id, unnest(items) as item from {{ ref('e') }}) "
    "select list_id, item from w) as r",
    "recursive_name": "with recursive_lists as (select list_id, unnest(items) as item from {{ ref('e') }})\n"
    "select list_id, item from recursive_lists",
    "column_list": "with w (list_id, item) as (select list_id, unnest(items) from {{ ref('e') }})\nselect list_id, item from w",
    "with_comment": "-- with care; and without\n/* with\n   more */\nselect list_id, unnest(items) as item from {{ ref('e') }} -- with",
    "semicolons": "select list_id, unnest(items) as item from {{ ref('e') }} ;;\n-- the end;\n;\n",
    "white_space": "\n\n\twith\n\n  w\nas\n(select list_id, unnest(items) as item from {{ ref('e') }})\n\n\nselect\tlist_id, item\nfrom w\n\n",
    "quoted": 'select "with".list_id, "with".item from (select list_id, unnest(items) as item from {{ ref(\'e\') }}) as "with"',
}
MODELS = {
    "lists.sql": LISTS,
    "e.sql": "{{ config(materialized='ephemeral') }}\n\nselect list_id, items from {{ ref('lists') }};\n-- done",
    **{
        f"{name}_{kind}.sql": f"{{{{ config(materialized='{materialized}') }}}}\n{text}"
        for name, text in TEXTS.items()
        for kind, materialized in (("kept", "materialized_view"), ("read", "view"), ("inlined", "ephemeral"))
    },
    **{
        f"{name}_reader.sql": "{{ config(materialized='materialized_view') }}\n"
        f"select list_id, item from {{{{ ref('{name}_inlined') }}}};"
        for name in TEXTS
    },
    "schema.yml": """
unit_tests:
  - name: test_of_ordinality
    model: ordinality_kept
    given:
      - input: ref('e')
        format: sql
        rows: "select 'l9' as list_id, array['z']::varchar[] as items"
    expect:
      rows: [{list_id: l9, item: z}]
models:
  - name: semicolons_kept
    data_tests:
      - unique: {arguments: {column_name: item}}
""",
}
ROWS = [("l1", "a"), ("l1", "b")]


class TestTexts:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return MODELS

    @pytest.fixture(scope="class")
    def tests(self) -> dict[str, str]:
        return {
            "singular.sql": "select item from {{ ref('ordinality_inlined') }} where item is null;\n-- none\n;"
        }

    @pytest.fixture(scope="class")
    def analyses(self) -> dict[str, str]:
        return {"looked_at.sql": "select item from {{ ref('ordinality_inlined') }};"}

    @pytest.fixture(scope="class")
    def snapshots(self) -> dict[str, str]:
        return {
            "seen.sql": "{% snapshot seen %}{{ config(unique_key='item', strategy='check', check_cols=['item']) }}"
            "\nselect item from {{ ref('ordinality_inlined') }};\n{% endsnapshot %}"
        }

    @pytest.fixture(scope="class")
    def project_config_update(self) -> dict[str, Any]:
        return {
            "on-run-end": ["select 1; -- a hook;", "select 2;;"],
            "models": {"+post-hook": "select 3; -- c"},
        }

    def test_every_text_runs_and_is_shown_compiled_and_tested(self, project: Any) -> None:
        run_dbt(["run"])
        project.run_sql("insert into {schema}.lists values ('l1', '{{a,b}}')")
        shown = run_dbt(["show", "--select", "path:models", "--limit", "5"])
        rows = {
            result.node.name: sorted(tuple(row.values()) for row in result.agate_table.rows)
            for result in shown
            if result.node.name not in ("lists", "e") and result.node.resource_type == "model"
        }
        assert rows == {
            f"{name}_{kind}": ROWS for name in TEXTS for kind in ("kept", "read", "inlined", "reader")
        }
        for name in TEXTS:
            for kind in ("kept", "read", "reader"):
                found = project.run_sql(f"select * from {project.test_schema}.{name}_{kind}", fetch="all")
                assert sorted(found) == ROWS
        assert len(run_dbt(["compile"])) > len(TEXTS)
        assert len(run_dbt(["test"])) == 3 + 2
        run_dbt(["snapshot"])
        said = {str(result.message) for result in run_dbt(["run"]) if result.node.resource_type == "model"}
        assert {message for message in said if not message.startswith("unchanged")} == set()

    @pytest.mark.parametrize(
        "text",
        [
            "select item from {{ ref('ordinality_inlined') }};",
            "select list_id, x.n from {{ ref('e') }} cross join unnest(items) with ordinality as x (item, n) ; -- c\n;",
        ],
    )
    def test_an_inline_query_is_shown(self, project: Any, text: str) -> None:
        run_dbt(["run", "--select", "lists"])
        (shown,) = run_dbt(["show", "--inline", text, "--limit", "1"])
        assert len(shown.agate_table.rows) <= 1

    def test_a_declaration_is_shown_by_its_rows_once_it_is_deployed(self, project: Any) -> None:
        run_dbt(["run", "--select", "lists"])
        (shown,) = run_dbt(["show", "--select", "lists"])
        assert shown.agate_table.column_names == ("list_id", "items")


def shown_in_vain(model: str) -> str:
    """What `dbt show` says; where it fails it leaves its threads to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(DbtRuntimeError) as failure:
            run_dbt(["show", "--select", model])
        said = str(failure.value)
        del failure
        gc.collect()
    return said


class TestShownBeforeItIsDeployed:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            "lists.sql": LISTS,
            "kept.sql": "{{ config(materialized='materialized_view') }} select list_id from {{ ref('lists') }}",
            "read.sql": "select list_id from {{ ref('kept') }}",
            "into.sql": "{{ config(materialized='sink') }} create sink {{ this }} into {{ ref('lists') }} "
            "as select list_id from {{ ref('kept') }}",
            "secret.sql": "{{ config(materialized='secret') }} create secret s",
        }

    @pytest.mark.parametrize(
        ("model", "deployed_with"),
        [("lists", "+lists"), ("kept", "+lists"), ("read", "+kept"), ("into", "+kept")],
    )
    def test_the_hint_names_the_command_that_deploys_it(
        self, project: Any, model: str, deployed_with: str
    ) -> None:
        assert f"dbt run --select {deployed_with})" in shown_in_vain(model)

    def test_what_has_no_rows_says_so(self, project: Any) -> None:
        assert "secret is a secret, which has no rows to show" in shown_in_vain("secret")

    @pytest.fixture(scope="class")
    def tests(self) -> dict[str, str]:
        return {"some.sql": "select list_id from {{ ref('read') }};"}

    def test_a_test_names_the_command_too(self, project: Any) -> None:
        _, output = run_dbt_and_capture(["test"], expect_pass=False)
        assert "dbt run --select +read" in output

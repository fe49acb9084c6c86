{# Refused: a source holds no rows, so a view over it could not be rebuilt. #}
{% materialization source, adapter='millstream' %}
  {{ exceptions.raise_compiler_error(
    "the embedded engine has no CREATE SOURCE, because a source holds no rows to rebuild a view from. "
    ~ "Use materialized='table_with_connector' with CREATE TABLE and the same connector; RisingWave accepts it too."
  ) }}
{% endmaterialization %}

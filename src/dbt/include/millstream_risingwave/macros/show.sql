{#
  What `dbt show` runs: the query with a process-time join as an ordinary one, or the rows of what a model declares or sends.
#}
{% macro millstream_risingwave__get_limit_sql(sql, limit) -%}
    {% set materialized = config.get('materialized') if model.resource_type == 'model' else '' %}
    {% set shown = sql %}
    {% if materialized in ('table_with_connector', 'source') %}
        {% set shown = 'select * from ' ~ this %}
    {% elif materialized == 'sink' and 'select' not in sql | lower %}
        {% set origin = modules.re.search('(?im)^\\s*from\\s+(\\S+)', sql) %}
        {% set shown = 'select * from ' ~ (origin.group(1) if origin else sql | trim) %}
    {% endif %}
    {{ modules.re.sub('(?i)\\bfor\\s+system_time\\s+as\\s+of\\s+proctime\\s*\\(\\s*\\)', '', shown) }}
    {% if limit is not none %}limit {{ limit }}{% endif %}
{%- endmacro %}

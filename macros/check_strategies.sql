{% macro check_strategies() -%}
    {%- set names = strategies() | map(attribute='name') | list -%}
    {%- set candidates = [] -%}
    {%- set read = [] -%}
    {%- for node in (graph.nodes or {}).values() if node.resource_type == 'model' -%}
        {%- if node.name.startswith('cand_') -%}{%- do candidates.append(node) -%}{%- endif -%}
        {%- do read.extend(node.depends_on.nodes) -%}
    {%- endfor -%}
    {%- for node in candidates if node.unique_id not in read and node.name[5:] not in names -%}
        {%- do exceptions.raise_compiler_error(
            node.original_file_path ~ ': nothing reads ' ~ node.name ~ ', and var strategies in dbt_project.yml has no row '
            ~ node.name[5:] ~ '; add one (name, weight, words, enabled), or remove the file'
        ) -%}
    {%- endfor -%}
{%- endmacro %}

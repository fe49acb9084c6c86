{% macro check_strategy(row, others) -%}
    {%- set place = 'dbt_project.yml, var strategies, row ' ~ (row.name or row) ~ ': ' -%}
    {%- set problem = none -%}
    {%- if row is not mapping -%}
        {%- set problem = 'it is no row; write {name: …, weight: 1.0, enabled: true, words: "…"}' -%}
    {%- elif row.keys() | reject('in', ['name', 'weight', 'words', 'enabled']) | list -%}
        {%- set problem = 'a row has name, weight, words and enabled, and no '
            ~ (row.keys() | reject('in', ['name', 'weight', 'words', 'enabled']) | join(', ')) -%}
    {%- elif not row.name or not modules.re.fullmatch('[a-z][a-z0-9_]*', row.name | string) -%}
        {%- set problem = 'name must be that of a file cand_<name>.sql: small letters, digits and _' -%}
    {%- elif row.name in others -%}
        {%- set problem = 'the name is there twice; remove one of the rows' -%}
    {%- elif row.name in ('all', 'recent') -%}
        {%- set problem = 'the name has a meaning in cand_all; choose another' -%}
    {%- elif row.weight is not number or row.weight is boolean or row.weight | string in ('nan', 'inf', '-inf') -%}
        {%- set problem = 'weight is missing or no number; add what it weighs in the blend, such as weight: 1.0' -%}
    {%- elif row.words is not string or not row.words | trim -%}
        {%- set problem = 'words are missing; add what people read, such as words: "Because you viewed {item}"' -%}
    {%- elif '{' in row.words | replace('{item}', '') -%}
        {%- set problem = 'words have another name in braces than {item}, which alone is known' -%}
    {%- elif row.enabled is not boolean -%}
        {%- set problem = 'enabled is missing; add enabled: true or enabled: false' -%}
    {%- endif -%}
    {%- if problem -%}{%- do exceptions.raise_compiler_error(place ~ problem) -%}{%- endif -%}
{%- endmacro %}

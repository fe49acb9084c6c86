{% macro shrunk_cosine(together, count_a, count_b) -%}
    {{ rounded_score(
        together ~ ' / sqrt('
        ~ 'cast(greatest(coalesce(' ~ count_a ~ ', 0), ' ~ together ~ ') as double precision) * '
        ~ 'cast(greatest(coalesce(' ~ count_b ~ ', 0), ' ~ together ~ ') as double precision)'
        ~ ') * ' ~ together ~ ' / (' ~ together ~ ' + ' ~ var('shrinkage') ~ ')'
    ) }}
{%- endmacro %}

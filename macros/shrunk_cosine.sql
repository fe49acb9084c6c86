{% macro shrunk_cosine(together, count_a, count_b) -%}
    {{ rounded_score(
        together ~ ' / sqrt('
        ~ 'greatest(coalesce(' ~ count_a ~ ', 0), ' ~ together ~ ')::double precision * '
        ~ 'greatest(coalesce(' ~ count_b ~ ', 0), ' ~ together ~ ')::double precision'
        ~ ') * ' ~ together ~ ' / (' ~ together ~ ' + ' ~ var('shrinkage') ~ ')'
    ) }}
{%- endmacro %}

{% macro candidate_list() -%}
struct<strategy varchar, reason_item_id varchar, weight double precision, factor double precision, item_ids varchar[], scores double precision[]>
{%- endmacro %}

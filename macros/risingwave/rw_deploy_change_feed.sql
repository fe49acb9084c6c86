{% macro rw_deploy_change_feed(relation, deployed) -%}
    {% set feed = relation.incorporate(
        path={'identifier': relation.identifier ~ '_feed'}, type='subscription'
    ) %}
    {% set statement %}create subscription {{ feed }} from {{ relation }} with (retention = '{{ config.get('change_feed') }}'){% endset %}
    {% set key = relation.schema ~ '.' ~ relation.identifier %}
    {% do rw_attach('subscription', feed, statement, {key: deployed[key].stamp.version}, deployed) %}
{%- endmacro %}

{% macro rw_added_columns(relation, kind, current, shape) -%}
    {% if current.kind != kind %}{{ return(none) }}{% endif %}
    {% if not current.stamp %}
        {% set names = adapter.get_columns_in_relation(relation) | map(attribute='name') | list %}
        {% set declared = [] %}
        {% for column in shape.columns %}{% do declared.append(column.split()[0]) %}{% endfor %}
        {{ return([] if names[:declared | length] == declared else none) }}
    {% endif %}
    {% set before = current.stamp.columns %}
    {% set added = shape.columns[before | length:] %}
    {% if kind != 'table' or shape.columns[:before | length] != before or current.stamp.rest != shape.rest %}
        {{ return(none) }}
    {% endif %}
    {% for column in added if ' not null' in column | lower or ' primary key' in column | lower %}
        {{ return(none) }}
    {% endfor %}
    {{ return(added) }}
{%- endmacro %}

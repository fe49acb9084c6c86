{% macro rw_reads(node, deployed) -%}
    {% set reads = {} %}
    {% for id in node.depends_on.nodes if id in graph.nodes %}
        {% set upstream = graph.nodes[id] %}
        {% if upstream.config.materialized == 'ephemeral' %}
            {% do reads.update(rw_reads(upstream, deployed)) %}
        {% elif upstream.config.materialized in ('view', 'materialized_view') %}
            {% set key = upstream.schema ~ '.' ~ upstream.alias %}
            {% set stamp = deployed[key].stamp if key in deployed else none %}
            {% do reads.update({key: stamp.version if stamp else 0}) %}
        {% endif %}
    {% endfor %}
    {{ return(reads) }}
{%- endmacro %}

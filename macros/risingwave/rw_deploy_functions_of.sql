{% macro rw_deploy_functions_of(node) -%}
    {% set found = [] %}
    {% for id in node.depends_on.nodes %}
        {% if id in (graph.functions or {}) %}
            {% do found.append(graph.functions[id]) %}
        {% elif id in graph.nodes and graph.nodes[id].config.materialized == 'ephemeral' %}
            {% do rw_deploy_functions_of(graph.nodes[id]) %}
        {% endif %}
    {% endfor %}
    {% if found %}
        {% set deployed = rw_deployed() %}
        {% for function in found %}
            {% set action = rw_deploy_function(function, deployed) %}
            {% if action != 'unchanged' %}{% do log(action ~ ' function ' ~ function.name, info=true) %}{% endif %}
        {% endfor %}
    {% endif %}
{%- endmacro %}

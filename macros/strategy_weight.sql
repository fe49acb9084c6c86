{% macro strategy_weight(strategy, weights) -%}
    case {{ strategy }}
        {%- for name in [
            'covisitation', 'bought_together', 'session_affinity', 'embedding', 'buy_again',
            'trending', 'popularity'
        ] %}
        when '{{ name }}'
            then coalesce({{ weights }}.{{ name }}, {{ var('default_' ~ name) }})
        {%- endfor %}
        else 0
    end
{%- endmacro %}

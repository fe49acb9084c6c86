{% macro reason_text(strategy, reason_name) -%}
    case
        when {{ strategy }} = 'popularity' then 'Popular with other customers'
        when {{ strategy }} = 'trending' then 'Trending now'
        when {{ strategy }} = 'buy_again' then 'You buy this regularly'
        when {{ reason_name }} is null then 'Picked for you'
        when {{ strategy }} = 'covisitation'
            then 'Often chosen together with ' || {{ reason_name }}
        when {{ strategy }} = 'bought_together'
            then 'Often bought together with ' || {{ reason_name }}
        when {{ strategy }} = 'embedding' then 'Similar to ' || {{ reason_name }}
        when {{ strategy }} = 'session_affinity'
            then 'Because of your interest in ' || {{ reason_name }}
        else 'Picked for you'
    end
{%- endmacro %}

{% macro event_weight(event_type) -%}
    case {{ event_type }}
        when 'purchase' then {{ var('weight_purchase') }}
        when 'add_to_cart' then {{ var('weight_cart') }}
        when 'begin_checkout' then {{ var('weight_cart') }}
        when 'select_item' then {{ var('weight_view') }}
        when 'view_item' then {{ var('weight_view') }}
        when 'rate' then {{ var('weight_view') }}
        when 'remove_from_cart' then {{ var('weight_negative') }}
        when 'refund' then {{ var('weight_negative') }}
        else 0
    end
{%- endmacro %}

{% macro ranking_variant(user_id) -%}
    case
        when {{ hash_bucket(user_id, 'ranking') }} < {{ var('ranking_treatment_percent') }}
            then 'treatment'
        else 'control'
    end
{%- endmacro %}

{% test unique_key(model, columns) %}

select
    {{ columns | join(', ') }},
    count(*) as repeats
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}

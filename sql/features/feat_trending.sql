{{ config(materialized='materialized_view') }}
-- The trending items of each category and of the whole catalogue (scope *).
with

scoped as (

    select
        i.category as scope,
        t.item_id,
        t.trend
    from {{ ref('feat_item_trend') }} as t
    inner join {{ ref('items') }} as i on i.item_id = t.item_id
    where i.is_active and i.category is not null and i.category <> '*'

    union all

    select
        '*' as scope,
        t.item_id,
        t.trend
    from {{ ref('feat_item_trend') }} as t
    inner join {{ ref('items') }} as i on i.item_id = t.item_id
    where i.is_active

),

ranked as (

    select
        scope,
        item_id,
        trend,
        row_number() over (partition by scope order by trend desc, item_id) as rn
    from scoped

)

select
    scope,
    array_agg(item_id order by trend desc, item_id) as item_ids,
    array_agg(
        cast(trend as double precision) order by trend desc, item_id
    ) as scores,
    md5(array_to_string(array_agg(item_id order by trend desc, item_id), ',')) as version
from ranked
where rn <= {{ var('category_items') }}
group by scope

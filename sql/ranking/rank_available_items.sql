{{ config(materialized='materialized_view', indexes=[{'columns': ['item_id']}]) }}
-- Items that may be shown to anybody at this moment: one look-up by key for each item of a list
-- that is read. A sold-out item leaves every list at once, and no list is computed for it.
select
    i.item_id,
    i.name,
    i.category,
    i.brand,
    i.price,
    i.image_url
from {{ ref('items') }} as i
left join {{ ref('inventory') }} as s on s.item_id = i.item_id
where
    i.is_active
    and coalesce(s.quantity, 1) > 0
    and not exists (
        select 1 from {{ ref('excluded_items') }} as x where x.item_id = i.item_id
    )

-- The rules of reading hold in the lists of persons.
select
    r.user_id,
    r.item_id
from {{ ref('serve_recommendations') }} as r
where
    exists (
        select 1 from {{ ref('excluded_items') }} as x where x.item_id = r.item_id
    )
    or exists (
        select 1 from {{ ref('inventory') }} as s
        where s.item_id = r.item_id and s.quantity <= 0
    )
    or exists (
        select 1 from {{ ref('serve_bought_items') }} as b
        where b.user_id = r.user_id and b.item_id = r.item_id
    )

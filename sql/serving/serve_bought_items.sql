-- Items that a person bought and should not be offered now.
select
    b.user_id,
    b.item_id,
    b.last_purchased_at
from {{ ref('rank_bought_items') }} as b

-- What a person bought and kept.
select
    user_id,
    item_id,
    purchases,
    units,
    last_purchased_at
from {{ ref('feat_user_items') }}
where units > 0

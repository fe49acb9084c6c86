-- Every branch of the per-user path starts here: one row per user, and the user's variant of
-- the ranking experiment.
select
    user_id,
    acted_at,
    item_ids,
    {{ ranking_variant('user_id') }} as variant
from {{ ref('feat_user_recent') }}

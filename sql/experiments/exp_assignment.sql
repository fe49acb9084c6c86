-- Which variant of which experiment a person is in. By hash, so that it can be worked out
-- anywhere and never changes for a person while the share stays.
select
    user_id,
    'ranking' as experiment,
    {{ hash_bucket('user_id', 'ranking') }} as bucket,
    variant
from {{ ref('feat_user_recent') }}

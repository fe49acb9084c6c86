-- All candidates of a user, an item once per strategy and reason. The recent items come along
-- as strategy `recent`: they are no candidates, but the input of the blend's user vector.
select
    user_id,
    variant,
    acted_at,
    item_id,
    score,
    strategy,
    reason_item_id
from {{ ref('cand_covisitation') }}

union all

select
    user_id,
    variant,
    acted_at,
    item_id,
    score,
    strategy,
    reason_item_id
from {{ ref('cand_bought_together') }}

union all

select
    user_id,
    variant,
    acted_at,
    item_id,
    score,
    strategy,
    reason_item_id
from {{ ref('cand_embedding') }}

union all

select
    user_id,
    variant,
    acted_at,
    item_id,
    score,
    strategy,
    reason_item_id
from {{ ref('cand_session_affinity') }}

union all

select
    user_id,
    variant,
    acted_at,
    item_id,
    score,
    strategy,
    reason_item_id
from {{ ref('cand_trending') }}

union all

select
    user_id,
    variant,
    acted_at,
    item_id,
    score,
    strategy,
    reason_item_id
from {{ ref('cand_buy_again') }}

union all

select
    user_id,
    variant,
    acted_at,
    item_id,
    score,
    strategy,
    reason_item_id
from {{ ref('cand_popularity') }}

union all

select
    user_id,
    variant,
    acted_at,
    item_id,
    weight as score,
    'recent' as strategy,
    item_id as reason_item_id
from {{ ref('cand_recent_items') }}

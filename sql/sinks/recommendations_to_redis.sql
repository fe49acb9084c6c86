-- The lists as JSON in Redis, one key per person.
create sink {{ this }} as
select
    user_id,
    computed_at,
    variant,
    model_version,
    tier,
    item_ids,
    scores
from {{ ref('rank_list_arrays') }}
with (
    connector = 'redis',
    redis.url = {{ rw_literal(env_var("MILLSTREAM_SINK_REDIS", "redis://localhost:6379/")) }},
    primary_key = 'user_id'
) format upsert encode json

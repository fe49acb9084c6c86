-- A message per person whenever the list changes; the key is the person, so a compacted topic keeps the newest.
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
    connector = 'kafka',
    properties.bootstrap.server = {{ rw_literal(env_var("MILLSTREAM_KAFKA", "localhost:9092")) }},
    topic = {{ rw_literal(env_var("MILLSTREAM_KAFKA_RECOMMENDATIONS", "recommendations")) }},
    primary_key = 'user_id'
) format upsert encode json

-- The lists as rows of a table in another PostgreSQL, which must have these columns and the key user_id.
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
    connector = 'postgres',
    host = {{ rw_literal(env_var("MILLSTREAM_SINK_POSTGRES_HOST", "localhost")) }},
    port = {{ rw_literal(env_var("MILLSTREAM_SINK_POSTGRES_PORT", "5432")) }},
    user = {{ rw_literal(env_var("MILLSTREAM_SINK_POSTGRES_USER", "millstream")) }},
    password = {{ rw_literal(env_var("MILLSTREAM_SINK_POSTGRES_PASSWORD", "")) }},
    database = {{ rw_literal(env_var("MILLSTREAM_SINK_POSTGRES_DATABASE", "millstream")) }},
    table = 'recommendations',
    type = 'upsert',
    primary_key = 'user_id'
)

{{ config(materialized='materialized_view', indexes=[{'columns': ['id_hash']}]) }}
-- Every id that somebody has in the sources, with its hash: each is hashed once, and an event
-- is then judged by its plain ids.
with

named as (

    select {{ id_or_null('e.user_id') }} as id
    from {{ ref('events') }} as e

    union all

    select {{ id_or_null('v.anonymous_id') }} as id
    from {{ ref('events') }} as v

    union all

    select {{ id_or_null('i.anonymous_id') }} as id
    from {{ ref('identities') }} as i

    union all

    select {{ id_or_null('p.user_id') }} as id
    from {{ ref('identities') }} as p

    union all

    select {{ id_or_null('x.user_id') }} as id
    from {{ ref('erased_users') }} as x

),

known as (

    select n.id
    from named as n
    where n.id is not null
    group by n.id

)

select
    k.id,
    {{ keyed_hash('k.id', "coalesce(t.key, '')") }} as id_hash
from known as k
left join
    {{ ref('tombstone_keys') }} as t
    on t.bucket = {{ hash_bucket('k.id', 'tombstone') }}

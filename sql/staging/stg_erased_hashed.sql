{{ config(materialized='materialized_view') }}
-- Erased people and visitors, as hashes.
with

erased as (

    select t.id_hash
    from {{ ref('tombstones') }} as t

    union all

    select k.id_hash
    from {{ ref('erased_users') }} as x
    inner join {{ ref('stg_known_ids') }} as k on k.id = x.user_id

)

select e.id_hash
from erased as e
group by e.id_hash

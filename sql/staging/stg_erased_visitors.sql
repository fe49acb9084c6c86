{{ config(materialized='materialized_view') }}
-- Visitors that are erased themselves, and those that ever were a person who is.
with

erased as (

    select
        x.user_id as anonymous_id,
        true as is_erased
    from {{ ref('erased_users') }} as x

    union all

    select
        p.anonymous_id,
        false as is_erased
    from {{ ref('past_identities') }} as p
    inner join {{ ref('stg_erased_hashed') }} as h on h.person_hash = p.person_hash

)

select
    anonymous_id,
    bool_or(is_erased) as is_erased
from erased
group by anonymous_id

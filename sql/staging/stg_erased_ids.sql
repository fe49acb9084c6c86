{{ config(materialized='materialized_view') }}
-- Ids that are erased themselves, and visitors that are, or ever were, a person who is.
with

erased as (

    select
        k.id,
        true as is_erased
    from {{ ref('stg_erased_hashed') }} as h
    inner join {{ ref('stg_known_ids') }} as k on k.id_hash = h.id_hash

    union all

    select
        k.id,
        false as is_erased
    from {{ ref('stg_erased_hashed') }} as h
    inner join {{ ref('past_identities') }} as p on p.person_hash = h.id_hash
    inner join {{ ref('stg_known_ids') }} as k on k.id_hash = p.visitor_hash

    union all

    select
        k.id,
        false as is_erased
    from {{ ref('stg_erased_hashed') }} as h
    inner join {{ ref('stg_identities_hashed') }} as i on i.person_hash = h.id_hash
    inner join {{ ref('stg_known_ids') }} as k on k.id_hash = i.visitor_hash

)

select
    e.id,
    bool_or(e.is_erased) as is_erased
from erased as e
group by e.id

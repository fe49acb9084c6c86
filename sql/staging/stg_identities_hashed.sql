{{ config(materialized='materialized_view') }}
-- The columns of past_identities, in their order: a sink copies these rows there.
select
    v.id_hash as visitor_hash,
    p.id_hash as person_hash
from {{ ref('identities') }} as i
inner join {{ ref('stg_known_ids') }} as v on v.id = i.anonymous_id
inner join {{ ref('stg_known_ids') }} as p on p.id = i.user_id

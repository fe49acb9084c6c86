{{ config(materialized='materialized_view') }}
-- The columns of past_identities, in their order: a sink copies these rows there.
select
    i.anonymous_id,
    {{ keyed_hash('i.user_id') }} as person_hash
from {{ ref('identities') }} as i
where {{ id_or_null('i.user_id') }} is not null

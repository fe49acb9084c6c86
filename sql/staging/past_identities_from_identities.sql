{{ config(materialized='sink') }}
-- Only additions: a link that is deleted stays, without the names.
create sink {{ this }} into {{ ref('past_identities') }}
from {{ ref('stg_identities_hashed') }}
with (
    type = 'append-only',
    force_append_only = 'true'
)

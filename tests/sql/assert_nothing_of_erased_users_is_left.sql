-- Erasure is a retraction: it reaches every view that holds a person.
select e.user_id
from {{ ref('erased_users') }} as e
where
    exists (select 1 from {{ ref('stg_events') }} as s where s.user_id = e.user_id)
    or exists (
        select 1 from {{ ref('feat_user_items') }} as i where i.user_id = e.user_id
    )
    or exists (
        select 1 from {{ ref('feat_user_recent') }} as r where r.user_id = e.user_id
    )
    or exists (
        select 1 from {{ ref('rank_user_list') }} as l where l.user_id = e.user_id
    )

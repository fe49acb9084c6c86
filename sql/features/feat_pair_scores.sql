{{ config(materialized='materialized_view', indexes=[
    {'columns': ['item_b']}
]) }}
-- Shrunk cosine of the pairs with enough support. The items' own counts are read when the pair
-- changes: a cosine kept exact would rewrite a thousand pairs per event.
select
    p.item_a,
    p.item_b,
    {{ shrunk_cosine('p.sessions', 'a.sessions', 'b.sessions') }} as covisitation,
    case
        when p.orders >= {{ var('min_support') }}
            then {{ shrunk_cosine('p.orders', 'a.orders', 'b.orders') }}
    end as bought_together
from {{ ref('feat_item_pairs') }} as p
left join {{ ref('feat_item_counts') }} for system_time as of proctime() as a
    on a.item_id = p.item_a
left join {{ ref('feat_item_counts') }} for system_time as of proctime() as b
    on b.item_id = p.item_b
where p.sessions >= {{ var('min_support') }}

-- A person's recommendations, best first. The list is as of the person's last action; what must
-- never be stale (stock, active, excluded, bought, erased) is looked up by key while reading.
with

-- in order first: who reads 20 then looks up little more than 20 items, not the whole list
listed as (

    select
        user_id,
        item_id,
        score,
        strategy,
        reason_item_id,
        tier,
        computed_at,
        slot,
        variant,
        model_version,
        source
    from {{ ref('rank_user_items') }}
    order by user_id, slot

),

shown as (

    select
        l.user_id,
        l.item_id,
        a.name,
        a.category,
        a.brand,
        a.price,
        a.image_url,
        l.score,
        l.strategy,
        l.reason_item_id,
        l.tier,
        l.computed_at,
        l.slot,
        l.variant,
        l.model_version,
        l.source,
        row_number() over (partition by l.user_id order by l.slot) as rank
    from listed as l
    inner join {{ ref('rank_available_items') }} as a on a.item_id = l.item_id
    where
        not exists (
            select 1 from {{ ref('rank_bought_items') }} as b
            where b.user_id = l.user_id and b.item_id = l.item_id
        )
        and not exists (
            select 1 from {{ ref('erased_users') }} as e where e.user_id = l.user_id
        )

)

select
    s.user_id,
    cast(s.rank as integer) as rank,
    s.item_id,
    s.name,
    s.category,
    s.brand,
    s.price,
    s.image_url,
    s.score,
    s.strategy,
    s.reason_item_id,
    {{ reason_text('s.strategy', 'r.name') }} as reason_text,
    s.tier,
    s.computed_at,
    {{ list_identity([
        's.user_id', epoch_milliseconds('s.computed_at'), 's.variant', 's.model_version',
        's.source'
    ]) }} as rec_id,
    s.slot,
    s.variant,
    s.model_version,
    s.source
from shown as s
left join {{ ref('items') }} as r on r.item_id = s.reason_item_id
order by s.user_id, s.slot

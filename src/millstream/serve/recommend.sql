with

personal as (

    select
        0 as place, source, rank, item_id, name, score, strategy, reason_item_id,
        reason_text, tier, computed_at, rec_id, slot, variant, model_version
    from serve_recommendations
    where user_id = $1 and rank <= $2

),

tiers as (

    select
        place, source, rank, item_id, name, score, strategy, reason_item_id,
        reason_text, tier, computed_at, rec_id, slot, variant, model_version
    from personal

    union all

    select
        1 as place, 'segment_popular' as source, p.rank, p.item_id, p.name, p.score,
        p.strategy, p.reason_item_id, p.reason_text, p.tier, p.computed_at, p.rec_id,
        p.slot, p.variant, p.model_version
    from serve_segments as s
    inner join serve_popular as p on p.segment = s.segment
    where s.user_id = $1 and (select count(*) from personal) < $2

    union all

    select
        2 as place, source, rank, item_id, name, score, strategy, reason_item_id,
        reason_text, tier, computed_at, rec_id, slot, variant, model_version
    from serve_trending_now
    where scope = '*' and (select count(*) from personal) < $2

    union all

    select
        3 as place, source, rank, item_id, name, score, strategy, reason_item_id,
        reason_text, tier, computed_at, rec_id, slot, variant, model_version
    from serve_popular
    where segment = '*' and (select count(*) from personal) < $2

),

firsts as (

    select
        place, source, rank, item_id, name, score, strategy, reason_item_id,
        reason_text, tier, computed_at, rec_id, slot, variant, model_version,
        row_number() over (partition by item_id order by place, rank) as occurrence
    from tiers

)

select
    row_number() over (order by f.place, f.rank) as rank,
    f.item_id, f.name, f.score, f.strategy, f.reason_item_id, f.reason_text, f.tier,
    f.computed_at, f.rec_id, f.slot, f.variant, f.model_version, f.source
from firsts as f
where
    f.occurrence = 1
    and not exists (
        select 1 from serve_bought_items as b
        where b.user_id = $1 and b.item_id = f.item_id
    )
order by rank
limit $2

-- The secret key under which ids of erased people are hashed, once per bucket of ids, so that it is joined by equality.
-- It stands here and in no view's text; nobody but the owner may read it.
create table {{ this }} (
    bucket integer primary key,
    key varchar
) on conflict do nothing

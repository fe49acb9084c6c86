-- Whom `millstream forget` has forgotten, as keyed hashes: what comes late under these ids is not used.
create table {{ this }} (
    id_hash varchar primary key,
    erased_at timestamptz
) on conflict do nothing

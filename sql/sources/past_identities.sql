-- Every link that identities ever had, as keyed hashes: an erased person's visitors stay known when it is gone.
create table {{ this }} (
    visitor_hash varchar,
    person_hash varchar,
    primary key (visitor_hash, person_hash)
) on conflict do nothing

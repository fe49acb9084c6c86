-- Every link that identities ever had, the person as a keyed hash: an erased person's visitors stay known when it is gone.
create table {{ this }} (
    anonymous_id varchar,
    person_hash varchar,
    primary key (anonymous_id, person_hash)
) on conflict do nothing

-- How far each Kafka partition is read, moved in the transaction that queues its messages.
-- Run at every start of a consumer: made where it is missing.
create table if not exists millstream.kafka_partition (
    schema_name text not null,
    relation_name text not null,
    topic text not null,
    partition integer not null,
    topic_id text, -- of the topic that the offset belongs to; another one means that it was deleted and made again
    next_offset bigint, -- the first offset that is not read yet; null until the first consumer has begun
    log_end bigint, -- the offset after the newest message, when a consumer last saw it
    messages bigint not null default 0,
    claim bigint not null default 0, -- raised by whoever takes the partition over; only its holder may move the offset
    claimed_by text,
    moved_at timestamptz,
    primary key (schema_name, relation_name, topic, partition)
);

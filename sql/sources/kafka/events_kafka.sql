-- Messages of the topic of events as Kafka keeps them: bytes, and where they came from.
create table {{ this }} (
    payload bytea
) append only
include key as message_key
include partition as source_partition
include offset as source_offset
include timestamp as received_at
with (
    connector = 'kafka',
    topic = {{ rw_literal(env_var("MILLSTREAM_KAFKA_TOPIC", "events")) }},
    properties.bootstrap.server = {{ rw_literal(env_var("MILLSTREAM_KAFKA", "localhost:9092")) }},
    scan.startup.mode = 'earliest',
    retention_seconds = {{ var('kafka_retention_days') * 86400 }}
) format plain encode bytes

"""Users and TLS over the wire: who may read and send, and what is said to who may not."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka.protocol.consumer import FetchResponse, JoinGroupResponse
from kafka.protocol.metadata import MetadataResponse
from kafka.protocol.producer import ProduceResponse

from loaders.commands.load import load
from loaders.kafka.topic import DEFAULTS
from millstream.errors import MillstreamError
from millstream.ingest import client
from millstream.ingest.client import KafkaSettings, read_properties
from millstream.ingest.consumer import Consumer
from millstream.ingest.lasting import Lasting
from tests.kafka import LEFT_BY_KAFKA_PYTHON
from tests.kafka.broker import Broker
from tests.kafka.gateway import Change, Gateway
from tests.kafka.shop import ROUTE, SECONDS, SESSION, Shop, Told, events
from tests.loaders.logs import fields, write_jsonl

pytestmark = [
    pytest.mark.filterwarnings(LEFT_BY_KAFKA_PYTHON),
    pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning"),  # one whose handshake failed
]

KEYS = Path(__file__).with_name("certificates")
USERS = {"ann": "s3cret=yes"}
CA = {"ssl.cafile": str(KEYS / "ca.pem")}
KNOWN = {"sasl.plain.username": "ann", "sasl.plain.password": "s3cret=yes"}
TLS = {"security.protocol": "SSL", **CA}


def server_side(*, asks: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(KEYS / "broker.pem", KEYS / "broker.key")
    if asks:
        context.load_verify_locations(KEYS / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def guarded(**options: object) -> Iterator[Broker]:
    """A broker that clients reach through a gateway alone; it has 20 messages."""
    broker = Broker()
    with Gateway(broker.port, **options) as gateway:  # type: ignore[arg-type]
        broker.wire = gateway
        try:
            yield broker.start()
        finally:
            broker.kill()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BOOTSTRAP_MS", 1_500)
    monkeypatch.setattr("loaders.kafka.topic.BOOTSTRAP_MS", 1_500)


def in_file(tmp_path: Path, settings: dict[str, str]) -> Path:
    file = tmp_path / "kafka.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return file


def consume(shop: Shop, broker: Broker, settings: dict[str, str], *, once: bool = True) -> tuple[int, Told]:
    told = Told()
    properties = {name.replace(".", "_"): value for name, value in (SESSION | settings).items()}
    reader = Consumer(
        shop.connect, KafkaSettings(broker.address, "millstream", properties), (ROUTE,), told, once=once
    )
    stop = threading.Event()
    alarm = threading.Timer(SECONDS, stop.set)
    alarm.start()
    try:
        return reader.run(stop).messages, told
    finally:
        alarm.cancel()


def send(broker: Broker, tmp_path: Path, settings: dict[str, str], *more: str):
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(20)])
    return CliRunner().invoke(
        load,
        [
            *("jsonl", str(path), "--to", f"kafka://{broker.address}/events", "--partitions", "1"),
            *("--rejects", str(tmp_path / "rejects"), "--no-progress"),
            *("--properties", str(in_file(tmp_path, settings)), *more),
        ],
    )


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("over_tls", [False, True])
def test_a_known_user_sends_and_reads(shop: Shop, tmp_path: Path, mechanism: str, over_tls: bool) -> None:
    settings = {
        "security.protocol": "SASL_SSL" if over_tls else "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        **KNOWN,
        **(CA if over_tls else {}),
    }
    with guarded(users=USERS, mechanism=mechanism, tls=server_side() if over_tls else None) as broker:
        result = send(broker, tmp_path, settings)
        assert result.exit_code == 0, result.output
        assert consume(shop, broker, settings, once=True)[0] == 20
    shop.tick()
    assert shop.values("select count(*) from events") == [20]


@pytest.mark.parametrize(
    ("changed", "said", "remedy"),
    [
        ({"sasl.plain.password": "wrong"}, "do not let the user in", "user, password and sasl.mechanism"),
        ({"sasl.plain.username": "bob"}, "do not let the user in", "MILLSTREAM_KAFKA_SASL_"),
        ({"sasl.mechanism": "SCRAM-SHA-256"}, "do not let the user in", "sasl.mechanism"),
    ],
    ids=["password", "user", "mechanism"],
)
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_user_who_is_not_let_in_is_told_at_once(
    shop: Shop, tmp_path: Path, changed: dict[str, str], said: str, remedy: str, mechanism: str
) -> None:
    settings = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, **KNOWN, **changed}
    with guarded(users=USERS, mechanism=mechanism) as broker:
        with pytest.raises(Lasting, match=said) as caught:
            consume(shop, broker, settings, once=False)
        assert remedy in str(caught.value).split("hint:")[1]
        assert "wrong" not in str(caught.value)
        result = send(broker, tmp_path, settings)
        assert result.exit_code == 1
        assert said in result.output
        assert remedy in result.output


def test_a_broker_that_asks_for_a_certificate_gets_it(shop: Shop, tmp_path: Path) -> None:
    own = {"ssl.certfile": str(KEYS / "client.pem"), "ssl.keyfile": str(KEYS / "client.key")}
    with guarded(tls=server_side(asks=True)) as broker:
        result = send(broker, tmp_path, TLS | own)
        assert result.exit_code == 0, result.output
        assert consume(shop, broker, TLS | own)[0] == 20


@pytest.mark.parametrize("authority", ["stranger.pem", None])
def test_a_broker_that_somebody_else_signed_is_not_trusted(
    shop: Shop, tmp_path: Path, authority: str | None
) -> None:
    settings = {"security.protocol": "SSL"} | ({"ssl.cafile": str(KEYS / authority)} if authority else {})
    with guarded(tls=server_side()) as broker:
        with pytest.raises(Lasting, match="no TLS with the brokers") as caught:
            consume(shop, broker, settings, once=False)
        assert "ssl.cafile" in str(caught.value)
        result = send(broker, tmp_path, settings)
        assert (result.exit_code, "ssl.cafile" in result.output) == (1, True), result.output


def test_tls_with_a_broker_that_has_none_is_told(shop: Shop, tmp_path: Path) -> None:
    with guarded() as broker:
        result = send(broker, tmp_path, {"security.protocol": "SSL"})
        assert result.exit_code == 1
        assert "the security settings" in result.output


def refuse(code: int) -> Change:
    """Let the brokers answer with an error, in every place that an answer has for one."""

    def change(answer: object) -> None:
        for topic in getattr(answer, "topics", None) or getattr(answer, "responses", None) or ():
            for part in getattr(topic, "partitions", None) or getattr(topic, "partition_responses", ()):
                part.error_code = code
            if hasattr(topic, "error_code"):
                topic.error_code = code
        if isinstance(answer, JoinGroupResponse):
            answer.error_code = code

    return change


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        (MetadataResponse, 29, "READ and DESCRIBE"),
        (JoinGroupResponse, 30, "READ the group"),
        (JoinGroupResponse, 24, "--group"),
        (JoinGroupResponse, 23, "--group"),
        (FetchResponse, 29, "READ and DESCRIBE"),
        (FetchResponse, 2, "millstream.kafka_partition"),
        (FetchResponse, 35, "newer"),
        (MetadataResponse, 17, "name"),
    ],
)
def test_what_the_brokers_refuse_ends_with_the_remedy(shop: Shop, kind: type, code: int, words: str) -> None:
    changes: dict[type, Change] = {}
    with guarded(changes=changes) as broker:
        broker.create("events")
        broker.produce("events", events(0, 3))
        assert isinstance(broker.wire, Gateway)
        broker.wire.changes[kind.API_KEY] = refuse(code)  # type: ignore[attr-defined]
        with pytest.raises(Lasting) as caught:
            consume(shop, broker, {}, once=False)
        assert words in str(caught.value).split("hint:")[1]


@pytest.mark.parametrize(("code", "words"), [(29, "WRITE"), (87, "refuse")])
def test_what_the_brokers_do_not_take_ends_a_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    monkeypatch.setitem(DEFAULTS, "delivery_timeout_ms", 3_000)
    monkeypatch.setitem(DEFAULTS, "request_timeout_ms", 1_000)
    with guarded() as broker:
        broker.create("events")
        assert isinstance(broker.wire, Gateway)
        broker.wire.changes[ProduceResponse.API_KEY] = refuse(code)
        result = send(broker, tmp_path, {})
        assert result.exit_code == 1, result.output
        assert words in result.output


def test_a_corrupt_batch_on_the_wire_ends_with_its_place(shop: Shop) -> None:
    def spoil(answer: object) -> None:
        for topic in answer.responses:  # type: ignore[attr-defined]
            for part in topic.partitions:
                if part.records:
                    part.records = bytes(part.records[:-3]) + b"\x00\x01\x02"

    with guarded() as broker:
        broker.create("events")
        broker.produce("events", events(0, 3))
        assert isinstance(broker.wire, Gateway)
        broker.wire.changes[FetchResponse.API_KEY] = spoil
        with pytest.raises(Lasting, match=r"corrupt .*events\[0\] at offset 0"):
            consume(shop, broker, {}, once=False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"security.protocol": "TLS"}, "no security.protocol.*SASL_SSL"),
        ({"security.protocol": "SASL_SSL"}, "do not go together"),
        ({"sasl.mechanism": "PLAIN"}, "do not go together"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "sasl.plain.username is missing"),
        ({"security.protocol": "SSL", "ssl.cafile": "/nowhere.pem"}, "nowhere.pem cannot be read"),
    ],
)
def test_settings_that_reach_no_broker_are_refused(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    file = in_file(tmp_path, settings)
    with pytest.raises(MillstreamError, match=f"(?s){said}"):
        KafkaSettings("localhost:1", "millstream", read_properties([], file))


def test_a_password_on_the_command_line_is_refused() -> None:
    with pytest.raises(MillstreamError, match="MILLSTREAM_KAFKA_SASL_PLAIN_PASSWORD") as caught:
        read_properties(["sasl.plain.password=secret"], None)
    assert "=secret" not in str(caught.value)


def test_the_environment_names_the_user(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("MILLSTREAM_KAFKA_SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("MILLSTREAM_KAFKA_SASL_PLAIN_USERNAME", "ann")
    monkeypatch.setenv("MILLSTREAM_KAFKA_SASL_PLAIN_PASSWORD", "s3cret=yes")
    with guarded(users=USERS) as broker:
        result = send(broker, tmp_path, {})
        assert result.exit_code == 0, result.output
        running = shop.start(broker, "--once")
        assert running.wait() == 0, running.errors
        assert running.lines[-1]["messages"] == 20

"""What a call answers: the same as in process, each row on its own."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import yaml

from millstream.engine.catalog.records import PythonFunction
from millstream.engine.state.udf import Functions
from millstream.engine.state.written import writer_of
from tests.udf_server.calling import ROOT, Client, Process


def people(count: int, seed: int) -> list[tuple[Any, ...]]:
    """Rows of blend_v2; of every tenth a list has a score too many, every eleventh has a null for the lists."""
    chance = random.Random(seed)
    rows: list[tuple[Any, ...]] = []
    for number in range(1, count + 1):
        lists: list[dict[str, Any]] | None = [candidates(chance) for _ in range(chance.randint(0, 6))]
        if number % 10 == 0:
            lists = [candidates(chance) | {"strategy": "trending", "scores": [1.0] * 40}]
        if number % 11 == 0:
            lists = None
        weighed = chance.choice([None, ["trending", "é·茶"]])
        rows.append((lists, weighed, weighed and [0.5, 2.0], 75, 50, 0.5, 0.25, "v"))
    return rows


def candidates(chance: random.Random) -> dict[str, Any]:
    """A list of candidates."""
    items = [f'item "{chance.randrange(50)}", {{{i}}}' for i in range(chance.randint(0, 12))]
    return {
        "strategy": chance.choice(["trending", "é·茶", "recent"]),
        "reason_item_id": chance.choice([None, "r"]),
        "weight": chance.random(),
        "factor": chance.random(),
        "item_ids": items,
        "scores": chance.choice([None, [chance.random() for _ in items]]),
    }


def blend() -> PythonFunction:
    """The function as the embedded engine registers it."""
    path = ROOT / "udfs/blend_v2.yml"
    (declared,) = yaml.safe_load(path.read_text())["functions"]
    return PythonFunction(
        (), declared["returns"]["data_type"], str(path.with_suffix(".py")), declared["name"], code=""
    )


def in_process(rows: list[tuple[Any, ...]]) -> tuple[list[Any], int]:
    """What the embedded engine's worker writes for the rows, and how many it counts as failed."""
    functions = Functions({"blend_v2": blend()})
    return functions.call("blend_v2", rows), functions.errors.get("blend_v2", 0)


def as_text(results: list[Any]) -> list[str | None]:
    """Lists of structs as PostgreSQL writes them."""
    return list(map(writer_of(blend().returns), results))


def test_a_chunk_answers_as_the_embedded_engine_does(own: Process, client: Client) -> None:
    rows = people(200, seed=1)
    expected, failed = in_process(rows)
    assert failed == 37 and sum(result is None for result in expected) == failed
    before = own.metrics()
    assert as_text(client.call("blend_v2", rows, messages=3)) == expected
    after = own.metrics()
    grown = {name: after[name] - before[name] for name in before if name.endswith("[blend_v2]")}
    assert grown["calls_total[blend_v2]"] == 1
    assert grown["rows_total[blend_v2]"] == 200
    assert grown["errors_total[blend_v2]"] == failed
    assert grown["seconds_count[blend_v2]"] == 1


def test_it_speaks_the_protocol_that_has_jsonb_and_numeric(client: Client) -> None:
    assert client.protocol_version() == 2
    assert client.names() == {"blend_v1", "blend_v2"}


def test_a_row_that_raises_is_null_and_counted(odd: Process, odd_client: Client) -> None:
    before = odd.metrics()["errors_total[half]"]
    assert odd_client.call("half", [[0], [1], [2], [3], [4]]) == [0, None, 1, None, 2]
    assert odd.metrics()["errors_total[half]"] - before == 2


def test_a_row_of_another_type_than_declared_is_null(odd: Process, odd_client: Client) -> None:
    before = odd.metrics()["errors_total[half]"]
    assert odd_client.call("half", [[98], [100], [102]]) == [49, None, 51]
    assert odd.metrics()["errors_total[half]"] - before == 1


def test_a_row_with_null_arguments_concerns_no_other(odd_client: Client) -> None:
    assert odd_client.call("half", [[None], [4]]) == [None, 2]


def test_a_struct_that_is_not_as_declared_is_null(odd: Process, odd_client: Client) -> None:
    before = odd.metrics()
    zero = {"a": 0, "b": "zero"}
    assert odd_client.call("pair", [[0], [1], [2], [3], [4], [5]]) == [zero, None, None, None, None, None]
    assert odd_client.call("pairs", [[0], [1], [4], [5]]) == [[zero, zero], None, [None, zero], None]
    after = odd.metrics()
    assert after["errors_total[pair]"] - before["errors_total[pair]"] == 4
    assert after["errors_total[pairs]"] - before["errors_total[pairs]"] == 2


def test_every_type_goes_there_and_back(odd_client: Client) -> None:
    row = (True, 1, 2, 3, 0.25, "4.5", "é", b"\x00\xff", '{"k": [1]}', [0.5, None])
    (result, empty) = odd_client.call("everything", [row, [None] * len(row)])
    expected = [True, 1, 2, 3, 0.25, Decimal("4.5"), "é", b"\x00\xff", {"k": [1]}, [0.5, None]]
    assert list(result.values()) == expected
    assert set(empty.values()) == {None}


def test_a_function_without_arguments_answers_every_row(odd: Process, odd_client: Client) -> None:
    assert odd_client.signature("nothing_at_all") == ([], [pa.int32()])


def test_results_keep_the_order_of_rows_across_batches_and_messages(odd_client: Client) -> None:
    rows = [[2 * number] for number in range(101) if number != 50]
    assert odd_client.call("half", rows, messages=4) == [row[0] // 2 for row in rows]


def test_a_chunk_without_rows_is_a_column_without_rows(odd_client: Client) -> None:
    types, _ = odd_client.signature("half")
    empty = pa.RecordBatch.from_arrays([pa.array([], types[0])], names=[""])
    assert odd_client.exchange("half", empty) == []


def test_threads_evaluate_rows_of_one_chunk_at_a_time(odd_client: Client) -> None:
    """Each row waits for three others: with two rows to a batch that takes four threads."""
    rows = [[1], [5], [2], [6], [3], [7], [4], [8]]
    assert odd_client.call("meet", rows) == [row[0] for row in rows]


def test_calls_at_one_time_get_their_own_answers(own: Process) -> None:
    chunks = [people(30, seed) for seed in range(8)]
    clients = [Client(own.port) for _ in chunks]
    before = own.metrics()["calls_total[blend_v2]"]
    with ThreadPoolExecutor(len(chunks)) as pool:
        answers = list(
            pool.map(lambda pair: pair[0].call("blend_v2", pair[1]), zip(clients, chunks, strict=True))
        )
    for chunk, answer in zip(chunks, answers, strict=True):
        assert as_text(answer) == in_process(chunk)[0]
    assert own.metrics()["calls_total[blend_v2]"] - before == len(chunks)
    for client in clients:
        client.close()


def test_a_function_that_is_not_served_is_named_with_those_that_are(odd: Process, odd_client: Client) -> None:
    before = odd.metrics()["unknown_function_calls_total"]
    with pytest.raises(Exception, match="no function 'blend_v9' is served here; there are everything, half"):
        odd_client.signature("blend_v9")
    assert odd.metrics()["unknown_function_calls_total"] - before == 1


def test_other_arguments_than_declared_are_refused_with_the_remedy(odd: Process, odd_client: Client) -> None:
    chunk = pa.RecordBatch.from_arrays([pa.array(["1"])], names=[""])
    before = odd.metrics()["refused_calls_total[half]"]
    with pytest.raises(Exception, match=r"half takes \(int64\) and was called with \(string\).*new name"):
        odd_client.exchange("half", chunk)
    assert odd.metrics()["refused_calls_total[half]"] - before == 1
    assert odd_client.call("half", [[2]]) == [1]

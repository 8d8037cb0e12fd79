"""clickhouse-connect, the official Python client, against the endpoint whose URL is the first argument."""

import datetime
import decimal
import sys
import urllib.parse

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, StreamFailureError

URL = urllib.parse.urlparse(sys.argv[1])
ROWS = [
    (1, decimal.Decimal("10.9900"), datetime.datetime(2024, 2, 29, 23, 59, 59, 123000), "a", ["x", "y"], {"k": 1}),
    (2, decimal.Decimal("-0.0001"), datetime.datetime(1970, 1, 1, 0, 0, 0, 1000), None, [], {}),
    (3, decimal.Decimal("99999999999999.9999"), datetime.datetime(2100, 1, 1), "ü", ["z"], {"k": 2, "l": 3}),
]
COLUMNS = ["id", "amount", "at", "place", "tags", "counts"]


def connect(**options):
    return clickhouse_connect.get_client(host=URL.hostname, port=URL.port, **options)


def expect(error_class, part, action):
    try:
        action()
    except error_class as error:
        assert part in str(error), error
    else:
        raise AssertionError(f"no error with {part!r}")


def types_survive(compress):
    client = connect(compress=compress)
    client.command("DROP TABLE IF EXISTS purchases")
    client.command(
        "CREATE TABLE purchases (id UInt64, amount Decimal(18, 4), at DateTime64(3), place LowCardinality(Nullable(String)),"
        " tags Array(String), counts Map(String, UInt32)) ENGINE = MergeTree ORDER BY id"
    )
    summary = client.insert("purchases", ROWS, column_names=COLUMNS)
    assert summary.written_rows == 3, summary.summary
    result = client.query("SELECT * FROM purchases ORDER BY id")
    assert result.column_names == tuple(COLUMNS), result.column_names
    assert result.result_rows == ROWS, result.result_rows
    assert client.query("SELECT sum(amount) FROM purchases WHERE id < 3").first_row == (decimal.Decimal("10.9899"),)


def parameters_and_settings():
    client = connect()
    result = client.query("SELECT {a:UInt32} + 1, {b:String}", parameters={"a": 41, "b": "it's \\ here"})
    assert result.result_rows == [(42, "it's \\ here")], result.result_rows
    assert client.command("SELECT getSetting('max_threads')", settings={"max_threads": 3}) == 3
    assert client.command("SELECT getSetting('max_threads')") != 3
    assert client.query("SELECT 1", settings={"max_execution_time": 5}).result_rows == [(1,)]


def streams():
    client = connect()
    with client.query_row_block_stream("SELECT number FROM numbers(3000000)") as stream:
        assert sum(len(block) for block in stream) == 3000000
    numbers = [(n, "x" * (n % 50)) for n in range(200000)]
    client.command("CREATE TABLE many (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
    client.insert("many", numbers, column_names=["a", "s"])
    assert client.command("SELECT count(), sum(length(s)) FROM many") == ["200000", str(sum(n % 50 for n in range(200000)))]
    client.raw_insert("many", column_names=["a", "s"], insert_block="1\tq\n2\tw\n", fmt="TabSeparated")
    assert client.raw_query("SELECT count() FROM many WHERE s IN ('q', 'w')", fmt="CSV") == b"2\n"


def errors():
    client = connect()
    expect(DatabaseError, "Code: 60", lambda: client.query("SELECT * FROM nowhere"))
    expect(DatabaseError, "Code: 62", lambda: client.command("SELEC 1"))
    late = "SELECT number, throwIf(number = 3000000, 'late') FROM numbers(10000000)"
    expect(ClickHouseError, "late", lambda: client.query(late, settings={"wait_end_of_query": 0}).result_rows)

    def stream():
        with client.query_rows_stream(late, settings={"wait_end_of_query": 0}) as rows:
            for _ in rows:
                pass

    expect((StreamFailureError, DatabaseError), "late", stream)
    assert client.command("SELECT 1") == 1


def sessions():
    client = connect(session_id="mine")
    client.command("CREATE TEMPORARY TABLE scratch (a Int8)")
    client.insert("scratch", [[1], [2]], column_names=["a"])
    assert client.command("SELECT sum(a) FROM scratch") == 3


for method in (True, False, "lz4", "zstd", "gzip"):
    types_survive(method)
for check in (parameters_and_settings, streams, errors, sessions):
    check()
print("all passed")

"""ClickHouse's tables, row by row, beside the records they are made from."""

import clickhouse_connect

CHUNK = 50_000
NEVER = 1 << 62


def connect(url, database):
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    return clickhouse_connect.get_client(host=host, port=int(port), database=database, compress=False, query_limit=0)


def money(column):
    return f"toInt64({column} * 10000)"


def millis(column):
    return f"toUnixTimestamp64Milli({column})"


WINDOWS = [(kind, hours) for hours in (3, 6, 12, 24) for kind in ("transaction_count", "avg_amount")]
COLUMNS = {
    "transactions": ["source_offset", "customer_id", "transaction_id", millis("occurred_at"), money("amount"), "currency"],
    "transaction_scores": [
        "source_offset", "toString(event_id)", "customer_id", "transaction_id", millis("occurred_at"), money("amount"), "currency",
        "scoring", "decision", "decision_source", "window_exact",
        *[money(f"customer_{kind}_{h}h") if kind == "avg_amount" else f"customer_{kind}_{h}h" for kind, h in WINDOWS],
    ],
    "receipts": [
        "source_offset", "toString(event_id)", "place_id", "transaction_id", millis("occurred_at"), "kind", money("total_amount"),
        money("nds_amount"), money("net_amount"), money("tips_amount"), "currency", "lines", money("items_total"),
    ],
    "receipt_items": [
        "line", "place_id", "transaction_id", "product_id", "category", "toInt64(quantity * 1000000)", money("price"), money("amount"),
        "currency",
    ],
    "duplicates": ["source_topic", "source_partition", "source_offset", "first_offset"],
    "dead_letters": ["toString(event_id)", "code", "target_topic"],
    "requests": ["request_id", "http_status"],
    "labels": [
        "toString(event_id)", "toString(trn_id)", "customer_id", "transaction_id", "label_id", "label", "source", millis("decided_at"),
        millis("received_at"),
    ],
}


def score_rows(event):
    inner, windows = event["transaction"], event["windows"]
    start = (event["source"]["offset"],)
    ids = (inner["customer_id"], inner["transaction_id"], event["occurred_at"], inner["amount"], inner["currency"])
    verdict = (event["scoring"], event["decision"], event["decision_source"], event["window_exact"])
    figures = tuple(windows[f"customer_{kind}_{hours}h"] for kind, hours in WINDOWS)
    yield "transactions", start + ids
    yield "transaction_scores", start + (event["event_id"],) + ids + verdict + figures


def purchase_rows(event):
    receipt = event["receipt"]
    ids = (receipt["place_id"], receipt["transaction_id"])
    yield "receipts", (
        event["source"]["offset"], event["event_id"], *ids, event["occurred_at"], event["kind"], receipt["total_amount"],
        receipt["nds_amount"], event["net_amount"], receipt["tips_amount"], receipt["currency"], len(event["lines"]), event["items_total"],
    )
    for line in event["lines"]:
        figures = (line["product_id"], line["category"], line["quantity"], line["price"], line["amount"])
        yield "receipt_items", (line["line"], *ids, *figures, receipt["currency"])


def duplicate_rows(event):
    source = event["source"]
    yield "duplicates", (source["topic"], source["partition"], source["offset"], event["first_offset"])


def letter_rows(event):
    yield "dead_letters", (event["event_id"], event["code"], event["target_topic"])


def request_rows(event):
    yield "requests", (event["request_id"], event["http_status"])


def label_rows(event):
    names = ("event_id", "trn_id", "customer_id", "transaction_id", "label_id", "label", "source", "decided_at", "received_at")
    yield "labels", tuple(event[name] for name in names)


ROWS = {
    "transaction-scores": score_rows,
    "purchases": purchase_rows,
    "duplicates": duplicate_rows,
    "dead-letters": letter_rows,
    "requests": request_rows,
    "labels": label_rows,
}
TABLES = {
    "transaction-scores": ["transactions", "transaction_scores"],
    "purchases": ["receipts", "receipt_items"],
    "duplicates": ["duplicates"],
    "dead-letters": ["dead_letters"],
    "requests": ["requests"],
    "labels": ["labels"],
}


class Partition:
    """The rows of one partition of a topic: those expected are added in the log's order, and compared a chunk at a time."""

    def __init__(self, client, topic, partition, findings, counts):
        self.client, self.topic, self.partition, self.counts = client, topic, partition, counts
        self.expected, self.from_offset, self.records = {table: [] for table in TABLES[topic]}, 0, 0
        self.find = {table: findings.check(f"{table} = log") for table in TABLES[topic]}
        self.twice = {table: findings.check(f"{table} holds nothing twice") for table in TABLES[topic]}

    def add(self, record, event):
        for table, row in ROWS[self.topic](event):
            self.expected[table].append((record.offset, *row))
        self.records += 1
        if self.records % CHUNK == 0:
            self.compare(record.offset)

    def close(self):
        self.compare(NEVER)

    def compare(self, to_offset):
        for table, expected in self.expected.items():
            columns = ", ".join(COLUMNS[table])
            sql = (f"SELECT _offset, {columns} FROM {table} WHERE _topic = '{self.topic}' AND _partition = {self.partition} "
                   f"AND _offset BETWEEN {self.from_offset} AND {to_offset} ORDER BY _offset")
            sql += ", line" if table == "receipt_items" else ""
            stored = list(zip(*self.client.query(sql).result_columns))
            self.counts[f"rows of {table}"] += len(stored)
            if stored != expected:
                self.differ(table, stored, expected)
            expected.clear()
        self.from_offset = to_offset + 1

    def differ(self, table, stored, expected):
        """Each missing, doubled or different row is a finding."""
        there, wanted = by_key(table, stored), by_key(table, expected)
        for key in sorted(there.keys() | wanted.keys()):
            rows, right = there.get(key, []), wanted.get(key, [])
            where = f"{self.topic}/{self.partition}/{key}"
            if len(rows) > len(right):
                self.twice[table](f"{where}: {len(rows)} rows where the log makes {len(right)}")
            elif rows != right:
                self.find[table](f"{where}: {f'{rows[0]}, not {right[0]}' if rows else 'missing'}")


def by_key(table, rows):
    found = {}
    for row in rows:
        found.setdefault(row[:2] if table == "receipt_items" else row[:1], []).append(row)
    return found

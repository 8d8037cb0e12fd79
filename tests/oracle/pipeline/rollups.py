"""Rollups, recomputed from the log record by record, beside what ClickHouse has."""

QUARTER_S, MINUTE_S, DAY_S = 900, 60, 86_400


def money(column):
    return f"toInt64({column} * 10000)"


def bucket(column):
    return f"toInt64(toUnixTimestamp({column}))"


MILLIONTHS = "toInt64({} * 1000000)"
ROLLUPS = {
    "transaction_stats_1m": (
        [bucket("bucket"), "currency"],
        ["transactions", money("amount"), "allowed", "reviewed", "blocked", money("blocked_amount"), "defaulted", "late", "max_scoring"],
    ),
    "customer_stats_1d": (
        [bucket("toDateTime(day, 'UTC')"), "customer_id", "currency"],
        ["transactions", money("amount"), money("max_amount"), "allowed", "reviewed", "blocked", "max_scoring"],
    ),
    "place_stats_15m": (
        [bucket("bucket"), "place_id", "currency"],
        ["purchases", *map(money, ("purchase_total", "purchase_nds", "purchase_tips")), "returns",
         *map(money, ("return_total", "return_nds", "return_tips")), "zeros"],
    ),
    "tax_tip_stats_15m": (
        [bucket("bucket"), "currency", "payment_method"],
        ["purchases", *map(money, ("purchase_total", "purchase_nds", "purchase_tips")), "tipped", "returns",
         *map(money, ("return_total", "return_nds")), "zeros"],
    ),
    "category_stats_15m": (
        [bucket("bucket"), "category", "currency"],
        ["purchase_lines", MILLIONTHS.format("purchase_quantity"), money("purchase_amount"), "return_lines",
         MILLIONTHS.format("return_quantity"), money("return_amount"), "zero_lines"],
    ),
    "nds_rate_stats_15m": (
        [bucket("bucket"), "if(nds_rate = '', toInt64(-1), toInt64(toDecimal64OrZero(nds_rate, 4) * 10000))", "currency"],
        ["purchase_lines", money("purchase_amount"), "return_lines", money("return_amount"), "zero_lines", money("zero_amount")],
    ),
}


class Rollups:
    """Adds up what readers of the log take."""

    def __init__(self):
        self.sums = {name: {} for name in ROLLUPS}

    def add(self, topic, event):
        if topic == "transaction-scores":
            self.add_score(event)
        else:
            self.add_purchase(event)

    def row(self, rollup, *key):
        rows = self.sums[rollup]
        row = rows.get(key)
        if row is None:
            row = rows[key] = [0] * len(ROLLUPS[rollup][1])
        return row

    def add_score(self, event):
        inner = event["transaction"]
        second, currency, amount = event["occurred_at"] // 1000, inner["currency"], inner["amount"]
        decision, scoring = ("allow", "review", "block").index(event["decision"]), event["scoring"]
        row = self.row("transaction_stats_1m", second - second % MINUTE_S, currency)
        row[0] += 1
        row[1] += amount
        row[2 + decision] += 1
        row[5] += amount if decision == 2 else 0
        row[6] += event["decision_source"] == "default"
        row[7] += not event["window_exact"]
        row[8] = max(row[8], scoring)
        row = self.row("customer_stats_1d", second - second % DAY_S, inner["customer_id"], currency)
        row[0] += 1
        row[1] += amount
        row[2] = max(row[2], amount)
        row[3 + decision] += 1
        row[6] = max(row[6], scoring)

    def add_purchase(self, event):
        receipt, kind = event["receipt"], event["kind"]
        second, currency = event["occurred_at"] // 1000, receipt["currency"]
        quarter = second - second % QUARTER_S
        amounts = (receipt["total_amount"], receipt["nds_amount"], receipt["tips_amount"])
        row = self.row("place_stats_15m", quarter, receipt["place_id"], currency)
        add(row, {"purchase": (0, amounts), "return": (4, amounts), "zero": (8, ())}[kind])
        row = self.row("tax_tip_stats_15m", quarter, currency, receipt["payment_method"])
        add(row, {"purchase": (0, amounts), "return": (5, amounts[:2]), "zero": (8, ())}[kind])
        row[4] += receipt["tips_amount"] > 0
        for line in event["lines"]:
            row = self.row("category_stats_15m", quarter, line["category"], currency)
            figures = (line["quantity"], line["amount"])
            add(row, {"purchase": (0, figures), "return": (3, figures), "zero": (6, ())}[kind])
            rate = -1 if line["nds_rate"] is None else line["nds_rate"]
            row = self.row("nds_rate_stats_15m", quarter, rate, currency)
            add(row, {"purchase": (0, figures[1:]), "return": (2, figures[1:]), "zero": (4, figures[1:])}[kind])

    def compare(self, client, findings, counts):
        for name, (key, figures) in ROLLUPS.items():
            find = findings.check(f"{name} = log")
            sql = f"SELECT {', '.join(key + figures)} FROM {name}"
            columns = client.query(sql).result_columns
            stored = {row[: len(key)]: list(row[len(key) :]) for row in zip(*columns)}
            counts[f"rows of {name}"] = len(stored)
            expected = self.sums[name]
            for row in sorted(stored.keys() | expected.keys()) if stored != expected else ():
                if stored.get(row) != expected.get(row):
                    find(f"{row} is {stored.get(row)} and must be {expected.get(row)}")


def add(row, where):
    """Counts one at a place of a row, and adds figures behind it."""
    first, figures = where
    row[first] += 1
    for place, figure in enumerate(figures, first + 1):
        row[place] += figure

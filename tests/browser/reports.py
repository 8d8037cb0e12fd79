#!/usr/bin/env python3
"""The report page in a browser: what readers of any kind get, by keyboard, on a phone, on paper, and by assistive technology.

    reports.py empty --url URL              a service without data
    reports.py data --url URL --away URL    one with data, and one whose ClickHouse is away

Prints what was looked at; ends with 1 at the first thing that is wrong.
"""

import argparse
import decimal
import json
import os
import pathlib
import time
import urllib.parse
import urllib.request

from devtools import Browser

SECTIONS = ["places", "purchases", "taxes-and-tips", "categories", "load", "transactions"]
WIDE, PHONE = 1280, 360
LOOKS = [(width, dark) for width in (WIDE, PHONE) for dark in (False, True)]
# Most rows of lists by name.
CUT = {"places": 20, "categories": 20}

TABLES = """[...document.querySelectorAll("table[data-csv]")].map((table) => ({
  section: table.closest("section").id, csv: table.dataset.csv, caption: table.caption.textContent,
  columns: [...table.tHead.rows[0].cells].map((cell) => cell.dataset.column),
  rows: [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.querySelector("time")?.dateTime ?? cell.textContent)),
}))"""
FOCUSED = """(() => { const e = document.activeElement; return e === document.body ? "" :
  [e.tagName, e.id || e.getAttribute("aria-labelledby") || e.getAttribute("href") || e.textContent].join(" "); })()"""


def axe():
    return pathlib.Path(os.environ["MILLRACE_TEST_BROWSER"], "axe.min.js").read_text()


def violations(page):
    page.run(axe())
    found = page.run("axe.run(document, {resultTypes: ['violations']}).then((it) => it.violations)")
    return [(it["id"], it["help"], [node["target"] for node in it["nodes"]][:3]) for it in found]


def accessible(browser, url, status, looks=LOOKS):
    """No violation, no scrolling sideways, no complaint; on a screen and on a phone, light and dark."""
    for width, dark in looks:
        with browser.page(width=width, dark=dark) as page:
            got = page.goto(url)
            assert got == status, f"{url}: {got}"
            found = violations(page)
            assert not found, f"{url}, {width} px wide, dark: {dark}: {found}"
            across = page.run("document.documentElement.scrollWidth")
            assert across <= width, f"{url} is {across} px wide on a screen of {width}"
            # That the page itself has a status of an error is what is tested.
            said = [text for text in page.complaints() if status == 200 or f"status of {status}" not in text]
            assert not said, said
            host = urllib.parse.urlsplit(url).netloc
            others = [it for it in page.requests() if it.startswith("http") and urllib.parse.urlsplit(it).netloc != host]
            assert not others, others


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.headers, answer.read().decode()


def api(base, csv):
    """The API's answer in JSON to the question of a table, numbers with exactly their digits."""
    path, _, query = csv.partition("?")
    pairs = [(name, value) for name, value in urllib.parse.parse_qsl(query) if name != "format"] + [("limit", "10000")]
    return json.loads(get(f"{base}{path}?{urllib.parse.urlencode(pairs)}")[1], parse_float=decimal.Decimal)["rows"]


def is_same(column, shown, value):
    if value is None:
        return shown == "–"
    if column == "hour":
        return shown == f"{value:02}:00"
    if isinstance(value, str):
        return shown == value
    return decimal.Decimal(shown.replace(",", "").replace("\N{MINUS SIGN}", "-")) == value


def figures(page, base):
    """Every figure of every table is the API's; how many were compared."""
    compared = 0
    for table in page.run(TABLES):
        rows = api(base, table["csv"])
        expected = min(len(rows), CUT.get(table["section"], len(rows)))
        assert len(table["rows"]) == expected > 0, f"{table['section']}: {len(table['rows'])} rows of {len(rows)}"
        for shown, row in zip(table["rows"], rows):
            for column, text in zip(table["columns"], shown, strict=True):
                assert is_same(column, text, row[column]), f"{table['section']} {column}: {text!r}, the API has {row[column]!r}"
                compared += 1
        headers, text = get(base + table["csv"])
        assert headers["content-type"].startswith("text/csv"), headers["content-type"]
        assert text.count("\n") == len(rows) + 1, f"{table['csv']}: {text.count(chr(10))} lines of {len(rows)} rows"
    return compared


def without_script(browser, base):
    with browser.page(script=False) as page:
        assert page.goto(f"{base}/reports?currency=USD") == 200
        have = "[...document.querySelectorAll('main section')].filter((it) => it.querySelector('svg[role=img] rect') && it.querySelector('tbody tr')).map((it) => it.id)"
        assert page.run(have) == SECTIONS, page.run(have)
        assert page.run("document.querySelector('form button').type") == "submit"
        return figures(page, base)


def by_keyboard(browser, base):
    with browser.page() as page:
        page.goto(f"{base}/reports?currency=USD")
        reached = []
        while True:
            page.press("Tab")
            focused = page.run(FOCUSED)
            if not focused or focused in reached[:1]:
                break
            ring = page.run("getComputedStyle(document.activeElement).outlineStyle")
            assert ring != "none", f"{focused} does not show that it is focused"
            if focused not in reached:
                reached.append(focused)
            assert len(reached) < 400, "the end is never reached"
        assert reached[0] == "A #main", reached[0]
        fields = [it for it in reached if it.split()[0] in ("INPUT", "SELECT", "BUTTON")]
        assert [it.split()[1] for it in fields] == ["from", "to", "interval", "zone", "currency", "Show"], fields
        regions = [it for it in reached if it.startswith("DIV")]
        assert regions == [f"DIV {section}-caption" for section in SECTIONS], regions
        files = page.run("[...new Set([...document.querySelectorAll('a[download]')].map((it) => it.getAttribute('href')))]")
        assert len(files) >= 5 and all(f"A {it}" in reached for it in files), files

        # A period that is one click away, by its key.
        period = "document.querySelector('.period strong').textContent"
        before = page.run(period)
        page.run("document.querySelector('.presets a').focus()")
        submit(page, "Enter")
        latest = page.run(period)
        assert latest != before and " to " not in latest, (before, latest)
        # A date and a zone that are typed.
        page.run("document.getElementById('from').focus()")
        for digit in "09022025":
            page.press(digit)
        page.run("document.getElementById('to').focus()")
        for digit in "09052025":
            page.press(digit)
        page.run("document.getElementById('zone').focus(); document.getElementById('zone').select()")
        page.call("Input.insertText", text="Asia/Tokyo")
        submit(page, "Enter")
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.run("location.href")).query))
        assert (asked["from"], asked["to"], asked["zone"]) == ("2025-09-02", "2025-09-05", "Asia/Tokyo"), asked
        assert page.run(period) == "2 September 2025 to 4 September 2025", page.run(period)
        return figures(page, base)


def submit(page, key):
    page.browser.events.clear()
    page.press(key)
    page.loaded()


def wrong_input(browser, base):
    url = f"{base}/reports?from=2026-03-01&to=soon&zone=Europe%2FBerlin"
    with browser.page() as page:
        assert page.goto(url) == 400
        kept = page.run("['from', 'to', 'zone'].map((id) => document.getElementById(id).value)")
        assert kept == ["2026-03-01", "soon", "Europe/Berlin"], kept
        assert page.run("document.querySelector('[role=alert] a').hash") == "#to"
        assert page.run("[...document.querySelectorAll('[aria-invalid]')].map((it) => it.id)") == ["to"]
        too_fine = f"{base}/reports?from=2020-01-01&to=2026-01-01&interval=15m"
        assert page.goto(too_fine) == 422
        assert page.run("document.querySelector('[role=alert] a').hash") == "#interval"
    return url


def on_paper(browser, base):
    with browser.page(media="print", width=800) as page:
        page.goto(f"{base}/reports")
        shown = "['form', '.live', 'header', 'table', 'svg.chart'].map((it) => document.querySelector(it).getClientRects().length > 0)"
        assert page.run(shown) == [False, False, False, True, True], page.run(shown)
        whole = "[...document.querySelectorAll('.scroll')].every((it) => getComputedStyle(it).maxHeight === 'none')"
        assert page.run(whole), "a table is cut on paper"
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def live(browser, base):
    """The strip follows what comes in, without a reload."""
    with browser.page() as page:
        page.goto(f"{base}/reports")
        page.wait("document.getElementById('live-rate').textContent === '0.0'", "a rate of nothing")
        assert page.run("document.getElementById('live-lag').textContent") == "0"
        assert page.run("document.getElementById('live-age').textContent") == "0.0 s"
        receipt = {
            "timestamp": "2025-11-01T12:00:00Z", "place_id": "live", "place_name": "Live", "total_amount": 10.99, "currency": "EUR",
            "payment_method": "cash", "items": [{"product_id": "a", "quantity": 1, "price": 10.99, "category": "c"}],
        }
        batch = json.dumps([dict(receipt, transaction_id=f"live-{index}") for index in range(500)]).encode()
        request = urllib.request.Request(f"{base}/api/v1/receipts", batch, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 202, answer.status
        changed = "parseFloat(document.getElementById('live-rate').textContent) > 1"
        page.wait(changed, "the rate follows what was sent")
        page.wait("document.getElementById('live-lag').textContent === '0'", "everything is in the tables")
        now = json.loads(get(f"{base}/reports/live")[1])
        assert now["problem"] is None and now["lag_records"] == 0, now
        said = page.complaints()
        assert not said, said


def pictures(browser, base, name):
    """What the page looks like, for people, where MILLRACE_TEST_PICTURES names a folder."""
    folder = os.environ.get("MILLRACE_TEST_PICTURES")
    for width, dark, media in [(WIDE, False, "screen"), (WIDE, True, "screen"), (PHONE, False, "screen"), (800, False, "print")] if folder else []:
        with browser.page(width=width, dark=dark, media=media) as page:
            page.goto(base)
            page.picture(pathlib.Path(folder, f"{name}-{width}-{'dark' if dark else 'light'}.png"))


def empty(browser, base):
    accessible(browser, f"{base}/reports", 200)
    pictures(browser, f"{base}/reports", "empty")
    with browser.page() as page:
        page.goto(f"{base}/reports")
        text = page.run("document.querySelector('.empty').textContent")
        assert "millrace loadgen" in text, text
    return {"looks": len(LOOKS)}


def data(browser, base, away):
    places = api(base, "/api/v1/analytics/places?interval=all&sort=-purchases")
    place = urllib.parse.quote(places[0]["place_id"])
    compared = 0
    pictures(browser, f"{base}/reports?currency=USD", "data")
    pictures(browser, f"{base}/reports?to=soon&zone=UTC", "wrong")
    for query in ("?currency=USD", "", "?currency=JPY&zone=Asia/Kolkata", f"?place={place}", "?from=2025-09-01&to=2025-12-01&interval=week&currency=USD"):
        # One page has every look; the others are made of the same parts.
        accessible(browser, f"{base}/reports{query}", 200, LOOKS if query == "?currency=USD" else [(PHONE, True)])
        with browser.page() as page:
            begun = time.monotonic()
            page.goto(f"{base}/reports{query}")
            print(f"{query}: loaded in {1000 * (time.monotonic() - begun):.0f} ms")
            compared += figures(page, base)
    compared += without_script(browser, base) + by_keyboard(browser, base)
    accessible(browser, wrong_input(browser, base), 400)
    accessible(browser, f"{away}/reports", 503)
    on_paper(browser, base)
    live(browser, base)
    # What finds nothing must be able to find something.
    with browser.page() as page:
        page.goto(f"{base}/reports")
        page.run("document.querySelector('main').append(document.createElement('img'))")
        found = [rule for rule, *_ in violations(page)]
        assert found == ["image-alt"], found
    return {"compared": compared}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["empty", "data"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--away")
    options = parser.parse_args()
    with Browser() as browser:
        done = empty(browser, options.url) if options.stage == "empty" else data(browser, options.url, options.away)
    print(json.dumps(done))


if __name__ == "__main__":
    main()

"""Prints how well models find fraud in the running pipeline: the protocol of evaluate.py, on what the pipeline recorded and answered.

    python -m training.pipeline --seeds 5                      # with target/release/millrace, about ten minutes a seed

Each seed has a broker, a registry and a ClickHouse of its own, gone afterwards. All that comes before the test is sent to the gateway; a
model is trained on the features that Millrace recorded by then, brought by `millrace model apply`, and made the active one; then each
transaction of the test waits for its score. The figures are those of `millrace grade`, of what was answered.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import clickhouse_connect
import numpy as np

from training import data, protocol, simulate, stream
from training.train import SIMULATED_DAYS_BEFORE

PERIODS = protocol.Periods(data.number_of(simulate.Settings.first_day) + SIMULATED_DAYS_BEFORE)
ROOT = pathlib.Path(__file__).parents[1]
# The services of a deployment, with the setting that says where each of them answers health checks.
SERVICES = {
    ("gateway",): "gateway.listen",
    ("processor", "scoring"): "worker.listen",
    ("gatherer", "merchants"): "worker.listen",
    ("projector", "clickhouse"): "worker.listen",
}
FIGURES = {"AUC": "auc", "AP": "average_precision", "CP@100": "card_precision"}
READY_WITHIN_S = 60
PROJECTED_WITHIN_S = 900


class Deployment:
    """The services on the broker, registry and ClickHouse of `millrace sandbox`, with their files in a folder."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.config = binary, pathlib.Path(folder), pathlib.Path(folder) / "millrace.toml"
        kafka, registry, self.clickhouse = (os.environ[f"MILLRACE_TEST_{part}"] for part in ("KAFKA", "REGISTRY", "CLICKHOUSE"))
        urls = f'[registry]\nurl = "{registry}"\n\n[clickhouse]\nurl = "{self.clickhouse}"\n'
        self.config.write_text(f'[kafka]\nbrokers = "{kafka}"\npartitions = 3\n\n{urls}')

    def command(self, *words):
        """A command of Millrace on this deployment."""
        return [self.binary, *words, "--config", str(self.config)]

    @contextlib.contextmanager
    def running(self):
        """Starts the services, gives the gateway's address, and ends them."""
        subprocess.run(self.command("setup"), check=True, stdout=subprocess.DEVNULL)
        with contextlib.ExitStack() as stack:
            addresses = [self._start(stack, words, setting) for words, setting in SERVICES.items()]
            for address in addresses:
                until(lambda address=address: answers(f"http://{address}/health/ready"), READY_WITHIN_S, f"{address} to be ready")
            yield f"http://{addresses[0]}"

    def _start(self, stack, words, setting):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        log = stack.enter_context(open(self.folder / f"{words[-1]}.log", "w"))
        process = subprocess.Popen([*self.command(*words), "--set", f"{setting}={address}"], stdout=log, stderr=log)
        stack.callback(process.wait, timeout=30)
        stack.callback(process.terminate)
        return address


def answers(url):
    """Whether something says that it is well."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def until(is_so, seconds, what):
    """Waits until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds} s for {what}")
        time.sleep(0.2)


def prepare(binary, folder, bundle, count):
    """Once all before the test was sent and projected: trains on what was recorded, brings the model, makes it the active one."""
    deployment = Deployment(binary, folder)
    client = clickhouse_connect.get_client(dsn=deployment.clickhouse, database="millrace", username="default")
    rows = "SELECT count() FROM transaction_scores"
    until(lambda: client.query(rows).result_rows[0][0] >= count, PROJECTED_WITHIN_S, f"{count} scores in ClickHouse")
    days = ["--train-days", PERIODS.train, "--delay-days", PERIODS.delay, "--test-days", 0]
    train = ["--clickhouse", deployment.clickhouse, "--train-from", data.date_of(PERIODS.first_day), *days, "--out", bundle]
    subprocess.run([sys.executable, "-m", "training.train", *map(str, train)], check=True, cwd=ROOT)
    checked = subprocess.run([binary, "model", "check", "--json", bundle], check=True, stdout=subprocess.PIPE)
    subprocess.run(deployment.command("model", "apply", bundle), check=True)
    version = json.loads(checked.stdout)["version"]
    subprocess.run(deployment.command("model", "activate", version, "--with-thresholds"), check=True)


def grade(seed, scenarios):
    """The report of `millrace grade` on one simulation; within `millrace sandbox`."""
    binary = os.environ["MILLRACE_BIN"]
    with tempfile.TemporaryDirectory() as folder:
        deployment, at = Deployment(binary, folder), pathlib.Path(folder)
        days = PERIODS.end - data.number_of(simulate.Settings.first_day)
        simulation = simulate.simulate(simulate.Settings(seed=seed, days=days, scenarios=scenarios))
        with open(at / "t.ndjson", "w") as transactions, open(at / "l.ndjson", "w") as labels:
            stream.write_transactions(simulation, transactions)
            stream.write_labels(simulation, labels)
        before = int(np.sum(simulation.day < PERIODS.test_from))
        again = [sys.executable, "-m", "training.pipeline", "--prepare", binary, folder, str(at / "bundle"), str(before)]
        with deployment.running() as gateway:
            files = ["--transactions", str(at / "t.ndjson"), "--labels", str(at / "l.ndjson"), "--gateway", gateway]
            tested = ["--from", str(data.date_of(PERIODS.test_from)), "--days", str(PERIODS.test), "--timeout-ms", "5000"]
            command = deployment.command("grade", "--json", *files, *tested, "--prepare", shlex.join(again))
            report = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
        return json.loads(report.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many simulations")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--scenarios", type=simulate.scenarios, default=simulate.Settings.scenarios, metavar="1,2,3")
    parser.add_argument("--millrace", default=str(ROOT / "target/release/millrace"), metavar="FILE", help="the binary that runs")
    inner = parser.add_mutually_exclusive_group()
    inner.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    inner.add_argument("--prepare", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare:
        binary, folder, bundle, count = arguments.prepare
        return prepare(binary, folder, bundle, int(count))
    if arguments.seed is not None:
        return print(json.dumps(grade(arguments.seed, arguments.scenarios)))
    reports = []
    print(f"  {'':<8} {'graded':>7} {'frauds':>6} " + " ".join(f"{name:>7}" for name in FIGURES) + f" {'defaults':>8} {'alert p99 ms':>12} {'s':>5}")
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        began, scenarios = time.monotonic(), ",".join(map(str, arguments.scenarios))
        inside = [sys.executable, "-m", "training.pipeline", "--seed", str(seed), "--scenarios", scenarios]
        run = subprocess.run([arguments.millrace, "sandbox", "--", *inside], check=True, stdout=subprocess.PIPE, cwd=ROOT)
        report = json.loads(run.stdout.splitlines()[-1])
        reports.append(report)
        figures = " ".join(f"{report[field]:>7.3f}" for field in FIGURES.values())
        took = time.monotonic() - began
        print(f"  {f'seed {seed}':<8} {report['graded']:>7} {report['frauds']:>6} {figures} {report['defaults']:>8} "
              f"{report['alert_ms']['p99']:>12.1f} {took:>5.0f}", flush=True)  # fmt: skip
    means = " ".join(f"{np.mean([report[field] for report in reports]):>7.3f}" for field in FIGURES.values())
    print(f"  {'mean':<8} {'':>7} {'':>6} {means}")


if __name__ == "__main__":
    main()

"""Steady load, a backend that comes and goes: memory, threads, files and logs stay where they are; nothing is lost."""
import itertools
import pathlib
import random
import re
import threading
import time

from .figures import Report, half, table, third
from .ledger import Ledger
from .node import Node
from .sender import Sender
from .sink import Sink

TENANTS = ["harbour", "mill", "yard"]
POINTS = 100
RATE = 3000  # points a second of each sender; two senders a tenant
WAL_CAP = 64  # MiB: docs/guarantees.md
# MiB that may still fill after half of a run, when a backlog comes late: 32 MiB of decoded blocks are kept.
CACHES = 48
MEMORY = 160
VALUE = re.compile(rb'"int":(\d+)')


def config(folder, port):
    lines = [
        "backends:",
        f"  influx: {{ type: influxdb, version: 1, url: \"http://127.0.0.1:{port}\", database: \"{{tenant}}\", gzip: false,"
        " timeout: 5s }",
        "  files: { type: archive }", "tenants:",
    ]
    for tenant in TENANTS:
        token = pathlib.Path(folder) / f"{tenant}.token"
        token.write_text(f"token-of-{tenant}")
        # Delivered points go soon, so that pruning and vacuuming are part of it.
        lines.append(f"  {tenant}: {{ retain: 30s, credentials: {{ tokens: [\"file:{token}\"] }} }}")
    return "\n".join(lines) + "\n"


def run(options, folder):
    report = Report("flapping")
    ledgers = {tenant: Ledger(POINTS) for tenant in TENANTS}
    sink = Sink(ledgers)
    node = Node(options.binary, folder, config(folder, sink.port))
    starts = [node.start()]
    stop, calm = threading.Event(), threading.Event()
    threading.Thread(target=sink.flap, args=(calm, options.seed), daemon=True).start()
    senders = [
        Sender(node.port, tenant, f"token-of-{tenant}", ledgers[tenant], numbers, RATE, stop)
        for tenant in TENANTS for numbers in [itertools.count()] for _ in range(2)]
    for sender in senders:
        sender.start()

    chance = random.Random(options.seed)
    def moved():
        """Points that were taken in, and points that a backend took."""
        return sum(len(ledger.acknowledged) for ledger in ledgers.values()) * POINTS + sink.lines

    samples = measure(report, node, options.seconds, moved)
    calm.set()
    # A kill with a backlog and the load still on: the start does not depend on either.
    for _ in range(3):
        node.kill()
        starts.append(node.start())
        time.sleep(chance.uniform(0.2, 1))
    stop.set()
    for sender in senders:
        sender.join()
    drained = drain(report, node)
    lanes = node.backends()
    exit_status = node.stop()
    starts.append(node.start())
    node.stop()

    for tenant in TENANTS:
        archive = bytearray()
        for file in sorted((node.data / "archive-files" / tenant).glob("*.ndjson")):
            archive += file.read_bytes()
        ledgers[tenant].arrive("files", (int(value) for value in VALUE.findall(archive)))
    judge(report, samples, starts, ledgers, lanes, drained, exit_status)
    report.say(f"requests to the backend by its mood: {dict(sorted(sink.requests.items()))}")
    print(table(samples))
    report.end()


def measure(report, node, seconds, moved):
    """A sample a second. The process is the same one all the time: what grows shows."""
    samples = []
    began = time.monotonic()
    while (second := time.monotonic() - began) < seconds:
        samples.append({"second": second, "moved": moved(), **node.measure()})
        if len(samples) % 30 == 0:
            last = samples[-1]
            report.say(
                f"rss {last['rss']:.0f} MiB, {last['threads']} threads, {last['files']} files, -wal {last['wal']:.1f} MiB")
        time.sleep(1)
    return samples


def microseconds(samples, number):
    """CPU time of a point, in or out, over a third of the run."""
    size = max(2, len(samples) // 3)
    part = samples[number * size:(number + 1) * size]
    return 1e6 * (part[-1]["cpu"] - part[0]["cpu"]) / max(1, part[-1]["moved"] - part[0]["moved"])


def drain(report, node):
    began = time.monotonic()
    while time.monotonic() - began < 300:
        pending = node.pending()
        if pending == 0:
            report.say(f"drained in {time.monotonic() - began:.1f} s")
            return True
        time.sleep(0.5)
    report.say(f"{pending} points still pending")
    return False


def judge(report, samples, starts, ledgers, lanes, drained, exit_status):
    first, second = half(samples, "rss", 0), half(samples, "rss", 1)
    report.claim(
        second <= first + CACHES and second <= MEMORY,
        f"memory is bounded: {second:.0f} MiB at most, after {first:.0f} MiB in the first half")
    before, after = microseconds(samples, 0), microseconds(samples, 2)
    # The backend's moods decide how many points go out at once, and how often: that alone doubles or halves it. What grows
    # with each commit does not stop at that in a run of ten minutes.
    report.claim(after <= before * 3 + 1, f"a point costs {after:.2f} µs at the end, {before:.2f} µs at the beginning")
    threads = third(samples, "threads", 2)
    # A thread that waits for the disk may get a stand-in for a while.
    report.claim(threads <= third(samples, "threads", 1) + 8 and threads <= 64, f"threads are bounded: {threads}")
    files = third(samples, "files", 2)
    report.claim(files <= third(samples, "files", 1) + 16 and files <= 256, f"open files are bounded: {files}")
    wal = max(sample["wal"] for sample in samples)
    report.claim(wal <= WAL_CAP + 8, f"no -wal grew beyond its cap: {wal:.1f} MiB")
    report.claim(max(starts) < 10, "starts: " + ", ".join(f"{start * 1000:.0f} ms" for start in starts))
    report.claim(drained and exit_status == 0, f"what was left was delivered, and the stop is clean: {exit_status}")
    for tenant, lane in lanes:
        terms = ["pending", "delivered", "assumed", "dead", "lost", "excluded"]
        total = sum(lane[f"{term}_points"] for term in terms)
        report.claim(
            lane["owed_points"] == total and lane["lost_points"] == lane["dead_points"] == 0,
            f"the books of {tenant} at {lane['backend']} balance over {total} points")
    for backend in ("influx", "files"):
        acknowledged = sum(len(ledger.acknowledged) for ledger in ledgers.values()) * POINTS
        lost = sum(ledger.missing(backend) for ledger in ledgers.values())
        torn = sum(ledger.torn(backend) for ledger in ledgers.values())
        copies = sum(ledger.copies.get(backend, 0) for ledger in ledgers.values())
        report.claim(
            lost == 0 and torn == 0 and acknowledged > 0,
            f"{backend}: {acknowledged} acknowledged points, {lost} missing, {torn} requests torn, {copies} sent again")

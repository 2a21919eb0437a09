"""Many points with nobody to take them: neither memory nor a start grows with the backlog; then all of it drains."""
import http.client
import time

from .figures import Report
from .node import Node
from .sink import Sink

LINES = 10_000


def config(port):
    return (
        "backends:\n"
        f"  influx: {{ type: influxdb, version: 1, url: \"http://127.0.0.1:{port}\", database: m, gzip: false }}\n"
        "tenants:\n  default: { backends: [influx] }\n")


def run(options, folder):
    report = Report("backlog")
    sink = Sink()
    sink.become("down")
    node = Node(options.binary, folder, config(sink.port))
    empty = node.start()
    series = [f"load,series=s{number} value={number}i " for number in range(LINES)]
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=120)
    tenth = max(1, options.points // LINES // 10)
    rss, began = [], time.monotonic()
    for request in range(options.points // LINES):
        stamp = f"{1_790_000_000_000 + request}\n"
        body = stamp.join(series) + stamp
        connection.request("POST", "/write?db=m&precision=ms", body.encode())
        answer = connection.getresponse()
        answer.read()
        if answer.status != 204:
            report.claim(False, f"request {request} is answered {answer.status}")
            report.end()
        if (request + 1) % tenth == 0:
            rss.append(node.measure()["rss"])
            rate = (request + 1) * LINES / (time.monotonic() - began)
            report.say(f"{(request + 1) * LINES:>10} points, rss {rss[-1]:.0f} MiB, {rate / 1000:.0f} thousand a second")
    points = options.points // LINES * LINES
    disk = sum(entry.stat().st_size for entry in node.data.glob("tenants/*/spool.db*"))
    report.claim(max(rss[5:]) <= max(rss[:5]) * 1.15 + 16, f"memory is flat: {max(rss):.0f} MiB at most")
    node.kill()
    after_kill = node.start()
    # Until a spool is open its figures are those of the last summary, and say so.
    node.wait_until_current()
    pending = sum(lane["pending_points"] for _, lane in node.backends())
    report.claim(pending == points, f"{pending} of {points} points are pending after a kill")
    node.stop()
    after_stop = node.start()
    fresh = node.measure()["rss"]
    # Ten times what it takes, so that a loaded machine does not judge.
    limit = max(10.0, 10 * empty)
    report.claim(
        max(after_kill, after_stop) < limit,
        f"starts: {empty * 1000:.0f} ms without a backlog, {after_kill * 1000:.0f} ms with it after a kill,"
        f" {after_stop * 1000:.0f} ms after a stop")
    report.say(f"{disk / points:.2f} bytes a point on disk, rss {fresh:.0f} MiB after the start")
    sink.become("up")
    began, largest = time.monotonic(), 0.0
    while (pending := node.pending()) > 0 and time.monotonic() - began < 3600:
        largest = max(largest, node.measure()["rss"])
        report.say(f"{pending:>10} points pending, rss {largest:.0f} MiB at most")
        time.sleep(5)
    seconds = time.monotonic() - began
    report.claim(pending == 0 and sink.lines >= points, f"{sink.lines} lines arrive in {seconds:.0f} s")
    report.claim(largest <= max(rss) * 1.5 + 64, f"the drain takes {largest:.0f} MiB at most")
    report.claim(node.stop() == 0, "the stop is clean")
    report.end()

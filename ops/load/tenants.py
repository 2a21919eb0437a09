"""Ten thousand tenants, one after the other: few spools are open, few threads run, and a start opens none of them."""
import http.client
import pathlib
import time

from .figures import Report
from .node import Node
from .sink import Sink


def config(folder, port, count):
    tokens = pathlib.Path(folder) / "tokens"
    tokens.mkdir()
    lines = [
        "  limits: { connections_per_address: 512 }",
        "backends:",
        f"  influx: {{ type: influxdb, version: 1, url: \"http://127.0.0.1:{port}\", database: \"{{tenant}}\", gzip: false }}",
        "tenants:",
    ]
    for number in range(count):
        (tokens / f"t{number}").write_text(f"token-{number}")
        lines.append(f"  t{number}: {{ credentials: {{ tokens: [\"file:{tokens}/t{number}\"] }} }}")
    return "\n".join(lines) + "\n"


def write(connection, number, round_number):
    body = f"load value={number}i {1_790_000_000_000 + round_number}"
    connection.request(
        "POST", f"/write?db=t{number}&precision=ms", body, {"Authorization": f"Token token-{number}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status == 204


def run(options, folder):
    report = Report("tenants")
    sink = Sink()
    node = Node(options.binary, folder, config(folder, sink.port, options.tenants))
    started = node.start(within=300)
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=120)
    most = {"rss": 0.0, "threads": 0, "files": 0}
    for round_number in range(2):
        # The second time, spools that were closed long ago are opened again.
        began, refused = time.monotonic(), 0
        for number in range(options.tenants):
            refused += not write(connection, number, round_number)
            if number % 500 == 499:
                sample = node.measure()
                most = {key: max(value, sample[key]) for key, value in most.items()}
        seconds = time.monotonic() - began
        report.say(
            f"round {round_number + 1}: {options.tenants / seconds:.0f} tenants a second, rss {most['rss']:.0f} MiB,"
            f" {most['threads']} threads, {most['files']} files at most")
        report.claim(refused == 0, f"round {round_number + 1}: {refused} of {options.tenants} requests refused")
    began = time.monotonic()
    while node.pending() > 0 and time.monotonic() - began < 600:
        time.sleep(2)
    report.claim(
        sink.lines >= 2 * options.tenants,
        f"{sink.lines} lines of {2 * options.tenants} arrive; drained in {time.monotonic() - began:.0f} s")
    report.claim(most["threads"] <= 64, f"threads are bounded: {most['threads']}")
    report.claim(most["files"] <= 256 * 5 + 256, f"open files are bounded: {most['files']}")
    report.claim(most["rss"] <= 256 + options.tenants * 0.04, f"memory is bounded: {most['rss']:.0f} MiB")
    node.kill()
    after_kill = node.start(within=300)
    node.stop()
    after_stop = node.start(within=300)
    report.claim(
        max(after_kill, after_stop) <= 10 * started + 10,
        f"starts: {started * 1000:.0f} ms new, {after_kill * 1000:.0f} ms after a kill, {after_stop * 1000:.0f} ms"
        " after a stop")
    report.claim(node.stop() == 0, "the stop is clean")
    report.end()

"""Two thousand connections that say little, two hundred that write, and some that never finish a sentence."""
import asyncio
import time

from .figures import Report, table, third
from .node import Node

IDLE, BUSY, DRIBBLING = 2000, 200, 50
CONFIG = """  limits: { connections: 4096, connections_per_address: 4096 }
  timeouts: { idle: 600s }
backends:
  files: { type: archive }
tenants:
  default: { backends: [files] }
"""


class Client:
    def __init__(self, port):
        self.port = port

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def ask(self, method, path, body=b""):
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await self.writer.drain()
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                await self.reader.readexactly(int(line.split(b":")[1]))
        return int(head.split(b" ")[1])


async def busy(port, number, stop, answers, slowest):
    client = await Client(port).open()
    request = 0
    while not stop.is_set():
        request += 1
        lines = "\n".join(
            f"load,client=c{number} value={point}i {1_790_000_000_000 + request * 10 + point}" for point in range(10))
        began = time.monotonic()
        status = await client.ask("POST", "/write?db=m&precision=ms", lines.encode())
        slowest[0] = max(slowest[0], time.monotonic() - began)
        answers[status] = answers.get(status, 0) + 1
        await asyncio.sleep(0.2)


async def dribble(port, stop, ended):
    """A byte of a header every second: closed when the time for headers is over, and opened again."""
    while not stop.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ending = asyncio.ensure_future(reader.read(64))
        try:
            writer.write(b"POST /write HTTP/1.1\r\nX-Long: ")
            while not stop.is_set() and not ending.done():
                writer.write(b"x")
                await writer.drain()
                await asyncio.wait({ending}, timeout=1)
        except OSError:
            pass
        ended[0] += ending.done()
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        writer.close()


async def load(report, node, seconds):
    idle = []
    for _ in range(IDLE):
        client = await Client(node.port).open()
        if await client.ask("GET", "/-/ready") == 200:
            idle.append(client)
    report.claim(len(idle) == IDLE, f"{len(idle)} of {IDLE} idle connections are open")
    stop, answers, slowest, ended = asyncio.Event(), {}, [0.0], [0]
    tasks = [asyncio.create_task(busy(node.port, number, stop, answers, slowest)) for number in range(BUSY)]
    tasks += [asyncio.create_task(dribble(node.port, stop, ended)) for _ in range(DRIBBLING)]
    samples, began = [], time.monotonic()
    while (second := time.monotonic() - began) < seconds:
        samples.append({"second": second, **node.measure()})
        await asyncio.sleep(1)
    stop.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    broken = [result for result in results[:BUSY] if isinstance(result, Exception)]
    report.claim(not broken, f"no busy connection broke: {len(broken)} did {broken[:1]}")
    report.claim(ended[0] > 0 or seconds < 20, f"{ended[0]} senders that dribble their headers were turned away")
    report.claim(set(answers) == {204}, f"every request is answered 204: {answers}, the slowest in {slowest[0]:.2f} s")
    alive = 0
    for client in idle:
        try:
            alive += await client.ask("GET", "/-/ready") == 200
        except (OSError, asyncio.IncompleteReadError):
            pass
    report.claim(alive == IDLE, f"{alive} of {IDLE} idle connections are still served")
    return samples, answers.get(204, 0)


def run(options, folder):
    report = Report("connections")
    node = Node(options.binary, folder, CONFIG)
    node.start()
    samples, stored = asyncio.run(load(report, node, min(options.seconds, 120)))
    middle, last = third(samples, "rss", 1), third(samples, "rss", 2)
    report.claim(last <= middle * 1.15 + 16, f"memory is flat: {last:.0f} MiB at most, after {middle:.0f} MiB before")
    threads = max(sample["threads"] for sample in samples)
    report.claim(threads <= 64, f"threads do not grow with connections: {threads}")
    files = max(sample["files"] for sample in samples)
    report.claim(files <= IDLE + BUSY + 2 * DRIBBLING + 256, f"open files are the connections and little else: {files}")
    began = time.monotonic()
    while node.pending() > 0 and time.monotonic() - began < 120:
        time.sleep(0.5)
    lane = node.backends()[0][1]
    report.claim(
        lane["delivered_points"] == lane["owed_points"] == stored * 10,
        f"{lane['delivered_points']} of {stored * 10} acknowledged points are delivered")
    report.claim(node.stop() == 0, "the stop is clean")
    print(table(samples))
    report.end()

"""An InfluxDB as far as /write reaches, which comes and goes."""
import http.server
import random
import re
import socket
import struct
import threading
import time
import urllib.parse

from .ports import free_port

VALUE = re.compile(rb" value=(\d+)i")


class Sink:
    """Modes: up, slow, 503 (with Retry-After), 500, reset (unread), lost (stored, no answer), down (nobody listens)."""

    MODES = ["up", "up", "up", "slow", "503", "500", "reset", "lost", "down"]

    def __init__(self, ledgers=None):
        self.ledgers = ledgers
        self.mode = "up"
        self.requests = {}
        self.lines = 0
        self.lock = threading.Lock()
        self.port = free_port()
        self.server = None
        self.open()

    def open(self):
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                sink.answer(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def become(self, mode):
        self.mode = mode
        if mode == "down":
            self.close()
        elif self.server is None:
            self.open()

    def flap(self, stop, seed):
        """Changes the mode every second or so until `stop` is set, then is up."""
        chance = random.Random(seed)
        while not stop.wait(chance.uniform(0.3, 4)):
            self.become(chance.choice(Sink.MODES))
        self.become("up")

    def answer(self, handler):
        mode = self.mode
        with self.lock:
            self.requests[mode] = self.requests.get(mode, 0) + 1
        if mode in ("reset", "down"):
            return self.reset(handler)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if mode in ("503", "500"):
            return self.reply(handler, int(mode), [("Retry-After", "1")] if mode == "503" else [])
        if mode == "slow":
            time.sleep(0.3)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        tenant = query.get("db", [""])[0]
        if self.ledgers is not None:
            self.ledgers[tenant].arrive("influx", map(int, VALUE.findall(body)))
        with self.lock:
            self.lines += body.count(b"\n")
        return self.reset(handler) if mode == "lost" else self.reply(handler, 204)

    @staticmethod
    def reply(handler, status, headers=()):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    @staticmethod
    def reset(handler):
        handler.close_connection = True
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

"""The binary under test as an operator runs it, and what the kernel says of its process."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from .ports import free_port


def size_of(path):
    """Of a file that may go while we look."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class Node:
    def __init__(self, binary, folder, config):
        """`config` is everything but `data_dir` and `server.listen`; `server` may be a dict of further keys."""
        self.binary = binary
        self.data = pathlib.Path(folder) / "data"
        self.port = free_port()
        self.log = pathlib.Path(folder) / "holdfast.log"
        self.config = pathlib.Path(folder) / "holdfast.yml"
        self.config.write_text(
            f"data_dir: {self.data}\nserver:\n  listen: 127.0.0.1:{self.port}\n" + config)
        self.process = None

    def start(self, within=60):
        """Returns seconds until `/-/ready` answered 200."""
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "run", "--config", str(self.config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        request = b"GET /-/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        while time.monotonic() - began < within:
            if self.process.poll() is not None:
                raise RuntimeError(f"holdfast ended with {self.process.returncode}: {self.last_words()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
                    client.sendall(request)
                    if client.recv(64).startswith(b"HTTP/1.1 200"):
                        return time.monotonic() - began
            except OSError:
                pass
            time.sleep(0.005)
        raise RuntimeError(f"holdfast is not ready within {within} s: {self.last_words()}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, within=120):
        """SIGTERM; its exit status."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=within)

    def last_words(self):
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def status(self):
        answer = subprocess.run(
            [self.binary, "status", "--json", "--data-dir", str(self.data)], capture_output=True, text=True)
        if answer.returncode:
            raise RuntimeError(f"holdfast status ended with {answer.returncode}: {answer.stderr}")
        return json.loads(answer.stdout)

    def backends(self):
        """Every lane of every tenant."""
        return [(tenant["tenant"], lane) for tenant in self.status()["tenants"] for lane in tenant["backends"]]

    def pending(self):
        return sum(lane["pending_points"] for _, lane in self.backends())

    def wait_until_current(self, within=60):
        """Until the figures of every tenant come from its open spool."""
        began = time.monotonic()
        while not all(tenant["current"] for tenant in self.status()["tenants"]):
            if time.monotonic() - began > within:
                raise RuntimeError(f"some spool is not open within {within} s: {self.last_words()}")
            time.sleep(0.05)

    # What the kernel says.

    def measure(self):
        pid = self.process.pid
        fields = dict(
            line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
        wals = [size_of(entry) for entry in self.data.glob("tenants/*/spool.db-wal")]
        return {
            "rss": int(fields["VmRSS"].split()[0]) / 1024,
            "threads": int(fields["Threads"]),
            "files": len(os.listdir(f"/proc/{pid}/fd")),
            "wal": max(wals, default=0) / 1048576,
            "cpu": sum(int(x) for x in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])
            / os.sysconf("SC_CLK_TCK"),
        }

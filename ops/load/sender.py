"""Senders of line protocol: each point has a value and a time of its own."""
import http.client
import threading
import time

FIRST_TIME = 1_790_000_000_000


class Sender(threading.Thread):
    """One connection of one tenant, at a steady rate; an error is written down and the next request is sent."""

    def __init__(self, port, tenant, token, ledger, numbers, points_a_second, stop):
        super().__init__(daemon=True)
        self.port, self.tenant, self.token = port, tenant, token
        self.ledger, self.numbers, self.stop = ledger, numbers, stop
        self.pause = ledger.points / points_a_second
        self.slowest = 0.0

    def run(self):
        connection = None
        due = time.monotonic()
        while not self.stop.is_set():
            request = next(self.numbers)
            first = request * self.ledger.points
            body = "\n".join(
                f"load,series=s{value % 50} value={value}i {FIRST_TIME + value}"
                for value in range(first, first + self.ledger.points)).encode()
            began = time.monotonic()
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                connection.request(
                    "POST", f"/write?db={self.tenant}&precision=ms", body, {"Authorization": f"Token {self.token}"})
                answer = connection.getresponse()
                answer.read()
                is_acknowledged = answer.status == 204
            except (OSError, http.client.HTTPException):
                is_acknowledged, connection = False, None
            self.slowest = max(self.slowest, time.monotonic() - began)
            (self.ledger.acknowledged if is_acknowledged else self.ledger.unanswered).append(request)
            due = max(due + self.pause, time.monotonic() - 1)
            self.stop.wait(max(0.0, due - time.monotonic()))

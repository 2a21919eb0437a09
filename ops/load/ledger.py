"""What was acknowledged and what arrived, kept apart from Holdfast: a byte a point."""
import threading


class Ledger:
    """Of one tenant. Request n holds the values n * points up to (n + 1) * points."""

    def __init__(self, points):
        self.points = points
        self.lock = threading.Lock()
        self.acknowledged = []
        self.unanswered = []
        self.arrived = {}
        self.copies = {}

    def arrive(self, backend, values):
        with self.lock:
            seen = self.arrived.setdefault(backend, bytearray())
            for value in values:
                if value >= len(seen):
                    seen.extend(bytes(value + 1 - len(seen)))
                if seen[value]:
                    self.copies[backend] = self.copies.get(backend, 0) + 1
                seen[value] = 1

    def missing(self, backend):
        """Acknowledged points that the backend never got."""
        seen = self.arrived.get(backend, bytearray())
        whole = bytes([1]) * self.points
        lost = 0
        for request in self.acknowledged:
            there = seen[request * self.points:(request + 1) * self.points]
            if there != whole:
                lost += self.points - there.count(1)
        return lost

    def torn(self, backend):
        """Requests without an answer of which the backend has a part."""
        seen = self.arrived.get(backend, bytearray())
        counts = (seen[r * self.points:(r + 1) * self.points].count(1) for r in self.unanswered)
        return sum(1 for count in counts if 0 < count < self.points)

"""An OTLP receiver that reads with OpenTelemetry's own classes and refuses what a strict one refuses.

Usage: otlp_receiver.py PORT

POST /v1/metrics   a request; kept in memory
POST /mood/NAME    what it answers from now on: well, busy (503 with Retry-After), broken (the connection ends),
                   partial (takes all but the first point of a request, and does not say which)
GET  /points       a line of JSON for each number that it took: labels, time in ms, value
GET  /violations   what it refused for not being OTLP, a line each
"""

import gzip
import json
import math
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2

lock = threading.Lock()
points = []
violations = []
mood = "well"


class Violation(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Violation(what)


def text(value):
    return getattr(value, value.WhichOneof("value"))


def attributes(pairs):
    keys = [pair.key for pair in pairs]
    require(all(keys), "an attribute without a key")
    require(len(set(keys)) == len(keys), f"an attribute twice: {keys}")
    return {pair.key: text(pair.value) for pair in pairs}


def has_unknown(message):
    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.message_type:
            inner = value if field.is_repeated else [value]
            if any(has_unknown(item) for item in inner):
                return True
    return False


def rising(values):
    return all(a < b for a, b in zip(values, values[1:]))


def check(point, kind):
    require(point.time_unix_nano > 0, "a point without a time")
    missing = point.flags & metrics_pb2.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
    if kind in ("gauge", "sum"):
        require(missing or point.WhichOneof("value"), "a number without a value")
        require(not (missing and point.WhichOneof("value")), "a value that is not recorded")
    elif kind == "histogram" and not missing:
        counts, bounds = point.bucket_counts, list(point.explicit_bounds)
        require(not counts and not bounds or len(counts) == len(bounds) + 1, "buckets and bounds do not match")
        require(rising(bounds) and not any(map(math.isinf, bounds)), "bounds do not rise")
    elif kind == "exponential_histogram" and not missing:
        for side in (point.positive, point.negative):
            require(len(side.bucket_counts) <= 1024, "too many buckets")
    return missing


def read(request):
    """The numbers of a request, as Prometheus would name them."""
    found = []
    require(request.resource_metrics, "an empty request")
    for resource in request.resource_metrics:
        source = attributes(resource.resource.attributes)
        require(resource.scope_metrics, "a resource without scopes")
        for scope in resource.scope_metrics:
            require(scope.metrics, "a scope without metrics")
            names = set()
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                require(metric.name and kind, "a metric without a name or data")
                require((metric.name, metric.unit, kind) not in names, f"{metric.name} twice in a scope")
                names.add((metric.name, metric.unit, kind))
                data = getattr(metric, kind)
                require(data.data_points, f"{metric.name} without points")
                if kind in ("sum", "histogram", "exponential_histogram"):
                    require(data.aggregation_temporality, f"{metric.name} without a temporality")
                for point in data.data_points:
                    labels = attributes(point.attributes)
                    if check(point, kind) or kind not in ("gauge", "sum"):
                        continue
                    labels["__name__"] = metric.name
                    if "service.name" in source:
                        labels["job"] = source["service.name"]
                    if "service.instance.id" in source:
                        labels["instance"] = source["service.instance.id"]
                    value = float(getattr(point, point.WhichOneof("value")))
                    found.append((labels, point.time_unix_nano // 1_000_000, value))
    return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/x-protobuf", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with lock:
            if self.path == "/points":
                lines = [json.dumps({"labels": l, "time": t, "value": repr(v)}) for l, t, v in points]
            else:
                lines = violations[:]
        self.answer(200, "\n".join(lines).encode(), "application/x-ndjson")

    def do_POST(self):
        global mood
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        if self.path.startswith("/mood/"):
            mood = self.path.removeprefix("/mood/")
            return self.answer(200)
        if mood == "busy":
            return self.answer(503, headers=[("Retry-After", "1")])
        if mood == "broken":
            self.close_connection = True
            return
        try:
            require(self.path == "/v1/metrics", f"path {self.path}")
            require(self.headers["Content-Type"] == "application/x-protobuf", self.headers["Content-Type"])
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            request = ExportMetricsServiceRequest.FromString(body)
            # A look at each message takes long: those of the first requests stand for all.
            with lock:
                is_early = len(points) < 20_000
            require(not is_early or not has_unknown(request), "fields that the format does not know")
            found = read(request)
        except (Violation, DecodeError) as problem:
            with lock:
                violations.append(f"{type(problem).__name__}: {problem}")
            return self.answer(400)
        response = ExportMetricsServiceResponse()
        if mood == "partial":
            found = found[1:]
            response.partial_success.rejected_data_points = 1
            response.partial_success.error_message = "one is too many"
        with lock:
            points.extend(found)
        self.answer(200, response.SerializeToString())


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

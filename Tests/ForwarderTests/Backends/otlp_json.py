"""Compares bodies of OTLP as protobuf and as JSON with OpenTelemetry's own classes; usage: otlp_json.py PROTOBUF JSON.

Ends with 1, and says why, where the JSON breaks a rule of OTLP's mapping or says something else than the protobuf does.
"""

import base64
import json
import math
import re
import sys

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

LONG = {"timeUnixNano", "startTimeUnixNano", "asInt", "intValue", "count", "zeroCount"}
IDS = {"traceId": 32, "spanId": 16}


def once(pairs):
    """An object whose keys are unique."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a key twice: {[key for key, _ in pairs]}")
    return found


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def ids(value, key=None):
    """The document with ids as protobuf's own JSON has them, where it keeps the rules of OTLP's."""
    if isinstance(value, dict):
        return {name: ids(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        if key == "bucketCounts" and not all(isinstance(one, str) for one in value):
            raise ValueError("bucketCounts in numbers")
        return [ids(inner) for inner in value]
    if key in LONG and not (isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value)):
        raise ValueError(f"{key} is no text: {value!r}")
    if key == "aggregationTemporality" and not isinstance(value, int):
        raise ValueError(f"{key} is no number: {value!r}")
    if key in IDS:
        if not re.fullmatch(f"[0-9a-f]{{{IDS[key]}}}", value):
            raise ValueError(f"{key}: {value!r}")
        return base64.b64encode(bytes.fromhex(value)).decode()
    return value


def level(message):
    """Makes every NaN the same one: JSON has one."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            if field.is_repeated:
                value[:] = [math.nan if math.isnan(one) else one for one in value]
            elif math.isnan(value):
                setattr(message, field.name, math.nan)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                level(inner)


def main(protobuf, text):
    with open(protobuf, "rb") as file:
        wanted = ExportMetricsServiceRequest.FromString(file.read())
    with open(text, encoding="utf-8") as file:
        document = json.load(file, object_pairs_hook=once, parse_constant=refuse)
    # Unknown keys are refused here, and so is a number where a text has to be read back as another type.
    found = json_format.ParseDict(ids(document), ExportMetricsServiceRequest())
    for message in (wanted, found):
        level(message)
    if found.SerializeToString(deterministic=True) != wanted.SerializeToString(deterministic=True):
        return "the two say different things"
    kinds = {metric.WhichOneof("data") for r in found.resource_metrics for s in r.scope_metrics for metric in s.metrics}
    print(" ".join(sorted(kinds)))
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

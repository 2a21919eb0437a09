"""Reads a body of /api/v2/series with the models of Datadog's own client; usage: datadog_models.py FILE SERIES POINTS.

Ends with 1, and says why, where a model does not know a part of it, or does not find as many series and points.
"""

import json
import math
import sys

from datadog_api_client import Configuration
from datadog_api_client.model_utils import validate_and_convert_types
from datadog_api_client.v2.model.metric_payload import MetricPayload


def main(path, series, points):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    payload = validate_and_convert_types(document, (MetricPayload,), ["received_data"], True, True, Configuration())
    if payload._unparsed:
        return "the payload is not understood"
    if len(payload.series) != series:
        return f"{len(payload.series)} series"
    for one in payload.series:
        if one._unparsed or "type" not in one or one.type.value not in (1, 3):
            return f"{one.metric}: not understood"
        if one.type.value == 1 and not one.interval > 0:
            return f"{one.metric}: a count without interval"
        if set(one.to_dict()) - set(one.attribute_map):
            return f"{one.metric}: a member that no series has"
        for resource in one.resources if "resources" in one else []:
            if resource._unparsed or resource.type != "host" or not resource.name:
                return f"{one.metric}: a resource"
        for point in one.points:
            if point._unparsed or not isinstance(point.timestamp, int) or not math.isfinite(point.value):
                return f"{one.metric}: a point"
    found = sum(len(one.points) for one in payload.series)
    return None if found == points else f"{found} points"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))

"""Reads a page with Prometheus' own client library; usage: exposition_page.py text|openmetrics FILE SAMPLES.

Ends with 1, and says why, where it cannot be read, has a series twice, or not as many samples.
"""

import sys

from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client import parser as text_parser


def main(form, path, samples):
    with open(path, encoding="utf-8", newline="\n") as file:
        text = file.read()
    parse = text_parser.text_string_to_metric_families
    if form == "openmetrics":
        parse = openmetrics_parser.text_string_to_metric_families
    found = [sample for family in parse(text) for sample in family.samples]
    if len(found) != samples:
        return f"{len(found)} samples"
    if len({(sample.name, tuple(sorted(sample.labels.items()))) for sample in found}) != samples:
        return "a series is there twice"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

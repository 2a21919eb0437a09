"""Reads dashboards and alert rules with the models of Grafana's Foundation SDK; usage: grafana_models.py FILE.

FILE is {"dashboards": [...], "rules": [...]}. Ends with 1, and says why, where a model does not know a part of it: what a model
does not know, it does not write again. Prints the PromQL expressions in them, a line each.
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.alerting import Rule
from grafana_foundation_sdk.models.dashboard import Dashboard


def present(value):
    """Without members that are null: Grafana answers with them, and the models do not expect it."""
    if isinstance(value, dict):
        return {key: present(part) for key, part in value.items() if part is not None}
    return [present(part) for part in value] if isinstance(value, list) else value


def again(model, document):
    return json.loads(JSONEncoder().encode(model.from_json(document)))


def lost(document, copy, path):
    """Where the copy says less than the document."""
    if isinstance(document, dict) and isinstance(copy, dict):
        return [place for key, value in document.items() for place in lost(value, copy.get(key), f"{path}.{key}")]
    if isinstance(document, list) and isinstance(copy, list) and len(document) == len(copy):
        pairs = enumerate(zip(document, copy))
        return [place for index, (one, other) in pairs for place in lost(one, other, f"{path}[{index}]")]
    return [] if document == copy or (copy is None and not document) else [path]


def main(path):
    with open(path, encoding="utf-8") as file:
        document = present(json.load(file))
    expressions = []
    faults = []
    for dashboard in document["dashboards"]:
        faults += lost(dashboard, again(Dashboard, dashboard), dashboard["uid"])
        for panel in Dashboard.from_json(dashboard).panels:
            for target in getattr(panel, "targets", None) or []:
                # One of a kind that no model knows would stay a dict, without it.
                expressions.append(target.expr)
    for rule in document["rules"]:
        faults += lost(rule, again(Rule, rule), rule["uid"])
        expressions += [query["model"]["expr"] for query in rule["data"] if query["datasourceUid"] != "__expr__"]
    print("\n".join(expressions))
    return "; ".join(faults) or None


if __name__ == "__main__":
    register_default_plugins()
    sys.exit(main(sys.argv[1]))

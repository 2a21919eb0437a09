#!/usr/bin/env python3
"""Keeps points in a SQLite database: a program for Holdfast's backend `exec` (docs/programs.md).

    command: [/opt/programs/exec_sqlite.py, /var/lib/points/points.db]   # where you keep it

A point that is sent again is known by its tenant and its place, and is there once.
"""

import json
import sqlite3
import sys


def say(message):
    print(json.dumps(message), flush=True)


def requests():
    """Each request and its points. The end of the input is the end of the work."""
    for line in sys.stdin:
        request = json.loads(line)
        yield request, [json.loads(sys.stdin.readline()) for _ in range(request["points"])]


def row(tenant, point):
    if "value" not in point and "int" not in point:
        raise ValueError("only numbers are kept here")
    time = point.get("timestamp_ns", point.get("timestamp_ms", 0) * 1_000_000)
    labels = json.dumps(point.get("labels", {}), sort_keys=True)
    return tenant, point["place"], point["name"], labels, time, point.get("value", point.get("int"))


def store(database, request, points):
    """The answer to one request. What cannot be kept is named; the rest is kept, and on disk before the answer."""
    rows, refused = [], []
    for index, point in enumerate(points):
        try:
            rows.append(row(request["tenant"], point))
        except ValueError as error:
            refused.append({"index": index, "outcome": "refused", "reason": str(error)})
    try:
        with database:
            database.executemany("INSERT OR IGNORE INTO points VALUES (?, ?, ?, ?, ?, ?)", rows)
    except sqlite3.OperationalError as error:
        # A full disk, a lock: it may go better later.
        return {"outcome": "retry", "reason": str(error)}
    return {"outcome": "points", "points": refused} if refused else {"outcome": "ok"}


def main():
    database = sqlite3.connect(sys.argv[1])
    database.execute("PRAGMA synchronous = FULL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS points (tenant TEXT, place TEXT, name TEXT, labels TEXT, time INTEGER, value ANY, "
        "PRIMARY KEY (tenant, place, time, name, labels))"
    )
    hello = json.loads(sys.stdin.readline())
    if hello["hello"] != 1:
        sys.exit("this program speaks version 1")
    say({"hello": 1})
    for request, points in requests():
        say({"answer": request["request"], **store(database, request, points)})


main()

"""A broker that answers as it is told, and is strict about what it gets.

    mqtt_broker.py PLAN

PLAN is JSON: `connect` (a list of {"code", "present", "packet", "receive", "qos"}, the last one for all further connections),
`publish` (a list of what each PUBLISH gets: a reason code, "drop" to end the connection without an answer, or "keep" to say
nothing; the last one for all further ones). Prints its port, then a line of JSON for each packet.
"""

import json
import socket
import struct
import sys

plan = json.loads(sys.argv[1])


def nth(items, number, usual):
    return items[min(number, len(items) - 1)] if items else usual


def say(**words):
    print(json.dumps(words), flush=True)


class Gone(Exception):
    pass


def take(stream, count):
    data = b""
    while len(data) < count:
        piece = stream.recv(count - len(data))
        if not piece:
            raise Gone
        data += piece
    return data


def packet(stream):
    first = take(stream, 1)[0]
    size = shift = 0
    while True:
        byte = take(stream, 1)[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    return first, take(stream, size)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connections = publishes = 0
while True:
    stream, _ = listener.accept()
    waiting = set()
    try:
        first, body = packet(stream)
        assert first == 0x10, first
        level, flags = body[6], body[7]
        rule = nth(plan.get("connect", []), connections, {})
        connections += 1
        say(packet="connect", level=level, clean=bool(flags & 2), present=rule.get("present", False))
        known = b""
        if "packet" in rule:
            known += b"\x27" + struct.pack("!I", rule["packet"])
        if "receive" in rule:
            known += b"\x21" + struct.pack("!H", rule["receive"])
        if "qos" in rule:
            known += b"\x24" + bytes([rule["qos"]])
        answer = bytes([1 if rule.get("present") else 0, rule.get("code", 0)])
        if level == 5:
            answer += bytes([len(known)]) + known
        stream.sendall(bytes([0x20, len(answer)]) + answer)
        if rule.get("code", 0):
            stream.close()
            continue
        while True:
            first, body = packet(stream)
            kind = first >> 4
            if kind == 3:
                if "packet" in rule:
                    assert len(body) + 5 <= rule["packet"], "a packet larger than Maximum Packet Size"
                size = struct.unpack("!H", body[:2])[0]
                number = struct.unpack("!H", body[2 + size : 4 + size])[0]
                quality = (first >> 1) & 3
                waiting.add(number)
                assert len(waiting) <= rule.get("receive", 65535), "more than Receive Maximum at once"
                said = nth(plan.get("publish", []), publishes, 0)
                publishes += 1
                say(packet="publish", number=number, quality=quality, again=bool(first & 8), answer=said)
                if said == "drop":
                    raise Gone
                if said == "keep":
                    continue
                waiting.discard(number)
                reply = struct.pack("!H", number) + (bytes([said]) if level == 5 and said else b"")
                stream.sendall(bytes([0x40 if quality == 1 else 0x50, len(reply)]) + reply)
            elif kind == 6:
                say(packet="pubrel")
                if plan.get("pubrel") == "drop":
                    plan["pubrel"] = ""
                    raise Gone
                stream.sendall(bytes([0x70, 2]) + body[:2])
            elif kind == 12:
                stream.sendall(b"\xd0\x00")
            elif kind == 14:
                raise Gone
            else:
                assert False, f"an unexpected packet of type {kind}"
    except Gone:
        pass
    except AssertionError as error:
        say(packet="violation", words=str(error))
    except OSError:
        pass
    stream.close()

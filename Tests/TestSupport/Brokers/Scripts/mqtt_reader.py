"""A subscriber with a session that the broker keeps, by Eclipse's own client.

    mqtt_reader.py PORT join TOPIC QOS   begins the session and leaves
    mqtt_reader.py PORT read SECONDS     prints what the session has, a line of JSON each, until nothing came for so long
"""

import base64
import json
import queue
import sys

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

port, verb = int(sys.argv[1]), sys.argv[2]
said = queue.Queue()
client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="reader", protocol=paho.MQTTv5)
client.on_connect = lambda *_: said.put("connected")
client.on_subscribe = lambda *_: said.put("subscribed")
client.on_message = lambda _client, _data, message: said.put(message)
properties = Properties(PacketTypes.CONNECT)
properties.SessionExpiryInterval = 3600
client.connect("127.0.0.1", port, clean_start=False, properties=properties)
client.loop_start()
assert said.get(timeout=10) == "connected"
if verb == "join":
    client.subscribe(sys.argv[3], qos=int(sys.argv[4]))
    assert said.get(timeout=10) == "subscribed"
else:
    while True:
        try:
            message = said.get(timeout=float(sys.argv[3]))
        except queue.Empty:
            break
        known = message.properties
        print(
            json.dumps(
                {
                    "topic": message.topic,
                    "type": getattr(known, "ContentType", ""),
                    "properties": dict(getattr(known, "UserProperty", [])),
                    "body": base64.b64encode(message.payload).decode(),
                }
            )
        )
client.disconnect()
client.loop_stop()

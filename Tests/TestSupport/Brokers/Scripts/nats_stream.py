"""What the tests want of NATS, with the client of those who made it. A line of JSON on standard output for each answer.

    nats_stream.py URL create CONFIG    a stream, from JetStream's own JSON
    nats_stream.py URL update CONFIG
    nats_stream.py URL dump NAME        every message: its subject, headers, and body in base64
    nats_stream.py URL purge NAME
    nats_stream.py URL answer SUBJECT TEXT   answers whoever asks there, until it is killed; says "ready" first
"""

import asyncio
import base64
import json
import sys

import nats


async def main(url, verb, *rest):
    client = await nats.connect(url, connect_timeout=5, allow_reconnect=False)
    stream = client.jetstream()
    if verb in ("create", "update"):
        subject = f"$JS.API.STREAM.{verb.upper()}.{json.loads(rest[0])['name']}"
        answer = await client.request(subject, rest[0].encode(), timeout=5)
        answer = json.loads(answer.data)
        if "error" in answer:
            sys.exit(str(answer["error"]))
        print(json.dumps(answer["config"]))
    elif verb == "dump":
        state = (await stream.stream_info(rest[0])).state
        for number in range(max(1, state.first_seq), state.last_seq + 1):
            try:
                message = await stream.get_msg(rest[0], number)
            except nats.js.errors.NotFoundError:
                continue
            print(
                json.dumps(
                    {
                        "sequence": number,
                        "subject": message.subject,
                        "headers": dict(message.headers or {}),
                        "body": base64.b64encode(message.data or b"").decode(),
                    }
                )
            )
    elif verb == "purge":
        await stream.purge_stream(rest[0])
    elif verb == "answer":

        async def reply(message):
            await message.respond(rest[1].encode())

        await client.subscribe(rest[0], cb=reply)
        await client.flush()
        print("ready", flush=True)
        await asyncio.Event().wait()
    await client.close()


asyncio.run(main(*sys.argv[1:]))

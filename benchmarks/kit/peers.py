"""Other MQTT clients that receive and do nothing. None of them is installed with the project:
uv pip install aiomqtt gmqtt amqtt.
"""

import asyncio
import importlib.util
import logging

from benchmarks.kit.figures import note
from benchmarks.kit.line import KEEPALIVE_S
from benchmarks.kit.receivers import FILTERS, Progress, Receiver, Result, Subscribed, Task


def installed() -> dict[str, Receiver]:
    """{name: receiver} of those that are there."""
    known = {"aiomqtt": aiomqtt, "gmqtt": gmqtt, "amqtt": amqtt}
    found = {name: each for name, each in known.items() if importlib.util.find_spec(name)}
    for name in known.keys() - found.keys():
        note(f"{name}: not installed, left out")
    return found


def aiomqtt(task: Task, progress: Progress, subscribed: Subscribed) -> Result:
    """aiomqtt: paho under asyncio."""
    import aiomqtt as library

    tls = library.TLSParameters(*task.address.secure) if task.address.secure else None

    async def run() -> Result:
        async with library.Client(
            task.address.host, task.address.port, identifier=task.address.client_id,
            clean_session=False, protocol=library.ProtocolVersion.V311, tls_params=tls,
        ) as client:  # fmt: skip
            await client.subscribe([(name, 1) for name in FILTERS])
            reading = asyncio.create_task(_each(client, progress))
            result = await asyncio.to_thread(subscribed)
            reading.cancel()
            return result

    return asyncio.run(run())


async def _each(client, progress: Progress) -> None:
    async for _ in client.messages:
        progress.one()


def gmqtt(task: Task, progress: Progress, subscribed: Subscribed) -> Result:
    """gmqtt: a codec of its own under asyncio."""
    import gmqtt as library
    from gmqtt.mqtt.constants import MQTTv311

    logging.getLogger("gmqtt").setLevel(logging.ERROR)

    async def run() -> Result:
        client = library.Client(task.address.client_id, clean_session=False)

        async def take(*_: object) -> int:
            progress.one()
            return 0

        client.on_message = take
        secure = task.address.secure
        await client.connect(
            task.address.host, task.address.port, version=MQTTv311, keepalive=KEEPALIVE_S,
            ssl=secure.context() if secure else False,
        )  # fmt: skip
        for name in FILTERS:
            client.subscribe(name, qos=1)
        result = await asyncio.to_thread(subscribed)
        await client.disconnect()
        return result

    return asyncio.run(run())


def amqtt(task: Task, progress: Progress, subscribed: Subscribed) -> Result:
    """amqtt: a client and broker in Python."""
    from amqtt.client import MQTTClient

    async def run() -> Result:
        secure = task.address.secure
        client = MQTTClient(task.address.client_id, {"auto_reconnect": False})
        scheme = "mqtts" if secure else "mqtt"
        if secure:
            client.config["connection"] = {"cafile": secure.ca_file, "certfile": secure.cert_file,
                                           "keyfile": secure.key_file}  # fmt: skip
        await client.connect(
            f"{scheme}://{task.address.host}:{task.address.port}/", cleansession=False
        )
        await client.subscribe([(name, 1) for name in FILTERS])
        reading = asyncio.create_task(_deliver(client, progress))
        result = await asyncio.to_thread(subscribed)
        reading.cancel()
        await client.disconnect()
        return result

    return asyncio.run(run())


async def _deliver(client, progress: Progress) -> None:
    while True:
        await client.deliver_message()
        progress.one()

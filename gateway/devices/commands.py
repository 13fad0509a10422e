"""What the back office asks of a device, and key rotation, which is such a command.

A command is a row of the ledger's table `command`; the device's answer is a record with the same
counter. The gateway sends what is due after each live heartbeat until the heartbeat says that it
was taken, so a lost command costs one heartbeat and a repeated one nothing: the device takes each
counter once. A command is for one epoch: a wiped board does not obey the old ones.
"""

import logging
import secrets
from typing import Any

from gateway.devices.keys import DeviceKey, KeyStore
from gateway.errors import ConfigError, UsageError
from gateway.store import commands as stored
from gateway.store.device_events import add_device_events
from gateway.store.engine import Db
from gateway.store.ledger import Ledger
from gateway.store.streams import current_epoch, last_command
from protocol import messages, seal, topics

log = logging.getLogger("till.commands")

# Nobody expects a device to restart tomorrow for what was asked yesterday. A rotation is asked
# until it is done.
KEPT_MS = 24 * 3_600_000
ROTATE_TRIES_MAX = 10  # answers without a new key, such as a file system that does not take it


def ask(ledger: Ledger, device: str, verb: str, who: str, now_ms: int) -> int:
    """Put a command for the device's current epoch on record; its counter. It goes out after the
    next heartbeat.

    Raises UsageError for a verb that is no plain command, ConfigError for a device that never
    spoke.
    """
    if verb not in messages.VERBS or verb == "rotate":
        known = ", ".join(name for name in messages.VERBS if name != "rotate")
        raise UsageError(
            f"verb {verb!r}: not one of {known}; a key is changed by till device rotate"
        )
    with ledger.transaction() as db:
        return _insert(
            db,
            device,
            _epoch(db, device),
            verb,
            "",
            secrets.token_bytes(messages.NONCE_BYTES),
            who,
            now_ms,
        )


def rotate(ledger: Ledger, keys: KeyStore, device: str, who: str, now_ms: int) -> int:
    """Begin to replace the device's key; the counter of the command. Both keys are good until the
    device used the new one.

    The device derives the new key from the old one and the command's nonce (protocol/seal.py:
    next_key), so nothing secret crosses the line, and a key that somebody stole is not cured by it:
    that takes till device replace. Raises ConfigError when the device never spoke, has no key, or a
    rotation is under way.
    """
    with ledger.transaction() as db:
        epoch = _epoch(db, device)
        held = keys.all(device)
        if not held:
            raise ConfigError(f"device {device}: has no approved key; see till device list")
        if len(held) > 1:
            raise ConfigError(
                f"device {device}: rotation to key {held[-1].number} is under way; it ends with its"
                " next heartbeat, or flash the device"
            )
        old = held[0]
        number = old.number + 1
        nonce = _nonce(old, number)
        secret = seal.next_key(old.secret, topics.kid(device, number), nonce)
        counter = _insert(db, device, epoch, "rotate", str(number), nonce, who, now_ms)
        # before COMMIT: no command without its key; a key whose command was cut off here is asked
        # for by the next heartbeat
        keys.write(device, [old, DeviceKey(device, number, secret)])
    return counter


def answer(ledger: Ledger, device: str, counter: int) -> dict[str, Any] | None:
    """The fields of the record that answers a command of the current epoch; None while there is
    none.
    """
    epoch = _epoch(ledger.db, device)
    for record in ledger.records(device=device):
        if (
            record.kind == "command"
            and record.epoch == epoch
            and record.fields["counter"] == counter
        ):
            return record.fields
    return None


def after_heartbeat(
    ledger: Ledger,
    keys: KeyStore,
    site: str,
    device: str,
    kid: bytes,
    state: dict[str, Any],
    now_ms: int,
) -> tuple[str, bytes] | None:
    """(topic, sealed command) of what is due for a device whose live heartbeat is on record, or
    None.

    `state` as protocol.messages.decode_state gives it, sealed under `kid`. Also ends a rotation: a
    device that speaks under its new key needs the old one no more.
    """
    held = keys.all(device)
    used = next((key for key in held if key.kid == kid), None)
    if used is None:  # withdrawn meanwhile
        return None
    if used.number > held[0].number:
        _retire(ledger, keys, used, [key for key in held if key.number >= used.number], now_ms)
    elif len(held) > 1:
        _rotate_again(ledger, used, held[-1].number, state, now_ms)
    due = stored.due_command(ledger.db, device, state["epoch"], state["command"], now_ms - KEPT_MS)
    if due is None:
        return None
    command = {"epoch": state["epoch"], **due}
    topic = topics.topic(site, device, "cmd")
    return topic, seal.seal(used.secret, kid, topic, messages.encode_command(command))


def _rotate_again(
    ledger: Ledger, old: DeviceKey, number: int, state: dict[str, Any], now_ms: int
) -> None:
    """The device still has its old key: power went before the new one was on flash, or this ledger
    was restored from before it was asked. The same once more: the same nonce, for one of the two
    sides may have the new key already.
    """
    device = old.device
    if stored.rotation_waits(ledger.db, device, state["epoch"], number, state["command"]):
        return
    tries = stored.rotations_asked(ledger.db, device, number)
    if tries >= ROTATE_TRIES_MAX:
        text = (
            f"the device took {tries} commands to use key {number} and still uses key {number - 1};"
            " look at it and flash it"
        )
        ledger.incident("rotation_failed", device, text, now_ms)
        return
    with ledger.transaction() as db:
        _insert(
            db,
            device,
            state["epoch"],
            "rotate",
            str(number),
            _nonce(old, number),
            "gateway, again",
            now_ms,
        )


def _retire(
    ledger: Ledger, keys: KeyStore, used: DeviceKey, left: list[DeviceKey], now_ms: int
) -> None:
    with ledger.transaction() as db:
        text = "first heartbeat under this key; older ones retired"
        event = (used.device, "rotated", used.number, "", text)
        add_device_events(db, now_ms, "the device", [event])
        keys.write(used.device, left)
    log.info("key_rotated device=%s number=%d", used.device, used.number)


def _nonce(old: DeviceKey, number: int) -> bytes:
    """It follows from the key that ends, so that whoever has that key file can ask again: the nonce
    need not be a secret.
    """
    return seal.hmac_sha256(old.secret, b"till nonce" + topics.kid(old.device, number))[
        : messages.NONCE_BYTES
    ]


def _epoch(db: Db, device: str) -> int:
    epoch = current_epoch(db, device)
    if epoch is None:
        raise ConfigError(
            f"device {device}: it never spoke to this ledger; switch it on and wait for its first"
            " heartbeat"
        )
    return epoch


def _insert(
    db: Db,
    device: str,
    epoch: int,
    verb: str,
    argument: str,
    nonce: bytes,
    who: str,
    now_ms: int,
) -> int:
    """The counter: above every one of this epoch, also above what a ledger that was restored has
    forgotten.
    """
    asked = stored.highest_counter(db, device, epoch)
    counter = max(asked, last_command(db, device, epoch)) + 1
    stored.add_command(db, device, epoch, counter, nonce, verb, argument, now_ms, who)
    return counter

"""./run proof powercut --files: the power fails while a device rewrites its key on a real littlefs.

The very functions of firmware/commands.py run over littlefs with the sizes that MicroPython gives
an RP2040's file system. At every program and erase the flash is copied, struck and mounted again,
and the device's own reader reads it. It must find the old key or the new one, never neither, never
a mix, and the whole staged site.json. Then the rotation is done again on what the cut left.
"""

import contextlib
import io
import random
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from littlefs import LittleFS, LittleFSError, UserContext

from firmware import commands

BLOCK_BYTES = 4096
BLOCKS = 16
ROTATIONS = 400
SIZES = {
    "block_size": BLOCK_BYTES,
    "read_size": 32,
    "prog_size": 256,
    "cache_size": 1024,
    "lookahead_size": 32,
}
SITE = b'{"site": "city", "device": "w1"}' * 40
FIRST = bytes(32)
TEARS = ("nothing", "whole", "prefix", "bits")
Rotation = Callable[[dict[str, Any], int, bytes], None]


class Nor(UserContext):
    """Flash that only clears bits; `before` is called before every program (its data) and erase
    (None).
    """

    def __init__(self, image: bytes | None = None) -> None:
        super().__init__(buffer=bytearray(image or b"\xff" * BLOCK_BYTES * BLOCKS))
        self.before: Callable[[int, bytes | None], None] | None = None

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        at = block * BLOCK_BYTES + off
        if self.before:
            self.before(at, bytes(data))
        self.buffer[at : at + len(data)] = fallen(self.buffer[at : at + len(data)], data)
        return 0

    def erase(self, cfg: Any, block: int) -> int:
        at = block * BLOCK_BYTES
        if self.before:
            self.before(at, None)
        self.buffer[at : at + BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
        return 0


def fallen(now: bytes, data: bytes) -> bytes:
    return bytes(old & new for old, new in zip(now, data, strict=True))


def struck(image: bytearray, at: int, data: bytes | None, tear: str, dice: random.Random) -> bytes:
    """The flash after the power failed in this program or erase."""
    image = bytearray(image)
    size = BLOCK_BYTES if data is None else len(data)
    now = bytes(image[at : at + size])
    after = b"\xff" * size if data is None else fallen(now, data)
    if tear == "whole":
        image[at : at + size] = after
    elif tear == "prefix":
        end = dice.randrange(size + 1)
        image[at : at + end] = after[:end]
    elif tear == "bits":
        image[at : at + size] = bytes(
            old ^ ((old ^ new) & dice.getrandbits(8)) for old, new in zip(now, after, strict=True)
        )
    return bytes(image)


@contextlib.contextmanager
def mounted(flash: Nor, new: bool = False) -> Iterator[LittleFS]:
    """firmware/commands.py uses this file system."""
    system = LittleFS(context=flash, block_count=BLOCKS, mount=False, **SIZES)
    if new:
        system.format()
    system.mount()

    def opened(name: str, mode: str = "r") -> Any:
        try:
            return system.open(name, mode)
        except LittleFSError as error:
            raise OSError(error.code, name) from error

    commands.open = opened  # type: ignore[attr-defined]
    commands.os, os = SimpleNamespace(rename=system.rename, remove=system.remove), commands.os  # type: ignore[assignment]
    try:
        yield system
    finally:
        del commands.open  # type: ignore[attr-defined]
        commands.os = os


def identity() -> dict[str, Any]:
    return {"device": "w1", "key": FIRST, "key_number": 1}


def judge(image: bytes, allowed: dict[int, bytes], rotate: Rotation, nonce: bytes) -> str:
    """What is wrong with a file system that a cut left; `allowed` is {number: key}."""
    with mounted(Nor(image)) as system:
        held = identity()
        commands.stored_key(held)
        if allowed.get(held["key_number"]) != held["key"]:
            return f"holds key {held['key_number']}, want one of {sorted(allowed)}"
        if system.open("site.json", "rb").read() != SITE:
            return "site.json is not what was staged"
        rotate(held, held["key_number"] + 1, nonce)
        again = identity()
        commands.stored_key(again)
        return "" if again == held else "a rotation after the cut is not there"


def every_cut(seed: int, rotations: int, rotate: Rotation) -> tuple[Counter[str], list[str]]:
    """(cuts by kind, what was wrong) over `rotations` rotations, struck at every program and erase
    in every way.
    """
    dice = random.Random(seed)
    flash, counts, wrong = Nor(), Counter[str](), []
    images: list[tuple[bytes, str]] = []

    def before(at: int, data: bytes | None) -> None:
        for tear in TEARS:
            kind = f"{'erase' if data is None else 'program'} {tear}"
            images.append((struck(flash.buffer, at, data, tear, dice), kind))

    with mounted(flash, new=True) as system, system.open("site.json", "wb") as file:
        file.write(SITE)
    held = identity()
    for number in range(2, rotations + 2):
        nonce = dice.randbytes(16)
        keys = {number - 1: held["key"]}
        images.clear()
        with mounted(flash):
            flash.before = before
            rotate(held, number, nonce)
            flash.before = None
        keys[number] = held["key"]
        for image, kind in images:
            counts[kind] += 1
            try:
                problem = judge(image, keys, rotate, nonce)
            except (LittleFSError, OSError, io.UnsupportedOperation) as error:
                problem = repr(error)
            if problem:
                wrong.append(
                    f"rotation to key {number}, {kind}: {problem}\n  ./run proof powercut --files"
                    f" --seed {seed}"
                )
    return counts, wrong


def in_two_steps(held: dict[str, Any], number: int, nonce: bytes) -> None:
    """The control: the old file is removed before the new one has its name."""
    with contextlib.suppress(OSError):
        commands.os.remove(commands.KEY_FILE)
    commands.rotated_key(held, number, nonce)


def prove(seed: int, rotations: int = ROTATIONS) -> dict[str, Any]:
    """{cuts, wrong, control, failed, text}: `control` is how often the two steps lose the key,
    which must happen.
    """
    counts, wrong = every_cut(seed, rotations, commands.rotated_key)
    control = len(every_cut(seed, 4, in_two_steps)[1])
    lines = [f"  {kind}: {count}" for kind, count in sorted(counts.items())] + wrong[:10]
    lines.append(
        f"littlefs: {counts.total()} power cuts in {rotations} key rotations: {len(wrong)} neither"
        f" old nor new; control (remove, then rename): {control}"
    )
    return {
        "cuts": dict(counts), "wrong": len(wrong), "control": control,
        "failed": int(bool(wrong) or not control), "text": "\n".join(lines),
    }  # fmt: skip

"""The ccTalk codec with the specification's own frames, and the names of its codes."""

import json
import random
from pathlib import Path

import pytest

from firmware.drivers.cctalk_codes import code_of
from firmware.drivers.cctalk_frame import Receiver, encode, is_right

FRAMES = json.loads((Path(__file__).parent / "transcripts" / "cctalk.json").read_text())["frames"]
RIGHT = [bytes.fromhex(each["hex"]) for each in FRAMES if each["valid"]]


def found(data: bytes, frame: bytes, echo: bytes = b"") -> list[tuple[int, bytes]]:
    receiver = Receiver()
    receiver.ask(echo, bool(echo), frame[0], frame[2], False, (0, 36))
    answers = [receiver.push(byte) for byte in data] + [receiver.gap()]
    return [each for each in answers if each is not None]


def test_every_frame_of_the_specification_is_right_but_its_misprint():
    frames = [bytes.fromhex(each["hex"]) for each in FRAMES]

    assert [len(each) == 5 + each[1] and is_right(each, False) for each in frames] == [each["valid"] for each in FRAMES]


@pytest.mark.parametrize("frame", [each for each in RIGHT if each[0] == 1 and each[3] == 0], ids=lambda each: each.hex())
def test_an_answer_is_found_behind_echo_and_noise(frame):
    echo = encode(frame[2], 254, b"", False)
    noise = random.Random(frame.hex()).randbytes(4).replace(b"\x01", b"\x00")

    assert found(frame, frame) == [(0, frame[4:-1])]
    assert found(echo + frame, frame, echo) == [(0, frame[4:-1])]
    assert found(noise + frame, frame) == [(0, frame[4:-1])]
    assert found(frame[:-1], frame) == []


def test_the_crc_form_is_that_of_the_specification():
    assert encode(0x28, 1, b"", True) == bytes.fromhex("280046013f")
    assert is_right(bytes.fromhex("280046013f"), True)


def test_codes_have_their_names():
    assert code_of(20, False) == ("f", "coin on string")
    assert code_of(129, False) == ("r", "inhibited coin type 2")
    assert code_of(16, True) == ("ju", "bill jammed in transport, safe")
    assert code_of(99, True) == ("m", "code unknown")

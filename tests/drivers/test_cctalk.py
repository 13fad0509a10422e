"""The ccTalk codec with the specification's own frames, and the names of its codes."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.drivers.cctalk import Cctalk
from firmware.drivers.cctalk_codes import code_of
from firmware.drivers.cctalk_frame import Receiver, encode, is_right

FRAMES = json.loads((Path(__file__).parents[1] / "transcripts" / "cctalk.json").read_text())[
    "frames"
]
RIGHT = [bytes.fromhex(each["hex"]) for each in FRAMES if each["valid"]]
ANSWERS = [each for each in RIGHT if each[0] == 1 and each[3] == 0]


def found(data: bytes, frame: bytes, echo: bytes = b"") -> list[tuple[int, bytes]]:
    receiver = Receiver()
    receiver.ask(echo, bool(echo), frame[0], frame[2], False, (0, 36))
    answers = [receiver.push(byte) for byte in data] + [receiver.gap()]
    return [each for each in answers if each is not None]


def test_every_frame_of_the_specification_is_right_but_its_misprint():
    frames = [bytes.fromhex(each["hex"]) for each in FRAMES]

    assert [len(each) == 5 + each[1] and is_right(each, False) for each in frames] == [
        each["valid"] for each in FRAMES
    ]


@pytest.mark.parametrize("frame", ANSWERS, ids=lambda each: each.hex())
def test_an_answer_is_found_after_echo_and_noise(frame):
    echo = encode(frame[2], 254, b"", False)
    noise = random.Random(frame.hex()).randbytes(4).replace(b"\x01", b"\x00")

    assert found(frame, frame) == [(0, frame[4:-1])]
    assert found(echo + frame, frame, echo) == [(0, frame[4:-1])]
    assert found(noise + frame, frame) == [(0, frame[4:-1])]
    assert found(frame[:-1], frame) == []


def test_the_crc_form_is_that_of_the_specification():
    assert encode(0x28, 1, b"", True) == bytes.fromhex("280046013f")
    assert is_right(bytes.fromhex("280046013f"), True)


@pytest.mark.parametrize("frame", ANSWERS, ids=lambda each: each.hex())
def test_the_next_frame_is_found_after_one_that_is_wrong(frame):
    wrong = frame[:-1] + bytes((frame[-1] ^ 0x10,))

    assert found(wrong + frame, frame) == [(0, frame[4:-1])]
    assert found(frame[:-2] + frame, frame) == [(0, frame[4:-1])]
    assert found(wrong, frame) == []


@given(noise=st.binary(max_size=80), number=st.integers(0, len(ANSWERS) - 1))
@settings(max_examples=200, deadline=None)
def test_an_answer_is_found_after_any_noise_and_a_silence(noise, number):
    frame = ANSWERS[number]
    receiver = Receiver()
    receiver.ask(b"", False, frame[0], frame[2], False, (0, 36))
    for byte in noise:
        receiver.push(byte)
    while receiver.gap() is not None:
        pass

    assert [answer for answer in map(receiver.push, frame) if answer] == [(0, frame[4:-1])]


CONVERSATION = {
    "address": 2,
    "events": 229,
    "checksum": "sum",
    "poll_ms": 200,
    "echo": "auto",
    "evidence": "specification",
}


@given(data=st.lists(st.binary(max_size=60), max_size=30), resumed=st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_the_driver_raise(data, resumed):
    driver = Cctalk("coins", dict(CONVERSATION), "USD")
    driver.resume(resumed)
    for now_ms, burst in enumerate(data):
        driver.feed(burst, now_ms * 40)
        driver.poll(now_ms * 40)
        driver.pop_output()

    assert driver.snapshot()["state"] == "starting"


def test_every_code_of_the_specification_that_is_told_has_a_name_of_its_own():
    """Part 3: coin acceptors know 0 to 40, 128 to 159 (one for each inhibited type) and 253 to 255;
    bill validators 0 to 21.
    """
    for is_bill, known in (
        (False, {*range(41), *range(128, 160), 253, 254, 255}),
        (True, set(range(22))),
    ):
        codes = {code: code_of(code, is_bill) for code in range(256)}
        named = [
            name
            for classes, name in codes.values()
            if name != "code unknown" and classes not in ("r", "-", "o")
        ]

        assert {code for code, (_, name) in codes.items() if name == "code unknown"} == set(
            range(256)
        ) - known
        assert "" not in named
        assert len(set(named)) == len(named)


def classes_of(is_bill: bool) -> str:
    """The first classes of the codes 0 to 40 of coin acceptors, 0 to 21 of bill validators."""
    return "".join(code_of(code, is_bill)[0][0] for code in range(22 if is_bill else 41))


def test_a_code_is_counted_or_told_as_the_specification_has_it():
    """Coins: refused 1 to 5, 8, 9, 24, 25, 33, 37, 38. Notes: refused 2 to 5, jammed 6, 7, 15, 16,
    fraud 8, 9, 17, 18.
    """
    assert classes_of(False) == "-rrrrruurrjjjjjjuuuufjfurrjmmjjujrfmurr-f"
    assert classes_of(True) == "--rrrrjjffosomFjjffm-u"


@pytest.mark.parametrize(
    ("code", "is_bill", "meaning"),
    [
        (6, False, ("u", "credit sensor timeout")),
        (14, False, ("j", "credit sensor blocked")),
        (20, False, ("f", "coin on string")),
        (23, False, ("uf", "credit sensor reached too early")),
        (25, False, ("r", "")),
        (35, False, ("m", "motor exception")),
        (36, False, ("u", "swallowed coin")),
        (40, False, ("f", "external light attack")),
        (41, False, ("m", "code unknown")),
        (128, False, ("r", "")),
        (159, False, ("r", "")),
        (252, False, ("m", "code unknown")),
        (254, False, ("-", "")),
        (255, False, ("m", "unspecified alarm")),
        (0, True, ("-", "")),
        (6, True, ("j", "bill jammed in transport, unsafe")),
        (11, True, ("s", "stacker removed")),
        (14, True, ("F", "stacker full")),
        (16, True, ("ju", "bill jammed in transport, safe")),
        (19, True, ("m", "anti-string faulty")),
        (21, True, ("u", "unknown bill stacked")),
        (22, True, ("m", "code unknown")),
        (254, True, ("m", "code unknown")),
    ],
)
def test_a_code_means_what_the_specification_says(code, is_bill, meaning):
    assert code_of(code, is_bill) == meaning

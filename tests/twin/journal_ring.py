"""The journal over a NOR model in RAM: fill, acknowledge, wrap, cut the power at every program and
erase.
"""

from firmware.journal import SECTOR_BYTES, Journal, JournalFull


class PowerCut(Exception):
    pass


class Nor:
    """Flash whose bits only fall until a sector is erased; `cuts` programs and erases until the
    power fails.
    """

    def __init__(self, sectors):
        self.sectors = [bytearray(b"\xff" * SECTOR_BYTES) for _ in range(sectors)]
        self.cut_at = -1
        self.steps = 0

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.sectors)
        if op == 6:
            torn = self._step()
            half = SECTOR_BYTES // 2 if torn else SECTOR_BYTES
            self.sectors[arg][:half] = b"\xff" * half
            if torn:
                raise PowerCut()
        return 0

    def readblocks(self, n, buf, offset):
        buf[:] = self.sectors[n][offset : offset + len(buf)]

    def writeblocks(self, n, buf, offset):
        torn = self._step()
        size = len(buf)
        if torn:  # a cut lands inside the bytes that change, not in the padding
            used = [i for i in range(len(buf)) if buf[i] != 0xFF]
            size = (used[0] + used[-1]) // 2 if used else 0
        sector = self.sectors[n]
        end, big = offset + size, int.from_bytes  # one large number: a loop takes far longer
        both = big(sector[offset:end], "big") & big(bytes(buf[:size]), "big")
        sector[offset:end] = both.to_bytes(size, "big")
        if torn:
            raise PowerCut()

    def _step(self):
        self.steps += 1
        return self.steps == self.cut_at


def body(seq):
    return bytes([seq & 255, seq >> 8 & 255]) * (20 + seq % 50)


def shift(nor, confirmed, boots, appends):
    """A shift that acknowledges with a lag of 30 and tidies; returns when the power fails or all is
    written.
    """
    journal = Journal(nor, lambda: 77)
    boots.append(journal.boot)
    while journal.last_seq < appends:
        seq = journal.append(body(journal.next_seq))
        confirmed.append(seq)
        if seq % 7 == 0 and seq > 30:
            journal.mark_acked(seq - 30, seq, bytes(32))
        if seq % 5 == 0:
            journal.tidy()
    return journal


def check(nor, confirmed):
    journal = Journal(nor, lambda: 78)
    lost = 0
    for seq in confirmed:
        if seq > journal.acked and journal.read(seq) != body(seq):
            lost += 1
    return journal, lost


def main():
    nor = Nor(4)
    done = []
    journal = shift(nor, done, [], 400)
    total = nor.steps
    print(
        "steps",
        total,
        "last",
        journal.last_seq,
        "acked",
        journal.acked,
        "lowest",
        journal.lowest_kept,
    )

    lost = epochs = contiguous = 0
    for cut in range(1, total + 1, 3):
        nor = Nor(4)
        nor.cut_at = cut
        confirmed = []
        boots = []
        try:
            shift(nor, confirmed, boots, 400)
        except PowerCut:
            pass
        journal, gone = check(nor, confirmed)
        lost += gone
        epochs += journal.epoch == 77
        contiguous += journal.last_seq in ((confirmed or [0])[-1], (confirmed or [0])[-1] + 1)
        first = journal.next_seq
        assert journal.append(body(first)) == first and journal.read(first) == body(first)
    cuts = (total + 2) // 3
    print(
        "cuts",
        cuts,
        "confirmed records lost",
        lost,
        "contiguous",
        contiguous == cuts,
        "old epoch kept",
        epochs >= cuts - 2,
    )

    nor = Nor(3)
    journal = Journal(nor, lambda: 5)
    try:
        while True:
            journal.append(body(journal.next_seq))
    except JournalFull as full:
        print("full:", full, "room", journal.room())
    kept = [journal.read(seq) == body(seq) for seq in range(1, journal.next_seq)]
    print("all kept", all(kept), "nothing beyond", journal.read(journal.next_seq))
    journal.mark_acked(journal.last_seq, 1, bytes(32))
    print("after the ack", journal.append(b"more"), journal.lowest_kept)


main()

"""Printed layouts of counting machines that nobody has, drawn from a seed, to test the learner of
grammars.

A layout decides once how everything is printed; `report(number, rows)` then prints counts that way.
Nothing here knows how a grammar is learned or read. The pieces (orders of columns, signs, dates,
words) are those seen on published tapes and manuals.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

COINS = (100, 50, 25, 10, 5, 1)
NOTES = (10000, 5000, 2000, 1000, 500, 200, 100)
NAMES = {
    "plural": {
        1: "Pennies",
        5: "Nickels",
        10: "Dimes",
        25: "Quarters",
        50: "Half dollars",
        100: "Dollars",
    },
    "singular": {1: "Penny", 5: "Nickel", 10: "Dime", 25: "Quarter", 50: "Half", 100: "Dollar"},
    "notes": {
        100: "Ones",
        200: "Twos",
        500: "Fives",
        1000: "Tens",
        2000: "Twenties",
        5000: "Fifties",
        10000: "Hundreds",
    },
}
BANNERS = (
    "CITY OF SPRINGFIELD",
    "COIN SORTER REPORT",
    "** COUNT RESULT **",
    "Cash Count",
    "TELLER RECEIPT",
    "VALUE COUNTER V2",
    "-=- TALLY -=-",
)
BATCH = (
    "BATCH {:04d}",
    "BATCH NO. {}",
    "Batch #{:03d}",
    "COUNT NO {:05d}",
    "Bag: {:04d}",
    "REPORT {:04d}",
    "RUN#{}",
    "JOB {:02d}",
)
BEHIND_ROWS = (
    "TOTAL",
    "GRAND TOTAL",
    "Total",
    "TOTAL:",
    "TOTAL VALUE",
    "SUM",
    "AMOUNT",
    "Total amount",
    "NET CASH",
    "TTL",
)
FOOTERS = (
    "THANK YOU",
    "END OF REPORT",
    "*** END ***",
    "Signature:",
    "CHECKED BY:",
    "PLEASE RETAIN",
)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
Rows = list[tuple[int, int]]


@dataclass
class Layout:
    """One way of printing. `draw` makes every choice; the report's content comes later."""

    seed: int

    def __post_init__(self) -> None:
        random = self.random = Random(self.seed)
        pick = random.choice
        self.kind = pick(("coins", "coins", "notes", "notes", "both"))
        self.denominations = {"coins": COINS, "notes": NOTES, "both": (*NOTES, 50, 25, 10, 5, 1)}[
            self.kind
        ]
        self._draw_form(random)
        self.columns = pick(("dpv", "dpv", "dpv", "dvp", "pdv", "vdp", "dv", "dv", "dp", "pd"))
        if self.form in NAMES:
            self.columns = pick(("dpv", "dvp", "dv", "dp"))
        self.csv = pick(("", "", "", "", "", ",", ";"))
        self.quotes = bool(self.csv) and random.random() < 0.4
        self.side_by_side = not self.csv and self.form not in NAMES and random.random() < 0.15
        self.glue = "" if self.csv or self.side_by_side else pick(("", "", "", "", "x", "PCS", "="))
        self.lead = (
            pick(("", "", "", "", "NOTE", "D"))
            if self.form not in NAMES and not self.side_by_side and not self.csv
            else ""
        )
        self.sign = pick(("", "", "$", "$", "$ ", "US$", "USD ", " USD", "$0"))
        self.thousands = random.random() < 0.6
        self.zeros = random.random() < 0.15
        self.prints_zero_rows = random.random() < 0.3
        self.ascending = random.random() < 0.4
        self.whole_values = self.kind == "notes" and random.random() < 0.2
        self.align = pick((str.rjust, str.ljust))
        self.width = pick((1, 6, 9, 12))
        self._draw_frame(random)

    def _draw_form(self, random: Random) -> None:
        if self.kind == "coins":
            self.form = random.choice(
                ("two", "two", "short", "minor", "cents", "plural", "plural", "singular")
            )
        elif self.kind == "notes":
            self.form = random.choice(("two", "whole", "whole", "notes"))
        else:
            self.form = random.choice(("two", "short", "mixed"))
        self.case = random.choice((str.upper, str, str.upper))
        self.colon = random.choice(("", "", ":"))

    def _draw_frame(self, random: Random) -> None:
        pick, chance = random.choice, random.random
        self.banners = random.sample(BANNERS, pick((1, 1, 2, 3)))
        self.batch = pick(("", *BATCH, *BATCH))
        self.audit = (
            "AUDIT: {:05d}"
            if self.batch and not self.batch.startswith("REPORT") and chance() < 0.15
            else ""
        )
        self.date = pick(
            (
                "",
                "mdy",
                "mdy",
                "iso",
                "named",
                "time first",
                "labelled",
                "two lines",
                "month",
                "dotted",
                "day name",
            )
        )
        self.machine = pick(
            ("", "", "MACHINE 07", "SN 4711-22", "Operator: 3", "TELLER {name}", "STATION 1")
        )
        self.heading = chance() < 0.6
        self.rule = pick(("", "-" * 24, "=" * 24, "\xc4" * 24, "- - - - - -", "_" * 20))
        self.total = pick(BEHIND_ROWS)
        self.subtotal = pick(("", "", "", "SUBTOTAL", "TOTAL COIN", "SUB TOTAL:"))
        self.sections = self.kind == "both" and not self.side_by_side and chance() < 0.5
        self.count = (
            pick(("", "", "in total", "before", "behind", "before"))
            if "p" in self.columns
            else pick(("", "", "", "before"))
        )
        self.count_word = pick(("PIECES", "COUNT", "TOTAL PIECES", "Items:", "QTY TOTAL"))
        self.fee = self.kind == "coins" and chance() < 0.15
        self.day_total = chance() < 0.15
        self.checks = chance() < 0.1
        self.star = not self.csv and chance() < 0.1
        self.footers = random.sample(FOOTERS, pick((0, 0, 1, 2)))
        self.line_end = pick(("\r\n", "\r\n", "\n", "\r"))
        self.begin = pick(("", "", "\x1b@", "\x1b@\x1ba\x01", "\x1b!\x30"))
        self.end = pick(("", "", "\x1dV\x00", "\x1bi", "\f", "\x1dVA\x03", "\n\n\n"))
        self.blank_lines = chance() < 0.3
        self.indent = pick(("", "", "  "))

    # --- content ----------------------------------------------------------------------------------

    def rows(self, random: Random) -> Rows:
        """Counts as a machine would print them: a few denominations, sometimes one, sometimes many
        pieces.
        """
        size = random.choice((1, 2, 3, 4, len(self.denominations), len(self.denominations)))
        picked = sorted(
            random.sample(self.denominations, min(size, len(self.denominations))),
            reverse=not self.ascending,
        )
        most = random.choice((9, 60, 400, 2500))
        return [(denomination, random.randint(1, most)) for denomination in picked]

    def report(self, number: int, rows: Rows) -> bytes:
        """Report `number` of the machine, from 1."""
        day = self.random.randint(1, 28)
        lines = [*self.banners, *self._header(number, day)]
        if self.heading:
            names = {"d": "DENOM", "p": "QTY", "v": "VALUE"}
            lines.append((self.csv or "  ").join(names[letter] for letter in self.columns))
        lines += [
            self.rule,
            *self._body(rows),
            self.rule,
            *self._totals(number, rows),
            *self.footers,
        ]
        if self.blank_lines:
            lines = [
                each
                for line in lines
                for each in ((line, "") if self.random.random() < 0.3 else (line,))
            ]
        text = (
            self.begin
            + "".join(f"{self.indent if line else ''}{line}{self.line_end}" for line in lines)
            + self.end
        )
        return text.encode("latin-1")

    def _header(self, number: int, day: int) -> list[str]:
        first = (
            Random(self.seed).randint(1, 900)
            if "02d" not in self.batch
            else Random(self.seed).randint(1, 80)
        )
        lines = [self.batch.format(first + number)] if self.batch else []
        lines += [self.audit.format(first + 3000 + number)] if self.audit else []
        hour, minute, month = 8 + number, self.random.randint(10, 59), self.random.randint(10, 12)
        date, clock, name = f"{month}/{day:02d}/2026", f"{hour:02d}:{minute}", MONTHS[month - 1]
        lines += {
            "": [],
            "mdy": [f"{date} {clock}:00"],
            "iso": [f"2026-{month}-{day:02d} {clock}"],
            "named": [f"{day:02d}-{name}-2026 {clock}"],
            "time first": [f"TIME {clock} {date}"],
            "labelled": [f"Date: {date}"],
            "two lines": [f"DATE {date}", f"TIME {hour % 12 or 12}:{minute} PM"],
            "month": [f"{name} {day}, 2026 {clock}"],
            "dotted": [f"DATE {day:02d}.{month}.2026 {clock}"],
            "day name": [f"{('MON', 'TUE', 'WED')[number % 3]} {date}"],
        }[self.date if self.date != "named" or self.seed % 4 == 0 else "mdy"]
        if self.machine:
            lines.append(self.machine.format(name=self.random.choice(("ANN", "BOB", "KIM"))))
        if self.csv:
            lines = [line.replace(" ", self.csv, 1) for line in lines]
        return lines

    def _body(self, rows: Rows) -> list[str]:
        if self.prints_zero_rows:
            counted = dict(rows)
            rows = [
                (denomination, counted.get(denomination, 0))
                for denomination in sorted(self.denominations, reverse=not self.ascending)
            ]
        if self.sections:
            notes = [row for row in rows if row[0] >= 100]
            coins = [row for row in rows if row[0] < 100]
            return ["NOTES", *map(self._row, notes), "COINS", *map(self._row, coins)]
        lines = [self._row(row) for row in rows]
        if self.side_by_side:
            lines = ["    ".join(lines[at : at + 2]) for at in range(0, len(lines), 2)]
        return lines

    def _row(self, row: tuple[int, int]) -> str:
        denomination, pieces = row
        cells = {
            "d": self._denomination(denomination),
            "p": self._pieces(pieces),
            "v": self._money(denomination * pieces),
        }
        words = [cells[letter] for letter in self.columns]
        if self.csv:
            return self.csv.join(
                f'"{word}"' if self.quotes or self.csv in word else word for word in words
            )
        if self.glue:
            at = 1 if self.glue != "=" else len(words) - 1
            words.insert(at, self.glue)
        return " ".join(
            ([self.lead] if self.lead else []) + [self.align(word, self.width) for word in words]
        ).rstrip()

    def _denomination(self, minor: int) -> str:
        if self.form in NAMES:
            return self.case(NAMES[self.form][minor]) + self.colon
        if self.form == "minor":
            return str(minor)
        if self.form == "cents":
            return f"{minor}c"
        if self.form == "whole" or (self.form == "mixed" and minor >= 100):
            return (
                self._signed(str(minor // 100)) if self.sign in ("$", "US$") else str(minor // 100)
            )
        text = f"{minor // 100}.{minor % 100:02d}"
        return text.removeprefix("0") if self.form == "short" else text

    def _pieces(self, pieces: int) -> str:
        return (
            f"{pieces:05d}"
            if self.zeros
            else f"{pieces:,}"
            if self.thousands and self.seed % 3 == 0
            else str(pieces)
        )

    def _money(self, minor: int) -> str:
        comma = "," if self.thousands else ""
        if self.whole_values:
            return self._signed(f"{minor // 100:{comma}}")
        text = f"{minor // 100:{comma}}.{minor % 100:02d}"
        return self._signed("0" * (7 - len(text)) + text if self.sign == "$0" else text)

    def _signed(self, text: str) -> str:
        if self.sign == "$0":
            return text
        return text + self.sign if self.sign.startswith(" ") else self.sign + text

    def _totals(self, number: int, rows: Rows) -> list[str]:
        value, pieces = sum(d * p for d, p in rows), sum(p for _, p in rows)
        gap = self.csv or " "
        lines = [f"{self.subtotal}{gap}{self._quoted(value)}"] if self.subtotal else []
        lines += [f"CHECKS{gap}{self._quoted(0)}"] if self.checks else []
        lines += [f"{self.count_word}{gap}{pieces}"] if self.count == "before" else []
        middle = (
            f"{pieces}{gap}"
            if self.count == "in total"
            else gap
            if self.csv and self.seed % 2
            else ""
        )
        lines.append(f"{self.total}{gap}{middle}{self._quoted(value)}{' *' if self.star else ''}")
        lines += [f"{self.count_word}{gap}{pieces}"] if self.count == "behind" else []
        if self.fee:
            fee = value // 20
            lines += [
                f"PROCESS FEE{gap}{self._quoted(fee)}",
                f"CUST. TOTAL{gap}{self._quoted(value - fee)}",
            ]
        if self.day_total:
            lines.append(f"DAY TOTAL{gap}{self._quoted(value + 100_000 * number + 1234)}")
        return lines

    def _quoted(self, minor: int) -> str:
        text = self._money(minor)
        return f'"{text}"' if self.csv and (self.quotes or self.csv in text) else text

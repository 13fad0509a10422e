"""Writes what repeats a table: till.cddl and docs/records.md (from protocol/records.py), parts of
docs/instruments.md (from the profiles) and of docs/policy.md (from the rules that ship).

./run tables          a test fails when they are not current
"""

import re
from pathlib import Path

from gateway.instruments.profiles import all_profiles
from gateway.office.policy import LOOKED_AT
from gateway.policy_file import shipped_policy
from gateway.policy_tables import TITLES
from gateway.reports.policy_words import deadline_words, figures_of
from protocol import cbor, messages, records, seal

ROOT = Path(__file__).parent.parent
TYPES = {
    "uint": "integer, 0 to {}",
    "int": "integer, -{0} to {0}",
    "text": "text, at most {} bytes",
    "bytes": "bytes, at most {}",
    "pairs": "at most {} pairs of integers, 0 to 4294967295",
    "texts": "at most {} texts of at most 48 bytes",
}


def main() -> None:
    for path, text in files().items():
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")


def files() -> dict[Path, str]:
    """{path: text} of each generated file, as it has to be."""
    return {
        ROOT / "protocol" / "till.cddl": cddl(),
        ROOT / "docs" / "records.md": page(),
        ROOT / "docs" / "instruments.md": instruments(
            (ROOT / "docs" / "instruments.md").read_text()
        ),
        ROOT / "docs" / "policy.md": rules((ROOT / "docs" / "policy.md").read_text()),
    }


# --- till.cddl ------------------------------------------------------------------------------------


def cddl() -> str:
    """RFC 8610 for all messages and records."""
    kinds = records.limit_of("kind")
    blocks = [
        (
            "; What a counter controller and the gateway send to each other (RFC 8610).\n;"
            " Written by docs/generate.py from protocol/records.py: edit the tables there, then"
            " ./run tables.\n; Beyond what CDDL says: shortest forms only, map keys ascending, no"
            f" tag, float or simple value, nothing indefinite,\n; at most {cbor.DEPTH_MAX} levels,"
            f" {cbor.ITEMS_MAX} items a container and {records.RECORD_BYTES_MAX} bytes a record."
        ),
        "record = " + " / ".join(f"{kind}-record" for kind in kinds),
        *(_cddl_kind(number, kind) for number, kind in enumerate(kinds, 1)),
        *(
            _cddl_choice(name, limit)
            for name, type_name, limit in records.fields().values()
            if type_name == "choice"
        ),
        *(
            f"{name} = [0*{limit} pair]"
            for name, type_name, limit in records.fields().values()
            if type_name == "pairs"
        ),
        "pair = [first: u32, second: u32]",
        _cddl_messages(),
        "u32 = 0..4294967295\nu48 = 0..281474976710655",
    ]
    return "\n\n".join(blocks) + "\n"


def _cddl_kind(number: int, kind: str) -> str:
    must, may = records.kinds()[kind]
    lines = [f"{kind}-record = {{", f"  0 => {number}, ; kind: {kind}"]
    for field, (name, type_name, limit) in records.fields().items():
        if name in ("boot", "uptime_ms") or name in must:
            lines.append(f"  {field} => {_cddl_type(name, type_name, limit)}, ; {name}")
        elif name == "utc_ms" or name in may:
            lines.append(f"  ? {field} => {_cddl_type(name, type_name, limit)}, ; {name}")
    return "\n".join([*lines, "}"])


def _cddl_type(name: str, type_name: str, limit) -> str:
    return {
        "uint": f"0..{limit}",
        "int": f"-{limit}..{limit}",
        "text": f"tstr .size (0..{limit})",
        "bytes": f"bstr .size (0..{limit})",
        "choice": name.replace("_", "-"),
        "pairs": name,
        "texts": f"[0*{limit} tstr .size (0..48)]",
    }[type_name]


def _cddl_choice(name: str, limit: tuple) -> str:
    numbers = ", ".join(f"{number} {choice}" for number, choice in enumerate(limit, 1))
    return f"{name.replace('_', '-')} = 1..{len(limit)} ; {numbers}"


def _cddl_index(names: tuple) -> str:
    numbers = ", ".join(f"{number} {name}" for number, name in enumerate(names))
    return f"0..{len(names) - 1}, ; {numbers}"


def _cddl_messages() -> str:
    head = f"bstr .size {messages.HEAD_BYTES}"
    fingerprint = f"bstr .size {messages.FINGERPRINT_BYTES}, ; fingerprint of record"
    return f"""\
events-message = [
  epoch: 1..4294967295,
  boot: u32,
  sent-uptime-ms: u48,
  first-seq: 1..4294967295, ; the i-th record has seq first-seq + i
  records: [1*{cbor.ITEMS_MAX} bstr .cbor record],
  before: {fingerprint} first-seq - 1, or zeros
]

state-message = [
  epoch: u32,
  boot: u32,
  uptime-ms: u48,
  status: {_cddl_index(messages.STATUS)}
  last-seq: u32,
  lowest-kept: u32,
  acked: u32,
  ledger-n: u48,
  ledger-head: {head},
  heap-free: u32,
  heap-low: u32,
  command: u32, ; highest counter of a command that the device accepted
]

ack-message = [
  epoch: u32,
  high-water: u32,
  want-from: u32, ; 0: nothing is missing
  want-to: u32, ; where want-from is 0: highest version of an ev that the gateway reads, or 0
  ledger-n: u48,
  ledger-head: {head},
  utc-ms: u48,
  echo-boot: u32,
  echo-uptime-ms: u48,
  record-fingerprint: {fingerprint} high-water, or zeros
]

command-message = [
  epoch: 1..4294967295,
  counter: 1..4294967295,
  nonce: bstr .size {messages.NONCE_BYTES},
  asked: {_cddl_index(messages.VERBS)}
  argument: tstr .size (0..64),
]

sealed = [ ; COSE_Mac0 of RFC 9052, untagged
  protected: bstr .cbor algorithm,
  unprotected: {{ 4 => bstr }}, ; kid
  payload: bstr .size (0..{seal.PAYLOAD_BYTES_MAX}),
  tag: bstr .size {seal.TAG_BYTES},
]

algorithm = {{ 1 => 5 }} ; HMAC 256/256"""


def field_meanings() -> dict[int, str]:
    """{field number: its unit or meaning}: the comment after or above each line of FIELDS.

    A comment costs a device nothing.
    """
    source = (ROOT / "protocol" / "records.py").read_text()
    meanings: dict[int, str] = {}
    above = ""
    for line in source[source.index("FIELDS = (") : source.index("# kind:")].splitlines():
        found = re.match(r'    "(\d+):[^"]*"(?:  # (.*))?$', line)
        if found:
            meanings[int(found[1])] = found[2] or above
        above = line.strip().removeprefix("# ").removesuffix(":")
    return meanings


# --- docs/records.md ------------------------------------------------------------------------------


def page() -> str:
    """The page for people: each kind with its fields, then each choice with its numbers."""
    out = [
        "# Records\n",
        (
            "What a counter controller may state. A record says what was seen, never what it means;"
            " only the gateway draws conclusions.\n"
        ),
        (
            "`./run tables` writes this page from the tables in `protocol/records.py`, which both"
            " sides run."
        ),
        (
            "`protocol/till.cddl` says the same for machines. [protocol.md](protocol.md) says how"
            " records are sent.\n"
        ),
        (
            "In a message a record is a CBOR map from field numbers to values, at most"
            f" {records.RECORD_BYTES_MAX} bytes. Money is whole minor units"
        ),
        (
            "(cents). Every record carries `kind`, `boot` and `uptime_ms`, and `utc_ms` once the"
            " gateway has told the time.\n"
        ),
    ]
    for number, kind in enumerate(records.limit_of("kind"), 1):
        out += _page_kind(number, kind)
    out.append("## Choices\n")
    out.append("A choice is sent as its number.\n")
    for name, type_name, limit in records.fields().values():
        if type_name == "choice":
            out.append(
                f"- `{name}`: "
                + ", ".join(f"{number} {choice}" for number, choice in enumerate(limit, 1))
            )
    return "\n".join(out) + "\n"


def _page_kind(number: int, kind: str) -> list[str]:
    must, may = records.kinds()[kind]
    rows = [
        f"## {kind} ({number})\n",
        "| number | field | | type | meaning |",
        "| ---: | --- | --- | --- | --- |",
    ]
    meanings = field_meanings()
    for field, (name, type_name, limit) in records.fields().items():
        if name in ("boot", "uptime_ms") or name in must or name == "utc_ms" or name in may:
            presence = "may" if name == "utc_ms" or name in may else "must"
            wire = (
                f"one of {len(limit)}" if type_name == "choice" else TYPES[type_name].format(limit)
            )
            rows.append(f"| {field} | `{name}` | {presence} | {wire} | {meanings[field]} |")
    return [*rows, ""]


# --- docs/instruments.md --------------------------------------------------------------------------


def instruments(text: str) -> str:
    """The page with its table and its list of sources as the profiles have them now."""
    table = ["| Name | Machine | Counts | Wire | Evidence |", "|---|---|---|---|---|"]
    sources = []
    for profile in all_profiles():
        parity = str(profile.wire["parity"])[0].upper()
        wire = f"{profile.wire['baud']} {profile.wire['bits']}{parity}{profile.wire['stop']}"
        table.append(
            f"| `{profile.name}` | {profile.title} | {profile.counts} | {wire} |"
            f" {profile.evidence} |"
        )
        sources.append(
            f"- `{profile.name}`: {profile.source}. **Not known:** {profile.unknown.rstrip('. ')}."
        )
    return _between(_between(text, "table", table), "sources", sources)


# --- docs/policy.md -------------------------------------------------------------------------------


def rules(text: str) -> str:
    """The page with its tables of rules and of deadlines as policy.toml in gateway/ has them."""
    policy = shipped_policy()
    table = [
        "| rule | what it wants | severity | figures | looked at on the report | source |",
        "|---|---|---|---|---|---|",
    ]
    for rule, title in TITLES.items():
        each = getattr(policy, rule)
        figures = figures_of(policy, rule)
        cells = (rule, title, each.severity, figures, LOOKED_AT[rule], each.source)
        table.append(f"| {' | '.join(cells)} |")
    deadlines = ["| profile | the deposit is made by | source |", "|---|---|---|"]
    for name, deadline in policy.deadline.items():
        deadlines.append(f"| `{name}` | {deadline_words(deadline)} | {deadline.source} |")
    return _between(_between(text, "rules", table), "deadlines", deadlines)


def _between(text: str, name: str, lines: list[str]) -> str:
    before, _, rest = text.partition(f"<!-- {name} -->\n")
    _, _, after = rest.partition(f"<!-- /{name} -->")
    return before + f"<!-- {name} -->\n" + "\n".join(lines) + f"\n<!-- /{name} -->" + after


if __name__ == "__main__":
    main()

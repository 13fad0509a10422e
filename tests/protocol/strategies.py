"""Values for hypothesis, drawn from the wire dictionary."""

from hypothesis import strategies as st

from protocol import records

U32 = st.integers(0, 0xFFFFFFFF)
U48 = st.integers(0, 0xFFFFFFFFFFFF)


def utf8(bytes_max: int):
    return st.text(max_size=bytes_max).filter(lambda text: len(text.encode()) <= bytes_max)


def field_value(type_name: str, limit):
    return {
        "choice": lambda: st.sampled_from(limit),
        "uint": lambda: st.integers(0, limit),
        "int": lambda: st.integers(-limit, limit),
        "text": lambda: utf8(limit),
        "bytes": lambda: st.binary(max_size=limit),
        "pairs": lambda: st.lists(st.tuples(U32, U32), max_size=limit),
        "texts": lambda: st.lists(utf8(48), max_size=limit),
    }[type_name]()


@st.composite
def any_record(draw):
    by_name = {
        name: field_value(type_name, limit) for name, type_name, limit in records.fields().values()
    }
    kind = draw(st.sampled_from(sorted(records.kinds())))
    must, may = records.kinds()[kind]
    names = [
        "boot",
        "uptime_ms",
        *must,
        *draw(st.lists(st.sampled_from(["utc_ms", *may]), unique=True)),
    ]
    return {"kind": kind} | {name: draw(by_name[name]) for name in names}

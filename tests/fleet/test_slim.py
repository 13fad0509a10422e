"""What a device never uses is left out before it is compiled, and what remains means the same."""

from gateway.fleet.slim import slim


def slimmed(text: str, keep: str = "") -> str:
    return slim({"firmware/one.py": text}, [keep])["firmware/one.py"]


def test_what_nothing_mentions_is_dropped_and_then_what_only_that_mentioned() -> None:
    text = slimmed(
        "def used():\n    return 1\n\ndef outer():\n    return inner()\n\ndef inner():\n   "
        " return 2\n",
        "used()",
    )

    assert "used" in text
    assert "inner" not in text


def test_a_function_that_only_calls_itself_is_dropped() -> None:
    assert slimmed("x = 1\n\ndef again(n):\n    return again(n - 1)\n") == "x = 1"


def test_a_method_that_a_text_names_is_kept() -> None:
    text = slimmed(
        "class Driver:\n    def resume(self):\n        pass\n    def overhear(self):\n       "
        " pass\n",
        "f(Driver, 'resume')",
    )

    assert "resume" in text
    assert "overhear" not in text


def test_a_constant_of_its_own_module_is_folded_and_one_of_others_is_not() -> None:
    text = slimmed(
        "SIZE = const(8)\nDEPTH = const(4)\n\ndef f():\n    return SIZE + DEPTH\n",
        "from one import f, DEPTH",
    )

    assert "_SIZE = const(8)" in text
    assert "\nDEPTH = const(4)" in text
    assert "return _SIZE + DEPTH" in text


def test_a_number_that_another_module_imports_is_written_there_as_a_number() -> None:
    found = slim(
        {
            "firmware/one.py": "SIZE = const(8)\nTEXT = const('eight')\nx = SIZE",
            "firmware/two.py": "from firmware.one import SIZE, TEXT\nprint(SIZE, TEXT)",
            "firmware/three.py": "from firmware.one import SIZE\nprint(SIZE)",
            "firmware/four.py": "from firmware import one\nprint(one.SIZE)",
        },
        [],
    )

    assert {
        "firmware/one.py": "_SIZE = const(8)\nTEXT = const('eight')\nx = _SIZE",
        "firmware/two.py": "from firmware.one import TEXT\nprint(8, TEXT)",
        "firmware/three.py": "print(8)",
        "firmware/four.py": "from firmware import one\nprint(8)",
    } == found


def test_parameters_are_numbered_but_those_that_are_passed_by_name() -> None:
    text = slimmed(
        "def f(size, depth=2):\n    return [size for each in depth if each > size]\n\nf(1,"
        " depth=3)\n"
    )

    assert "def f(a0, depth=2)" in text
    assert "[a0 for each in depth if each > a0]" in text


def test_parameters_of_nested_functions_keep_their_names() -> None:
    source = "def f(size):\n    return lambda depth: size + depth\nf(1)"

    assert slimmed(source) == source


def test_a_package_that_is_nothing_but_its_docstring_needs_no_file() -> None:
    assert slim(
        {"firmware/__init__.py": '"""Device code."""', "firmware/one.py": '"""Nothing."""'}, []
    ) == {"firmware/one.py": ""}


def test_private_names_of_modules_that_share_no_class_are_the_same_few() -> None:
    one = "class One:\n\n    def run(self):\n        self._size = self._size + self._depth"
    two = "class Two:\n\n    def run(self):\n        return self._width"
    found = slim({"firmware/one.py": one, "firmware/two.py": two}, ["One().run()", "Two().run()"])

    assert one.replace("_size", "_0").replace("_depth", "_1") == found["firmware/one.py"]
    assert two.replace("_width", "_0") == found["firmware/two.py"]


def test_private_names_of_a_class_and_its_base_stay_apart() -> None:
    base = "class Base:\n\n    def run(self):\n        self._size = 1"
    more = (
        "from one import Base\n\nclass More(Base):\n\n    def grow(self):\n        self._depth ="
        " self._size"
    )
    found = slim(
        {"firmware/one.py": base, "firmware/two.py": more}, ["More().run()", "More().grow()"]
    )

    assert base.replace("_size", "_0") == found["firmware/one.py"]
    assert more.replace("_size", "_0").replace("_depth", "_1") == found["firmware/two.py"]


def test_a_private_name_that_another_object_or_a_text_asks_for_is_kept() -> None:
    head = "class One:\n\n    def run(self, a1):\n"
    source = (
        head + "        self._size = a1._size\n        f(self, '_depth')\n        self._depth = 1"
    )

    assert source == slimmed(source, "One().run()")


def test_errors_of_a_wordless_module_keep_their_class_alone() -> None:
    source = 'def f(a):\n    if a:\n        raise ValueError("a %d is too much" % a)\n    raise\n'

    kept = slim({"m.py": source}, ("f",))["m.py"]
    wordless = slim({"m.py": source}, ("f",), ("m.py",))["m.py"]

    assert "too much" in kept
    assert "raise ValueError\n" in wordless
    assert "too much" not in wordless

"""till.toml: every error at once, where it stands, and what was meant."""

from pathlib import Path

import pytest

from gateway import config
from gateway.errors import ConfigError

GOOD = 'site = "city-hall"\nzone = "America/Chicago"\nwindows = ["w1", "w2"]\n'
ROOT = Path(__file__).parents[2]


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "till.toml"
        path.write_text(text)
        return path

    return write


def fails(path):
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    return str(caught.value).replace(str(path), "till.toml")


def test_defaults_fill_a_short_file_and_folders_are_beside_it(write):
    site = config.load(write(GOOD))

    assert (
        site.config.broker.port,
        site.config.policy.R08.session.report_cents,
        site.config.cut_off.hour,
    ) == (
        1883,
        2500,
        16,
    )
    assert (site.ledger, site.keys) == (
        site.path.parent / "data" / "ledger.db",
        site.path.parent / "data" / "keys",
    )


def test_what_show_prints_reads_back_the_same(write):
    site = config.load(write(GOOD + 'cut_off = "15:30"\n[broker]\nport = 1884\n'))
    again = config.load(write(config.show(site)))

    assert again.config == site.config


def test_the_example_and_the_template_are_good():
    assert config.load(ROOT / "examples" / "till.toml").config.windows == ("w1", "w2", "w3")


def test_a_template_reads_back(write):
    assert config.load(write(config.template("north", "Europe/Berlin", 2))).config.windows == (
        "w1",
        "w2",
    )


def test_every_error_comes_at_once_with_its_place(write):
    text = (
        'site = "City Hall"\nzone = "America/Chicgo"\nwindow = ["w1"]\n\n[broker]\nport ='
        ' 99999\nhots = "x"\n'
    )
    said = fails(write(text))

    places = [
        line.partition(": ")[0] for line in said.splitlines() if line.startswith("till.toml:")
    ]
    assert [
        "till.toml:1:1",
        "till.toml:1:8",
        "till.toml:2:8",
        "till.toml:3:1",
        "till.toml:6:8",
        "till.toml:7:1",
    ] == places
    assert "unknown key 'window'; did you mean 'windows'?" in said
    assert "unknown key 'broker.hots'; did you mean 'host'?" in said
    assert "did you mean 'America/Chicago'?" in said
    assert "'windows' is missing and has no default" in said
    assert "6 errors in till.toml" in said


def test_the_line_is_shown_with_a_caret_under_the_place(write):
    lines = fails(write(GOOD + "\n[broker]\nport   =   0\n")).splitlines()

    assert lines[0].startswith("till.toml:6:12: broker.port: ")
    assert lines[1:3] == ["  port   =   0", "             ^"]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('cut_off = "4 pm"', "4:11: cut_off: not a time of day"),
        ('windows2 = "x"', "4:1: unknown key 'windows2'; did you mean 'windows'?"),
        ('currency = "usd"', "4:12: currency: "),
        ("data = 5", "4:8: data: not a string"),
        ("workers = 33", "4:11: workers: not a whole number from 1 to 32"),
        ("workers = true", "4:11: workers: not a whole number from 1 to 32"),
        ("workers = 2.0", "4:11: workers: not a whole number from 1 to 32"),
        ("[policy]\nno_sale = 3", "4:2: [policy] stands in policy.toml beside this file now"),
        ('[broker]\nembedded = "yes"', "5:12: broker.embedded: neither true nor false"),
        ('[broker]\nhost = ""', "5:8: broker.host: not a string of 1 to 253 characters: it has 0"),
        ('[ledger]\nurl = "mysql://x"', "5:7: ledger.url: not an address such as postgresql://"),
        ("broker.port = -1", "1:1: broker.port: "),
        ('broker = { port = "1883" }', "4:1: broker.port: "),
        ("broker = 7", "4:10: broker: "),
    ],
)
def test_each_kind_of_error_is_placed(write, line, place):
    assert fails(write(GOOD + line + "\n")).startswith("till.toml:" + place)


@pytest.mark.parametrize(
    "text", ["site = ", "site = 'a'\nsite = 'b'", "[broker", 'x = """', "\x00"]
)
def test_syntax_errors_have_a_place_too(write, text):
    first = fails(write(text)).splitlines()[0]

    assert first.split(":")[1].isdigit()
    assert first.split(":")[2].isdigit()


def test_an_embedded_broker_stays_on_this_machine(write):
    said = fails(write(GOOD + '[broker]\nhost = "0.0.0.0"\n'))

    assert said.startswith("till.toml:4:2: broker: the embedded broker listens on 127.0.0.1 alone")


def test_a_table_is_checked_as_a_whole_when_each_of_its_values_is_good(write):
    said = fails(write(GOOD + "[broker]\ntls = true\nport = 0\n"))

    assert "broker.port: " in said
    assert "no TLS" not in said
    assert "the embedded broker has no TLS" in fails(write(GOOD + "[broker]\ntls = true\n"))


def test_names_of_windows_are_checked(write):
    assert "not a list of 1 to 500 names" in fails(write(GOOD.replace('["w1", "w2"]', '"w1"')))
    assert "not a list of 1 to 500 names" in fails(write(GOOD.replace('["w1", "w2"]', "[]")))
    assert "windows: not a string" in fails(write(GOOD.replace('"w2"', "2")))
    assert "named twice" in fails(write(GOOD.replace('"w2"', '"w1"')))
    assert "windows: name 'W 2' may hold" in fails(write(GOOD.replace('"w2"', '"W 2"')))


def test_a_missing_or_foreign_file_says_what_to_do(tmp_path):
    path = tmp_path / "till.toml"
    assert "till init" in fails(path)
    path.write_bytes(b"\xff\xfe")
    assert "UTF-8" in fails(path)


def test_people_have_a_role_and_perhaps_a_cashier_number(write):
    text = (
        GOOD
        + '[people]\n"kim.lee" = { role = "supervisor" }\npat = { role = "cashier", cashier = 7 }\n'
    )
    site = config.load(write(text))

    assert ({"kim.lee", "pat"}, 7) == (set(site.config.people), site.config.people["pat"].cashier)
    assert site.config.people == config.load(write(config.show(site))).config.people


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('Kim = { role = "cashier" }', "not a login name"),
        ('kim = { role = "boss" }', "boss"),
        ("kim = { cashier = 7 }", "missing"),
        ('kim = { role = "cashier", cashier = -1 }', "kim"),
        ('kim = { role = "cashier", number = 1 }', "number"),
    ],
)
def test_people_that_are_none_are_refused_with_their_place(write, line, why):
    with pytest.raises(ConfigError) as refused:
        config.load(write(f"{GOOD}[people]\n{line}\n"))

    assert why in str(refused.value)
    assert ":5:" in str(refused.value) or ":6:" in str(refused.value)

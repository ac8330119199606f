"""The callers file: read whole or not at all, every problem told at once."""

import hashlib
from pathlib import Path

import pytest

from broker.callers import EVERYTHING, Callers, key_digest
from broker.files import callers as module
from broker.files.callers import LIMIT, CallersSource, parse_callers, read_callers
from broker.files.watch import Polled, Watched

KEYS = tuple(f"ctb_the-key-number-{n}" for n in (1, 2, 3))
ONE, TWO, THREE = map(key_digest, KEYS)
NEW = "ctb_a-key-that-is-new"
CANARY = "canary-7d1f"
GOOD = f"""
[callers.billing]
key_sha256 = "{ONE}"
organizations = ["acme", "globex"]

[callers.reports]
key_sha256 = ["{TWO.upper()}", "{THREE}"]
service_account = "analytics:reports"
organizations = ["*"]

[callers.pod]
service_account = "default:pod"
organizations = ["acme"]
"""


def table(entries: str) -> str:
    """Return a file with one caller of these entries."""
    return f"[callers.billing]\n{entries}\n"


def test_a_good_file_gives_its_callers() -> None:
    """One key, several keys, a service account beside them or alone."""
    callers, problems = parse_callers(GOOD)
    assert problems == []
    billing, reports = callers.find(KEYS[0]), callers.find(KEYS[2])
    assert billing
    assert (billing.name, billing.organizations) == ("billing", frozenset({"acme", "globex"}))
    assert reports
    assert (reports.organizations, reports.service_account) == (EVERYTHING, "analytics:reports")
    assert callers.find(KEYS[1]) is reports
    assert [caller.name for caller in callers.callers] == ["billing", "reports", "pod"]


KEY = f'key_sha256 = "{ONE}"'
ALL = 'organizations = ["*"]'
DIGEST_RULE = "must be the SHA-256 of a key in 64 hexadecimal digits, or a list of such"
NAMES_RULE = 'must be ["*"], or a list of organizations'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no caller"),
        ("callers = 1", "names no caller"),
        ("[callers]", "names no caller"),
        (table(ALL), "callers.billing needs key_sha256, or service_account, or both"),
        (table(KEY), "callers.billing.organizations is missing"),
        (table(f'{ALL}\nkey_sha256 = "{CANARY}"'), f"callers.billing.key_sha256 {DIGEST_RULE}"),
        (table(f"{ALL}\nkey_sha256 = []"), f"callers.billing.key_sha256 {DIGEST_RULE}"),
        (table(f"{ALL}\nkey_sha256 = 5"), f"callers.billing.key_sha256 {DIGEST_RULE}"),
        (table(f'{ALL}\nkey_sha256 = ["{ONE}", 5]'), f"callers.billing.key_sha256 {DIGEST_RULE}"),
        (
            table(f'{ALL}\nkey_sha256 = "{key_digest("")}"'),
            "callers.billing.key_sha256 holds the SHA-256 of nothing, not of a key",
        ),
        (
            table(f'{ALL}\nservice_account = "{CANARY}"'),
            'callers.billing.service_account must be "namespace:name"',
        ),
        (table(f"{ALL}\nservice_account = 5"), "callers.billing.service_account must be"),
        (table(f"{KEY}\norganizations = []"), f"callers.billing.organizations {NAMES_RULE}"),
        (table(f'{KEY}\norganizations = "*"'), f"callers.billing.organizations {NAMES_RULE}"),
        (table(f'{KEY}\norganizations = ["*", "acme"]'), "callers.billing.organizations must be"),
        (table(f'{KEY}\norganizations = ["{CANARY.upper()}"]'), "callers.billing.organizations"),
        (table(f"{KEY}\norganizations = [5]"), "callers.billing.organizations must be"),
        (
            table(f"{KEY}\n{ALL}\norganisations = 1"),
            "callers.billing: 'organisations' is not known; did you mean organizations?",
        ),
        (table(f'{KEY}\n{ALL}\nzzz = "{CANARY}"'), "callers.billing: 'zzz' is not known"),
        (f"caller = 1\n{GOOD}", "'caller' is not known; did you mean callers?"),
        (f"[callers]\nbilling = '{CANARY}'", "callers.billing must be a table"),
        ('[callers."bil ling"]', "'bil ling' is no name for a caller: 1 to 63 letters"),
        (f"[callers.billing]\nkey = {CANARY}", "is not TOML (at line 2, column 7)"),
        ("[callers", "is not TOML (at end of document)"),
        (f"a = {'[' * 5000}", "is nested too deeply"),
        (
            f"{GOOD}\n[callers.copy]\n{KEY}\n{ALL}",
            "callers.billing and callers.copy have a key in common",
        ),
        (
            f'{GOOD}\n[callers.copy]\nservice_account = "default:pod"\n{ALL}',
            "callers.pod and callers.copy have the same service_account",
        ),
    ],
)
def test_each_problem_has_a_sentence_that_repeats_no_value(text: str, problem: str) -> None:
    """It names the caller and the entry, and says what is allowed."""
    _, problems = parse_callers(text)
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert CANARY not in problems[0].lower()


@pytest.mark.parametrize(
    ("hashed", "name"),
    [
        ("", "nothing"),
        ("\n", "LF"),
        ("\r\n", "CRLF"),
        ("-", "-"),
        ('""', '""'),
        ("''\r\n", "'' and CRLF"),
        ("null\n", "null and LF"),
    ],
)
def test_the_hash_of_a_slip_is_refused_by_name(hashed: str, name: str) -> None:
    """What ``echo "$KEY" | sha256sum`` gives without the variable, and its like."""
    digest = hashlib.sha256(hashed.encode()).hexdigest()
    for text in (table(f'{ALL}\nkey_sha256 = "{digest.upper()}"'), GOOD.replace(ONE, digest)):
        found, problems = parse_callers(text)
        told = f"callers.billing.key_sha256 holds the SHA-256 of {name}, not of a key"
        assert problems == [told]
        assert found.find(hashed) is None


def test_all_problems_are_told_at_once() -> None:
    """Those of several callers, several of one, and an unknown name beside them."""
    text = 'extra = 1\n[callers.a]\nkey_sha256 = "x"\nzzz = 1\n[callers.b]\norganizations = []\n'
    _, problems = parse_callers(text)
    assert [problem.split()[0] for problem in problems] == [
        "'extra'",
        "callers.a.key_sha256",
        "callers.a.organizations",
        "callers.a:",
        "callers.b",
        "callers.b.organizations",
    ]


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    """The setting is named, so that the operator knows where to look."""
    callers, problems = read_callers(tmp_path / "nothing")
    assert (callers, problems) == (Callers(), ("BROKER_CALLERS_FILE does not exist",))


def test_a_changed_file_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    """One bad caller refuses the whole version; the repaired one is taken."""
    file = tmp_path / "callers.toml"
    file.write_text(GOOD)
    watched = Watched(CallersSource(file), Callers())
    file.write_text(f'{GOOD}\n[callers.new]\norganizations = ["*"]')
    assert watched.poll().problems == (
        "BROKER_CALLERS_FILE: callers.new needs key_sha256, or service_account, or both",
    )
    assert len(watched.current.callers) == 3
    file.write_text(f'{GOOD}\n[callers.new]\nkey_sha256 = "{key_digest(NEW)}"\n{ALL}')
    assert watched.poll() == Polled(reloaded=True)
    assert watched.current.find(NEW)
    file.unlink()
    assert watched.poll().problems == ("BROKER_CALLERS_FILE does not exist",)
    assert watched.current.find(NEW)


def one(name: str, *, key: str | None = None) -> str:
    """Return a file with one caller; its key is its own unless ``key`` gives another."""
    digest = key_digest(f"ctb_the-only-key-of-{key or name}")
    return f'[callers.{name}]\nkey_sha256 = "{digest}"\norganizations = ["acme"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hold three files, of which the last has two callers; and what is none of them."""
    folder = tmp_path / "callers"
    (folder / "more").mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"{name}.toml").write_text(one(name))
    (folder / "c.toml").write_text(one("c") + one("d"))
    for other in (".hidden.toml", "README.md", "a.toml~", "more/e.toml"):
        (folder / other).write_text("not TOML")
    return folder


def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets each text that is parsed."""
    texts: list[str] = []

    def parse(text: str) -> tuple[Callers, list[str]]:
        texts.append(text)
        return parse_callers(text)

    monkeypatch.setattr(module, "parse_callers", parse)
    return texts


def test_a_folder_has_the_callers_of_all_its_files(folder: Path) -> None:
    """In the order of their names; what is hidden or named otherwise does not matter."""
    callers, problems = read_callers(folder)
    assert problems == ()
    assert [caller.name for caller in callers.callers] == ["a", "b", "c", "d"]
    assert callers.find("ctb_the-only-key-of-d") is callers.callers[3]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.toml", one("a", key="x"), "callers.a is in 'a.toml' and 'x.toml'"),
        ("x.toml", one("x", key="b"), "callers.b and callers.x have a key in common"),
        ("b.toml", "", "'b.toml': names no caller: a table [callers.<name>] for each"),
        ("b.toml", one("b") + "x = 1", "'b.toml': callers.b: 'x' is not known"),
        ("b.toml", "\n[\n", "'b.toml': is not TOML (at line 2, column 2)"),
    ],
)
def test_a_problem_of_any_file_refuses_the_folder(
    folder: Path, name: str, text: str, told: str
) -> None:
    """It is told with the file; the callers of before stay in force."""
    watched = Watched(CallersSource(folder), Callers())
    before = watched.current
    (folder / name).write_text(text)
    assert watched.poll().problems == (f"BROKER_CALLERS_FILE: {told}",)
    assert watched.current is before


def test_a_folder_without_files_is_a_problem(folder: Path) -> None:
    """So is a file that is none."""
    (folder / "b.toml").unlink()
    (folder / "b.toml").mkdir()
    assert read_callers(folder)[1] == ("BROKER_CALLERS_FILE: 'b.toml' is not a file",)
    told = ("BROKER_CALLERS_FILE is a folder without *.toml files",)
    assert read_callers(folder / "more" / "..")[1] != told
    (folder / "more" / "e.toml").unlink()
    assert read_callers(folder / "more")[1] == told


def test_what_a_folder_gains_and_loses(folder: Path) -> None:
    """New files are seen, and those that are gone."""
    watched = Watched(CallersSource(folder), Callers())
    (folder / "a.toml").unlink()
    (folder / "e.toml").write_text(one("e"))
    assert watched.poll() == Polled(reloaded=True)
    assert [caller.name for caller in watched.current.callers] == ["b", "c", "d", "e"]


def test_only_what_changed_is_parsed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callers of other files are the same objects."""
    watched = Watched(CallersSource(folder), Callers())
    before, texts = watched.current.callers, parsed(monkeypatch)
    (folder / "b.toml").write_text(one("b", key="new"))
    assert watched.poll() == Polled(reloaded=True)
    assert texts == [one("b", key="new")]
    now = watched.current.callers
    assert [old is new for old, new in zip(before, now, strict=True)] == [True, False, True, True]


def test_a_file_that_says_the_same_is_not_parsed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker goes on with the objects of its master, which it shares with the others."""
    file = tmp_path / "callers.toml"
    file.write_text(GOOD)
    watched = Watched(CallersSource(file), Callers())
    before, texts = watched.current, parsed(monkeypatch)
    assert watched.poll() == Polled()
    file.unlink()
    file.write_text(GOOD)
    for _ in range(2):
        assert watched.poll() == Polled()
    assert watched.current is before
    assert texts == []


def test_fifty_thousand_callers(tmp_path: Path) -> None:
    """One file may have them, and a folder; who may use the same shares one set of names."""
    folder = tmp_path / "callers"
    folder.mkdir()
    texts = ["".join(one(f"c{number}-{part}") for number in range(6250)) for part in range(8)]
    for part, text in enumerate(texts):
        (folder / f"{part}.toml").write_text(text)
    (tmp_path / "callers.toml").write_text("".join(texts))
    for path in (folder, tmp_path / "callers.toml"):
        callers, problems = read_callers(path)
        assert (len(callers.callers), problems) == (50_000, ())
        assert callers.find("ctb_the-only-key-of-c6249-7") is callers.callers[-1]
        assert len({id(caller.organizations) for caller in callers.callers}) == 1


def test_the_most_that_is_read(folder: Path, tmp_path: Path) -> None:
    """A folder has no more room than a file."""
    text = one("long") + "#" * LIMIT
    (tmp_path / "long.toml").write_text(text[: LIMIT + 1])
    told = f"BROKER_CALLERS_FILE is longer than {LIMIT} bytes"
    assert read_callers(tmp_path / "long.toml")[1] == (told,)
    (tmp_path / "long.toml").write_text(text[:LIMIT])
    assert read_callers(tmp_path / "long.toml")[1] == ()
    (folder / "long.toml").write_text(text[:LIMIT])
    told = f"BROKER_CALLERS_FILE: its files are longer than {LIMIT} bytes"
    assert read_callers(folder)[1] == (told,)


def test_a_folder_that_never_rests_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files could be of two versions."""
    number = 0

    def write_on(text: str) -> tuple[Callers, list[str]]:
        nonlocal number
        number += 1
        (folder / "a.toml").write_text(one("a", key=f"a{number}") + "#" * number)
        return parse_callers(text)

    monkeypatch.setattr(module, "parse_callers", write_on)
    assert read_callers(folder)[1] == (
        "BROKER_CALLERS_FILE changed each of the 3 times it was read",
    )

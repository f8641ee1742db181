"""Names for archives: whatever a user calls a file, no system refuses it and no two names fall together."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets.names import MAX_MEMBER_BYTES, collision_key, distinguished, member_name, split_extension


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("line_07.jpg", "line_07.jpg"),
        ("../evil.jpg", "evil.jpg"),
        ("..\\..\\evil.jpg", "evil.jpg"),
        ("/etc/passwd", "passwd"),
        ("C:\\x.jpg", "x.jpg"),
        ("C:x.jpg", "x.jpg"),
        ("CON.jpg", "_CON.jpg"),
        ("con", "_con"),
        ("LPT1.tar.gz", "_LPT1.tar.gz"),
        ("constant.jpg", "constant.jpg"),
        ('a<b>c:d|e?f*g"h.jpg', "a_b_c_d_e_f_g_h.jpg"),
        ("tab\there\nnew.jpg", "tab_here_new.jpg"),
        ("trailing. ", "trailing"),
        ("..", "asset"),
        (" ", "asset"),
        ("a/", "asset"),
        ("工場_12.jpg", "工場_12.jpg"),
        ("🔧 bench_27.jpg", "🔧 bench_27.jpg"),
        ("e\u0301te\u0301.jpg", "été.jpg"),
        ("gpj.\u202etxt", "gpj._txt"),
        ("\ud800.jpg", "_.jpg"),
    ],
)
def test_every_name_becomes_a_safe_one(filename: str, expected: str) -> None:
    assert member_name(filename) == expected


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = member_name("é" * 300 + "1.jpg"), member_name("é" * 300 + "2.jpg")
    assert one != other
    for name in (one, other):
        assert len(name.encode()) <= MAX_MEMBER_BYTES
        assert name.endswith(".jpg")


def test_names_without_regard_to_case_or_form() -> None:
    assert collision_key("IMG.JPG") == collision_key("img.jpg")
    assert collision_key("été.jpg") == collision_key("E\u0301TE\u0301.jpg")
    assert collision_key("STRASSE.jpg") == collision_key("straße.jpg")
    assert collision_key("a.jpg") != collision_key("a.jpeg")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.jpg", ("a", ".jpg")),
        ("a.tar.gz", ("a.tar", ".gz")),
        ("a", ("a", "")),
        (".hidden", (".hidden", "")),
        ("a.", ("a.", "")),
        ("v1.2 of the whole plan", ("v1.2 of the whole plan", "")),
    ],
)
def test_extensions(name: str, parts: tuple[str, str]) -> None:
    assert split_extension(name) == parts
    assert distinguished(name, mark="12345678") == f"{parts[0]}~12345678{parts[1]}"


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=300))
@example("a" * 250)
@example("x." + "y" * 300)
@example("." * 200 + "é" * 200)
def test_no_name_escapes_or_breaks(filename: str) -> None:
    name = member_name(filename)
    assert name == unicodedata.normalize("NFC", name)
    assert 0 < len(name.encode("utf-8")) <= MAX_MEMBER_BYTES
    assert not set(name) & set('<>:"/\\|?*\x00')
    assert name not in (".", "..")
    assert not name.endswith((" ", "."))
    assert member_name(name) == name

"""Edits of a text: made, and a place of the edited text brought back to the user's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgpoolsafe.effects import Edit
from pgpoolsafe.sql.edits import apply, original_offset


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    """A text of letters that are all different, and edits of it that say nothing of them."""
    size = draw(st.integers(0, 40))
    text = "".join(chr(0x4E00 + at) for at in range(size))
    cuts = sorted(draw(st.sets(st.integers(0, size), max_size=8)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    edits = [Edit(start, end, draw(st.text("abc; ", max_size=5))) for start, end in pairs]
    inserted = draw(st.integers(0, size))
    if all(not start < inserted < end for start, end in pairs):
        edits.append(Edit(inserted, inserted, draw(st.text("xyz; ", max_size=5))))
    return text, draw(st.permutations(edits))


@given(edited())
def test_what_the_edits_left_is_found_again(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    sent = apply(text, edits)
    for offset, letter in enumerate(sent):
        if letter in text:
            assert text[original_offset(edits, offset)] == letter


@given(edited())
def test_every_place_leads_into_the_text_and_in_order(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    places = [original_offset(edits, offset) for offset in range(len(apply(text, edits)) + 1)]
    assert places == sorted(places)
    assert all(0 <= place <= len(text) for place in places)
    assert places[-1] == len(text)


# text, edits, for each letter of the edited text where it comes from
PLACES: list[tuple[str, list[Edit], str, list[int]]] = [
    ("SET x", [], "SET x", [0, 1, 2, 3, 4, 5]),
    ("SET x", [Edit(3, 3, " L")], "SET L x", [0, 1, 2, 3, 3, 3, 4, 5]),
    ("ab", [Edit(0, 0, "; ")], "; ab", [0, 0, 0, 1, 2]),
    ("ab", [Edit(2, 2, "; ")], "ab; ", [0, 1, 2, 2, 2]),
    ("abc", [Edit(0, 2, "xyz")], "xyzc", [0, 1, 1, 2, 3]),
    ("abc", [Edit(1, 2, "")], "ac", [0, 2, 3]),
    ("ab", [Edit(1, 1, "x"), Edit(1, 1, "y")], "axyb", [0, 1, 1, 1, 2]),
]


@pytest.mark.parametrize("text, edits, sent, places", PLACES)
def test_places(text: str, edits: list[Edit], sent: str, places: list[int]) -> None:
    assert apply(text, edits) == sent
    assert [original_offset(edits, offset) for offset in range(len(sent) + 1)] == places

"""The form in which messages are sent to SNS."""

from urllib.parse import quote_plus, unquote_plus

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.sns import quoted

PRINTABLE = "".join(map(chr, range(32, 127)))


def test_every_printable_character_is_encoded_as_the_standard_library_does() -> None:
    assert quoted(PRINTABLE) == quote_plus(PRINTABLE)
    assert quoted(PRINTABLE * 2) == quote_plus(PRINTABLE * 2)


@given(st.text(max_size=50) | st.text(PRINTABLE, max_size=50))
def test_every_text_is_read_back(text: str) -> None:
    text = text.encode(errors="replace").decode()
    assert quoted(text) == quote_plus(text)
    assert unquote_plus(quoted(text)) == text

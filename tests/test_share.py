"""Shares of work: each piece falls to exactly one machine, and what is no share is refused."""

import pytest

from vlasync.errors import VlasyncError
from vlasync.share import Share


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_shares_have_each_piece_once(count):
    pieces = list("abcde")
    shares = [Share.parse(f"{number}/{count}").of(pieces) for number in range(count)]
    assert sorted(piece for share in shares for piece in share) == pieces
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_all_of_it_is_the_default():
    assert Share() == Share.parse("0/1")
    assert str(Share(2, 5)) == "2/5"


@pytest.mark.parametrize("text", ["", "1", "1/", "/2", "-1/2", "a/b", "1/2/3", "0/0", "2/2", "5/3"])
def test_what_is_no_share_is_refused_with_an_example(text):
    with pytest.raises(VlasyncError, match=r"expected i/n with i from 0 to n - 1, such as 0/4"):
        Share.parse(text)

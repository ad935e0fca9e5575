import numpy as np

from pipelines.explanation.heat_map import draw_beside, say_where


def test_orange_adds_blue_takes_and_nothing_is_grey() -> None:
    pixels = np.full((4, 4, 3), 200, np.uint8)
    values = np.zeros((4, 4))
    values[0, 0], values[0, 1] = 2.0, -2.0
    drawn = draw_beside(pixels, [values])
    side = 160
    assert drawn.shape == (side, 2 * side + 6, 3)
    assert np.all(drawn[:, :side] == 200)
    own = drawn[:, side + 6 :]
    assert own[10, 10].tolist() == [213, 94, 0]
    assert own[10, 60].tolist() == [0, 114, 178]
    assert own[100, 100].tolist() == [200, 200, 200]


def test_a_grey_image_and_one_with_transparency_are_drawn_in_three_colours() -> None:
    for channels in (1, 4):
        drawn = draw_beside(np.full((200, 100, channels), 7, np.uint8), [np.zeros((200, 100))])
        assert drawn.shape == (200, 206, 3)


def test_the_two_strongest_ninths_are_named() -> None:
    values = np.zeros((9, 12))
    values[4, 6], values[8, 11] = -3.0, 1.0
    assert say_where(values) == "middle 75%, lower right 25%"
    assert say_where(np.zeros((9, 9))) == "nowhere"

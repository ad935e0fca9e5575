from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from pipelines.explanation.grad_cam import grad_cam, last_maps
from pipelines.explanation.heat_map import say_where
from pipelines.explanation.image_part import attribute_images
from tests.pipelines.explanation.cases import personal, photo_case
from tests.pipelines.explanation.networks import PHOTOS

_PHOTO = PHOTOS.images[0]


def test_right_and_wrong_images_are_drawn_beside_their_maps() -> None:
    case = photo_case()
    # a few labels turned over: what the network says of these is wrong
    label = case.arrays.label.copy()
    label[:6] = 1 - label[:6]
    case = replace(case, arrays=replace(case.arrays, label=label))
    found, files = attribute_images(case, _PHOTO, 3, 16)
    assert [row["why"] for row in found["rows"]] == ["right"] * 3 + ["wrong"] * 3
    assert {int(row["key"]["id"]) for row in found["rows"][3:]} <= {*range(6)}
    assert found["miss"] < 0.2
    assert abs(found["randomised"]["gradients"]) < 0.6
    assert abs(found["randomised"]["grad_cam"]) < 0.9
    assert {*files} == {row["file"] for row in found["rows"]}
    maps = last_maps(case.network)
    for row in found["rows"]:
        place = int(row["key"]["id"])
        with Image.open(BytesIO(files[row["file"]])) as image:
            shown = np.asarray(image)
        by = shown.shape[0] // 12
        assert shown.shape[1] == 3 * 12 * by + 2 * 6
        own = case.arrays.others["photo"][place, ::1, ::1, 0]
        assert np.array_equal(shown[::by, : 12 * by : by, 0], own)
        assert row["said"].startswith(("patch, ", "none, "))
        looked = grad_cam(maps, case.arrays.take([place]), case.called[[place]], (12, 12))
        assert row["where"]["grad_cam"] == say_where(looked[0])


def test_a_personal_image_is_not_shown() -> None:
    found, files = attribute_images(personal(photo_case(), "photo"), _PHOTO, 3, 16)
    assert (found, files) == ({"feature": "photo", "is_personal": True}, {})

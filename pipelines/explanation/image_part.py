"""Images: where a network looked, as pictures and in words."""

from typing import Any

import numpy as np

from pipelines.explanation.case import Case
from pipelines.explanation.grad_cam import grad_cam, last_maps
from pipelines.explanation.heat_map import draw_beside, say_where
from pipelines.explanation.integrated_gradients import integrated_gradients
from pipelines.explanation.network_parts import STANDARD, cut_behind, randomised
from pipelines.explanation.sanity import mean_rank_correlation
from pipelines.explanation.telling_rows import right_and_wrong
from pipelines.explanation.text_part import relative_miss, say_logit
from pipelines.pictures import to_png
from schemas.encode import FeatureColumn


def attribute_images(
    case: Case, column: FeatureColumn, each: int, steps: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Attribute what the network says of ``each`` right and ``each`` wrong images to their pixels.

    Returns:
        The figures, and a PNG file by name for each image: itself, integrated gradients, Grad-CAM.
        A personal image gives neither.
    """
    if case.is_personal(column.name):
        return {"feature": column.name, "is_personal": True}, {}
    shown = right_and_wrong(case, each)
    places = np.array([place for _, place in shown])
    arrays, called = case.arrays.take(places), case.called[places]
    layer = f"{STANDARD}{column.name}"
    found = integrated_gradients(cut_behind(case.network, layer), arrays, called, steps)
    maps = found.values.sum(axis=-1)  # over the channels
    size = (column.shape[0], column.shape[1])
    looked = grad_cam(last_maps(case.network), arrays, called, size)
    blind = randomised(case.network, case.seed)
    other = integrated_gradients(cut_behind(blind, layer), arrays, called, steps)
    blind_looked = grad_cam(last_maps(blind), arrays, called, size)
    rows: list[dict[str, Any]] = []
    files: dict[str, bytes] = {}
    for at, (why, place) in enumerate(shown):
        name = f"{column.name}_{at}.png"
        pixels = arrays.others[column.name][at]
        files[name] = to_png(draw_beside(pixels, [maps[at], looked[at]]))
        where = {"gradients": say_where(maps[at]), "grad_cam": say_where(looked[at])}
        rows.append({"why": why, **case.describe(place), "file": name, "where": where})
    return {
        "feature": column.name,
        "is_personal": False,
        "of": say_logit(case),
        "steps": steps,
        "miss": relative_miss(found),
        "randomised": {
            "gradients": mean_rank_correlation(maps, other.values.sum(axis=-1)),
            "grad_cam": mean_rank_correlation(looked, blind_looked),
        },
        "rows": rows,
    }, files

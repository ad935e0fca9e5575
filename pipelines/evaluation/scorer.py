"""What a Spark worker does with Arrow batches: apply the model, keep what names a row.

An executor's Python process handles many tasks (``spark.python.worker.reuse``); the model is opened
by the first of them and stays.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.evaluation.arrays import to_arrays
from pipelines.evaluation.predict import open_predictor
from schemas.encode import FeatureSet
from schemas.target import PREDICTION, PROBABILITY, Target


@dataclass(frozen=True, slots=True)
class Scorer:
    """A function for ``DataFrame.mapInArrow``: batches of features in, batches of scores out.

    Each row in gives one row out, in order: its ``kept`` columns unchanged, and what the model says
    of it. That is ``probability`` of a label of 0 or 1; of classes ``prediction``, the name of the
    most probable one, and its ``probability``; of a number ``prediction``, in its unit.
    ``digest`` is the SHA-256 that the file ``model`` must have.
    """

    model: str
    digest: str
    features: FeatureSet
    kept: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score ``batches`` one by one; the model is opened before the first."""
        # one thread: Spark already runs as many workers as there are cores
        target = self.features.target
        predict = open_predictor(self.model, self.digest, target, num_threads=1)
        inputs = replace(self.features, label="")
        for batch in batches:
            said = say_of_rows(predict(to_arrays(batch, inputs)), target)
            columns = [batch.column(batch.schema.get_field_index(name)) for name in self.kept]
            names = [*self.kept, *said]
            yield pa.RecordBatch.from_arrays([*columns, *said.values()], names)


def say_of_rows(given: npt.NDArray[np.float64], target: Target) -> dict[str, pa.Array]:
    """Give what a table of predictions holds, by column, see ``prediction_columns``.

    Args:
        given: By ``open_predictor``, (rows,), or of classes (rows, K).
        target: Of the model.
    """
    if target.kind == "number":
        return {PREDICTION: pa.array(given, pa.float64())}
    if target.kind == "binary":
        return {PROBABILITY: pa.array(given, pa.float64())}
    called = given.argmax(axis=1)
    names = pa.array(target.classes, pa.string()).take(pa.array(called))
    own = given[np.arange(len(given)), called]
    return {PREDICTION: names, PROBABILITY: pa.array(own, pa.float64())}

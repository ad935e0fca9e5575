"""What a Spark worker does with Arrow batches: apply the model, keep what names a row.

An executor's Python process handles many tasks (``spark.python.worker.reuse``); the model is opened
by the first of them and stays.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from pipelines.evaluation.arrays import to_arrays
from pipelines.evaluation.predict import open_predictor
from schemas.encode import FeatureSet

PROBABILITY = "probability"


@dataclass(frozen=True, slots=True)
class Scorer:
    """A function for ``DataFrame.mapInArrow``: batches of features in, batches of scores out.

    Each row in gives one row out, in order: its ``kept`` columns unchanged and ``probability``,
    float64. ``digest`` is the SHA-256 that the file ``model`` must have.
    """

    model: str
    digest: str
    features: FeatureSet
    kept: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score ``batches`` one by one; the model is opened before the first."""
        # one thread: Spark already runs as many workers as there are cores
        predict = open_predictor(self.model, self.digest, num_threads=1)
        inputs = replace(self.features, label="")
        for batch in batches:
            score = predict(to_arrays(batch, inputs))
            columns = [batch.column(batch.schema.get_field_index(name)) for name in self.kept]
            names = [*self.kept, PROBABILITY]
            yield pa.RecordBatch.from_arrays([*columns, pa.array(score, pa.float64())], names)

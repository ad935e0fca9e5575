"""Film reviews in the form of IMDB's: each bad text has its fate, the others become tokens."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines import deduplicate, engineer_features, evaluate, impute, ingest, split, train
from pipelines.evaluation.scorer import Scorer
from pipelines.state import file_digest, read_features, read_json
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from pipelines.training import distributed
from pipelines.world import World
from schemas.catalog import dataset
from tests.passed import mark_passed

_GOOD, _BAD = ["fine", "great", "lovely", "superb"], ["poor", "awful", "dull", "weak"]
_PLAIN = [f"word{number}" for number in range(60)]
_BIG = 10 * 2**20


def _review(draw: random.Random, sentiment: str) -> str:
    words = draw.choices(_PLAIN, k=12) + draw.choices(_GOOD if sentiment == "pos" else _BAD, k=3)
    draw.shuffle(words)
    return f"<p>{' '.join(words)}.<br /><br />It&#39;s that.</p>"


def write_reviews(folder: Path) -> Path:
    """240 good reviews, and nine others."""
    draw = random.Random(4)
    texts: dict[str, bytes] = {}
    for given, count in (("train", 80), ("test", 40)):
        for sentiment, stars in (("pos", 8), ("neg", 2)):
            for number in range(count):
                path = f"{given}/{sentiment}/{number}_{stars}.txt"
                texts[path] = _review(draw, sentiment).encode()
    copied = texts["test/neg/3_2.txt"].decode()
    texts |= {
        "train/pos/900_9.txt": b"",
        "train/pos/901_9.txt": b"x" * _BIG,
        "train/pos/902_9.txt": b"caf\xe9 au lait",
        "train/urls_pos.txt": b"http://example.org",
        "train/unsup/903_0.txt": b"nobody has said what this is, nor who wrote it down",
        "test/pos/904_9.txt": b"<br /><br /> ... !!!",
        "train/neg/905_1.txt": copied.replace("<br /><br />", " &nbsp; ").encode(),
        "train/neg/906_1.txt": texts["train/neg/5_2.txt"],
        "train/neg/907_1.txt": b"zebra " * 9_000 + b"okapi",
    }
    for number in range(4):  # a word that the exam alone has
        texts[f"test/pos/{number}_8.txt"] += b" giraffe"
    for path, content in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def road(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, StepResult]:
    """The steps up to the features table, by name."""
    root = tmp_path_factory.mktemp("texts")
    lake, given = str(root / "lake"), (f"reviews={write_reviews(root / 'aclImdb')}",)
    made = {"ingest": ingest.run(spark, ingest.IngestParams("imdb", lake, given))}
    for module in (deduplicate, split, impute, engineer_features):
        last = [*made.values()][-1]
        for table in last.tables:
            mark_passed(parse_version(table))
        name = module.__name__.rpartition(".")[2]
        params = getattr(module, f"{name.title().replace('_', '')}Params")
        made[name] = module.run(spark, params("imdb", lake, last.tables))
    mark_passed(parse_version(made["engineer_features"].tables[0]))
    return made


def test_every_bad_text_has_its_fate(road: dict[str, StepResult]) -> None:
    fates = road["ingest"].rows["reviews"]
    assert (fates.read, fates.kept) == (249, 245)
    assert fates.quarantined == {
        "empty_file": 1, "too_large": 1, "encoding:review": 1, "path": 1,
    }  # fmt: skip
    fates = road["split"].rows["reviews"]
    assert fates.filtered == {"near_other_split": 1, "near_duplicate": 1}
    assert road["split"].details["near_duplicates"]["rows"]["train"]["test"] == 1
    fates = road["engineer_features"].rows["reviews"]
    assert (fates.read, fates.kept, fates.filtered) == (243, 241, {"no_label": 1})
    assert [*fates.quarantined.values()] == [1]
    assert "size(review_tokens) > 0" in next(iter(fates.quarantined))


def test_texts_become_codes_of_a_vocabulary_of_the_training_split(
    spark: SparkSession, road: dict[str, StepResult]
) -> None:
    made = road["engineer_features"]
    features = read_features(Path(made.files["state"]))
    (column,) = features.tokens
    assert (column.name, column.length) == ("review_tokens", 400)
    rows = read_table(spark, parse_version(made.tables[0])).collect()
    assert max(len(row.review_tokens) for row in rows) == 400
    assert {code for row in rows for code in row.review_tokens} <= set(range(1, column.size))
    words = read_json(Path(made.files["state"]))["encode"]["tokens"]["review_tokens"]
    assert {"superb", "weak", "word7"} <= {*words}
    assert "giraffe" not in words
    # words of one text only are out of vocabulary
    (zebra,) = [row for row in rows if row.number == 907]
    assert set(zebra.review_tokens) == {1}


def test_a_network_learns_them_and_batch_and_online_scores_agree(
    spark: SparkSession, road: dict[str, StepResult], tmp_path: Path
) -> None:
    made = road["engineer_features"]
    table, state = made.tables[0], made.files["state"]
    params = train.TrainParams(
        "imdb", table, state, str(tmp_path), epochs=12, global_batch_size=24, memory_mb=50,
        network="bag", embedding_dim=8, hidden=(8,), dropout=0.0, learning_rate=0.03,
    )  # fmt: skip
    distributed.start()
    trained = train.run(params, World(0, 1))
    model = trained.files["model"]
    asked = evaluate.EvaluateParams("imdb", str(tmp_path), table, state, model, resamples=20)
    measured = evaluate.run(asked).details
    assert measured["models"]["network"]["accuracy"] > 0.8
    assert measured["models"]["logistic_regression"]["accuracy"] > 0.8
    features = replace(read_features(Path(state)), label="")
    rows = read_table(spark, parse_version(table)).select("number", "review_tokens").limit(50)
    (batch,) = rows.toArrow().combine_chunks().to_batches()
    scorer = Scorer(model, file_digest(Path(model)), features, ("number",))
    (scored,) = scorer([batch])
    alone = [
        score["probability"][0].as_py()
        for number in range(50)
        for score in scorer([batch.slice(number, 1)])
    ]
    assert scored["probability"].to_pylist() == pytest.approx(alone, abs=1e-6)


def test_the_contract_is_the_published_one() -> None:
    assert dataset("imdb").files[0].num_bytes == 106_455_040

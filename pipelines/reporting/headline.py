"""What a person wants to know first: did it work, is the model good, what needs a look."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.reporting.checks import TableChecks
from pipelines.reporting.rows import RowStage
from pipelines.reporting.run_record import Run

GOOD, WARN, BAD = "good", "warn", "bad"


@dataclass(frozen=True, slots=True)
class Tile:
    """One large figure and what it means."""

    value: str
    label: str
    note: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs a look, as bad as ``status`` says."""

    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Headline:
    """The top of the page; ``status`` is that of the worst concern."""

    status: str
    title: str
    verdict: str
    tiles: tuple[Tile, ...]
    concerns: tuple[Concern, ...]


def make_headline(run: Run, stages: Sequence[RowStage], tables: Sequence[TableChecks]) -> Headline:
    """Judge a run from its steps, its rows by fate and its checks."""
    concerns = [*_errors(run), *_row_concerns(stages), *_check_concerns(tables)]
    concerns += [*_leaks(run), *_model_concerns(run)]
    status = GOOD
    for level in (WARN, BAD):
        if any(concern.status == level for concern in concerns):
            status = level
    evaluation = run.details("evaluate")
    verdict = evaluation.get("verdict", "The model was not measured in this run.")
    concerns.sort(key=lambda concern: concern.status != BAD)
    tiles = (*_model_tiles(run), *_run_tiles(run, stages, tables))
    return Headline(status, _title(run, status), verdict, tiles, tuple(concerns))


def _title(run: Run, status: str) -> str:
    if run.error:
        return f"Stopped at {run.error.get('step', 'an unnamed step')}"
    extent = "Complete" if not run.missing else "Partial run"
    if status == BAD:
        return f"{extent}, with failures"
    return f"{extent}, with warnings" if status == WARN else f"{extent}, nothing to report"


def _errors(run: Run) -> list[Concern]:
    if not run.error:
        return []
    step, words = run.error.get("step", "a step"), run.error.get("message", "no message")
    return [Concern(BAD, f"{step} stopped the run: {words}")]


def _row_concerns(stages: Sequence[RowStage]) -> list[Concern]:
    found = [
        Concern(
            BAD,
            f"{stage.step}, {stage.source}: {abs(stage.fates.unexplained):,} rows "
            f"{'without a fate' if stage.fates.unexplained > 0 else 'with two fates'}",
        )
        for stage in stages
        if stage.fates.unexplained
    ]
    found += [
        Concern(
            WARN,
            f"{stage.step}, {stage.source}: {stage.counts['quarantined']:,} of "
            f"{stage.fates.read:,} rows in quarantine",
        )
        for stage in stages
        if stage.counts["quarantined"]
    ]
    return found


def _leaks(run: Run) -> list[Concern]:
    """Say what is known to the exam: rows that are near copies of rows of a later split."""
    said = run.details("split").get("near_duplicates", {})
    is_out = said.get("across") == "filter"
    end = "taken out of it" if is_out else "left in it: the figures flatter the model"
    return [
        Concern(WARN, f"split: {count:,} rows of {split} are near copies of {other} rows, {end}")
        for split, other in (("train", "test"), ("train", "validation"), ("validation", "test"))
        if (count := said.get("rows", {}).get(split, {}).get(other, 0))
    ]


def _check_concerns(tables: Sequence[TableChecks]) -> list[Concern]:
    found: list[Concern] = []
    for table in tables:
        for status, word, checks in (
            (BAD, "failed", table.failed),
            (WARN, "warning", table.warned),
        ):
            found += [
                Concern(
                    status,
                    f"check {word}, {table.layer} {_short(table.table)}: {check['rule']} of "
                    f"{', '.join(check['columns']) or 'the table'}; expected {check['expected']}, "
                    f"came {check['observed']}",
                )
                for check in checks
            ]
    return found


def _model_concerns(run: Run) -> list[Concern]:
    models = run.details("evaluate").get("models")
    if not models:
        return []
    found: list[Concern] = []
    figure = run.details("evaluate")["compared_by"]
    name, linear = figure["name"], figure["linear"]
    network = models["network"][name]
    gain = network - models[linear][name]
    if (gain >= 0) if figure["is_lower_better"] else (gain <= 0):
        words = linear.replace("_", " ")
        found.append(Concern(BAD, f"the network does not pass {words}"))
    if run.details("evaluate")["trees_win"]:
        trees = models["gradient_boosted_trees"][name]
        said = f"{figure['words']} {_figure(trees)} against {_figure(network)}"
        found.append(Concern(WARN, f"gradient-boosted trees win: {said}"))
    return found


def _model_tiles(run: Run) -> list[Tile]:
    evaluation, registered = run.details("evaluate"), run.details("register")
    tiles: list[Tile] = []
    if evaluation:
        figure, models = evaluation["compared_by"], evaluation["models"]
        key, words = figure["name"], figure["words"]
        words += f" in {figure['unit']}" if figure["unit"] else ""
        interval = evaluation["intervals"][key]
        note = f"95% interval {_figure(interval['low'])} to {_figure(interval['high'])}"
        tiles.append(Tile(_figure(models["network"][key]), f"{words}, network", note))
        for name in (figure["linear"], "gradient_boosted_trees"):
            gain = models["network"][key] - models[name][key]
            said = f"network {'+' if gain >= 0 else '-'}{_figure(abs(gain))}"
            label = f"{words}, {name.replace('_', ' ')}"
            tiles.append(Tile(_figure(models[name][key]), label, said))
    if registered:
        is_champion = registered["is_champion"]
        value = "champion" if is_champion else "not champion"
        status = GOOD if is_champion else WARN
        label = f"{registered['name']} version {registered['version']}"
        former = registered["former_champion"]
        note = "no champion before" if former is None else f"champion before: version {former}"
        tiles.append(Tile(value, label, note, status))
    return tiles


def _run_tiles(run: Run, stages: Sequence[RowStage], tables: Sequence[TableChecks]) -> list[Tile]:
    tiles: list[Tile] = []
    if stages:
        unexplained = sum(abs(stage.fates.unexplained) for stage in stages)
        read = sum(stage.fates.read for stage in stages if stage.step == stages[0].step)
        note = f"{read:,} rows read by {stages[0].step}"
        tiles.append(Tile(f"{unexplained:,}", "rows unexplained", note, _judge(unexplained, 0)))
    if tables:
        failed = sum(len(table.failed) for table in tables)
        warned = sum(len(table.warned) for table in tables)
        total = sum(table.total for table in tables)
        note = f"of {total} checks; {failed} failed, {warned} warned"
        tiles.append(
            Tile(str(total - failed - warned), "checks passed", note, _judge(failed, warned))
        )
    seconds = sum(result.seconds for result in run.steps.values() if not result.is_reused)
    reused = sum(result.is_reused for result in run.steps.values())
    note = f"{len(run.steps)} steps" + (f", {reused} reused" if reused else "")
    tiles.append(Tile(say_seconds(seconds), "time of work", note))
    return tiles


def say_seconds(seconds: float) -> str:
    """Give a duration as people say it.

    >>> say_seconds(134.2), say_seconds(8.25), say_seconds(7230)
    ('2 min 14 s', '8.2 s', '2 h 0 min')
    """
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) < _LARGE else f"{value:,.4g}"


_LARGE = 10


def _judge(failed: int, warned: int) -> str:
    return BAD if failed else WARN if warned else GOOD


def _short(table: str) -> str:
    return table.rsplit("/", 1)[-1]

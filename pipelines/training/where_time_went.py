"""Where the time of a training went, on rank 0, and which setting to change."""

from pipelines.training.settings import Outcome

_MUCH, _MUCH_WAITING = 0.1, 0.25  # of the training time: for rows, for ranks


def where_time_went(outcome: Outcome) -> str:
    """Say on which part of an epoch its seconds went, and what to change."""
    history = outcome.progress.history
    total, train, waited = (
        sum(epoch[name] for epoch in history) for name in ("seconds", "train_s", "input_wait_s")
    )
    said = (
        f"{total:.1f} s of epochs: {(train - waited) / total:.0%} steps, "
        f"{waited / total:.0%} waiting for rows, {1 - train / total:.0%} validation and checkpoints"
    )
    parts, negotiated, reduced = outcome.step_parts, 0.0, 0.0
    if parts:
        negotiated, reduced = parts.negotiate_s / parts.seconds, parts.reduce_s / parts.seconds
        said += (
            f"; of {parts.steps} steps looked at, {negotiated:.0%} waiting for the other ranks and "
            f"{reduced:.0%} all-reduce"
        )
    if waited > _MUCH * train:
        return f"{said}. Rows are what limits it: keep them in memory (--memory-mb)"
    if negotiated > max(reduced, _MUCH_WAITING):
        return (
            f"{said}. Ranks that wait for each other are what limits it: give each rank a core of "
            "its own, or take fewer (--np)"
        )
    if reduced > _MUCH_WAITING:
        return (
            f"{said}. The exchange is what limits it: take a larger --global-batch-size, or send "
            "less (--half-gradients)"
        )
    return f"{said}. Computing is what limits it: a larger --global-batch-size means fewer steps"

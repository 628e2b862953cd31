"""A head and its versions, for people and for programs."""

from typing import TYPE_CHECKING

from frostline.cli.head_progress import step_text
from frostline.cli.output import Column, duration, listed, say, show_fields, show_json, show_table
from frostline.cli.session import Session

if TYPE_CHECKING:
    from frostline.client import Head, HeadVersion, Interval

_SHOWN_CLASSES = 20
_SHOWN_TRIALS = 10


def show_head(head: "Head", session: Session, number: int = 0) -> None:
    """Prints one head, its versions, and of one version what was tried and learned.

    Args:
        head: the head.
        session: knows its reader.
        number: the version that is told of; the one that serves, or the newest, when 0.
    """
    if session.as_json:
        show_json(head)
        return
    show_fields(_head_fields(head))
    if head.versions:
        say("")
        _show_versions(head)
        _show_version(head.version(number) or head.serving or head.versions[0], head)


def show_trained(head: "Head", session: Session) -> None:
    """Prints the newest version of a head."""
    if session.as_json:
        show_json(head)
        return
    version = head.versions[0]
    fields = {"Head": f"{head.name}, version {version.version}", "State": _state(version, head)}
    if version.state == "ready":
        show_fields(fields | _version_fields(version))
        _show_trials(version, head)
    else:
        show_fields(fields)


def _show_versions(head: "Head") -> None:
    columns = (
        Column("VERSION", "right"),
        Column("STATE"),
        Column("RECIPE"),
        Column("EXAMPLES", "right"),
        Column("CLASSES", "right"),
        Column("ACCURACY", "right"),
        Column("TIME", "right"),
        Column("CREATED (UTC)"),
    )
    show_table(columns, (_version_row(head, version) for version in head.versions))
    for version in head.versions:
        if version.step:
            doing = step_text(version.step)
            say(f"Version {version.version} is being trained: {doing}, {percent(version.progress)} done", "dim")
        if version.failure:
            say(f"Version {version.version} failed: {version.failure}", "red")


def percent(share: float | None) -> str:
    """A share as people read it: `87.5 %`; `(unknown)` for None."""
    return "(unknown)" if share is None else f"{100 * share:.1f} %"


def percent_interval(figure: "Interval") -> str:
    """A share and its interval: `87.5 % (75.0 to 95.0)`."""
    return f"{percent(figure.value)} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"


def _show_version(version: "HeadVersion", head: "Head") -> None:
    if version.state == "ready":
        say("")
        show_fields({"Version": str(version.version)} | _version_fields(version))
        _show_trials(version, head)
        _show_classes(version)


def _version_fields(version: "HeadVersion") -> dict[str, str]:
    threshold = version.abstain_threshold
    recipe = f"{version.recipe}, strength {version.strength:g}{_scaled(version.scaling)}"
    if not version.classes:  # it answers numbers
        margin = "(too few examples)" if version.margin is None else f"within {version.margin:.4g}"
        return {
            "Recipe": recipe,
            "Examples": f"{version.example_count:,}",
            "True number": margin,
            "Updates": "exact" if version.exact_updates else "trained anew",
            "Training": duration(version.train_seconds),
        }
    return {
        "Recipe": recipe,
        "Examples": f"{version.example_count:,} of {len(version.classes):,} classes{_spread(version)}",
        "Held-out accuracy": percent(version.held_out_accuracy),
        "Temperature": f"{version.temperature:.3g}",
        "Abstains": f"below a probability of {threshold:.3f}" if threshold else "never",
        "Updates": "exact" if version.exact_updates else "trained anew",
        "Training": duration(version.train_seconds),
    }


def _scaled(scaling: str) -> str:
    """Of which embeddings: `, square root`; nothing where they are as they came."""
    return "" if scaling == "none" else f", {scaling.replace('_', ' ')}"


def _spread(version: "HeadVersion") -> str:
    counts = [found.example_count for found in version.classes]
    if not counts:
        return ""
    fewest, most = min(counts), max(counts)
    return f", {fewest:,} each" if fewest == most else f", {fewest:,} to {most:,} each"


def _head_fields(head: "Head") -> dict[str, object]:
    strength = "" if head.strength is None else f", strength {head.strength:g}"
    dimensions = head.space.dimensions
    balance = ", classes balanced" if head.balance_classes else ""
    whiten = ", whitened" if head.whiten else ""
    augment = f", {head.augment} altered copies of each" if head.augment else ""
    fields: dict[str, object] = {
        "Name": head.name,
        "Description": head.description or "(none)",
        "Takes": (head.encoder or "vectors") + (f", {dimensions} dimensions" if dimensions else ""),
        "Answers": {"labels": "several labels", "value": "a number"}.get(head.task, "one class"),
        "Asked for": f"{head.recipe}{strength}{balance}{whiten}{augment}",
        "Label sets": f"hold the true label in {percent(head.coverage)}",
        "Error": f"below {percent(head.abstain_error)} of answers" if head.abstain_error else "(never abstains)",
        "Serves": f"version {head.serving_version}" if head.serving_version else "(no version yet)",
    }
    if head.descriptions:
        fields["Described"] = listed(sorted(head.descriptions), _SHOWN_CLASSES)
    return fields


def _state(version: "HeadVersion", head: "Head") -> str:
    if version.state == "ready":
        return "ready, and serves" if version.version == head.serving_version else "ready"
    return version.state


def _version_row(head: "Head", version: "HeadVersion") -> tuple[object, ...]:
    return (
        version.version,
        "serves" if version.version == head.serving_version else version.state,
        version.recipe,
        f"{version.example_count:,}" if version.example_count else "",  # not known until it is ready
        f"{len(version.classes):,}" if version.classes else "",
        "" if version.held_out_accuracy is None else percent(version.held_out_accuracy),
        duration(version.train_seconds) if version.state == "ready" else "",
        f"{version.create_time:%Y-%m-%d %H:%M}",
    )


def _show_trials(version: "HeadVersion", head: "Head") -> None:
    if not version.trials:
        return
    # An update tries nothing, and keeps what was measured on the examples before it.
    before = [
        each.version for each in head.versions if each.version < version.version and each.trials == version.trials
    ]
    if before:
        say(f"Recipe and strength are those of version {min(before)}, which says what was tried.", "dim")
        return
    columns = (Column("TRIED"), Column("STRENGTH", "right"), Column("LOG LOSS", "right", "cyan"), Column(""))
    trials = sorted(version.trials, key=lambda trial: trial.log_loss)
    rows: list[tuple[str, ...]] = []
    for trial in trials[:_SHOWN_TRIALS]:
        taken = version.recipe, version.strength, version.scaling
        chosen = (trial.recipe, trial.strength, trial.scaling) == taken
        rows.append(
            (
                trial.recipe + _scaled(trial.scaling),
                f"{trial.strength:g}",
                f"{trial.log_loss:.4f}",
                "chosen" if chosen else "",
            )
        )
    say("")
    show_table(columns, rows)
    if len(trials) > _SHOWN_TRIALS:
        say(f"and {len(trials) - _SHOWN_TRIALS} more", "dim")


def _show_classes(version: "HeadVersion") -> None:
    of_labels = any(found.threshold is not None for found in version.classes)
    if len({found.example_count for found in version.classes}) < 2 and not of_labels:  # all alike, as the fields say
        return
    fewest = sorted(version.classes, key=lambda found: (found.example_count, found.label))[:_SHOWN_CLASSES]
    rows = [[found.label, f"{found.example_count:,}" if found.example_count else "described"] for found in fewest]
    columns = [Column("CLASS", elide=True), Column("EXAMPLES", "right")]
    if of_labels:
        columns.append(Column("GIVEN FROM", "right"))
        rows = [[*row, f"{found.threshold or 0.0:.3f}"] for row, found in zip(rows, fewest, strict=True)]
    say("")
    show_table(columns, rows)
    if len(version.classes) > _SHOWN_CLASSES:
        say(f"and {len(version.classes) - _SHOWN_CLASSES} more with as many or more", "dim")

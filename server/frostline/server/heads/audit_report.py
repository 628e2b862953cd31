"""What is found wrong, or worth a look, in labelled examples."""

from pydantic import BaseModel, ConfigDict

from frostline.server.errors import InvalidInput

MOST_AUDITED = 100_000
"""Each example is compared with each other one: so many take minutes."""
MOST_SHARES = 1 << 26
"""Examples times classes: of each example it is looked at how likely each class is, in 512 MiB."""


class _Found(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Suspect(_Found):
    """An example whose label is probably wrong.

    Attributes:
        position: among the examples.
        label: what it has.
        suggested: what a head that has not seen it takes it for.
        quality: how likely that head finds the label it has, from 0 to 1.
    """

    position: int
    label: str
    suggested: str
    quality: float


class Duplicates(_Found):
    """Examples that are nearly the same.

    Attributes:
        positions: among the examples, two or more, ascending; of many the first ones.
        labels: what each of these has.
        contradictory: whether the labels in the group differ.
    """

    positions: tuple[int, ...]
    labels: tuple[str, ...]
    contradictory: bool


class Outlier(_Found):
    """An example that is unlike all others.

    Attributes:
        position: among the examples.
        label: what it has.
        distance: to the nearest others, in units of what is still usual; above 1.
    """

    position: int
    label: str
    distance: float


class Audit(_Found):
    """What an audit found.

    Attributes:
        example_count: how many examples were looked at.
        suspect_count: how many labels are probably wrong.
        duplicates_count: how many groups are nearly the same.
        outlier_count: how many examples are unlike all others.
        suspects: the labels that are worst first.
        duplicates: the groups, those first that contradict each other.
        outliers: the most unlike first.
    """

    example_count: int
    suspect_count: int
    duplicates_count: int
    outlier_count: int
    suspects: tuple[Suspect, ...]
    duplicates: tuple[Duplicates, ...]
    outliers: tuple[Outlier, ...]


def check_size(examples: int, classes: int) -> None:
    """Refuses what is too much to be audited at once.

    Raises:
        InvalidInput: says what.
    """
    if examples > MOST_AUDITED:
        raise InvalidInput(f"{examples:,} examples are too many; audit at most {MOST_AUDITED:,} at once")
    if examples * classes > MOST_SHARES:
        raise InvalidInput(
            f"{examples:,} examples of {classes:,} classes are too many at once; audit a part of the classes"
        )

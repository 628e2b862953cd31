"""A figure that may be off by chance."""

from pydantic import BaseModel, ConfigDict


class Interval(BaseModel):
    """A figure and the 95 % interval it may be off by chance.

    Attributes:
        value: the figure.
        low: the lower end.
        high: the upper end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    low: float
    high: float

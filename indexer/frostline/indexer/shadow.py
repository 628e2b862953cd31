"""The shadow of a collection: kept like it, sampled, and followed up once callers use it."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import batched

from frostline.client import Client, Record, RecordId
from frostline.indexer.errors import JobStopped
from frostline.indexer.overlap import Question
from frostline.indexer.rows import Rejection

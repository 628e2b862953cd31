"""Enums of the wire by the names that users write and read."""

from collections.abc import Mapping
from typing import Final, TypeVar

from frostline.client.errors import InvalidInput
from frostline.v1 import collection_pb2 as collections_v1
from frostline.v1 import comparison_pb2 as comparisons_v1
from frostline.v1 import embedding_pb2 as v1
from frostline.v1 import encoder_service_pb2 as encoders_v1
from frostline.v1 import head_service_pb2 as heads_v1
from frostline.v1 import recommendation_service_pb2 as recommendations_v1
from frostline.v1 import search_service_pb2 as search_v1
from frostline.v1 import transfer_report_pb2 as transfer_v1
from frostline.v1.collection_service_pb2 import (
    SEGMENT_STATE_QUARANTINED,
    SEGMENT_STATE_UNVERIFIED,
    SEGMENT_STATE_VERIFIED,
)

N = TypeVar("N", bound=int)

DTYPES: Final = {
    "float32": v1.DTYPE_FLOAT32,
    "float16": v1.DTYPE_FLOAT16,
    "int8": v1.DTYPE_INT8,
    "binary": v1.DTYPE_BINARY,
}
TRUNCATES: Final = {"right": v1.TRUNCATE_RIGHT, "left": v1.TRUNCATE_LEFT, "error": v1.TRUNCATE_ERROR}
METRICS: Final = {"cosine": v1.METRIC_COSINE, "dot": v1.METRIC_DOT, "euclidean": v1.METRIC_EUCLIDEAN}
POOLINGS: Final = {
    "none": v1.POOLING_UNSPECIFIED,
    "mean": v1.POOLING_MEAN,
    "cls": v1.POOLING_CLS,
    "last_token": v1.POOLING_LAST_TOKEN,
}
MODALITIES: Final = {"text": encoders_v1.MODALITY_TEXT, "image": encoders_v1.MODALITY_IMAGE}
STATES: Final = {
    "receiving": encoders_v1.AddEncoderResponse.STATE_RECEIVING,
    "building": encoders_v1.AddEncoderResponse.STATE_BUILDING,
    "verifying": encoders_v1.AddEncoderResponse.STATE_VERIFYING,
    "ready": encoders_v1.AddEncoderResponse.STATE_READY,
}
FIELD_KINDS: Final = {
    "keyword": collections_v1.FIELD_KIND_KEYWORD,
    "integer": collections_v1.FIELD_KIND_INTEGER,
    "float": collections_v1.FIELD_KIND_FLOAT,
    "boolean": collections_v1.FIELD_KIND_BOOLEAN,
    "timestamp": collections_v1.FIELD_KIND_TIMESTAMP,
    "geo": collections_v1.FIELD_KIND_GEO,
}
INDEX_KINDS: Final = {
    "auto": collections_v1.INDEX_KIND_AUTO,
    "flat": collections_v1.INDEX_KIND_FLAT,
    "ivf_pq": collections_v1.INDEX_KIND_IVF_PQ,
    "hnsw": collections_v1.INDEX_KIND_HNSW,
    "rabitq": collections_v1.INDEX_KIND_RABITQ,
}
DURABILITIES: Final = {"full": collections_v1.DURABILITY_FULL, "relaxed": collections_v1.DURABILITY_RELAXED}
SEGMENT_STATES: Final = {
    "unverified": SEGMENT_STATE_UNVERIFIED,
    "verified": SEGMENT_STATE_VERIFIED,
    "quarantined": SEGMENT_STATE_QUARANTINED,
}
SEARCH_MODES: Final = {
    "vector": search_v1.SEARCH_MODE_VECTOR,
    "keyword": search_v1.SEARCH_MODE_KEYWORD,
    "hybrid": search_v1.SEARCH_MODE_HYBRID,
}
FUSION_METHODS: Final = {
    "reciprocal_rank": search_v1.FUSION_METHOD_RECIPROCAL_RANK,
    "weighted_score": search_v1.FUSION_METHOD_WEIGHTED_SCORE,
}
RECIPES: Final = {
    "auto": heads_v1.RECIPE_AUTO,
    "logistic": heads_v1.RECIPE_LOGISTIC,
    "ridge": heads_v1.RECIPE_RIDGE,
    "lda": heads_v1.RECIPE_LDA,
    "nearest_mean": heads_v1.RECIPE_NEAREST_MEAN,
    "linear_svm": heads_v1.RECIPE_LINEAR_SVM,
    "nearest_neighbors": heads_v1.RECIPE_NEAREST_NEIGHBORS,
    "perceptron": heads_v1.RECIPE_PERCEPTRON,
}
HEAD_TASKS: Final = {
    "class": heads_v1.HEAD_TASK_CLASS,
    "labels": heads_v1.HEAD_TASK_LABELS,
    "value": heads_v1.HEAD_TASK_VALUE,
}
FEATURE_SCALINGS: Final = {
    "auto": heads_v1.FEATURE_SCALING_AUTO,
    "none": heads_v1.FEATURE_SCALING_NONE,
    "unit_length": heads_v1.FEATURE_SCALING_UNIT_LENGTH,
    "square_root": heads_v1.FEATURE_SCALING_SQUARE_ROOT,
}
HEAD_STATES: Final = {
    "training": heads_v1.HEAD_STATE_TRAINING,
    "ready": heads_v1.HEAD_STATE_READY,
    "failed": heads_v1.HEAD_STATE_FAILED,
}
TRANSFER_VERDICTS: Final = {
    "positive": transfer_v1.TRANSFER_VERDICT_POSITIVE,
    "neutral": transfer_v1.TRANSFER_VERDICT_NEUTRAL,
    "negative": transfer_v1.TRANSFER_VERDICT_NEGATIVE,
    "inconclusive": transfer_v1.TRANSFER_VERDICT_INCONCLUSIVE,
}
TRANSFER_DISTANCES: Final = {
    "": comparisons_v1.TRANSFER_DISTANCE_UNSPECIFIED,
    "near": comparisons_v1.TRANSFER_DISTANCE_NEAR,
    "between": comparisons_v1.TRANSFER_DISTANCE_BETWEEN,
    "far": comparisons_v1.TRANSFER_DISTANCE_FAR,
}
EXPORT_FORMATS: Final = {
    "archive": heads_v1.EXPORT_FORMAT_ARCHIVE,
    "head-onnx": heads_v1.EXPORT_FORMAT_HEAD_ONNX,
    "onnx": heads_v1.EXPORT_FORMAT_ONNX,
}
LABEL_STRATEGIES: Final = {
    "uncertainty": heads_v1.LABEL_STRATEGY_UNCERTAINTY,
    "margin": heads_v1.LABEL_STRATEGY_MARGIN,
    "coverage": heads_v1.LABEL_STRATEGY_COVERAGE,
}
STRATEGIES: Final = {
    "auto": recommendations_v1.STRATEGY_AUTO,
    "popular": recommendations_v1.STRATEGY_POPULAR,
    "fresh": recommendations_v1.STRATEGY_FRESH,
    "content": recommendations_v1.STRATEGY_CONTENT,
    "item_neighbors": recommendations_v1.STRATEGY_ITEM_NEIGHBORS,
    "ease": recommendations_v1.STRATEGY_EASE,
    "factors": recommendations_v1.STRATEGY_FACTORS,
    "average_vector": recommendations_v1.STRATEGY_AVERAGE_VECTOR,
    "best_score": recommendations_v1.STRATEGY_BEST_SCORE,
    "sum_scores": recommendations_v1.STRATEGY_SUM_SCORES,
}


def number_of(names: Mapping[str, N], name: str, what: str) -> N:
    """The number of a name.

    Raises:
        InvalidInput: there is no such name.
    """
    if name not in names:
        raise InvalidInput(f"{what} {name!r} is unknown; it is one of {', '.join(names)}")
    return names[name]


def name_of(names: Mapping[str, int], number: int) -> str:
    """The name of a number; the number itself where this client is older than its server."""
    return next((name for name, known in names.items() if known == number), str(number))

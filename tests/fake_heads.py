"""Heads of the fake server: they remember labels, and answer by the length of a text."""

import numpy as np

from fake_calls import Code, fails, item_error
from fake_encoders import SPACE
from fake_records import FakeRecords
from frostline.v1 import comparison_pb2
from frostline.v1 import drift_pb2 as drift_v1
from frostline.v1 import embedding_pb2 as v1
from frostline.v1 import head_service_pb2 as heads_v1
from frostline.v1 import label_audit_pb2 as audit_v1
from frostline.v1 import label_suggestion_pb2 as suggestion_v1
from frostline.v1.head_service_pb2_grpc import HeadServiceServicer
from frostline.v1.interval_pb2 import Interval
from frostline.wire import tensors
from frostline.wire.reasons import Reason


def audited(position, label, record_id=""):
    return audit_v1.AuditedExample(position=position, record_id=record_id, label=label)


TRIALS = [
    heads_v1.Trial(recipe=heads_v1.RECIPE_LDA, strength=0.5, log_loss=0.75),
    heads_v1.Trial(recipe=heads_v1.RECIPE_RIDGE, strength=10.0, log_loss=0.5),
    heads_v1.Trial(recipe=heads_v1.RECIPE_RIDGE, strength=1.0, log_loss=0.625),
]
EVALUATION = heads_v1.Evaluation(
    version=1,
    example_count=40,
    accuracy=Interval(value=0.875, low=0.75, high=0.95),
    macro_f1=Interval(value=0.8, low=0.7, high=0.9),
    calibration_error=0.03,
    log_loss=0.4,
    overfitting_gap=0.1,
    abstain_auroc=0.85,
    abstained_share=0.25,
    answered_accuracy=0.96,
    set_coverage=0.9,
    mean_set_size=1.5,
    classes=[
        heads_v1.ClassEvaluation(label="cat", support=20, precision=0.9, recall=0.95, f1=0.92),
        heads_v1.ClassEvaluation(label="dog", support=15, precision=0.85, recall=0.8, f1=0.82),
        heads_v1.ClassEvaluation(label="owl", support=5, precision=0.75, recall=0.6, f1=0.66),
    ],
    confusion=[19, 1, 0, 2, 12, 1, 0, 2, 3],
)
_HALF = heads_v1.GroupAnswers(share=0.5)
GROUPS = heads_v1.GroupComparison(
    groups=[
        heads_v1.GroupEvaluation(
            group=name,
            example_count=20,
            accuracy=Interval(value=accuracy, low=accuracy - 0.1, high=accuracy + 0.1),
            macro_f1=Interval(value=0.5, low=0.25, high=0.75),
            abstained_share=0.25,
            set_coverage=0.9,
        )
        for name, accuracy in (("adult", 0.875), ("kitten", 0.75))
    ],
    best="adult",
    worst="kitten",
    gap=Interval(value=0.125, low=-0.05, high=0.25),
    p_value=0.25,
    mitigation=heads_v1.GroupMitigation(
        error=0.125,
        thresholds=[
            heads_v1.GroupThreshold(
                group="adult", threshold=0.25, before=_HALF, after=heads_v1.GroupAnswers(share=1, accuracy=0.875)
            ),
            heads_v1.GroupThreshold(group="kitten", threshold=2, before=_HALF, after=heads_v1.GroupAnswers(share=0)),
        ],
        gap_before=Interval(value=0.125, low=0, high=0.25),
    ),
    small=[heads_v1.SmallGroup(group="senior", example_count=3)],
)
DRIFT = drift_v1.Drift(
    version=1,
    example_count=40,
    input_count=6,
    p_value=0.002,
    separability=0.9,
    expected_score=0.125,
    shifted=[
        drift_v1.ShiftedInput(position=4, score=1.0),
        drift_v1.ShiftedInput(position=1, score=0.5),
        drift_v1.ShiftedInput(position=9, record_id="r9", score=0.25),
    ],
)
AUDIT = audit_v1.LabelAudit(
    example_count=40,
    suspect_count=3,
    duplicates_count=1,
    outlier_count=1,
    suspects=[audit_v1.SuspectLabel(example=audited(1, "dog"), suggested_label="cat", quality=0.125)],
    duplicates=[audit_v1.DuplicateExamples(examples=[audited(0, "cat"), audited(2, "owl", "r2")], contradictory=True)],
    outliers=[audit_v1.OutlyingExample(example=audited(7, "owl"), distance=1.5)],
)
SUGGESTIONS = suggestion_v1.LabelSuggestions(
    version=1,
    input_count=6,
    suggestions=[
        suggestion_v1.LabelSuggestion(position=1, score=0.75, label="cat", probability=0.5),
        suggestion_v1.LabelSuggestion(position=0, record_id="r0", score=0.5, label="owl", probability=0.625),
    ],
)
COST = comparison_pb2.ComparisonCost(
    example_count=3,
    seen_count=2,
    candidates=[
        comparison_pb2.CandidateCost(encoder="encoders/tiny", space=SPACE, embed_seconds=30, compare_seconds=0.5),
        comparison_pb2.CandidateCost(encoder="encoders/wide", space=SPACE, embed_seconds=60, compare_seconds=0.75),
    ],
    seconds=91.25,
)
COMPARISON = comparison_pb2.Comparison(
    example_count=3,
    class_count=2,
    encoders=[
        comparison_pb2.ComparedEncoder(
            encoder="encoders/wide",
            space=SPACE,
            accuracy=Interval(value=0.9, low=0.85, high=0.95),
            behind=Interval(),
            tied=True,
            penalty=0.1,
            log_evidence=0.75,
            h_score=1.5,
            neighbor_accuracy=0.875,
            separability=Interval(value=0.25, low=0.125, high=0.375),
            distance=comparison_pb2.TRANSFER_DISTANCE_NEAR,
            embed_seconds=61,
        ),
        comparison_pb2.ComparedEncoder(
            encoder="encoders/tiny",
            space=SPACE,
            accuracy=Interval(value=0.6, low=0.5, high=0.7),
            behind=Interval(value=0.3, low=0.2, high=0.4),
            penalty=10,
            log_evidence=-0.25,
            h_score=0.5,
            neighbor_accuracy=0.5,
            embed_seconds=29,
        ),
    ],
)
PREDICTED_RECORDS = heads_v1.PredictRecordsResponse(
    progress=1,
    version=1,
    written_count=8,
    unchanged_count=3,
    unlabelled_count=1,
    skipped_count=2,
    labels=[heads_v1.LabelCount(label="cat", count=7), heads_v1.LabelCount(label="dog", count=3)],
    sequence=9,
)
ARCHIVE = b"PK" + bytes(range(256)) * 20


class FakeHeads(FakeRecords, HeadServiceServicer):
    """Keeps heads.

    Attributes:
        heads: by the wire's name.
        failure: why trainings fail; they do not when empty.
        reports: what a training reports, beside its beginning and end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heads: dict[str, heads_v1.Head] = {}
        self.failure = ""
        self.reports = [("choosing", 0.25), ("fitting", 0.75)]

    def CreateHead(self, request, context):
        self._enter("CreateHead", request, context)
        if request.encoder not in ("", "encoders/tiny", "encoders/all-minilm-l6-v2"):
            fails(Code.NOT_FOUND, f"no encoder {request.encoder!r}", Reason.NOT_FOUND)(context)
        if any(example.text == "bad" for example in request.examples.examples):
            fails(Code.INVALID_ARGUMENT, "example 0 is bad; leave it out", Reason.INVALID_INPUT)(context)
        name = f"heads/{request.head_id}"
        head = self.heads.setdefault(name, heads_v1.Head(name=name, space=SPACE))
        head.description, head.encoder = request.description, request.encoder
        head.options.CopyFrom(request.options)
        return self._begun(head, self._labels(request.examples), request.options)

    def UpdateHead(self, request, context):
        self._enter("UpdateHead", request, context)
        head = self._head(request.name, context)
        before = [found.label for found in head.versions[0].classes for _ in range(found.example_count)]
        removed = self._labels(request.removed)
        for label in removed:
            before.remove(label)
        kept = [label for label in before if label not in request.removed_classes]
        return self._begun(head, kept + self._labels(request.added), head.options)

    def MergeHeads(self, request, context):
        self._enter("MergeHeads", request, context)
        labels = ["archived"] * sum(part.WhichOneof("kind") == "archive" for part in request.parts)
        for part in request.parts:
            if part.head:
                labels += [found.label for found in self._head(part.head, context).versions[0].classes]
        name = f"heads/{request.head_id}"
        self.heads[name] = heads_v1.Head(name=name, description=request.description, space=SPACE)
        return self._begun(self.heads[name], labels, heads_v1.HeadOptions(recipe=heads_v1.RECIPE_RIDGE))

    def WatchHead(self, request, context):
        self._enter("WatchHead", request, context)
        head = self._head(request.name, context)
        answers_left = self.breaks["WatchHead"].popleft() if self.breaks["WatchHead"] else -1
        yield heads_v1.WatchHeadResponse(step="starting", head=head)
        if head.versions[0].state != heads_v1.HEAD_STATE_TRAINING:
            return
        for step, progress in self.reports:
            if answers_left == 0:
                fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)(context)
            answers_left -= 1
            yield heads_v1.WatchHeadResponse(step=step, progress=progress)
        self._finish(head)
        yield heads_v1.WatchHeadResponse(step="writing", progress=1.0, head=head)

    def CancelHead(self, request, context):
        self._enter("CancelHead", request, context)
        newest = self._head(request.name, context).versions[0]
        if newest.state != heads_v1.HEAD_STATE_TRAINING:
            fails(Code.FAILED_PRECONDITION, "it is not being trained", "HEAD_NOT_READY")(context)
        newest.state = heads_v1.HEAD_STATE_FAILED
        newest.failure = "cancelled while it was trained"
        return self._head(request.name, context)

    def GetHead(self, request, context):
        self._enter("GetHead", request, context)
        return self._head(request.name, context)

    def ListHeads(self, request, context):
        self._enter("ListHeads", request, context)
        page, token = self._page(sorted(self.heads), request.page_token)
        return heads_v1.ListHeadsResponse(heads=[self.heads[name] for name in page], next_page_token=token)

    def RollbackHead(self, request, context):
        self._enter("RollbackHead", request, context)
        head = self._head(request.name, context)
        ready = [found.version for found in head.versions if found.state == heads_v1.HEAD_STATE_READY]
        wanted = request.version or max((number for number in ready if number < head.serving_version), default=0)
        if wanted not in ready:
            fails(Code.FAILED_PRECONDITION, f"version {wanted} is not ready", "HEAD_NOT_READY")(context)
        head.serving_version = wanted
        return head

    def DeleteHead(self, request, context):
        self._enter("DeleteHead", request, context)
        self._head(request.name, context)
        del self.heads[request.name]
        return heads_v1.DeleteHeadResponse()

    def Predict(self, request, context):
        self._enter("Predict", request, context)
        return self._predicted(request, self._head(request.head, context))

    def _predicted(self, request, head):
        version = request.version or head.serving_version
        classes = [found.label for found in head.versions[-version].classes]
        texts = [item.text if item.WhichOneof("kind") == "text" else item.image.hex() for item in request.inputs]
        if request.HasField("vectors"):
            texts = ["x" * int(np.argmax(row)) for row in tensors.decode(request.vectors)]
        limit = min(request.limit or 1, len(classes))
        answer = heads_v1.PredictResponse(classes=classes, version=version, timings=v1.Timings(inference_seconds=0.5))
        for index, text in enumerate(texts):
            bad = text == "bad"
            places = [(len(text) + rank) % len(classes) for rank in range(len(classes))]
            label_set = [] if bad else places[: 2 if text.endswith("?") else 1]
            answer.labels.extend([-1] * limit if bad else places[:limit])
            answer.abstained.append(text.endswith("?"))
            answer.set_sizes.append(len(label_set))
            answer.set_labels.extend(label_set)
            if bad:
                answer.errors.append(item_error(index))
        ranks = np.array([0.75 / 2**rank for rank in range(limit)], np.float32)
        answer.probabilities.CopyFrom(tensors.encode(np.tile(ranks, (len(texts), 1))))
        answer.out_of_scope.CopyFrom(tensors.encode(np.array([len(text) / 64 for text in texts], np.float32)))
        return answer

    def PredictRecords(self, request, context):
        self._enter("PredictRecords", request, context)
        version = request.version or self._head(request.head, context).serving_version
        answers_left = self.breaks["PredictRecords"].popleft() if self.breaks["PredictRecords"] else -1
        for progress in (0.0, 0.5):
            if answers_left == 0:
                fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)(context)
            answers_left -= 1
            yield heads_v1.PredictRecordsResponse(progress=progress, version=version, written_count=int(progress * 10))
        yield PREDICTED_RECORDS

    def EvaluateHead(self, request, context):
        self._enter("EvaluateHead", request, context)
        self._head(request.head, context)
        grouped = bool(request.examples.groups or request.examples.records.group_field)
        answer = heads_v1.Evaluation(groups=GROUPS if grouped else None)
        answer.MergeFrom(EVALUATION)
        return answer

    def MeasureDrift(self, request, context):
        self._enter("MeasureDrift", request, context)
        self._head(request.head, context)
        yield from self._steps("MeasureDrift", heads_v1.MeasureDriftResponse, "comparing", context)
        yield heads_v1.MeasureDriftResponse(progress=1.0, drift=DRIFT)

    def AuditLabels(self, request, context):
        self._enter("AuditLabels", request, context)
        yield from self._steps("AuditLabels", heads_v1.AuditLabelsResponse, "judging labels", context)
        yield heads_v1.AuditLabelsResponse(progress=1.0, audit=AUDIT)

    def SuggestLabels(self, request, context):
        self._enter("SuggestLabels", request, context)
        yield from self._steps("SuggestLabels", heads_v1.SuggestLabelsResponse, "selecting", context)
        yield heads_v1.SuggestLabelsResponse(progress=1.0, suggestions=SUGGESTIONS)

    def _steps(self, method, response, step, context):
        """How far an answer is; breaks off where that is asked for."""
        yield response(step="starting")
        if self.breaks[method]:
            self.breaks[method].popleft()
            fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)(context)
        yield response(step=step, progress=0.5)

    def CompareEncoders(self, request, context):
        self._enter("CompareEncoders", request, context)
        yield heads_v1.CompareEncodersResponse(cost=COST)
        if request.validate_only:
            return
        for step, progress in (("embedding", 0.25), ("comparing", 0.75)):
            yield heads_v1.CompareEncodersResponse(step=step, progress=progress)
        if "nothing" not in request.layers:
            yield heads_v1.CompareEncodersResponse(progress=1.0, comparison=COMPARISON)

    def ExportHead(self, request, context):
        self._enter("ExportHead", request, context)
        self._head(request.name, context)
        for start in range(0, len(ARCHIVE), 1000):
            yield heads_v1.ExportHeadResponse(data=ARCHIVE[start : start + 1000])

    def _head(self, name, context):
        if name not in self.heads:
            fails(Code.NOT_FOUND, f"no head {name!r}", Reason.NOT_FOUND)(context)
        return self.heads[name]

    def _labels(self, examples):
        labels = [*(example.label for example in examples.examples), *examples.labels]
        return labels + ["recorded"] * (len(self.records) if examples.HasField("records") else 0)

    def _begun(self, head, labels, options):
        version = heads_v1.HeadVersion(
            version=len(head.versions) + 1,
            state=heads_v1.HEAD_STATE_TRAINING,
            recipe=options.recipe,
            strength=options.strength,
            example_count=len(labels),
            classes=[
                heads_v1.HeadClass(label=label, example_count=labels.count(label))
                for label in sorted({*labels, *options.descriptions})
            ],
        )
        version.create_time.FromSeconds(10**9)
        versions = [version, *head.versions]
        del head.versions[:]
        head.versions.extend(versions)
        return head

    def _finish(self, head):
        version = head.versions[0]
        if self.failure:
            version.state, version.failure = heads_v1.HEAD_STATE_FAILED, self.failure
            return
        version.state, head.serving_version = heads_v1.HEAD_STATE_READY, version.version
        version.recipe, version.strength = heads_v1.RECIPE_RIDGE, 10.0
        version.trials.extend(TRIALS)
        version.held_out_accuracy, version.temperature, version.train_seconds = 0.875, 1.5, 2.5
        version.abstain_threshold, version.exact_updates = 0.4 if head.options.abstain_error else 0.0, True

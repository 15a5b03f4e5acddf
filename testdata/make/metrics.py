"""Writes testdata/metrics/cases.json: metrics of classes, probabilities and numbers, by scikit-learn.

    python testdata/make/metrics.py

Scores and targets that Plexus holds in f32 are rounded to f32 first and measured in f64, so that a test starts from the
same numbers. What scikit-learn does not define (an area without positive rows) is null. The expected calibration error is
not in scikit-learn: it is summed here over the bins of its `calibration_curve`.
"""

import json
import pathlib
import warnings
import zlib

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.dummy import DummyClassifier, DummyRegressor

TESTDATA = pathlib.Path(__file__).resolve().parent.parent
LINE = 118


def rng(name):
    """A generator seeded by the name of a case, so that a new case does not change the others."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def f32(values):
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def calibration(probability, happened):
    """Rows, mean probability and share of each bin with rows, and the expected calibration error."""
    observed, predicted = calibration_curve(happened, probability, n_bins=10, strategy="uniform")
    # The bins of calibration_curve, which does not give the counts.
    bins = np.searchsorted(np.linspace(0.0, 1.0, 11)[1:-1], probability)
    rows = np.bincount(bins, minlength=10)
    rows = rows[rows > 0]
    assert len(rows) == len(observed)
    error = float(np.sum(rows * np.abs(observed - predicted)) / len(probability))
    return {"rows": rows.tolist(), "predicted": predicted.tolist(), "observed": observed.tolist(), "error": error}


def two_classes(name, scores, positive):
    scores, positive = f32(scores), np.asarray(positive, dtype=int)
    both = 0 < positive.sum() < len(positive)
    false_positive_rate, recall, thresholds = metrics.roc_curve(positive, scores, drop_intermediate=False)
    precision, _, of_precision = metrics.precision_recall_curve(positive, scores, drop_intermediate=False)
    assert np.array_equal(of_precision, thresholds[1:][::-1])
    at = []
    for threshold in [0.0, 0.3, 0.5, 0.7, 1.0]:
        answers = (scores >= threshold).astype(int)
        found = metrics.precision_recall_fscore_support(positive, answers, labels=[1], zero_division=0)
        at.append({"threshold": threshold, "precision": found[0][0], "recall": found[1][0], "f1": found[2][0],
                   "confusion": metrics.confusion_matrix(positive, answers, labels=[0, 1]).ravel().tolist()})
    # The first threshold of roc_curve is above all scores; a rate that has nothing below the line is NaN.
    rates = {"false_positive_rate": false_positive_rate[1:], "recall": recall[1:]}
    return {
        "name": name, "scores": scores.tolist(), "positive": positive.tolist(),
        "roc_auc": metrics.roc_auc_score(positive, scores) if both else None,
        "average_precision": metrics.average_precision_score(positive, scores) if positive.sum() else None,
        "thresholds": thresholds[1:].tolist(),
        **{key: None if np.isnan(rate).any() else rate.tolist() for key, rate in rates.items()},
        "precision": precision[:-1][::-1].tolist(),
        "at": at,
        "brier": metrics.brier_score_loss(positive, scores, labels=[0, 1], pos_label=1),
        "calibration": calibration(scores, positive),
    }


def several_classes(name, probabilities, targets):
    probabilities, targets = f32(probabilities), np.asarray(targets)
    classes = probabilities.shape[1]
    answers = probabilities.argmax(axis=1)
    areas = [metrics.roc_auc_score(targets == c, probabilities[:, c])
             for c in range(classes) if 0 < (targets == c).sum() < len(targets)]
    if len(areas) == classes > 2:
        whole = metrics.roc_auc_score(targets, probabilities / probabilities.sum(axis=1, keepdims=True),
                                      multi_class="ovr", average="macro")
        assert abs(whole - np.mean(areas)) < 1e-3
    # By hand: scikit-learn wants rows that sum to 1 in f64.
    truth = np.eye(classes)[targets]
    brier = float(np.mean(np.sum((probabilities - truth) ** 2, axis=1)) * (0.5 if classes == 2 else 1.0))
    normal = probabilities / probabilities.sum(axis=1, keepdims=True)
    assert abs(brier - metrics.brier_score_loss(targets, normal, labels=list(range(classes)))) < 1e-5
    macro = metrics.precision_recall_fscore_support(targets, answers, average="macro", zero_division=0)
    dummy = DummyClassifier(strategy="most_frequent").fit(probabilities, targets)
    return {
        "name": name, "classes": classes, "probabilities": probabilities.ravel().tolist(), "targets": targets.tolist(),
        "accuracy": metrics.accuracy_score(targets, answers),
        "balanced_accuracy": metrics.balanced_accuracy_score(targets, answers),
        "macro_precision": macro[0], "macro_recall": macro[1], "macro_f1": macro[2],
        "baseline_accuracy": dummy.score(probabilities, targets), "most_frequent": int(dummy.predict(probabilities)[0]),
        "macro_roc_auc": float(np.mean(areas)) if len(areas) > 1 else None,
        "brier": brier,
        "calibration": calibration(probabilities.max(axis=1), targets == answers),
    }


def numbers(name, targets, predicted):
    targets, predicted = f32(targets), f32(predicted)
    mean = DummyRegressor(strategy="mean").fit(targets[:, None], targets).predict(targets[:, None])
    r2 = metrics.r2_score(targets, predicted)
    return {
        "name": name, "targets": targets.tolist(), "predicted": predicted.tolist(),
        "rmse": metrics.root_mean_squared_error(targets, predicted),
        "mae": metrics.mean_absolute_error(targets, predicted),
        # One row has no spread; scikit-learn gives NaN there, Plexus treats it as a constant target.
        "r2": None if np.isnan(r2) else r2,
        "baseline_rmse": metrics.root_mean_squared_error(targets, mean),
    }


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cases():
    def draw(name, rows, share, decimals=None):
        random = rng(name)
        positive = random.random(rows) < share
        scores = 1 / (1 + np.exp(-random.normal(np.where(positive, 0.8, -0.8), 1.2)))
        return two_classes(name, scores if decimals is None else scores.round(decimals), positive)

    two = [
        draw("no-ties", 120, 0.4),
        draw("many-ties", 200, 0.4, 1),
        draw("rare-positives-and-ties", 250, 0.04, 2),
        two_classes("all-scores-equal", [0.5] * 7, [1, 0, 1, 0, 0, 0, 1]),
        two_classes("perfect", [0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]),
        two_classes("upside-down", [0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]),
        two_classes("zeros-and-ones", [0, 1, 1, 0, 1, 0], [0, 1, 0, 1, 1, 0]),
        two_classes("on-the-edges-of-bins", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.0, 0.5], [0, 1] * 6),
        two_classes("no-positive-rows", [0.2, 0.7, 0.7], [0, 0, 0]),
        two_classes("only-positive-rows", [0.2, 0.7, 0.7], [1, 1, 1]),
        two_classes("one-row", [0.6], [1]),
        two_classes("one-row-of-the-other", [0.6], [0]),
    ]

    def several(name, rows, classes, lacking=()):
        random = rng(name)
        targets = random.choice([c for c in range(classes) if c not in lacking], size=rows)
        logits = random.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[targets]
        return several_classes(name, softmax(logits), targets)

    many = [
        several("two", 60, 2),
        several("three", 80, 3),
        several("ten", 120, 10),
        several("one-class-missing", 60, 4, lacking=[2]),
        several("two-of-five", 40, 5, lacking=[0, 1, 3]),
        several_classes("ties", [[0.25] * 4, [0.5, 0.5, 0, 0], [0, 0.5, 0, 0.5], [0.25] * 4], [0, 1, 3, 3]),
        several_classes("a-tie-of-classes", [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], [2, 1]),
        several_classes("one-row", [[0.25, 0.5, 0.25]], [1]),
    ]

    random = rng("numbers")
    targets = random.normal(50, 12, 90)
    regression = [
        numbers("usual", targets, targets + random.normal(0, 5, 90)),
        numbers("worse-than-the-mean", targets[:30], random.normal(50, 40, 30)),
        numbers("far-from-zero", 1e6 + np.arange(20) / 4, 1e6 + np.arange(20) / 4 + (-1.0) ** np.arange(20)),
        numbers("constant-target", [3.5] * 5, [3.5, 3.5, 4, 3, 3.5]),
        numbers("constant-target-exact", [3.5] * 5, [3.5] * 5),
        numbers("one-row", [2.5], [3.0]),
    ]
    return {"two_classes": two, "several_classes": many, "numbers": regression}


def written(value, indent=0):
    """JSON with one line a field, long lists broken between two numbers; `repr` gives every f64 back."""
    pad = " " * indent
    if isinstance(value, dict) and indent < 6:
        fields = [f"{pad}  {json.dumps(key)}: {written(field, indent + 2)}" for key, field in value.items()]
        return "{\n" + ",\n".join(fields) + f"\n{pad}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"{pad}  {written(one, indent + 2)}" for one in value) + f"\n{pad}]"
    text = json.dumps(value, allow_nan=False)
    if len(text) < LINE or not isinstance(value, list):
        return text
    lines, current = [], ""
    for number in text[1:-1].split(", "):
        if len(current) + len(number) + 4 + indent > LINE:
            lines.append(f"{pad}  {current.rstrip()}")
            current = ""
        current += number + ", "
    return "[\n" + "\n".join([*lines, f"{pad}  {current.rstrip(', ')}"]) + f"\n{pad}]"


def main():
    # Rows that lack a class are what some cases are about.
    warnings.simplefilter("ignore")
    made_by = f"testdata/make/metrics.py with scikit-learn {sklearn.__version__}, NumPy {np.__version__}"
    text = written({"made_by": made_by, **cases()}) + "\n"
    json.loads(text)
    path = TESTDATA / "metrics" / "cases.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    print(f"{path.relative_to(TESTDATA.parent)}: {len(text):,} bytes")


if __name__ == "__main__":
    main()

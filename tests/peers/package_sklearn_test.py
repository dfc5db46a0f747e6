"""scikit-learn's own checks of an estimator over normkit.sklearn.Classifier."""

import pathlib

import numpy as np
from normkit.sklearn import Classifier
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks


@parametrize_with_checks([Classifier(max_epochs=20)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_iris():
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    assert cross_val_score(Classifier(norm="layer", random_state=1), x, names, cv=3).mean() > 0.9


def test_the_code_of_the_document_runs():
    text = pathlib.Path(__file__).resolve().parents[2].joinpath("docs/python.md").read_text()
    blocks = [block.partition("\n```")[0] for block in text.split("```python\n")[1:]]
    (block,) = [block for block in blocks if "sklearn" in block]
    exec(block, {})

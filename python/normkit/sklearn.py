"""scikit-learn's interface: a perceptron with normalization, `Classifier().fit(x, y).predict(x)`."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted, validate_data  # type: ignore[import-untyped]

from . import _networks


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fully connected layers of `hidden` sizes, each with a normalization and a ReLU, on standardized features.

    norm: "batch", "layer", "group:4", ... ; options: those of docs/options.md by name, in a dict.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (64, 64),
        norm: str = "batch",
        max_epochs: int = 60,
        mini_batch_size: int = 32,
        learn_rate: float = 0.01,
        random_state: Any = None,
        options: Optional[dict[str, Any]] = None,
    ) -> None:
        self.hidden = hidden
        self.norm = norm
        self.max_epochs = max_epochs
        self.mini_batch_size = mini_batch_size
        self.learn_rate = learn_rate
        self.random_state = random_state
        self.options = options

    def _graph(self, features: int, classes: int) -> _networks.Graph:
        graph = _networks.Graph().add("feature_input", num_features=features, normalization="zscore")
        for size in self.hidden:
            graph.add("fully_connected", output_size=size).add("norm").add("relu")
        return graph.add("fully_connected", output_size=classes).add("softmax")

    def fit(self, X: Any, y: Any) -> Classifier:
        """Trains on X [N,F] and the classes y [N]."""
        X, y = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has {len(self.classes_)} class, expected 2 or more classes")
        seed = 1 if self.random_state is None else int(np.random.RandomState(self._seed()).randint(1, 2**31))
        options = {
            "solver": "adam", "max_epochs": self.max_epochs, "mini_batch_size": self.mini_batch_size,
            "initial_learn_rate": self.learn_rate, "seed": seed, **(self.options or {}),
        }  # fmt: skip
        data = _networks.data(X, labels, classes=[str(c) for c in range(len(self.classes_))])
        result = _networks.train(data, self._graph(X.shape[1], len(self.classes_)), options, norm=self.norm)
        self.network_ = result.network
        self.n_iter_ = len(result.history)
        return self

    def _seed(self) -> int:
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31))
        return int(self.random_state)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes [N,K]."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        # One at a time: an observation gets the bits that it gets alone, whatever stands beside it.
        return np.asarray(self.network_.predict(X, mini_batch_size=1), np.float64)

    def predict(self, X: Any) -> np.ndarray:
        """The classes [N]."""
        probabilities = self.predict_proba(X)
        result: np.ndarray = self.classes_[probabilities.argmax(1)]
        return result

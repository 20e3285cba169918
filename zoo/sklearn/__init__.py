"""scikit-learn's estimators of one label for each protein."""

from zoo.sklearn.estimators import ZooClassifier, ZooRegressor

__all__ = ["ZooClassifier", "ZooRegressor"]

"""Kin: samples with similar chains. They are not independent, so a bootstrap draws them together.

A data set may say itself which samples belong together (`Sample.group`). Where it does not,
samples are kin if any two of their chains are in one cluster of similar sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from zoo.data.similarity import clusters, clusters_built_in, main_chains

IDENTITY = 0.3
"""Sequence identity of kin: equal residues over the shorter chain."""
KIN = "kin"
"""Key of an index record that names the sample's kin."""
Index = Mapping[str, Mapping[str, Any]]
Clusters = Callable[[Sequence[str], float], Sequence[int]]


def related(
    chains: Sequence[Sequence[str]], identity: float, cluster: Clusters = clusters
) -> list[int]:
    """Return the group of each sample; samples with any two chains in one cluster share one.

    Args:
        chains: Sequences of each sample's chains; short peptides do not count.
        identity: Sequence identity of one cluster, from 0 to 1.
        cluster: Function that returns the cluster of each sequence.
    """
    if not chains:
        return []
    owners = [(row, chain) for row, own in enumerate(chains) for chain in main_chains(own)]
    found = cluster([chain for _, chain in owners], identity)
    rows = np.array([row for row, _ in owners], np.int64)
    columns = len(chains) + np.array(found, np.int64)  # samples first, then clusters
    size = len(chains) + len(owners)
    links = coo_matrix((np.ones(len(owners)), (rows, columns)), (size, size))
    group: list[int] = connected_components(links)[1][: len(chains)].tolist()
    return group


def kin_of(index: Index, keys: Iterable[str]) -> dict[str, str]:
    """Return the kin of each sample by its id, "" for samples of a group: the group is their kin.

    It is read from data that `zoo prepare` stored it with. Otherwise, as for older data and
    training samples, it is computed among these samples. Kin are named after the first of them.

    Args:
        index: Index records of the prepared samples.
        keys: Keys of the samples.
    """
    wanted = [key for key in keys if "dropped" not in index[key]]
    alone = [key for key in wanted if not index[key]["group"]]
    known = {key: index[key].get(KIN) for key in alone}
    if None in known.values():
        known = dict(_computed(index, alone))
    return {index[key]["id"]: known.get(key) or "" for key in wanted}


def _computed(index: Index, keys: Sequence[str]) -> dict[str, str]:
    """Return the kin of each sample by its key, by the clusters that every machine finds."""
    chains = [index[key]["sequences"] for key in keys]
    groups = related(chains, IDENTITY, clusters_built_in)
    first: dict[int, str] = {}
    for key, group in zip(keys, groups, strict=True):
        first.setdefault(group, index[key]["id"])
    return {key: first[group] for key, group in zip(keys, groups, strict=True)}


def with_kin(index: Index) -> dict[str, dict[str, Any]]:
    """Return the index records that gain the name of the sample's kin.

    Training samples gain none: there may be very many, and scores on them are seldom computed.
    """
    keys = [
        key for key, fact in index.items()
        if "dropped" not in fact and not fact["group"] and fact["split"] != "train"
    ]  # fmt: skip
    return {key: {**index[key], KIN: name} for key, name in _computed(index, keys).items()}

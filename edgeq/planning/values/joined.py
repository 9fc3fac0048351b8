"""Names that are joined into groups, one pair after the other."""

from __future__ import annotations

from collections.abc import Iterable


class JoinedNames:
    """Names in an order, each in one group; joining takes the time of the smaller group.

    >>> joined = JoinedNames(["a", "b", "c", "d"])
    >>> joined.join("d", "b")
    >>> joined.root("d"), joined.root("c"), sorted(joined.with_all("b"))
    ('b', 'c', ['b', 'd'])
    """

    def __init__(self, names: Iterable[str]) -> None:
        #: name -> the list of all names of its group, which the whole group shares
        self._group = {name: [name] for name in names}
        self._place = {name: place for place, name in enumerate(self._group)}
        #: the first name of each group, by the identity of its list
        self._first = {id(group): name for name, group in self._group.items()}

    def root(self, name: str) -> str:
        """The first name of the group; a name outside the order stands for itself."""
        group = self._group.get(name)
        return name if group is None else self._first[id(group)]

    def with_all(self, name: str) -> list[str]:
        """All names of the group, in no order."""
        return self._group.get(name, [])

    def join(self, a: str, b: str) -> None:
        """Join two groups. Raises KeyError for a name outside the order."""
        first = min(self.root(a), self.root(b), key=self._place.__getitem__)
        smaller, larger = sorted((self._group[a], self._group[b]), key=len)
        if smaller is larger:
            return
        larger.extend(smaller)
        self._group.update(dict.fromkeys(smaller, larger))
        del self._first[id(smaller)]
        self._first[id(larger)] = first

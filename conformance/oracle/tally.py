"""Adds up checks: how often each requirement could have been broken, and how it was."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.oracle.findings import Check, Finding

_CASES = 1000  # more than a run has


@dataclass(slots=True)
class Group:
    """Findings that show the same mistake: the one that is shown, the latest, how many, by which credentials.

    The first one is shown, unless a driver has made a smaller one of it. A group is doubtful if all of it is.
    """

    first: Finding
    last: Finding
    times: int = 1
    schemes: set[str] = field(default_factory=set)
    doubtful: bool = True


@dataclass(slots=True)
class Tally:
    """All checks of one requirement, and (the first of) the cases that they were made in."""

    checks: int = 0
    cases: set[str] = field(default_factory=set)
    groups: dict[str, Group] = field(default_factory=dict)
    schemes: set[str] = field(default_factory=set)

    def hold(self, case: str, times: int = 1) -> None:
        """Count exchanges of a case that could have broken the requirement and did not."""
        self.checks += times
        if len(self.cases) < _CASES:
            self.cases.add(case)

    def add(self, check: Check) -> None:
        """Count a check and keep its finding, if it has one."""
        self.hold(check.case)
        finding = check.finding
        if finding is None:
            return
        key = finding.key or f"{finding.expected}|{finding.seen}"
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(finding, finding)
        else:
            group.times += 1
            group.last = finding
        group.doubtful = group.doubtful and finding.doubtful
        if finding.scheme:
            group.schemes.add(finding.scheme)

    def is_certain(self) -> bool:
        """Whether there is a finding beyond doubt."""
        return any(not group.doubtful for group in self.groups.values())

    def drop_doubtful(self) -> None:
        """Forget the groups of which every finding is doubtful."""
        self.groups = {key: group for key, group in self.groups.items() if not group.doubtful}

    def prefer(self, case: str, begin: int, end: int, story: str) -> None:
        """Show what exchanges `begin` to `end` found, first and in place of earlier findings of the same case."""
        chosen = {}
        for key, group in self.groups.items():
            last = group.last
            if group.first.case == case == last.case and all(begin <= n <= end for n in last.exchanges):
                last.why = f"{last.why}. {story}" if last.why and story not in last.why else story
                group.first = last
                chosen[key] = group
        self.groups = {**chosen, **self.groups}

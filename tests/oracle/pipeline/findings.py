"""What the checks found: every finding counted, the first of each check kept in words."""

import collections

EXAMPLES = 5


class Findings:
    """Counts findings by check. A check is entered before it looks, so that one that found nothing is seen to have looked."""

    def __init__(self):
        self.counts, self.examples = collections.Counter(), collections.defaultdict(list)

    def check(self, name):
        self.counts[name] += 0
        return lambda text: self.add(name, text)

    def add(self, name, text):
        self.counts[name] += 1
        if len(self.examples[name]) < EXAMPLES:
            self.examples[name].append(text)

    def report(self):
        return {name: {"findings": count, "examples": self.examples[name]} for name, count in self.counts.items()}

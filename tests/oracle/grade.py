"""Grades again, from files alone: python grade.py TRANSACTIONS LABELS ANSWERS BUNDLE FIRST_GRADED_DAY DAYS CARDS; prints JSON.

The figures are those of training/protocol.py, of scores that are computed here: by the bundle's model, of features that are computed from
the files too. What was answered must be those scores; which of them count is told from the labels, not from what the answers say of it.
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
from training import features, protocol
from training.shipped import Shipped
from training.stream import read

# One place of a float of 32 bits at 1: other machines may have other exponentials.
TOLERANCE = 2.0**-23

transactions, labels, answers, bundle, first, days, cards = sys.argv[1:]
with open(transactions) as of_transactions, open(labels) as of_labels:
    stream = read(of_transactions, of_labels)
with open(answers) as of_answers:
    answers = [json.loads(line) for line in of_answers]
periods = protocol.Periods(first_day=int(first) - 14, test=int(days))
graded = np.flatnonzero(periods.in_test(stream.day, stream.customer.codes, stream.fraud))
scores = {(answer["customer_id"], answer["transaction_id"]): answer for answer in answers}
mine = [scores[stream.customer.names[stream.customer.codes[row]], stream.transaction_id[row]] for row in graded]
assert len(scores) == len(answers), "no transaction was answered twice"
assert [answer["is_fraud"] for answer in mine] == stream.fraud[graded].tolist()
assert [answer["day"] for answer in mine] == stream.day[graded].tolist()
assert all(answer["counts"] for answer in mine) and len(mine) == sum(answer["counts"] for answer in answers)
shipped, known = Shipped(bundle), features.features(stream, first_of_day_is_late=True)
score = shipped.scores(np.stack([known[name][graded] for name in shipped.names], axis=1))
answered = np.array([answer["scoring"] for answer in mine])
furthest = float(np.abs(answered - score).max())
assert furthest <= TOLERANCE, f"an answered score is {furthest} from what the model makes of the files"
assert all(answer["decision_source"] == "model" for answer in answers), "the model decided all of them"
found = protocol.grade(stream.day[graded], stream.customer.codes[graded], stream.fraud[graded], score, int(cards))
json.dump(dataclasses.asdict(found) | {"furthest": furthest}, sys.stdout)

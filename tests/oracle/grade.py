"""Grades again, from files alone: python grade.py TRANSACTIONS LABELS ANSWERS FIRST_GRADED_DAY DAYS CARDS; prints JSON.

The figures are those of training/protocol.py, of the scores that were answered; which of them count is told from the labels, not from
what the answers say of it.
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
from training import protocol
from training.stream import read

transactions, labels, answers, first, days, cards = sys.argv[1:]
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
score = np.array([answer["scoring"] for answer in mine])
found = protocol.grade(stream.day[graded], stream.customer.codes[graded], stream.fraud[graded], score, int(cards))
json.dump(dataclasses.asdict(found), sys.stdout)

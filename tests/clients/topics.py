"""Prints the names of topics that begin with a prefix, one a line.

    topics.py BROKERS PREFIX
"""

import sys

from confluent_kafka.admin import AdminClient


def main():
    brokers, prefix = sys.argv[1:]
    topics = AdminClient({"bootstrap.servers": brokers}).list_topics(timeout=20).topics
    for name in sorted(topics):
        if name.startswith(prefix):
            print(name)


main()

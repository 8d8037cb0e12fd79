"""Deletes a topic and makes it anew, empty, with the settings it had.

    recreate.py BROKERS TOPIC
"""

import sys
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource, NewTopic


def main():
    brokers, topic = sys.argv[1:]
    admin = AdminClient({"bootstrap.servers": brokers})
    partitions = len(admin.list_topics(topic, timeout=20).topics[topic].partitions)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    settings = admin.describe_configs([resource])[resource].result(20)
    own = {name: entry.value for name, entry in settings.items() if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value}
    admin.delete_topics([topic])[topic].result(20)
    until = time.monotonic() + 20
    while True:
        try:
            admin.create_topics([NewTopic(topic, partitions, 1, config=own)])[topic].result(20)
            return
        except KafkaException as error:
            # The old one is going.
            if time.monotonic() > until:
                raise SystemExit(f"{topic} is not made anew: {error}")
            time.sleep(0.1)


main()

"""Publishes events as their contracts want them; for applications, without Airflow.

with EventProducer([Path("include/migrations/flights.yaml")], {"bootstrap.servers": "..."}) as producer:
    for result in producer.publish_batch(events):
        ...
"""

from slipway.producer.events import Counters, Event, Result, UnknownType
from slipway.producer.publishing import EventProducer

__all__ = ["Counters", "Event", "EventProducer", "Result", "UnknownType"]

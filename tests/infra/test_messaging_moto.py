"""The messaging module, applied to moto, delivers published events unchanged."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.sqs.models import Queue
from pytest_terraform import terraform, tf

from tests.infra.running import REGION, Terraform, copy_of_infra
from tooling import ROOT
from tooling import terraform as own

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.infra, pytest.mark.integration]

MODULE = "tests/infra/terraform"


@pytest.fixture(scope="module", autouse=True)
def on_moto(
    tmp_path_factory: pytest.TempPathFactory, moto_environment: dict[str, str]
) -> Iterator[None]:
    """Make pytest-terraform use a copy of the module, our Terraform, and moto."""
    copy = tmp_path_factory.mktemp("messaging")
    copy_of_infra(copy / "infra")
    shutil.copytree(ROOT / MODULE, copy / MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.LazyTfBin, "value", str(own.find_terraform()))
        patch.setattr(tf.LazyModuleDir, "value", str(copy / MODULE))
        # moto stores this attribute but does not return it, and the provider waits for it.
        patch.setattr(Queue, "redrive_allow_policy", None, raising=False)
        patch.setattr(Queue, "BASE_ATTRIBUTES", [*Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"])
        environment = Terraform(copy, **moto_environment).environment
        for name, value in environment.items():
            if name.startswith(("AWS_", "TF_", "CHECKPOINT_")):
                patch.setenv(name, value)
        yield


# Defines the fixture `messaging`. No teardown: moto stops soon, and destroying takes a minute.
terraform("messaging", scope="module", teardown=terraform.TEARDOWN_OFF)


@pytest.fixture(scope="module")
def access(moto_environment: dict[str, str]) -> Any:
    """Return the arguments with which boto3.client uses moto."""
    return {
        "region_name": REGION,
        "endpoint_url": moto_environment["AWS_ENDPOINT_URL"],
        "aws_access_key_id": moto_environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": moto_environment["AWS_SECRET_ACCESS_KEY"],
    }


@pytest.fixture(scope="module")
def sqs(access: Any) -> Any:
    return boto3.client("sqs", **access)


@pytest.fixture(scope="module")
def sns(access: Any) -> Any:
    return boto3.client("sns", **access)


@pytest.fixture(scope="module")
def kms(access: Any) -> Any:
    return boto3.client("kms", **access)


def test_published_event_arrives_raw(messaging: Any, sns: Any, sqs: Any) -> None:
    made = messaging.outputs["messaging"]["value"]
    event = '{"specversion":"1.0","id":"1","data":{"prompt":"ein Haus am See, 湖"}}'

    sns.publish(
        TopicArn=made["topic_arn"],
        Message=event,
        MessageAttributes=_attributes("herald.generation.complete", "COMPLETE"),
    )

    [message] = sqs.receive_message(
        QueueUrl=made["queue_url"], WaitTimeSeconds=5, MessageAttributeNames=["All"]
    )["Messages"]
    assert message["Body"] == event
    assert message["MessageAttributes"]["status"]["StringValue"] == "COMPLETE"


def test_progress_arrives_in_its_own_queue_only(messaging: Any, sns: Any, sqs: Any) -> None:
    made = messaging.outputs["messaging"]["value"]
    for name, status in (("progress", "PENDING"), ("error", "ERROR")):
        sns.publish(
            TopicArn=made["topic_arn"],
            Message=name,
            MessageAttributes=_attributes(f"herald.generation.{name}", status),
        )
    for queue, name in (("progress_queue_url", "progress"), ("queue_url", "error")):
        received = sqs.receive_message(QueueUrl=made[queue], MaxNumberOfMessages=10)["Messages"]
        assert [message["Body"] for message in received] == [name]
        sqs.delete_message(QueueUrl=made[queue], ReceiptHandle=received[0]["ReceiptHandle"])


def test_queue_moves_poison_to_its_dead_letter_queue(messaging: Any, sqs: Any) -> None:
    made = messaging.outputs["messaging"]["value"]
    sqs.send_message(QueueUrl=made["queue_url"], MessageBody="poison")

    for _ in range(3):
        [message] = sqs.receive_message(QueueUrl=made["queue_url"])["Messages"]
        assert message["Body"] == "poison"
        sqs.change_message_visibility(
            QueueUrl=made["queue_url"], ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )

    assert "Messages" not in sqs.receive_message(QueueUrl=made["queue_url"], WaitTimeSeconds=0)
    [dead] = sqs.receive_message(QueueUrl=made["dead_letter_queue_url"])["Messages"]
    assert dead["Body"] == "poison"


def test_everything_is_encrypted_with_the_messaging_key(messaging: Any, sns: Any, sqs: Any) -> None:
    made = messaging.outputs["messaging"]["value"]
    key = messaging.outputs["key_arn"]["value"]
    used = [
        sqs.get_queue_attributes(QueueUrl=made[url], AttributeNames=["All"])["Attributes"]
        for url in (
            "queue_url",
            "progress_queue_url",
            "dead_letter_queue_url",
            "subscription_dead_letter_queue_url",
        )
    ]
    used += [
        sns.get_topic_attributes(TopicArn=made[arn])["Attributes"]
        for arn in ("topic_arn", "error_topic_arn")
    ]
    assert [attributes["KmsMasterKeyId"] for attributes in used] == [key] * 6


def test_key_rotates(messaging: Any, kms: Any) -> None:
    status = kms.get_key_rotation_status(KeyId=messaging.outputs["key_arn"]["value"])
    assert status["KeyRotationEnabled"]


def test_redrive(messaging: Any, sns: Any, sqs: Any) -> None:
    made = messaging.outputs["messaging"]["value"]
    attributes = sqs.get_queue_attributes(QueueUrl=made["queue_url"], AttributeNames=["All"])
    policy = json.loads(attributes["Attributes"]["RedrivePolicy"])
    assert policy["maxReceiveCount"] == 3
    assert policy["deadLetterTargetArn"].endswith(":test-generation-complete-queue-dlq")
    assert attributes["Attributes"]["VisibilityTimeout"] == "120"

    [subscription] = [
        each
        for each in sns.list_subscriptions_by_topic(TopicArn=made["topic_arn"])["Subscriptions"]
        if each["Endpoint"] == made["queue_arn"]
    ]
    found = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])
    net = json.loads(found["Attributes"]["RedrivePolicy"])
    assert net["deadLetterTargetArn"].endswith(":test-generation-complete-subscription-dlq")
    assert found["Attributes"]["RawMessageDelivery"] == "true"


def _attributes(kind: str, status: str) -> Any:
    """Return an event's message attributes, as `callback` sets them."""
    return {
        name: {"DataType": "String", "StringValue": value}
        for name, value in (("type", kind), ("status", status))
    }

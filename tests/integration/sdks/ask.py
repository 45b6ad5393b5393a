"""Asks stand-ins with the providers' official SDKs; prints what the SDKs understood, as JSON.

Runs in the environment `sdks`. Arguments: the address of the stand-ins, the API key, the whsec_…
secret, and the headers and body of a signed webhook as JSON.
"""

import json
import sys

from google import genai
from google.genai import types
from lumaai import LumaAI
from openai import OpenAI
from replicate.client import Client as Replicate
from runwayml import RunwayML

url, key, secret, signed = sys.argv[1:]


def openai() -> dict[str, object]:
    client = OpenAI(api_key=key, base_url=f"{url}/openai/v1", webhook_secret=secret)
    webhook = json.loads(signed)
    event = client.webhooks.unwrap(webhook["body"], webhook["headers"])
    response = client.responses.retrieve(event.data.id)
    [picture] = [item for item in response.output if item.type == "image_generation_call"]
    batch = client.batches.retrieve("batch_5")
    lines = client.files.content(batch.output_file_id).text.splitlines()
    return {
        "event": event.type,
        "status": response.status,
        "picture": picture.result,
        "failed": client.responses.retrieve("resp_failed").error.code,
        "batch": batch.status,
        "custom_ids": [json.loads(line)["custom_id"] for line in lines],
    }


def gemini() -> dict[str, object]:
    client = genai.Client(
        api_key=key, http_options={"base_url": f"{url}/gemini", "api_version": "v1beta"}
    )
    name = "models/veo-3.1-generate-preview/operations/op-9f"
    running = client.operations.get(
        types.GenerateVideosOperation(name=name.replace("op-9f", "run"))
    )
    operation = client.operations.get(types.GenerateVideosOperation(name=name))
    [video] = operation.response.generated_videos
    batch = client.batches.get(name="batches/b-1")
    return {
        "running": running.done,
        "done": operation.done,
        "uri": video.video.uri,
        "bytes": len(client.files.download(file=video.video)),
        "batch": batch.state.name,
        "responses": len(client.files.download(file=batch.dest.file_name)),
    }


def replicate() -> dict[str, object]:
    client = Replicate(api_token=key, base_url=f"{url}/replicate")
    prediction = client.predictions.get("job-1")
    client.predictions.cancel("job-2")
    return {"status": prediction.status, "output": prediction.output}


def runway() -> dict[str, object]:
    client = RunwayML(api_key=key, base_url=f"{url}/runway")
    task = client.tasks.retrieve("job-1")
    client.tasks.delete("job-2")
    running = client.tasks.retrieve("job-3")
    return {"status": task.status, "output": task.output, "progress": running.progress}


def luma() -> dict[str, object]:
    client = LumaAI(auth_token=key, base_url=f"{url}/luma/dream-machine/v1")
    generation = client.generations.get("job-1")
    client.generations.delete("job-2")
    return {"state": generation.state, "image": generation.assets.image}


print(json.dumps({each.__name__: each() for each in (openai, gemini, replicate, runway, luma)}))

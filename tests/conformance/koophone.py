"""The core of the vendor's official SDK, and plain HTTP with tokens, against the simulated KooPhone.

Lists phones page by page, installs an app, runs commands and follows them to their ends, restarts a phone; signed by the SDK's own signer, and once more with
a token of the simulated IAM. Meets the errors it should. Prints what it saw as JSON.

Usage: koophone.py ADDRESS ACCESS_KEY SECRET_KEY USERNAME PASSWORD DOMAIN PROJECT
"""

import json
import sys
import time
import uuid

import requests
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.client import Client, ClientBuilder
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.sdk_response import SdkResponse


class Told(SdkResponse):
    """Any answer, described the way the SDK's generated models are."""

    sensitive_list = []
    openapi_types = {"error_code": "str", "error_msg": "str", "data": "object"}
    attribute_map = {name: name for name in openapi_types}

    def __init__(self, error_code=None, error_msg=None, data=None):
        super().__init__()
        self.error_code = error_code
        self.error_msg = error_msg
        self.data = data or {}


class KooPhone(Client):
    """The calls, made the way the SDK's generated clients make them."""

    def __init__(self):
        super().__init__()
        self.model_package = sys.modules[__name__]

    def call(self, method, path, query=None, body=None):
        request_id = uuid.uuid4().hex
        query = list(query or [])
        if path == "/v1/instances/batch-query":
            query.append(("x-request-id", request_id))
        told = self.do_http_request(
            method,
            path,
            query_params=query,
            header_params={"x-request-id": request_id},
            body=body,
            response_type="Told",
        )
        code = told.error_code or told.data.get("error_code", "0")
        if code != "0":
            raise Refused(code)
        return told.data


class Refused(Exception):
    """A failure that came with HTTP status 200."""


def client(address, access, secret):
    credentials = BasicCredentials(access, secret, "0605767a5d0000002f1cc00000000000")
    return (
        ClientBuilder(KooPhone)
        .with_credentials(credentials)
        .with_endpoints([f"http://{address}"])
        .build()
    )


def phones(sdk):
    """All phones, page by page."""
    found, page = [], 1
    while True:
        query = [("page_no", page), ("page_size", 20), ("instance_name", "phone-")]
        told = sdk.call("GET", "/v1/instances/batch-query", query)
        found.extend(row["instance_id"] for row in told["result"])
        if len(found) >= told["total_count"]:
            return found
        page += 1


def ended(sdk, started):
    """Follows a task to its end; the rows of its jobs by phone."""
    of = {row["job_id"]: row["instance_id"] for row in started["cmd_jobs"]}
    for _ in range(200):
        jobs = sdk.call("GET", f"/v1/instances/tasks/{started['task_id']}")["jobs"]
        if all(job["status"] not in (0, 1) for job in jobs):
            return {of[job["job_id"]]: job for job in jobs}
        time.sleep(0.05)
    raise TimeoutError(started)


def run(sdk, command, ids):
    body = {"command": command, "instance_ids": ids}
    return ended(sdk, sdk.call("POST", "/v1/instances/async-command", body=body))


def install(sdk, ids):
    body = {
        "fast_install": "0",
        "object_name": "com.example.chat",
        "file_name": "com.example.chat-2.0.1.apk",
        "object_version": "2.0.1",
        "object_size": "12",
        "biz_type": "apk",
        "content_type": "1",
        "content_md5": "32e1f345f209a7dc1cc704913ea436d3",
        "install_package_url": "https://apps.example/com.example.chat-2.0.1.apk",
        "instance_id_list": ids,
    }
    return ended(sdk, sdk.call("POST", "/v1/instances/app/install", body=body))


def apps(sdk, phone):
    query = [("page_no", 1), ("page_size", 200), ("app_type", 2)]
    told = sdk.call("GET", f"/v1/instances/{phone}/app-list", query)
    return {row["app_pkg"]: row["app_version"] for row in told["result"]}


def refusal(act):
    """The code that something is refused with."""
    try:
        act()
    except Refused as refused:
        return str(refused)
    except ClientRequestException as refused:
        return refused.error_code
    raise AssertionError("it was not refused")


def with_token(address, user, password, domain, project):
    """How many phones a token of IAM shows."""
    identity = {
        "methods": ["password"],
        "password": {"user": {"name": user, "password": password, "domain": {"name": domain}}},
    }
    body = {"auth": {"identity": identity, "scope": {"project": {"name": project}}}}
    given = requests.post(f"http://{address}/v3/auth/tokens", json=body, timeout=10)
    assert given.status_code == 201, given.text
    told = requests.get(
        f"http://{address}/v1/instances/batch-query",
        params={"page_no": 1, "page_size": 1, "x-request-id": uuid.uuid4().hex},
        headers={"X-Auth-Token": given.headers["X-Subject-Token"]},
        timeout=10,
    )
    return told.json()["data"]["total_count"]


def main():
    address, access, secret, user, password, domain, project = sys.argv[1:]
    sdk = client(address, access, secret)
    all_phones = phones(sdk)
    ids = all_phones[:3]
    written = run(sdk, "setprop persist.sys.fleet.ring 3", ids)
    assert all(job["status"] == 2 for job in written.values()), written
    read = run(sdk, "getprop persist.sys.fleet.ring", ids)
    installed = install(sdk, ids[1:])
    assert all(job["status"] == 2 for job in installed.values()), installed
    sdk.call("POST", "/v1/instances/reboot", body={"instance_ids": ids[2:]})
    seen = {
        "phones": len(all_phones),
        "worked on": ids,
        "ring": [read[phone]["execute_msg"] for phone in ids],
        "apps": [apps(sdk, phone).get("com.example.chat") for phone in ids],
        "with a token": with_token(address, user, password, domain, project),
        "unknown": refusal(lambda: run(sdk, "id", ["nobody"])),
        "characters": refusal(lambda: run(sdk, "cmd alarm set-timezone Etc/GMT+8", ids)),
        "not running": refusal(
            lambda: sdk.call("POST", "/v1/instances/reboot", body={"instance_ids": ids[2:]})
        ),
        "wrong": refusal(lambda: phones(client(address, access, "guess"))),
    }
    print(json.dumps(seen))


main()

"""Drives the simulated Alibaba Cloud Phone with the vendor's own SDK: what it can do there, it could do at the vendor.

Arguments: HOST:PORT, access key id, access key secret, security token. Prints one JSON object with what it saw; any failure is an exception.
"""

import base64
import json
import sys
import time

from alibabacloud_eds_aic20230930 import models
from alibabacloud_eds_aic20230930.client import Client
from alibabacloud_tea_openapi import exceptions
from alibabacloud_tea_openapi.utils_models import Config

ENDED = {"Finished", "PartFinished", "Failed", "Skipped"}


def client(endpoint, key, secret, token=None):
    return Client(
        Config(
            endpoint=endpoint,
            protocol="HTTP",
            region_id="cn-shanghai",
            access_key_id=key,
            access_key_secret=secret,
            security_token=token,
        )
    )


def phones(sdk):
    """All phones, page by page."""
    rows, token = [], None
    while True:
        request = models.DescribeAndroidInstancesRequest(max_results=20, next_token=token)
        body = sdk.describe_android_instances(request).body
        rows += body.instance_model
        token = body.next_token
        if not token:
            assert len(rows) == body.total_count, (len(rows), body.total_count)
            return rows


def followed(sdk, tasks):
    """Asks about tasks until all have ended; their rows by phone."""
    for _ in range(200):
        request = models.DescribeTasksRequest(task_ids=tasks, max_results=100)
        rows = sdk.describe_tasks(request).body.data
        assert {row.task_id for row in rows} == set(tasks), (rows, tasks)
        if all(row.task_status in ENDED for row in rows):
            return {row.instance_id: row for row in rows}
        time.sleep(0.05)
    raise AssertionError(f"{tasks} do not end")


def command(sdk, ids, script):
    """Runs a script on phones; its output by phone."""
    request = models.RunCommandRequest(
        instance_ids=ids,
        command_content=base64.b64encode(script.encode()).decode(),
        content_encoding="Base64",
        timeout=60,
    )
    body = sdk.run_command(request).body
    rows = followed(sdk, [info.child_task_id for info in body.run_command_infos])
    assert {row.task_type for row in rows.values()} == {"RunCommand"}
    assert {row.parent_task_id for row in rows.values()} == {body.task_id}
    return {phone: row.result for phone, row in rows.items()}


def installed(sdk, ids, package):
    """Installs the newest app of this package from the catalogue; its id."""
    apps = sdk.describe_apps(models.DescribeAppsRequest(max_results=100)).body
    assert apps.total_count == str(len(apps.data)), apps.total_count
    offers = [app for app in apps.data if app.package_name == package and app.status == "NORMAL"]
    app = str(offers[-1].app_id)
    body = sdk.install_app(models.InstallAppRequest(app_id_list=[app], instance_id_list=ids)).body
    rows = followed(sdk, [info.child_task_id for info in body.child_task_info])
    assert {row.task_status for row in rows.values()} == {"Finished"}, rows
    parent = models.DescribeTasksRequest(task_ids=[body.task_id], level=1)
    parent = sdk.describe_tasks(parent).body.data[0]
    assert parent.task_status == "Finished" and parent.success_child_count == len(ids), parent
    return app


def refused(call):
    """The exception of a call that must be refused."""
    try:
        call()
    except exceptions.ClientException as problem:
        return problem
    raise AssertionError("it was not refused")


def main(endpoint, key, secret, token):
    sdk = client(endpoint, key, secret)
    rows = phones(sdk)
    ids = [row.android_instance_id for row in rows if row.android_instance_status == "RUNNING"][:3]

    outputs = command(sdk, ids, "setprop persist.sys.fleet.ring '3 中文' && getprop persist.sys.fleet.ring")
    assert set(outputs.values()) == {"3 中文\n"}, outputs
    app = installed(sdk, ids, "com.example.chat")
    listed = command(sdk, ids, "pm list packages --show-versioncode com.example.chat")
    assert all(text.startswith("package:com.example.chat ") for text in listed.values()), listed

    at_once = models.RunSyncCommandRequest(instance_ids=ids, command_content="getprop persist.sys.timezone")
    at_once = sdk.run_sync_command(at_once).body
    one = at_once.data[0]
    again = models.DescribeInvocationsRequest(invocation_id=one.invocation_id, instance_ids=[one.instance_id])
    again = sdk.describe_invocations(again).body.data[0]
    assert again.output == one.output and again.invocation_status == "Success", again

    images = sdk.describe_image_list(models.DescribeImageListRequest(image_type="System")).body
    assert images.total_count == len(images.data) > 0
    limits = models.ModifyAndroidInstanceRequest(instance_ids=ids, up_bandwidth_limit=4, down_bandwidth_limit=20)
    sdk.modify_android_instance(limits)
    listing = models.DescribeAndroidInstancesRequest(android_instance_ids=ids)
    listing = sdk.describe_android_instances(listing).body.instance_model
    assert {row.down_bandwidth_limit for row in listing} == {20}, listing
    sdk.start_instance_adb(models.StartInstanceAdbRequest(instance_ids=ids))
    adb = models.ListInstanceAdbAttributesRequest(instance_ids=ids)
    adb = sdk.list_instance_adb_attributes(adb).body.data
    assert {row.instance_id for row in adb} == set(ids), adb
    gone = sdk.uninstall_app(models.UninstallAppRequest(app_id_list=[app], instance_id_list=ids[:1])).body
    followed(sdk, [info.child_task_id for info in gone.child_task_info])

    nobody = models.StopInstanceAdbRequest(instance_ids=["acp-nobody"])
    unknown = refused(lambda: sdk.stop_instance_adb(nobody))
    wrong = refused(lambda: phones(client(endpoint, key, "wrong")))
    temporary = phones(client(endpoint, key, secret, token))

    print(
        json.dumps(
            {
                "phones": len(rows),
                "temporary": len(temporary),
                "worked on": ids,
                "zone": one.output,
                "unknown": unknown.code,
                "wrong": wrong.code,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

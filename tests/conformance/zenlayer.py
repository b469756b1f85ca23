"""The vendor's official SDK against the simulated Zenlayer.

Lists the instances, installs an app and reads it back through stored commands, follows them to their ends, and meets the errors it should. Prints what it saw
as JSON.

Usage: zenlayer.py DOMAIN ACCESS_KEY SECRET_KEY TOKEN
"""

import json
import sys
import time

from zenlayercloud.common.config import Config
from zenlayercloud.common.credential import Credential, TokenCredential
from zenlayercloud.common.excpetion.zenlayer_cloud_sdk_exception import (
    ZenlayerCloudSdkException,
)
from zenlayercloud.zec.v20250901 import models as zec
from zenlayercloud.zec.v20250901.zec_client import ZecClient
from zenlayercloud.zos.v20251010 import models as zos
from zenlayercloud.zos.v20251010.zos_client import ZosClient

APP = "https://apps.example/com.example.chat-2.0.1.apk"
FILE = "/data/local/tmp/chat.apk"


def request(kind, **fields):
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def instances(client):
    """All instances, page by page until a short one: the total is not to be relied on."""
    found, page = [], 1
    while True:
        rows = client.DescribeInstances(
            request(zec.DescribeInstancesRequest, pageSize=20, pageNum=page)
        ).dataSet
        found.extend(rows)
        if len(rows) < 20:
            return found
        page += 1


def run(client, name, script, ids):
    """Stores a command, runs it, follows it to its end, removes it; what came of it on each instance."""
    command = client.CreateCommand(
        request(zos.CreateCommandRequest, name=name, content=script, type="SHELL")
    ).commandId
    stored = client.DescribeCommands(
        request(zos.DescribeCommandsRequest, name=name, pageSize=10, pageNum=1)
    ).dataSet
    assert [(row.commandId, row.content) for row in stored] == [(command, script)]
    invocation = client.InvokeCommand(
        request(
            zos.InvokeCommandRequest, commandId=command, instanceIds=ids, timeout=60
        )
    ).invocationId
    for _ in range(200):
        rows = client.DescribeCommandInvocations(
            request(
                zos.DescribeCommandInvocationsRequest, invocationIds=[invocation]
            )
        ).dataSet
        assert [row.invocationId for row in rows] == [invocation]
        if rows[0].invocationStatus not in ("Pending", "Running"):
            break
        time.sleep(0.1)
    client.DeleteCommand(request(zos.DeleteCommandRequest, commandId=command))
    assert rows[0].commandName == name, rows[0].commandName
    return rows[0].invocationStatus, rows[0].invocationInstances


def refused(call):
    """The code of the error that the call ends in."""
    try:
        call()
    except ZenlayerCloudSdkException as error:
        return error.code
    raise AssertionError("an error was expected")


def main(domain, key, secret, token):
    config = Config(scheme="http", domain=domain)
    signed = Credential(key, secret)
    all_instances = instances(ZecClient(signed, config))
    ids = [row.instanceId for row in all_instances]
    assert len(ids) == len(set(ids)), ids
    assert {row.status for row in all_instances} == {"RUNNING"}
    assert all(row.enableAgent for row in all_instances)

    some = ids[:3]
    for credential in (signed, TokenCredential(token)):
        client = ZosClient(credential, config)
        install = f"curl -fsSL -o {FILE} '{APP}' && pm install -r -g {FILE}"
        status, rows = run(client, "install", install, some)
        assert status == "Success", [row.outputError for row in rows]
        assert sorted(row.instanceId for row in rows) == some
        assert {(row.taskStatus, row.exitCode) for row in rows} == {("Success", 0)}
        ring = "setprop persist.sys.fleet.ring '3 中文'; getprop persist.sys.fleet.ring"
        status, rows = run(client, "ring", ring, some)
        assert {row.output for row in rows} == {"3 中文"}, rows
        status, rows = run(client, "remove", "pm uninstall com.example.chat", some[:1])
        assert status == "Success"
        packages = "pm list packages -3 com.example.chat | grep chat"
        status, rows = run(client, "list", packages, some)
        assert status == "PartialFailed", status
        found = {row.instanceId: (row.taskStatus, row.exitCode) for row in rows}
        assert found[some[0]] == ("Failed", 1), found
        assert found[some[1]] == found[some[2]] == ("Success", 0), found

    client = ZosClient(signed, config)
    unknown = request(zos.DeleteCommandRequest, commandId="cmd-999999")
    print(
        json.dumps(
            {
                "instances": len(ids),
                "worked on": some,
                "unknown": refused(lambda: client.DeleteCommand(unknown)),
                "wrong": refused(
                    lambda: instances(ZecClient(Credential(key, "wrong"), config))
                ),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Lets a user of Kafka use topics and groups whose names begin so, as docs/portal.md advises for programs.

    python acls.py BOOTSTRAP USER TOPICS GROUPS
"""

import sys

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)


def main(bootstrap, user, topics, groups):
    def rule(kind, name, operation):
        return AclBinding(kind, name, ResourcePatternType.PREFIXED, f"User:{user}", "*", operation, AclPermissionType.ALLOW)

    operations = [AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE]
    rules = [rule(ResourceType.TOPIC, topics, operation) for operation in operations]
    rules.append(rule(ResourceType.GROUP, groups, AclOperation.READ))
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for answer in admin.create_acls(rules).values():
        answer.result(30)


if __name__ == "__main__":
    main(*sys.argv[1:])

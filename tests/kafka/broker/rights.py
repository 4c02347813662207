"""Kafka's own authorizer, which lets everybody do what no rule is made for."""

from collections.abc import Mapping

AUTHORIZER: Mapping[str, object] = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
    "super.users": "User:ANONYMOUS",  # whoever comes over the open listener
}

"""The policies of AWS that every account comes with, under AWS's names and ARNs.

`AdministratorAccess` and `IAMFullAccess` grant what AWS's grant. `ReadOnlyAccess` grants reading in the services listed
here, by verb; AWS's own text names thousands of actions, and is taken over with `iamledger policy import-managed`.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from iamledger.iam.managed_policy import AWS


class AwsManagedPolicy(NamedTuple):
    """An ARN, what it is for, and the text."""

    arn: str
    description: str
    document: str


def _policy(name: str, description: str, *statements: dict[str, Any]) -> AwsManagedPolicy:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return AwsManagedPolicy(AWS + name, description, json.dumps(document, indent=2))


_READ_IN = [
    "account", "acm", "apigateway", "athena", "autoscaling", "backup", "batch", "budgets", "cloudformation",
    "cloudfront", "cloudtrail", "cloudwatch", "codebuild", "codecommit", "codepipeline", "cognito-idp", "config",
    "datasync", "directconnect", "dms", "ds", "dynamodb", "ec2", "ecr", "ecs", "eks", "elasticache",
    "elasticfilesystem", "elasticloadbalancing", "elasticmapreduce", "es", "events", "firehose", "glue",
    "guardduty", "health", "iam", "inspector2", "kafka", "kinesis", "kms", "lambda", "logs", "organizations", "rds",
    "redshift", "resource-groups", "route53", "s3", "secretsmanager", "securityhub", "servicequotas", "sns", "sqs",
    "ssm", "states", "tag", "transfer", "wafv2", "workspaces", "xray"
]  # fmt: skip
_SECRET = ("secretsmanager", "ssm")
"""Services in which Get… tells secrets."""

AWS_MANAGED = (
    _policy(
        "AdministratorAccess",
        "Full access to all services and resources.",
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
    ),
    _policy(
        "ReadOnlyAccess",
        "Reading in many services, but no secrets.",
        {
            "Effect": "Allow",
            "Action": [
                f"{service}:{verb}*"
                for service in _READ_IN
                for verb in ("Describe", "Get", "List")
                if not (verb == "Get" and service in _SECRET)
            ],
            "Resource": "*",
        },
    ),
    _policy(
        "IAMFullAccess",
        "Full access to IAM.",
        {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": [
                "organizations:DescribeAccount",
                "organizations:DescribeOrganization",
                "organizations:DescribeOrganizationalUnit",
                "organizations:DescribePolicy",
                "organizations:ListChildren",
                "organizations:ListParents",
                "organizations:ListPolicies",
                "organizations:ListPoliciesForTarget",
                "organizations:ListRoots",
                "organizations:ListTargetsForPolicy",
            ],
            "Resource": "*",
        },
    ),
    _policy(
        "IAMReadOnlyAccess",
        "Reading all of IAM, its reports, and simulating.",
        {
            "Effect": "Allow",
            "Action": [
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy",
            ],
            "Resource": "*",
        },
    ),
    _policy(
        "IAMUserChangePassword",
        "A user may change the own password, and see the rules for it.",
        {"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": "arn:aws:iam::*:user/${aws:username}"},
        {"Effect": "Allow", "Action": "iam:GetAccountPasswordPolicy", "Resource": "*"},
    ),
)

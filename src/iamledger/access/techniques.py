"""Actions with which users can give themselves permissions that they lack.

The list is the one that was published as "AWS IAM privilege escalation methods" (Rhino Security Labs, 2018, and additions
since): actions of IAM on what somebody has, or on somebody else, and passing a role to a service that then acts for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Target(Enum):
    """What an action is done to."""

    OWN_USER = "the user itself"
    OWN_GROUPS = "the groups of the user"
    OWN_POLICIES = "the account's own policies that the user holds"
    OWN_BOUNDARY = "the user's permissions boundary"
    OTHER_GROUPS = "groups that the user is not in, with policies that it lacks"
    OTHER_USERS = "other users with policies that it lacks"
    ROLES = "roles"
    ROLE_POLICIES = "the policies of roles"


@dataclass(frozen=True, slots=True)
class Technique:
    """An action, what it is done to, and other actions that it needs, on any resource. `gains` is what it leads to."""

    action: str
    target: Target
    gains: str
    also: tuple[str, ...] = ()


_ASSUMED = ("sts:AssumeRole",)
_PASSED = "acts as a role that is passed to {}"

TECHNIQUES = (
    Technique("iam:CreatePolicyVersion", Target.OWN_POLICIES, "writes a version of a policy that it holds"),
    Technique("iam:SetDefaultPolicyVersion", Target.OWN_POLICIES, "puts another version of a policy in force"),
    Technique("iam:AttachUserPolicy", Target.OWN_USER, "attaches any policy to itself"),
    Technique("iam:PutUserPolicy", Target.OWN_USER, "writes an inline policy of its own"),
    Technique("iam:AttachGroupPolicy", Target.OWN_GROUPS, "attaches any policy to a group that it is in"),
    Technique("iam:PutGroupPolicy", Target.OWN_GROUPS, "writes an inline policy of a group that it is in"),
    Technique("iam:AddUserToGroup", Target.OTHER_GROUPS, "joins a group"),
    Technique("iam:CreateAccessKey", Target.OTHER_USERS, "makes itself an access key of somebody else"),
    Technique("iam:CreateLoginProfile", Target.OTHER_USERS, "sets a password for somebody else"),
    Technique("iam:UpdateLoginProfile", Target.OTHER_USERS, "changes somebody else's password"),
    Technique("iam:PutUserPermissionsBoundary", Target.OWN_BOUNDARY, "replaces its permissions boundary"),
    Technique("iam:DeleteUserPermissionsBoundary", Target.OWN_BOUNDARY, "removes its permissions boundary"),
    Technique("iam:UpdateAssumeRolePolicy", Target.ROLES, "lets itself assume a role"),
    Technique("iam:AttachRolePolicy", Target.ROLE_POLICIES, "attaches any policy to a role that it assumes", _ASSUMED),
    Technique("iam:PutRolePolicy", Target.ROLE_POLICIES, "writes an inline policy of a role that it assumes", _ASSUMED),
    *(
        Technique("iam:PassRole", Target.ROLES, _PASSED.format(service), also)
        for service, also in (
            ("Lambda", ("lambda:CreateFunction", "lambda:InvokeFunction")),
            ("Lambda, which a table's stream invokes", ("lambda:CreateFunction", "lambda:CreateEventSourceMapping")),
            ("Lambda, which it lets somebody invoke", ("lambda:CreateFunction", "lambda:AddPermission")),
            ("EC2", ("ec2:RunInstances",)),
            ("CloudFormation", ("cloudformation:CreateStack",)),
            ("Glue", ("glue:CreateDevEndpoint",)),
            ("a Glue job", ("glue:CreateJob", "glue:StartJobRun")),
            ("Data Pipeline", ("datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition")),
            ("SageMaker", ("sagemaker:CreateNotebookInstance", "sagemaker:CreatePresignedNotebookInstanceUrl")),
            ("CodeBuild", ("codebuild:CreateProject", "codebuild:StartBuild")),
            ("ECS", ("ecs:RegisterTaskDefinition", "ecs:RunTask")),
            ("CodeStar", ("codestar:CreateProject",)),
        )
    ),
    Technique("lambda:UpdateFunctionCode", Target.ROLES, "acts as the role of a function whose code it changes"),
    Technique("glue:UpdateDevEndpoint", Target.ROLES, "acts as the role of an endpoint to which it adds its key"),
)

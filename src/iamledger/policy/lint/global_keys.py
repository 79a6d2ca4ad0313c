"""The condition keys that requests have whatever service they are for, and their types.

Source: "AWS global condition context keys" of the IAM User Guide, with the keys that single services add to the sessions
that they make. Which requests have a key differs; the guide tells.
"""

from __future__ import annotations

from iamledger.policy.lint.key_names import KeyNames
from iamledger.policy.services import ConditionKey

_BY_TYPE = {
    "String": """
        aws:PrincipalAccount aws:PrincipalOrgID aws:PrincipalServiceName aws:PrincipalTag/${TagKey} aws:PrincipalType
        aws:userid aws:username aws:FederatedProvider aws:SourceIdentity aws:Ec2InstanceSourceVpc
        aws:SourceVpc aws:SourceVpce aws:VpceAccount aws:VpceOrgID
        aws:ResourceAccount aws:ResourceOrgID aws:ResourceTag/${TagKey}
        aws:CalledViaFirst aws:CalledViaLast aws:CalledViaAWSMCP aws:referer aws:RequestedRegion aws:RequestTag/${TagKey}
        aws:SourceAccount aws:SourceOrgID aws:SourceOwner aws:UserAgent
        glue:CredentialIssuingService identitystore:UserId
    """,
    "ArrayOfString": """
        aws:CalledVia aws:PrincipalOrgPaths aws:PrincipalServiceNamesList aws:ResourceOrgPaths aws:SourceOrgPaths aws:TagKeys
        aws:VpceOrgPaths
    """,
    "ARN": """
        aws:PrincipalArn aws:SourceArn aws:SourceVpcArn aws:ChatbotSourceArn aws:SignInSessionArn ec2:SourceInstanceArn
        glue:RoleAssumedBy lambda:SourceFunctionArn ssm:SourceInstanceArn
    """,
    "Bool": """
        aws:AssumedRoot aws:MultiFactorAuthPresent aws:PrincipalIsAWSService aws:SecureTransport aws:ViaAWSMCPService
        aws:ViaAWSService
    """,
    "Numeric": "aws:MultiFactorAuthAge ec2:RoleDelivery",
    "Date": "aws:CurrentTime aws:EpochTime aws:TokenIssueTime",
    "IPAddress": "aws:Ec2InstanceSourcePrivateIPv4 aws:SourceIp aws:VpcSourceIp",
}

GLOBAL_KEYS = KeyNames(ConditionKey(name, type_) for type_, names in _BY_TYPE.items() for name in names.split())

"""The catalogue of services: AWS's, iamledger's own, and those that a team describes itself.

    from iamledger.services import open_catalogue
    from iamledger.settings import settings

    catalogue = open_catalogue(settings())
    catalogue.actions_matching("s3:Get*Acl")      # ["s3:GetBucketAcl", "s3:GetObjectAcl", "s3:GetObjectVersionAcl"]
    catalogue.canonical("S3:getobject")           # "s3:GetObject"
    catalogue.service("s3").resource_types["bucket"].arns

Services are read one at a time, when they are asked for.
"""

from iamledger.services.catalogue import Catalogue, open_catalogue

__all__ = ["Catalogue", "open_catalogue"]
